"""Read images in memory or a list of paths, with labels y beside them."""

import os
from collections.abc import Collection
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from vicinal.core.data.labels import (
    Kind,
    Task,
    convert_labels,
    detect_label_kind,
    have_several_classes,
    is_missing,
    note_mixed_types,
    note_numeric_labels,
    quote_names,
    remove_unlabelled,
)
from vicinal.core.data.quarantine import Quarantined
from vicinal.errors import DataError, NoDataError
from vicinal.images.data.decoding.in_memory import (
    is_in_memory,
    read_open_file,
    to_uint8,
)
from vicinal.images.data.image_table import ImageTable


def list_of_images(data: Any) -> list[Any] | None:
    """Return the images of a list, tuple or column, or a single image in memory.

    None for arrays, and for lists of arrays of one size, which make one array.
    """
    if is_in_memory(data):
        return [data]
    if getattr(data, "ndim", None) == 1:
        data = list(data)
    if not isinstance(data, (list, tuple)) or not data:
        return None
    if any(map(_is_path, data)) or any(map(is_in_memory, data)):
        return list(data)
    shapes = {getattr(image, "shape", None) for image in data}
    return list(data) if len(shapes) > 1 else None


def table_from_list(
    images: list[Any], y: Any, task: Task, classes: Collection[str] = ()
) -> ImageTable:
    """Return the table of a list of files and images in memory with labels y."""
    if all(map(_is_path, images)):
        names = [os.fspath(path) for path in images]
        return attach_labels(ImageTable.unlabelled(names), y, task, classes)
    sources = [Path(x) if _is_path(x) else read_open_file(x) for x in images]
    names = [
        str(source) if isinstance(source, Path) else f"image {row}"
        for row, source in enumerate(sources)
    ]
    table = ImageTable.unlabelled(names, images=sources)
    return attach_labels(table, y, task, classes)


def refuse_images_in_columns(frame: Any) -> None:
    """Raise DataError where a column of a DataFrame holds images, not paths."""
    for column in frame.columns:
        cells = frame[column]
        if len(cells) and is_in_memory(cells.iloc[0]):
            raise DataError(
                f"The column {column!r} holds images, not paths of images. Pass the "
                f"images as X=table[{column!r}].tolist(), and the labels as y."
            )


def refuse_single_array(shape: tuple[int, ...], channels: int) -> None:
    """Raise DataError where an array may be one image and not a batch [N, H, W(, C)].

    channels: of the model's input.
    """
    got = f"Got shape {list(shape)} instead."
    if len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3)):
        raise DataError(
            f"X must be a batch of images [N, H, W(, C)]. {got} For a single image "
            "pass x[None]."
        )
    if len(shape) == 3 and shape[0] == channels == 3:
        raise DataError(
            f"X must be a batch of images [N, H, W, C]. {got} For a single image with "
            "channels first pass x.transpose(1, 2, 0)[None], of a tensor "
            "x.permute(1, 2, 0)[None]; for three greyscale images pass x[..., None]."
        )


def _is_path(image: Any) -> bool:
    return isinstance(image, (str, os.PathLike))


def table_from_arrays(
    data: Any, y: Any, task: Task, classes: Collection[str] = ()
) -> ImageTable:
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
            f"Got shape {list(pixels.shape)} instead{_kind_of(data, pixels)}."
            + (cure if channels_first else "")
        )
    names = [f"image {row}" for row in range(len(pixels))]
    table = ImageTable.unlabelled(names, pixels=to_uint8(pixels))
    return attach_labels(table, y, task, classes)


def _kind_of(data: Any, pixels: np.ndarray) -> str:
    """Return the type of data that are no array, as text."""
    return f" (a {type(data).__name__})" if pixels.ndim == 0 else ""


