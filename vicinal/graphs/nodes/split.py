"""Split nodes into train, validation and test: the user's split, or a fair one."""

import numpy as np

from vicinal.core.data.labels import parse_number
from vicinal.core.data.splits import TEST, TRAIN, VAL, Fractions, split
from vicinal.errors import DataError
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.settings import NodeSettings

UNUSED = ""
"""split of a node without a label, or outside the user's splits"""


def split_nodes(table: GraphTable, settings: NodeSettings, seed: int) -> np.ndarray:
    """Return the split of each node [N]: train, val, test or "".

    A user's split is kept; a validation or test split that it lacks is taken from
    train. Else labelled nodes are split by class with groups kept together, or by time
    with the latest nodes as test split.
    """
    splits = np.full(len(table), UNUSED, dtype="U5")
    rows = np.flatnonzero(table.label_mask)
    val, test = settings.val_fraction, settings.test_fraction
    if table.split is None:
        if settings.time_column is not None:
            times = _read_times(table, rows, settings.time_column)
            splits[rows] = split_by_time(times, val, test)
        else:
            fractions = Fractions(1 - val - test, val, test)
            splits[rows] = _split_rows(table, rows, fractions, seed)
        return splits
    splits[rows] = table.split[rows]
    for name, fraction in ((TEST, test), (VAL, val)):
        train = np.flatnonzero(splits == TRAIN)
        if not (splits == name).any() and fraction and len(train):
            fractions = Fractions(1 - fraction, 0.0, fraction)
            drawn = _split_rows(table, train, fractions, seed)
            splits[train[drawn == TEST]] = name
    return splits


def _split_rows(
    table: GraphTable, rows: np.ndarray, fractions: Fractions, seed: int
) -> np.ndarray:
    assert table.labels is not None  # all rows have labels
    strata = np.zeros(len(rows))
    if table.kind == "single_label":
        strata = table.labels[rows].astype(str)
    groups = None if table.groups is None else table.groups[rows]
    return split(strata, groups, fractions=fractions, seed=seed)


def split_by_time(times: np.ndarray, val: float, test: float) -> np.ndarray:
    """Return the splits of times [N]: the latest are test, those before validation.

    Equal times are in the same split.
    """
    splits = np.full(len(times), TRAIN, dtype="U5")
    test_start = np.quantile(times, 1 - test) if test else np.inf
    splits[times > test_start] = TEST
    earlier = times[splits == TRAIN]
    if val and len(earlier):
        val_start = np.quantile(earlier, 1 - val / (1 - test))
        splits[(splits == TRAIN) & (times > val_start)] = VAL
    return splits


def _read_times(table: GraphTable, rows: np.ndarray, column: str) -> np.ndarray:
    frame = table.features
    names = list(getattr(frame, "columns", ()))
    if column not in names:
        raise DataError(
            f"time_column must be a column of the nodes. Got {column!r}; there are "
            f"{', '.join(map(str, names)) or 'none'}."
        )
    cells = frame[column].tolist()
    return np.array([_parse_time(cells[row], column) for row in rows])


def _parse_time(cell: object, column: str) -> float:
    """Return a number or a date as a number that increases with time."""
    import pandas as pd

    value = parse_number(cell)
    if value is None:
        date = pd.to_datetime(str(cell), errors="coerce")
        if date is pd.NaT:
            raise DataError(
                f"Column {column!r} must hold numbers or dates. Got {cell!r}. Fill it "
                "in, or leave out --time-column."
            )
        value = float(date.value)
    return value
