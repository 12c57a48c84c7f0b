"""Columns of a table of edges: those of the ends, and of the weight."""

from collections.abc import Iterable, Sequence
from typing import Any

from vicinal.core.data.csv_tables import named_column, restore_integers
from vicinal.core.data.labels import is_missing
from vicinal.errors import DataError
from vicinal.graphs.data.tables.column_names import (
    WEIGHT_COLUMNS,
    are_unclear_ends,
    lower,
    named_ends,
    only_two_columns,
    paired_ends,
)
from vicinal.graphs.settings import BaseColumns, TableColumns


def cells_as_text(column: Any) -> list[str]:
    """Return the cells of a column as stripped texts; missing ones as ""."""
    cells = column.tolist()
    if not all(type(cell) is str for cell in cells):
        cells = restore_integers(column)
        cells = ["" if is_missing(cell) else str(cell) for cell in cells]
    return [cell.strip() for cell in cells]


def find_column(frame: Any, names: Iterable[str]) -> Any | None:
    """Return the first column of these names, in any case; None if there is none."""
    known = {lower(name): name for name in frame.columns}
    return next((known[name] for name in names if name in known), None)


def check_unique_columns(frame: Any, table: str) -> None:
    """Raise DataError if two columns have one name; table: what it lists."""
    names = [str(name) for name in frame.columns]
    repeated = next((k for row, k in enumerate(names) if k in names[:row]), None)
    if repeated is not None:
        raise DataError(
            f"The columns of the table of {table} must have different names. Got "
            f"{repeated!r} twice. Rename one, or drop it."
        )


def edge_columns(frame: Any) -> tuple[Any, Any, Any | None] | None:
    """Return the columns of source, target and weight; None if not named so."""
    ends = named_ends(frame.columns)
    return None if ends is None else (*ends, find_column(frame, WEIGHT_COLUMNS))


def end_columns(
    names: Sequence[Any], columns: BaseColumns
) -> tuple[tuple[Any, Any], list[str]]:
    """Return the columns of source and target, and a note if their names are unusual.

    Those that the user named, those of the usual names, two whose names are alike, or
    the only two. Raises DataError if there are none, or if it is unclear which they
    are.
    """
    names = list(names)
    given = columns.source_column, columns.destination_column
    ends = named_ends(names)
    if given != (None, None):
        usual = ends or (None, None)
        found = [
            other if name is None else named_column(names, name, "the table of edges")
            for name, other in zip(given, usual, strict=True)
        ]
        if None not in found and found[0] != found[1]:
            return (found[0], found[1]), []
    elif are_unclear_ends(names):
        raise DataError(
            "It is unclear which columns hold the ends of edges. Got "
            f"{', '.join(map(str, names))}. Name them with --source-column and "
            "--destination-column."
        )
    elif ends is not None:
        return ends, []
    elif other := paired_ends(names) or only_two_columns(names):
        note = (
            f"edges are read from the columns {str(other[0])!r} and {str(other[1])!r}; "
            "--source-column and --destination-column name others"
        )
        return other, [note]
    raise DataError(
        "A table of edges must name the columns source and target. Got "
        f"{', '.join(map(str, names))}. Name two of them with --source-column and "
        "--destination-column, or rename them."
    )


def weight_column_of(frame: Any, columns: TableColumns) -> Any | None:
    """Return the column of weights, which the user may have named; or None."""
    if columns.weight_column is None:
        return find_column(frame, WEIGHT_COLUMNS)
    return named_column(frame.columns, columns.weight_column, "the table of edges")
