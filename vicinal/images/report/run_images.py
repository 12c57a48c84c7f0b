"""The pictures that a finished run was judged by, read again."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vicinal.core.data.splits import TEST, TRAIN
from vicinal.core.storage.run_folder import read
from vicinal.errors import RunError
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.cache import PixelCache
from vicinal.images.data.dataset import ImageDataset, load_dataset
from vicinal.images.data.folders import escaped
from vicinal.images.data.read import read_images

if TYPE_CHECKING:
    from vicinal.images.model import ImageModel


def pictures_of_run(run: Path, model: "ImageModel", part: str) -> ImageDataset | None:
    """The pictures of one part of a run, train, val or test; None where it has none.

    RunError where they are not where they were, or a run does not say.
    """
    import pandas as pd

    began = read(run, "settings.json")
    places = run / "data" / "splits.csv"
    splits = pd.read_csv(places, dtype=str, keep_default_na=False)
    wanted = set(splits.loc[splits["split"] == part, "path"])
    if not Path(began["data"]).exists():
        raise RunError(
            f"The pictures of {run} are not where they were, in {began['data']}. Bring "
            "them back."
        )
    group = began["parameters"].get("group_column")
    table = read_images(
        began["data"],
        task=began["task"],
        target=began["target"],
        corrections=began.get("labels"),
        group=group,
    )
    rows = np.array([escaped(name) in wanted for name in table.names], dtype=bool)
    if not rows.any():
        return None
    how = model.preprocessing_
    cache = PixelCache() if model.settings.cache else None
    eye = ImageReader(how.store_size, how.resize, cache, model.settings.max_pixels)
    return load_dataset(table.rows(rows), eye, channels=how.channels)[1]


def judged_pictures(run: Path, model: "ImageModel") -> tuple[ImageDataset, bool]:
    """What a run was judged by, and whether the model was kept from learning of it.

    Where nothing was held out, what was learned from: it was judged out of fold.
    RunError where no picture is left.
    """
    for part in (TEST, TRAIN):
        found = pictures_of_run(run, model, part)
        if found is not None:
            return found, part == TEST
    raise RunError(
        f"None of the pictures of {run} can be read any more: they were moved or "
        "renamed. Bring them back, or begin a new run."
    )
