"""Split nodes into train, validation and test: the user's split, or a fair one."""

import numpy as np

from vicinal.core.data.csv_tables import named_column
from vicinal.core.data.splits import UNUSED, split_labelled
from vicinal.core.data.times import parse_time, split_by_time
from vicinal.errors import DataError
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.settings import NodeSettings


def split_nodes(table: GraphTable, settings: NodeSettings, seed: int) -> np.ndarray:
    """Return the split of each node [N]: train, val, test or "".

    A user's split is kept; a validation or test split that it lacks is taken from
    train. Else labelled nodes are split by class with groups kept together, or by time
    with the latest nodes as test split.
    """
    val, test = settings.val_fraction, settings.test_fraction
    if table.split is None and settings.time_column is not None:
        splits = np.full(len(table), UNUSED, dtype="U5")
        rows = np.flatnonzero(table.label_mask)
        times = _read_times(table, rows, settings.time_column)
        splits[rows] = split_by_time(times, val, test)
        return splits
    classes = table.labels if table.kind == "single_label" else None
    return split_labelled(
        table.label_mask,
        table.split,
        classes,
        table.groups,
        val=val,
        test=test,
        seed=seed,
    )


def _read_times(table: GraphTable, rows: np.ndarray, column: str) -> np.ndarray:
    frame = table.features
    columns = getattr(frame, "columns", ())
    cells = frame[named_column(columns, column, "the table of nodes")].tolist()
    return np.array([_parse_time(cells[row], column) for row in rows])


def _parse_time(cell: object, column: str) -> float:
    """Return a number, or a date as one; DataError if a cell is neither."""
    value = parse_time(cell)
    if value is None:
        raise DataError(
            f"Column {column!r} must hold numbers or dates. Got {cell!r}. Fill it in, "
            "or leave out --time-column."
        )
    return value
