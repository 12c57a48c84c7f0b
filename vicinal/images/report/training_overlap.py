"""Images that a model was trained on, found by content, because they bias its score."""

from pathlib import Path

from vicinal.core.data.splits import TEST
from vicinal.images.data.dataset import ImageDataset


def count_training_overlap(run: Path, images: ImageDataset) -> int:
    """Return how many images a run used for training or validation.

    0 for a model directory without data/index.csv, where this is unknown.
    """
    import pandas as pd

    index, splits = (run / "data" / f"{name}.csv" for name in ("index", "splits"))
    if not (index.exists() and splits.exists()):
        return 0
    as_text = {"dtype": str, "keep_default_na": False}
    rows = pd.read_csv(index, **as_text).merge(
        pd.read_csv(splits, **as_text), on="path"
    )
    trained_on = set(rows.loc[rows["split"] != TEST, "content"])
    return sum(digest.tobytes().hex() in trained_on for digest in images.digests)
