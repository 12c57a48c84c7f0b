"""Columns of nodes that number the rows, identify nodes or give the label away.

The first two are dropped: in a table that is sorted by class the row number tells the
class. The last are named only, since a feature may rightly determine the label.
"""

from collections import Counter
from typing import Any

import numpy as np

from vicinal.core.data.csv_tables import named_column
from vicinal.core.data.labels import is_missing, parse_number, quote_names
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.tables.column_names import (
    ID_COLUMNS,
    is_row_number_name,
    lower,
)
from vicinal.graphs.data.tables.node_list import are_unique
from vicinal.graphs.settings import CollectionColumns, TableColumns

FEWEST_ROWS = 20
"""a column is compared with row numbers from this number of rows on, if its name is not
one of theirs"""

FEWEST_LABELS = 10
FEWEST_OF_CLASS = 5
SAMPLED_ROWS = 1000


def drop_named_columns(
    table: GraphTable, columns: TableColumns | CollectionColumns
) -> GraphTable:
    """Return a graph that no table listed, without the attributes to drop.

    A note says which columns are named in vain.
    """
    if columns.drop_columns and hasattr(table.features, "columns"):
        for name in columns.drop_columns:
            named_column(table.features.columns, name, "the attributes of nodes")
        rest = columns.drop_from(table.features)
        table = table.replace(features=rest if rest.shape[1] else None)
    others = {**columns.table_columns(), "drop_columns": None}
    notes = [
        f"{name} {value!r} is not used: the graph is not read from tables"
        for name, value in others.items()
        if value is not None
    ]
    return table.replace(notes=[*table.notes, *notes])


def drop_row_numbers(table: GraphTable, kept: str | None = None) -> GraphTable:
    """Return the graph without columns of row numbers and identifiers, and with notes.

    kept: a column that stays.
    """
    frame = table.features
    if not hasattr(frame, "columns") or not len(frame):
        return table
    frame, notes = without_row_numbers(frame, kept)
    if not notes:
        return table
    features = frame if frame.shape[1] else None
    return table.replace(features=features, notes=[*table.notes, *notes])


def without_row_numbers(
    frame: Any, kept: str | None = None, unit: str = "node"
) -> tuple[Any, list[str]]:
    """Return a table without columns of row numbers and identifiers, and notes.

    kept: a column that stays. unit: what its rows are.
    """
    others = [name for name in frame.columns if lower(name) != lower(kept)]
    numbers = [k for k in others if _numbers_rows(k, frame[k])]
    ids = [k for k in others if k not in numbers and _identifies(k, frame[k])]
    notes = [
        f"columns that {what} are ignored: {quote_names([*map(str, names)])}"
        for names, what in ((numbers, "number the rows"), (ids, f"identify {unit}s"))
        if names
    ]
    return frame.drop(columns=[*numbers, *ids]), notes


def note_leaking_columns(table: GraphTable) -> GraphTable:
    """Return the graph with a note for each column that gives the label away."""
    if not hasattr(table.features, "columns"):
        return table
    notes = [
        f"possible leakage: the column {name!r} {reason}; if it is not known before "
        f"the label, use --drop-columns {name}"
        for name, reason in leaking_columns(table.features, table.labels, table.kind)
    ]
    return table.replace(notes=[*table.notes, *notes]) if notes else table


def _numbers_rows(name: Any, column: Any) -> bool:
    """Return True for 0, 1, 2... or 1, 2, 3... in the order of rows.

    Under a name of row numbers for any different whole numbers: rows may be sorted, or
    some left out. x, as R calls them, may be a coordinate if some are left out.
    """
    named = is_row_number_name(name)
    if not named and len(column) < FEWEST_ROWS:
        return False
    first, second = parse_number(column.iloc[0]), parse_number(column.iloc[-1])
    start = 0 if first is None else first
    if not named and (first not in (0, 1) or second != start + len(column) - 1):
        return False
    numbers = [parse_number(cell) for cell in column]
    if named:
        given = [n for n in numbers if n is not None and n == n // 1]
        if len(given) < len(numbers) or len(set(given)) < len(numbers):
            return False
        return lower(name) != "x" or max(given) - min(given) == len(given) - 1
    return numbers == [start + k for k in range(len(numbers))]


def _identifies(name: Any, column: Any) -> bool:
    """Return True if each cell differs under a name that ends with id."""
    is_id = lower(name) in ID_COLUMNS or lower(name).endswith(("_id", " id"))
    is_id = is_id or str(name).strip().endswith(("Id", "ID"))
    return is_id and len(column) > 1 and are_unique(column)


def leaking_columns(
    frame: Any, labels: np.ndarray | None, kind: str
) -> list[tuple[str, str]]:
    """Return the columns that give the label away, and why.

    They hold one value for each class and no other, or tell one class from all others,
    or a number that is the label, or grows with it in a straight line.
    """
    if labels is None or kind not in ("single_label", "numeric"):
        return []
    rows = np.flatnonzero([label is not None for label in labels])
    if len(rows) < FEWEST_LABELS or len(set(labels[rows])) < 2:
        return []
    reason_of = _tells_classes if kind == "single_label" else _tells_numbers
    found = []
    for name in frame.columns:
        cells = frame[name].to_numpy(dtype=object)[rows]
        few = cells[:SAMPLED_ROWS], labels[rows[:SAMPLED_ROWS]]  # enough for most
        reason = reason_of(*few) and reason_of(cells, labels[rows])
        if reason:
            found.append((str(name), reason))
    return found


def _tells_classes(cells: np.ndarray, labels: np.ndarray) -> str:
    """Return why a column gives the classes away; "" if it does not."""
    texts = ["" if is_missing(cell) else str(cell).strip() for cell in cells]
    for values, reason in (
        (texts, "tells the class of every node"),
        ([not text for text in texts], "is empty in one class only"),
    ):
        pairs, classes = Counter(zip(values, labels, strict=True)), set(labels)
        distinct = {value for value, _ in pairs}
        if len(pairs) != len(classes) or len(distinct) < 2:
            continue  # a class has several values
        if len(distinct) == len(classes):
            return reason
        sizes = Counter(value for value, _ in pairs)
        alone = [pair for pair in pairs if sizes[pair[0]] == 1]
        if len(distinct) == 2 and alone and pairs[alone[0]] >= FEWEST_OF_CLASS:
            return f"tells which nodes are of class {alone[0][1]}"
    return ""


def _tells_numbers(cells: np.ndarray, labels: np.ndarray) -> str:
    """Return why a column gives numbers away; "" if it does not."""
    return "is the label, or a straight line of it" if _is_linear(cells, labels) else ""


def _is_linear(cells: np.ndarray, labels: np.ndarray) -> bool:
    numbers = [parse_number(cell) for cell in cells]
    if any(number is None for number in numbers):
        return False
    x, y = np.array(numbers, float), labels.astype(float)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return False
    return bool(abs(np.corrcoef(x, y)[0, 1]) > 1 - 1e-9)
