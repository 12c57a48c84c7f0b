"""What triples are read from, one block of rows after the other."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from vicinal.core.data.labels import is_missing, quote_names
from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoDataError
from vicinal.graphs.data.tables.end_columns import cells_as_text
from vicinal.knowledge.data.columns import (
    EXPECTED,
    TableHeader,
    TripleRoles,
    find_roles,
    unclear_columns,
)
from vicinal.knowledge.settings import TripleColumns

ROWS_PER_BLOCK = 200_000
SHAPE = EXPECTED.replace(",", ", ")
MOST_SHOWN = 60
"""characters of a row in messages"""


class BadRow(NamedTuple):
    """A row that is no triple."""

    line: int
    text: str
    reason: str


class Block(NamedTuple):
    """Rows of triples as texts."""

    heads: Sequence[str]
    relations: Sequence[str]
    tails: Sequence[str]
    lines: Sequence[int] | np.ndarray
    """where each row is in its source"""

    bad_rows: Sequence[BadRow] = ()
    are_literals: bool = False
    """whether all tails are literals and no entities"""


class TripleSource(Protocol):
    """A file or an object with triples."""

    name: str
    """for messages: the file's name"""

    unit: str
    """what a row is called: line or row"""

    def blocks(self) -> Iterator[Block]:
        """Yield all rows."""
        ...

    def notes(self) -> list[str]:
        """Return what was found while the rows were read."""
        ...


def row_of_wrong_length(line: int, text: str, found: int, expected: int) -> BadRow:
    """Return a row that has too few or too many cells."""
    reason = f"{pluralize(found, 'cell')} instead of {expected}: {text[:MOST_SHOWN]!r}"
    return BadRow(line, "", reason)


def header_notes(header: TableHeader, name: str, line: int = 0) -> list[str]:
    """Return what the columns of a table are read as.

    line: that of the header in the file, which is then no triple; 0: none.
    """
    notes = []
    if line:
        notes.append(f"line {line} of {name} is a header: {header.describe()}")
    if header.others:
        others = quote_names(header.others, 10)
        notes.append(f"columns of {name} that are not used: {others}")
    return notes


# --- DataFrames and arrays -----------------------------------------------------------


class FrameTriples:
    """A DataFrame, whose rows are counted from 0.

    lines: where its rows are in the data, if they are not all of them.
    """

    unit = "row"

    def __init__(
        self,
        frame: Any,
        name: str,
        columns: TripleColumns,
        lines: np.ndarray | None = None,
        bad_rows: Sequence[BadRow] = (),
    ) -> None:
        self.name, self._frame = name, frame
        self._lines = np.arange(len(frame)) if lines is None else lines
        self._bad_rows = bad_rows
        self._header, self._is_positional = _frame_header(frame, name, columns)
        if not len(frame) and not bad_rows:
            raise NoDataError(f"{name} has no rows. Expected columns {EXPECTED}.")

    def blocks(self) -> Iterator[Block]:
        columns = [_CellReader(self._frame.iloc[:, k]) for k in self._header.roles]
        for start in range(0, len(self._frame), ROWS_PER_BLOCK):
            rows = slice(start, start + ROWS_PER_BLOCK)
            heads, relations, tails = (column.read(rows) for column in columns)
            yield Block(heads, relations, tails, self._lines[rows])
        if self._bad_rows:
            yield Block((), (), (), (), self._bad_rows)

    def notes(self) -> list[str]:
        notes = header_notes(self._header, self.name)
        if self._is_positional:
            notes.append(
                f"the columns {self._header.describe()} of {self.name} are read as "
                "head, relation, tail; if they are a triple, read the file with "
                "header=None"
            )
        return notes


def _frame_header(
    frame: Any, name: str, columns: TripleColumns
) -> tuple[TableHeader, bool]:
    """Return the columns, and whether their names say nothing and their order counts.

    Columns that pandas has numbered need no note.
    """
    names = [str(column).strip() for column in frame.columns]
    roles = find_roles(names, columns)
    is_named = [*frame.columns] != [*range(len(names))]
    if roles is not None:
        return TableHeader(names, roles), False
    if len(names) != 3 or columns.are_named:
        raise unclear_columns(names, columns, name)
    return TableHeader(names, TripleRoles(0, 1, 2)), is_named


class _CellReader:
    """Cells of a column as texts; missing ones as "".

    Integers that a missing cell had turned into floats are restored.
    """

    def __init__(self, column: Any) -> None:
        kind = column.dtype.kind
        self._column = column
        self._texts = None if kind in "iuf" else cells_as_text(column)
        self._is_whole = kind == "f" and bool(
            (column.dropna() % 1 == 0).all()  # infinite % 1 is NaN
        )

    def read(self, rows: slice) -> list[str]:
        """Return the cells of some rows."""
        if self._texts is not None:
            return self._texts[rows]
        part = self._column.iloc[rows]
        to_text = (lambda cell: str(int(cell))) if self._is_whole else str
        if part.hasnans:
            return ["" if is_missing(cell) else to_text(cell) for cell in part.tolist()]
        return [*map(to_text, part.tolist())]


def source_of_array(data: Any, columns: TripleColumns) -> FrameTriples:
    """Return the triples of an array [N, 3] or a list; DataError for other shapes."""
    import pandas as pd

    if columns.are_named:
        raise DataError(
            "An array or a list of triples has no names of columns. Pass a DataFrame, "
            "or leave the columns out."
        )
    if isinstance(data, (list, tuple)):
        return _source_of_list(data)
    array = np.asarray(data)
    if array.ndim != 2 or array.shape[1] != 3:
        raise DataError(
            f"An array of triples must have the shape [N, 3]: {EXPECTED}. Got "
            f"{list(array.shape)}."
        )
    return FrameTriples(pd.DataFrame(array), "the array", columns)


def _source_of_list(rows: Sequence[Any]) -> FrameTriples:
    import pandas as pd

    if not rows:
        raise NoDataError(f"The list of triples is empty. Expected ({SHAPE}).")
    sizes = [len(k) if isinstance(k, (list, tuple, np.ndarray)) else 0 for k in rows]
    if 3 not in sizes:
        raise DataError(
            f"A list of triples must hold ({SHAPE}). Got {str(rows[0])[:MOST_SHOWN]!r}."
        )
    lines = np.flatnonzero(np.array(sizes) == 3)
    bad_rows = [
        row_of_wrong_length(k, str(rows[k]), size, 3)
        for k, size in enumerate(sizes)
        if size != 3
    ]
    triples = pd.DataFrame([[*rows[k]] for k in lines.tolist()], dtype=object)
    return FrameTriples(triples, "the list", TripleColumns(), lines, bad_rows)
