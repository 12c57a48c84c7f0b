"""Pictures to be named: files, folders of any depth, or a CSV with paths."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from vicinal.errors import NoDataError
from vicinal.images.table import PATH_COLUMNS, SUFFIXES, ImageTable


def list_pictures(inputs: Sequence[str]) -> ImageTable:
    """A table without labels of all pictures that the inputs name.

    A folder gives every picture below it, in the order of names; a file is taken
    whatever its ending, so that the audit can say what is wrong with it.
    """
    names = [name for text in inputs for name in _names(Path(text))]
    if not names:
        raise NoDataError(f"There is no picture in {', '.join(inputs)}.")
    return ImageTable(names, np.full(len(names), None, dtype=object), "none")


def _names(path: Path) -> Iterator[str]:
    if path.is_dir():
        for folder, folders, files in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                found = Path(folder, name)
                if found.suffix.lower() in SUFFIXES and not name.startswith("."):
                    yield str(found)
    elif path.suffix.lower() in {".csv", ".tsv"}:
        yield from _column_of_paths(path)
    else:
        yield str(path)


def _column_of_paths(path: Path) -> Iterator[str]:
    import pandas as pd

    try:
        frame = pd.read_csv(path, sep=None, engine="python", dtype=str)
    except (OSError, ValueError) as error:
        raise NoDataError(f"{path} cannot be read as a table: {error}.") from error
    columns = {str(name).strip().lower(): name for name in frame.columns}
    known = [columns[name] for name in PATH_COLUMNS if name in columns]
    if not known:
        raise NoDataError(
            f"{path} has no column of paths: wanted one of {', '.join(PATH_COLUMNS)}, "
            f"got {', '.join(map(str, frame.columns))}."
        )
    for name in frame[known[0]].dropna():
        yield str(path.parent / str(name))
