"""Read images given as arrays or as a list of paths, with labels y beside them."""

import os
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np

from vicinal.core.data.labels import (
    Kind,
    Task,
    convert_labels,
    detect_label_kind,
    is_missing,
    note_numeric_labels,
)
from vicinal.core.data.quarantine import Quarantined
from vicinal.errors import DataError, NoDataError
from vicinal.images.data.image_table import ImageTable


def is_path_list(data: Any) -> bool:
    """Return whether data is a list, tuple, array or column of paths."""
    if getattr(data, "ndim", None) == 1:  # an array or a pandas column
        data = list(data)
    if not isinstance(data, (list, tuple)) or not data:
        return False
    return isinstance(data[0], (str, os.PathLike))


def table_from_paths(data: list[Any], y: Any, task: Task) -> ImageTable:
    """Return the table of a list of image files with labels y."""
    names = [os.fspath(path) for path in data]
    return attach_labels(ImageTable.unlabelled(names), y, task)


def table_from_arrays(data: Any, y: Any, task: Task) -> ImageTable:
    """Return the table of images [N, H, W] or [N, H, W, C] with labels y."""
    try:
        pixels = np.asarray(data)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"The images cannot be converted to one array: {error}. "
            "Give images of one size as [N, H, W] or [N, H, W, C], or their paths."
        ) from error
    if pixels.shape[:1] == (0,):
        raise NoDataError("There are no images: the array or list is empty.")
    channels = pixels.shape[3:] or (1,)
    if pixels.ndim not in (3, 4) or channels[0] not in (1, 3) or not pixels.size:
        channels_first = pixels.ndim == 4 and pixels.shape[1] in (1, 3)
        cure = " Put the channels last: x.transpose(0, 2, 3, 1)."
        raise DataError(
            "Image arrays must be [N, H, W] or [N, H, W, C] with C 1 or 3. "
            f"Got shape {list(pixels.shape)} instead."
            + (cure if channels_first else "")
        )
    names = [f"image {row}" for row in range(len(pixels))]
    table = ImageTable.unlabelled(names, pixels=to_uint8(pixels))
    return attach_labels(table, y, task)


def to_uint8(pixels: np.ndarray) -> np.ndarray:
    """Convert pixels to uint8 by a rule that depends on the dtype only.

    Integers are levels 0..255 and stay. Floats are 0..1 and are multiplied by 255;
    False and True become 0 and 255. So a dark batch is read like a bright one. Floats
    above 1 and integers above 255 are refused (half a level is rounding). A batch of
    floats meant as 0..255 that has none above 1 is black, and is read as 0..1.
    """
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype.kind not in "biuf":
        raise DataError(
            f"Pixels must be numbers. Got an array of {pixels.dtype} instead."
        )
    if not np.isfinite(pixels).all():
        raise DataError("The images have NaN or infinite pixels. Replace them first.")
    if pixels.dtype.kind in "iu":
        _check_range(pixels, 255, "integers", "Divide 16-bit pixels by 257.")
        return pixels.astype(np.uint8)
    _check_range(pixels, 1, "floats", "Divide by 255, or convert to uint8 first.")
    return np.rint(pixels.astype(np.float32) * 255).astype(np.uint8)


def _check_range(pixels: np.ndarray, top: int, dtype: str, cure: str) -> None:
    """Raise DataError for pixels half a level of 255 or more outside 0..top."""
    if not pixels.size:
        return
    low, high = float(pixels.min()), float(pixels.max())
    if low <= -top / 510 or high >= top + top / 510:
        raise DataError(
            f"Pixels that are {dtype} must lie in 0..{top}. "
            f"Got {low:g} to {high:g} instead. {cure}"
        )


def attach_labels(table: ImageTable, y: Any, task: Task) -> ImageTable:
    """Return the table with labels; rows without a label are quarantined.

    y: labels [N], lists of class names, or a label matrix [N, K] of 0 and 1.
    """
    if y is None:
        return table
    if len(y) != len(table):
        raise DataError(
            f"y must have one label per image. Got {len(y)} labels for {len(table)} "
            "images."
        )
    array, num_columns = _label_array(y)
    if all(isinstance(label, (bool, np.bool_)) for label in array):
        array = array.astype(np.int64)  # 0 and 1, which equal False and True
    given = np.array([not is_missing(label) for label in array], dtype=bool)
    if not given.any():
        raise NoDataError(f"All {len(table)} labels are empty.")
    kept = array[given].tolist()
    dtype = np.array(kept).dtype.kind if all(map(_is_real, kept)) else ""
    has_lists = not hasattr(y, "dtype") and any(map(_is_name_list, y))
    if num_columns or (task == "auto" and has_lists):
        kind: Kind = "multi_label"
    elif task == "auto" and dtype:
        kind = "numeric" if dtype == "f" else "single_label"
    else:
        kind = detect_label_kind(kept, task)
    quarantined = [
        Quarantined(table.names[row], "", f"row {row} has an empty label")
        for row in np.flatnonzero(~given)
    ]
    labels = convert_labels(kept, kind)
    integers = kind == "single_label" and dtype in ("i", "u")
    return replace(
        table if given.all() else table.rows(given),
        labels=labels,
        kind=kind,
        whole_numbers=bool(num_columns) or integers,
        declared_classes=frozenset(map(str, range(num_columns))),
        quarantined=quarantined,
        notes=note_numeric_labels(labels, kind, task),
    )


def _label_array(y: Any) -> tuple[np.ndarray, int]:
    """Return labels [N], and K if they were a label matrix [N, K], else 0."""
    if hasattr(y, "dtype"):
        array = np.asarray(y)
    else:  # dtype object: numbers beside texts must not become texts
        array = np.array([_unwrap(label) for label in y], dtype=object)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 1 and not isinstance(array[0], (list, tuple, set, np.ndarray)):
        return array, 0
    if array.ndim != 2 or not np.isin(array, (0, 1)).all():
        raise DataError(
            "y must be one label per image, lists of class names, or a label matrix "
            f"[N, K] of 0 and 1. Got shape {list(array.shape)}, the first {array[0]!r}."
        )
    texts = ["|".join(map(str, np.flatnonzero(row))) or "-" for row in array]
    return np.array(texts, dtype=object), array.shape[1]


def _unwrap(label: Any) -> Any:
    """Return a 0-d tensor's number, a list of names as `a|b`, others unchanged."""
    if getattr(label, "shape", None) == ():
        return label.item()
    if _is_name_list(label):
        return "|".join(sorted(label)) or "-"
    return label


def _is_real(label: Any) -> bool:
    return isinstance(label, Real) and not isinstance(label, bool)


def _is_name_list(label: Any) -> bool:
    """Return whether a label is a list of class names; it may be empty."""
    is_list = isinstance(label, (list, tuple, set))
    return is_list and all(isinstance(name, str) for name in label)
