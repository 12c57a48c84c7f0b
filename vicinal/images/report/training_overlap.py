"""Images that a model was trained on, found by content, because they bias its score."""

from pathlib import Path

from vicinal.core.data.csv_tables import unescape_formula
from vicinal.core.data.splits import TEST
from vicinal.core.storage.run_folder import read_table
from vicinal.core.text import pluralize
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.splits.partition import NEAR_DUPLICATE


def count_training_overlap(run: Path, images: ImageDataset) -> int:
    """Return how many images a run used for training or validation.

    0 for a model directory without data/index.csv, where this is unknown.
    """
    index, splits = (run / "data" / f"{name}.csv" for name in ("index", "splits"))
    if not (index.exists() and splits.exists()):
        return 0
    rows = read_table(run, "data/index.csv", ["path", "content"]).merge(
        read_table(run, "data/splits.csv", ["path", "split"]), on="path"
    )
    trained_on = set(rows.loc[rows["split"] != TEST, "content"])
    return sum(digest.tobytes().hex() in trained_on for digest in images.digests)


def note_near_duplicates(run: Path, images: ImageDataset) -> list[str]:
    """Return a note if a run left images out as near duplicates of training images."""

    if not all((run / "data" / f"{k}.csv").exists() for k in ("index", "quarantine")):
        return []
    rows = read_table(run, "data/quarantine.csv", ["name", "reason"])
    leaks = rows.loc[rows["reason"].str.startswith(NEAR_DUPLICATE), "name"]
    index = read_table(run, "data/index.csv", ["path", "content"])
    contents = set(
        index.loc[index["path"].isin(leaks.map(unescape_formula)), "content"]
    )
    count = sum(digest.tobytes().hex() in contents for digest in images.digests)
    if not count:
        return []
    return [
        f"{pluralize(count, 'image')} of these {len(images):,} are near duplicates of "
        "training images, which the run left out of its score, so this score is too "
        "good"
    ]
