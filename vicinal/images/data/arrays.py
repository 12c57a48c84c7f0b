"""Pictures as arrays, or as a list of paths, with labels y given beside them."""

import os
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np

from vicinal.core.data.labels import (
    Kind,
    Task,
    is_missing,
    kind_of,
    labels_as,
    taken_as_amounts,
)
from vicinal.core.data.quarantine import Quarantined
from vicinal.errors import DataError, NoDataError
from vicinal.images.data.image_table import ImageTable


def is_paths(data: Any) -> bool:
    if getattr(data, "ndim", None) == 1:  # an array or a pandas column
        data = list(data)
    if not isinstance(data, (list, tuple)) or not data:
        return False
    return isinstance(data[0], (str, os.PathLike))


def from_paths(data: list[Any], y: Any, task: Task) -> ImageTable:
    names = [os.fspath(path) for path in data]
    return with_labels(ImageTable.unlabelled(names), y, task)


def from_arrays(data: Any, y: Any, task: Task) -> ImageTable:
    try:
        pixels = np.asarray(data)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"The pictures cannot be read as one array: {error}. "
            "Give pictures of one size as [N, H, W] or [N, H, W, C], or their paths."
        ) from error
    if pixels.shape[:1] == (0,):
        raise NoDataError("There are no pictures: the array or list is empty.")
    channels = pixels.shape[3:] or (1,)
    if pixels.ndim not in (3, 4) or channels[0] not in (1, 3) or not pixels.size:
        first = pixels.ndim == 4 and pixels.shape[1] in (1, 3)
        raise DataError(
            f"Arrays of pictures must be [N, H, W] or [N, H, W, C] with C 1 or 3. "
            f"Got shape {list(pixels.shape)} instead."
            + (" Put the channels last: x.transpose(0, 2, 3, 1)." if first else "")
        )
    names = [f"picture {row}" for row in range(len(pixels))]
    table = ImageTable.unlabelled(names, pixels=to_bytes(pixels))
    return with_labels(table, y, task)


def to_bytes(pixels: np.ndarray) -> np.ndarray:
    """Pixels as uint8, by a rule that looks at the type alone, never at the values.

    Whole numbers are levels 0..255 and stay. Floats are 0..1 and are scaled by 255;
    false and true are 0 and 255. So a dark batch is read as a bright one is. Floats
    above 1 and whole numbers above 255 are refused (half a level is rounding); a batch
    of floats meant as 0..255 that has none above 1 is black, and is read as 0..1.
    """
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype.kind not in "biuf":
        raise DataError(
            f"Pixels must be numbers. Got an array of {pixels.dtype} instead."
        )
    if not np.isfinite(pixels).all():
        raise DataError("The pictures hold NaN or infinite pixels. Replace them first.")
    if pixels.dtype.kind in "iu":
        _check_range(pixels, 255, "whole numbers", "Divide 16-bit pixels by 257.")
        return pixels.astype(np.uint8)
    _check_range(pixels, 1, "floats", "Divide by 255, or convert to uint8 first.")
    return np.rint(pixels.astype(np.float32) * 255).astype(np.uint8)


def _check_range(pixels: np.ndarray, top: int, what: str, cure: str) -> None:
    """DataError for pixels that lie half a level of 255 or more outside 0..top."""
    if not pixels.size:
        return
    low, high = float(pixels.min()), float(pixels.max())
    if low <= -top / 510 or high >= top + top / 510:
        raise DataError(
            f"Pixels that are {what} must lie in 0..{top}. "
            f"Got {low:g} to {high:g} instead. {cure}"
        )


def with_labels(table: ImageTable, y: Any, task: Task) -> ImageTable:
    """The table with labels y [N] or marks y [N, K]; rows without one are set aside."""
    if y is None:
        return table
    if len(y) != len(table):
        raise DataError(
            f"There are {len(table)} pictures and {len(y)} labels. Give one for each."
        )
    array, columns = _label_array(y)
    if all(isinstance(label, (bool, np.bool_)) for label in array):
        array = array.astype(np.int64)  # 0 and 1, which equal False and True
    given = np.array([not is_missing(label) for label in array], dtype=bool)
    if not given.any():
        raise NoDataError(f"All {len(table)} labels are empty.")
    kept = array[given].tolist()
    numbers = np.array(kept).dtype.kind if all(map(_is_real, kept)) else ""
    lists = not hasattr(y, "dtype") and any(map(_is_names, y))
    if columns or (task == "auto" and lists):
        kind: Kind = "multi_label"
    elif task == "auto" and numbers:
        kind = "numeric" if numbers == "f" else "single_label"
    else:
        kind = kind_of(kept, task)
    aside = [
        Quarantined(table.names[row], "", f"row {row} has an empty label")
        for row in np.flatnonzero(~given)
    ]
    labels = labels_as(kept, kind)
    return replace(
        table if given.all() else table.rows(given),
        labels=labels,
        kind=kind,
        whole_numbers=bool(columns)
        or (kind == "single_label" and numbers in ("i", "u")),
        named_classes=frozenset(map(str, range(columns))),
        set_aside=aside,
        notes=taken_as_amounts(labels, kind, task),
    )


def _label_array(y: Any) -> tuple[np.ndarray, int]:
    """Labels [N] as they were given, and K where they were marks [N, K] of 0 and 1."""
    if hasattr(y, "dtype"):
        array = np.asarray(y)
    else:  # objects: a mixture of numbers and texts is not to become texts
        array = np.array([_bare(label) for label in y], dtype=object)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 1 and not isinstance(array[0], (list, tuple, set, np.ndarray)):
        return array, 0
    if array.ndim != 2 or not np.isin(array, (0, 1)).all():
        raise DataError(
            "y must be one label for each picture, lists of names, or marks [N, K] of "
            f"0 and 1. Got shape {list(array.shape)}, the first {array[0]!r}."
        )
    texts = ["|".join(map(str, np.flatnonzero(marks))) or "-" for marks in array]
    return np.array(texts, dtype=object), array.shape[1]


def _bare(label: Any) -> Any:
    """A label without its wrapping: a tensor's number, a list of names as `a|b`."""
    if getattr(label, "shape", None) == ():
        return label.item()
    if _is_names(label):
        return "|".join(sorted(label)) or "-"
    return label


def _is_real(label: Any) -> bool:
    return isinstance(label, Real) and not isinstance(label, bool)


def _is_names(label: Any) -> bool:
    """Whether a label is a list of names, of none too."""
    listed = isinstance(label, (list, tuple, set))
    return listed and all(isinstance(k, str) for k in label)
