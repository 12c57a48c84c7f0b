"""The split in a table of nodes: a column of words, or one mask for each part."""

from typing import Any

import numpy as np

from vicinal.core.data.csv_tables import clean_cell
from vicinal.core.data.labels import SPLIT_ALIASES
from vicinal.core.data.splits import SPLITS, TRAIN
from vicinal.core.text import pluralize
from vicinal.errors import DataError
from vicinal.graphs.data.column_encoder import parse_value
from vicinal.graphs.data.from_arrays import combine_masks
from vicinal.graphs.data.tables.column_names import SPLIT_COLUMNS, lower
from vicinal.graphs.data.tables.end_columns import find_column


def read_split(frame: Any) -> tuple[Any, np.ndarray | None, list[str]]:
    """Return the table without the columns of its split, the split [N], and notes.

    A column of the names of splits comes before masks. The split is None if there are
    no such columns.
    """
    column, masks = find_column(frame, SPLIT_COLUMNS), _find_masks(frame)
    if column is None and not masks:
        return frame, None, []
    names = ", ".join(map(str, masks.values()))
    if column is None:
        arrays = {part: _truth_values(frame[name]) for part, name in masks.items()}
        split, notes = combine_masks(arrays, len(frame))
        notes = [f"the split is that of the columns {names}", *notes]
        return frame.drop(columns=[*masks.values()]), split, notes
    split, notes = parse_splits(frame[column].tolist())
    if masks:
        notes.append(f"the split is that of the column {column!r}, not of {names}")
    return frame.drop(columns=[column, *masks.values()]), split, notes


def parse_splits(cells: list[Any]) -> tuple[np.ndarray, list[str]]:
    """Return train, val, test or "" for each cell [N], and notes on unknown values."""
    words = [(clean_cell(cell) or "").lower() for cell in cells]
    unknown = sorted({word for word in words if word and word not in SPLIT_ALIASES})
    notes = [
        f"{pluralize(words.count(word), 'node')} with split {word!r}, which is not "
        "train, val or test: their labels are ignored"
        for word in unknown
    ]
    return np.array([SPLIT_ALIASES.get(word, "") for word in words]), notes


def _find_masks(frame: Any) -> dict[str, Any]:
    """Return the columns train_mask, val_mask and test_mask by split, if they are.

    All of their cells are true, false or empty. Raises DataError without train_mask.
    """
    found = {part: find_column(frame, [f"{part}_mask"]) for part in SPLITS}
    masks = {
        part: name
        for part, name in found.items()
        if name is not None and all(map(_is_truth_value, frame[name]))
    }
    if masks and TRAIN not in masks:
        raise DataError(
            f"Expected train_mask beside {' and '.join(map(lower, masks.values()))}, "
            "of true and false. Add it, or remove all masks."
        )
    return masks


def _is_truth_value(cell: Any) -> bool:
    return parse_value(cell) in (0, 1) or clean_cell(cell) is None


def _truth_values(column: Any) -> np.ndarray:
    return np.array([parse_value(cell) == 1 for cell in column], bool)
