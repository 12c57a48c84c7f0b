"""Read the images of a finished run again."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vicinal.core.data.splits import TEST, TRAIN
from vicinal.core.storage.run_folder import read_settings, read_table
from vicinal.errors import RunError
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.cache import PixelCache
from vicinal.images.data.dataset import ImageDataset, load_dataset
from vicinal.images.data.read import read_images
from vicinal.images.data.sources.folders import escape_non_utf8

if TYPE_CHECKING:
    from vicinal.images.model import ImageModel


def load_run_images(run: Path, model: "ImageModel", split: str) -> ImageDataset | None:
    """Return the images of a split of a run; None if it is empty.

    split: train, val or test. RunError if the data of the run cannot be found.
    """
    settings = read_settings(run)
    splits = read_table(run, "data/splits.csv", ["path", "split"])
    names = set(splits.loc[splits["split"] == split, "path"])
    if not Path(settings["data"]).exists():
        raise RunError(
            f"The images of {run} are no longer in {settings['data']}. Move them back."
        )
    table = read_images(
        settings["data"],
        task=settings.get("task", "auto"),
        target=settings["options"].get("target"),
        label_corrections=settings["options"].get("label_corrections"),
        group_column=settings["parameters"].get("group_column"),
    )
    rows = np.array([escape_non_utf8(name) in names for name in table.names], bool)
    if not rows.any():
        return None
    preprocessing = model.preprocessing_
    cache = PixelCache() if model.settings_.cache else None
    reader = ImageReader.for_model(preprocessing, cache, model.settings_.max_pixels)
    return load_dataset(table.rows(rows), reader, channels=preprocessing.channels)[1]


def evaluated_images(run: Path, model: "ImageModel") -> tuple[ImageDataset, bool]:
    """Return the images that a run was evaluated on, and whether they were held out.

    Without a test split these are the training images, which were cross-validated.
    RunError if there are none.
    """
    for split in (TEST, TRAIN):
        images = load_run_images(run, model, split)
        if images is not None:
            return images, split == TEST
    raise RunError(
        f"None of the images of {run} can be found: they were moved or renamed. Move "
        "them back, or train again."
    )
