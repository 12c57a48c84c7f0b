"""Pictures that a model has learned from flatter its score: find them by content."""

from pathlib import Path

import numpy as np

from vicinal.core.splits import TEST
from vicinal.errors import PictureError
from vicinal.images.decode import digest, read_file
from vicinal.images.rows import ImageTable


def seen_before(run: Path, table: ImageTable, names: set[str]) -> int:
    """How many of the named pictures a run trained on or chose its epoch by.

    A model folder without the run's data/index.csv cannot tell: 0.
    """
    import pandas as pd

    index, splits = (run / "data" / f"{name}.csv" for name in ("index", "splits"))
    if not (index.exists() and splits.exists()):
        return 0
    read = {"dtype": str, "keep_default_na": False}
    rows = pd.read_csv(index, **read).merge(pd.read_csv(splits, **read), on="path")
    known = set(rows.loc[rows["split"] != TEST, "content"])
    asked = (row for row, name in enumerate(table.names) if name in names)
    return sum(_content(table, row) in known for row in asked)


def _content(table: ImageTable, row: int) -> str | None:
    if table.pixels is not None:
        return digest(np.ascontiguousarray(table.pixels[row]).tobytes()).hex()
    try:
        return digest(read_file(table.path(row))).hex()
    except PictureError:
        return None
