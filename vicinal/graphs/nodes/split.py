"""Which node is for what: the user's own parts, or honest ones of our making."""

import numpy as np

from vicinal.core.data.labels import number
from vicinal.core.data.splits import TEST, TRAIN, VAL, Fractions, split
from vicinal.errors import DataError
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.settings import NodeSettings

UNUSED = ""
"""the part of a node without a label, or that no part of the user's has"""


def parts_of(table: GraphTable, settings: NodeSettings, seed: int) -> np.ndarray:
    """train, val, test or nothing for each node [N].

    Where the user named parts, what he did not name is taken from train, and a node
    that is in none is in none. Else labelled nodes are divided: by class, groups on one
    side; or by time, the latest for the test.
    """
    parts = np.full(len(table), UNUSED, dtype="U5")
    rows = np.flatnonzero(table.labelled)
    val, test = settings.val_fraction, settings.test_fraction
    if table.split is None:
        if settings.time_column is not None:
            parts[rows] = _by_time(table, rows, settings.time_column, val, test)
        else:
            parts[rows] = _divided(
                table, rows, Fractions(1 - val - test, val, test), seed
            )
        return parts
    parts[rows] = table.split[rows]
    for part, share in ((TEST, test), (VAL, val)):
        own = np.flatnonzero(parts == TRAIN)
        if not (parts == part).any() and share and len(own):
            found = _divided(table, own, Fractions(1 - share, 0.0, share), seed)
            parts[own[found == TEST]] = part
    return parts


def _divided(
    table: GraphTable, rows: np.ndarray, fractions: Fractions, seed: int
) -> np.ndarray:
    labels, one = table.labels, table.kind == "single_label"
    assert labels is not None  # rows are of labelled nodes
    strata = labels[rows].astype(str) if one else np.zeros(len(rows))
    groups = None if table.groups is None else table.groups[rows]
    return split(strata, groups, fractions=fractions, seed=seed)


def _by_time(
    table: GraphTable, rows: np.ndarray, column: str, val: float, test: float
) -> np.ndarray:
    """Parts of rows by when they came; those of one time are on one side."""
    frame = table.features
    names = list(getattr(frame, "columns", ()))
    if column not in names:
        raise DataError(
            f"There is no column {column!r} of the nodes to divide them by. Got "
            f"{', '.join(map(str, names)) or 'none'}."
        )
    cells = frame[column].tolist()
    times = np.array([_time(cells[row], column) for row in rows])
    parts = np.full(len(rows), TRAIN, dtype="U5")
    since = np.quantile(times, 1 - test) if test else np.inf
    parts[times > since] = TEST
    before = times[parts == TRAIN]
    if val and len(before):
        since = np.quantile(before, 1 - val / (1 - test))
        parts[(parts == TRAIN) & (times > since)] = VAL
    return parts


def _time(cell: object, column: str) -> float:
    """A cell as a number that grows with time: a number, or a date."""
    import pandas as pd

    value = number(cell)
    if value is None:
        moment = pd.to_datetime(str(cell), errors="coerce")
        if moment is pd.NaT:
            raise DataError(
                f"Column {column!r} holds {cell!r}, which is neither a number nor a "
                "date. Fill it in, or divide the nodes another way."
            )
        value = float(moment.value)
    return value
