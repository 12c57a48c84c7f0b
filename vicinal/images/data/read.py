"""Where the pictures and their labels are: one table, however the user keeps them.

======================================  ==============================================
a folder with a folder per class        DATA/glass/1.jpg (deeper folders count too)
the same below train/ val/ test/        DATA/train/glass/1.jpg
a CSV or DataFrame                      path,label[,split]; paths beside the CSV
arrays                                  [N, H, W] or [N, H, W, C], with labels y [N]
IDX files (the form of MNIST)           train-images-idx3-ubyte[.gz] and its labels
======================================  ==============================================

Classes are matched by name, in Unicode's composed form (NFC), never by position.
Nothing is opened here but the table itself: the audit looks into the pictures.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

from vicinal.core.data.csv_tables import read_csv
from vicinal.core.data.labels import Kind, Task
from vicinal.core.data.quarantine import Quarantined
from vicinal.errors import DataError, NoDataError, SettingError
from vicinal.images.data.arrays import from_arrays, from_paths, is_paths
from vicinal.images.data.csv_tables import COLUMNS, ENDINGS, from_frame
from vicinal.images.data.folders import read_folder
from vicinal.images.data.idx import idx_files, read_idx_folder
from vicinal.images.data.image_table import ImageTable
from vicinal.images.data.label_corrections import corrected

__all__ = ["ImageTable", "Kind", "Quarantined", "Task", "opening", "read_images"]


def read_images(
    data: Any,
    y: Any = None,
    *,
    task: Task = "auto",
    target: str | None = None,
    corrections: str | os.PathLike[str] | None = None,
    group: str | None = None,
) -> ImageTable:
    """Read a table of pictures from a path, a DataFrame, arrays or a list of paths.

    y: for arrays and lists: labels [N], or for several labels a picture lists of
    names or marks [N, K] of 0 and 1.
    task: what the labels are; auto reads it from them.
    target: the CSV column that holds the labels.
    group: the CSV column whose equal cells belong together, such as a patient.
    corrections: a CSV of labels that were wrong (`corrections.corrected`).
    Raises NoDataError when no picture is found, DataError when the form is unclear.
    """
    table = _read(data, y, task, target, group)
    if corrections is None:
        return table
    with opening(Path(corrections)) as path:
        return corrected(table, path)


def _read(
    data: Any, y: Any, task: Task, target: str | None, group: str | None
) -> ImageTable:
    if task not in get_args(Task):
        known = ", ".join(get_args(Task))
        raise SettingError(f"task must be one of {known}. Got {task!r} instead.")
    own_labels = isinstance(data, (ImageTable, str, os.PathLike))
    if y is not None and (own_labels or hasattr(data, "columns")):
        raise DataError(
            "y goes with arrays and lists of paths. The labels of a folder, a CSV or a "
            "DataFrame lie in it: leave y out."
        )
    if isinstance(data, ImageTable):
        return data
    if isinstance(data, (str, os.PathLike)):
        with opening(Path(data)) as path:
            return _read_path(path, task, target, group)
    if hasattr(data, "columns"):
        return from_frame(data, Path(), task, target, first_line=0, group=group)
    if group is not None:
        raise SettingError(NO_GROUPS)
    if is_paths(data):
        return from_paths(list(data), y, task)
    return from_arrays(data, y, task)


@contextmanager
def opening(path: Path) -> Iterator[Path]:
    """Tell what goes wrong with a path as a DataError that names it."""
    try:
        yield path
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{path} cannot be read: {reason}.") from error


NO_GROUPS = (
    "--group-column names a column of a CSV or DataFrame; the data are neither. "
    "--group-pattern finds groups in the pictures' names."
)


def _read_path(
    path: Path, task: Task, target: str | None, group: str | None
) -> ImageTable:
    if not path.exists():
        raise NoDataError(f"There is nothing at {path}. Check the path's spelling.")
    if path.is_dir():
        if target is not None:
            raise SettingError("--target names a column of a CSV; DATA is a folder.")
        if group is not None:
            raise SettingError(NO_GROUPS)
        idx = idx_files(path)
        return read_idx_folder(path, idx, task) if idx else read_folder(path, task)
    if path.suffix.lower() in ENDINGS:
        frame = read_csv(path, COLUMNS)
        return from_frame(frame, path.parent, task, target, first_line=2, group=group)
    raise DataError(
        f"{path} is a file, where a folder of pictures or a CSV was wanted. "
        "To classify one picture with a trained model: vicinal predict RUN PICTURE."
    )
