"""Pictures that a model has learned from flatter its score: find them by content."""

from pathlib import Path

from vicinal.core.data.splits import TEST
from vicinal.images.data.dataset import ImageDataset


def seen_before(run: Path, pictures: ImageDataset) -> int:
    """How many of the pictures a run trained on or chose its epoch by.

    A model folder without the run's data/index.csv cannot tell: 0.
    """
    import pandas as pd

    index, splits = (run / "data" / f"{name}.csv" for name in ("index", "splits"))
    if not (index.exists() and splits.exists()):
        return 0
    read = {"dtype": str, "keep_default_na": False}
    rows = pd.read_csv(index, **read).merge(pd.read_csv(splits, **read), on="path")
    known = set(rows.loc[rows["split"] != TEST, "content"])
    return sum(digest.tobytes().hex() in known for digest in pictures.digests)