def attach_labels(
    table: ImageTable, y: Any, task: Task, classes: Collection[str] = ()
) -> ImageTable:
    """Return the table with labels; rows without a label are quarantined.

    y: labels [N], lists of class names, or a label matrix [N, K] of 0 and 1. classes:
    see `read_images`.
    """
    if y is None:
        return table
    if hasattr(y, "columns"):
        y = _column_or_marks(y)
    if len(y) != len(table):
        raise DataError(
            f"y must have one label per image. Got {len(y)} labels for {len(table)} "
            "images."
        )
    array, num_columns = _label_array(y)
    original = array
    has_lists = not hasattr(y, "dtype") and any(map(_is_name_list, y))
    label_notes = []
    if not num_columns and not has_lists:
        array, label_notes = _without_unlabelled(array, task, classes)
    given = np.array([not is_missing(label) for label in array], dtype=bool)
    if not given.any():
        raise NoDataError(f"All {len(table)} labels are empty.")
    kept = array[given].tolist()
    dtype = _number_kind(kept)
    if num_columns or (task == "auto" and has_lists):
        kind: Kind = "multi_label"
    elif task == "auto" and dtype:
        kind = "numeric" if dtype == "f" else "single_label"
    else:
        kind = detect_label_kind(kept, task)
    quarantined = []
    for row in np.flatnonzero(~given):
        reason = f"row {row} has an empty label"
        if not is_missing(original[row]):
            reason = f"row {row}: the label {original[row]} means unlabelled"
        quarantined.append(Quarantined(table.names[row], "", reason))
    labels = convert_labels(kept, kind)
    integers = kind == "single_label" and dtype in ("i", "u")
    return replace(
        table if given.all() else table.rows(given),
        labels=labels,
        kind=kind,
        whole_numbers=bool(num_columns) or integers,
        declared_classes=frozenset(map(str, range(num_columns))),
        quarantined=quarantined,
        notes=[
            *label_notes,
            *note_numeric_labels(labels, kind, task),
            *note_mixed_types(kept),
        ],
    )


def _without_unlabelled(
    array: np.ndarray, task: Task, classes: Collection[str]
) -> tuple[np.ndarray, list[str]]:
    """Return labels [N] with None for those that mean unlabelled, and notes."""
    given = [label for label in array.tolist() if not is_missing(label)]
    kind = _number_kind(given)
    if have_several_classes(given, task) or (kind == "f" and task == "auto"):
        return array, []
    if kind in ("i", "u") and task == "auto":  # whole numbers, however many
        task = "classification"
    texts = [None if is_missing(label) else str(label).strip() for label in array]
    cleaned, notes = remove_unlabelled(texts, task, classes)
    if cleaned == texts:
        return array, notes
    array = array.astype(object)
    array[[label is None for label in cleaned]] = None
    return array, notes


def _number_kind(labels: list[Any]) -> str:
    """Return the kind of dtype that labels have as numbers; "" if some are not."""
    return np.array(labels).dtype.kind if all(map(_is_real, labels)) else ""


def _column_or_marks(frame: Any) -> Any:
    """Return the only column of a DataFrame; of several, names of classes per row.

    Several columns must hold 0 and 1, and are named like the classes.
    """
    if frame.shape[1] == 1:
        return frame.iloc[:, 0]
    names, marks = list(map(str, frame.columns)), frame.to_numpy()
    if not np.isin(marks, (0, 1)).all() or len(set(names)) < len(names):
        raise DataError(
            "y must be a column of labels, or columns of 0 and 1 named like the "
            f"classes. Got a DataFrame with the columns {quote_names(names)}."
        )
    return [[n for n, one in zip(names, row, strict=True) if one] for row in marks]


def _label_array(y: Any) -> tuple[np.ndarray, int]:
    """Return labels [N], and K if they were a label matrix [N, K], else 0."""
    if hasattr(y, "dtype") and getattr(y.dtype, "kind", "") != "S":
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
        label = label.item()
    if isinstance(label, bytes):  # as HDF5 holds texts
        return label.decode(errors="replace")
    if _is_name_list(label):
        return "|".join(sorted(label)) or "-"
    return label


def _is_real(label: Any) -> bool:
    return isinstance(label, Real) and not isinstance(label, bool)


def _is_name_list(label: Any) -> bool:
    """Return whether a label is a list of class names; it may be empty."""
    is_list = isinstance(label, (list, tuple, set))
    return is_list and all(isinstance(name, str) for name in label)
