"""Read images and their labels into one table, in any of these forms.

======================================  ==============================================
a directory per class                   DATA/glass/1.jpg (subdirectories are included)
the same below train/ val/ test/        DATA/train/glass/1.jpg
a CSV or DataFrame                      path,label[,split]; paths relative to the CSV
arrays                                  [N, H, W] or [N, H, W, C], with labels y [N]
a list of images                        paths, PIL images, bytes, open files, arrays
IDX files (the format of MNIST)         train-images-idx3-ubyte[.gz] and its labels
======================================  ==============================================

Classes are matched by name, in Unicode's composed form (NFC), never by position. No
image is opened here: the audit does that.
"""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

from vicinal.core.data.csv_tables import read_csv
from vicinal.core.data.labels import Kind, Task
from vicinal.core.data.quarantine import Quarantined
from vicinal.errors import DataError, NoDataError, SettingError
from vicinal.images.data.decoding.in_memory import is_in_memory
from vicinal.images.data.image_table import ImageTable
from vicinal.images.data.sources.arrays import (
    list_of_images,
    refuse_images_in_columns,
    table_from_arrays,
    table_from_list,
)
from vicinal.images.data.sources.csv_tables import (
    COLUMNS,
    CSV_SUFFIXES,
    table_from_frame,
)
from vicinal.images.data.sources.folders import read_folder
from vicinal.images.data.sources.idx import idx_files, read_idx_folder
from vicinal.images.data.sources.label_corrections import correct_labels

__all__ = [
    "ImageTable",
    "Kind",
    "Quarantined",
    "Task",
    "os_errors_as_data_errors",
    "read_images",
]

NO_GROUP_COLUMN = (
    "--group-column names a column of a CSV or DataFrame; the data are neither. "
    "Use --group-pattern to find groups in the image names."
)


def read_images(
    data: Any,
    y: Any = None,
    *,
    task: Task = "auto",
    target: str | None = None,
    label_corrections: str | os.PathLike[str] | None = None,
    group_column: str | None = None,
    classes: Collection[str] = (),
) -> ImageTable:
    """Read a table of images from a path, a DataFrame, arrays or a list of images.

    y: labels of arrays and lists: [N]; for several labels per image lists of class
        names, or a label matrix [N, K] of 0 and 1.
    task: what the labels are; auto: detected.
    target: the CSV column of the labels.
    label_corrections: a CSV of corrected labels (`label_corrections.correct_labels`).
    group_column: the CSV column whose equal cells form a group, such as a patient.
    classes: of a model; a label of such a name never means unlabelled.
    Raises NoDataError if no image is found, DataError if the form is unclear.
    """
    table = _read(data, y, task, target, group_column, classes)
    if label_corrections is None:
        return table
    with os_errors_as_data_errors(Path(label_corrections)) as path:
        return correct_labels(table, path)


def _read(
    data: Any,
    y: Any,
    task: Task,
    target: str | None,
    group_column: str | None,
    classes: Collection[str],
) -> ImageTable:
    if task not in get_args(Task):
        tasks = ", ".join(get_args(Task))
        raise SettingError(f"task must be one of {tasks}. Got {task!r} instead.")
    has_own_labels = isinstance(data, (ImageTable, str, os.PathLike))
    if y is not None and (has_own_labels or hasattr(data, "columns")):
        raise DataError(
            "y must be None for a directory, a CSV or a DataFrame, which contain their "
            "labels. Leave y out."
        )
    if isinstance(data, ImageTable):
        return data
    if isinstance(data, (str, os.PathLike)):
        with os_errors_as_data_errors(Path(data)) as path:
            return _read_path(path, task, target, group_column, classes)
    if hasattr(data, "columns"):
        refuse_images_in_columns(data)
        options = target, 0, group_column, None, classes
        return table_from_frame(data, Path(), task, *options)
    if group_column is not None:
        raise SettingError(NO_GROUP_COLUMN)
    if isinstance(data, Iterator) and not is_in_memory(data):
        data = list(data)
    images = list_of_images(data)
    if images is not None:
        return table_from_list(images, y, task, classes)
    return table_from_arrays(data, y, task, classes)


@contextmanager
def os_errors_as_data_errors(path: Path) -> Iterator[Path]:
    """Convert an OSError while reading `path` to a DataError that names it."""
    try:
        yield path
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{path} cannot be read: {reason}.") from error


def _read_path(
    path: Path,
    task: Task,
    target: str | None,
    group_column: str | None,
    classes: Collection[str],
) -> ImageTable:
    if not path.exists():
        raise NoDataError(
            f"There is nothing at {path}. Check the spelling of the path."
        )
    if path.is_dir():
        if target is not None:
            raise SettingError("--target names a CSV column; DATA is a directory.")
        if group_column is not None:
            raise SettingError(NO_GROUP_COLUMN)
        idx = idx_files(path)
        return read_idx_folder(path, idx, task) if idx else read_folder(path, task)
    if path.suffix.lower() in CSV_SUFFIXES:
        frame = read_csv(path, COLUMNS)
        options = target, 2, group_column, path.name, classes
        return table_from_frame(frame, path.parent, task, *options)
    raise DataError(
        f"{path} is a file; expected a directory of images or a CSV. "
        "To classify one image with a trained model: vicinal predict RUN IMAGE."
    )
