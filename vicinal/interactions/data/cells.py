"""Distinct cells of columns, the names in them, and their numbers.

A table of interactions has few distinct names and many rows. Cells are cleaned, checked
and split once for each distinct text; rows hold numbers.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple, Self

import numpy as np

from vicinal.core.data.csv_tables import clean_cell, restore_integers
from vicinal.core.data.names import problems_of_names

BLANK = -1
"""number of a blank cell"""


class CodedColumn(NamedTuple):
    """The cells of N rows by their numbers."""

    codes: np.ndarray
    """[N] int32 numbers in `cells`; BLANK: blank"""

    cells: list[str]
    """distinct texts (NFC, stripped), in the order of their appearance"""

    def text(self, row: int) -> str:
        """Return the cell of a row, "" for a blank one."""
        code = self.codes[row]
        return "" if code == BLANK else self.cells[code]


class ColumnEncoder:
    """Numbers the cells of a column that is read block by block."""

    def __init__(self) -> None:
        self._codes = dict[Any, int]()
        self._index = NameIndex()
        self._blocks: list[np.ndarray] = []

    def add(self, column: Any) -> None:
        """Add the cells of a pandas Series."""
        import pandas as pd

        codes, values = pd.factorize(column)
        if getattr(values, "dtype", None) is not None and values.dtype.kind == "f":
            values = restore_integers(values)
        numbers = np.array([*map(self._code, values), BLANK], np.int32)
        self._blocks.append(numbers[codes])

    def _code(self, value: Any) -> int:
        if value not in self._codes:
            text = clean_cell(value)
            self._codes[value] = BLANK if text is None else self._index.row(text)
        return self._codes[value]

    def column(self) -> CodedColumn:
        """Return all cells."""
        blocks = self._blocks or [np.zeros(0, np.int32)]
        return CodedColumn(np.concatenate(blocks), self._index.names)


class NameIndex:
    """Numbers names in the order of their appearance.

    ignore_case: names that differ only in case or spaces are one; the first spelling
    is kept.
    """

    def __init__(self, names: Iterable[str] = (), ignore_case: bool = False) -> None:
        self.names: list[str] = []
        self.merged: list[str] = []
        """spellings that were read as another one"""

        self._ignore_case = ignore_case
        self._rows = dict[str, int]()
        self._spellings = dict[str, int]()
        for name in names:
            self.row(name)

    def __len__(self) -> int:
        return len(self.names)

    def row(self, name: str) -> int:
        """Return the number of a name, a new one if it is not there yet."""
        row = self._spellings.get(name)
        return self._add(name) if row is None else row

    def rows(self, names: Iterable[str]) -> np.ndarray:
        """Return the numbers [N] of names, as `row`."""
        return np.array([self.row(name) for name in names], np.int32)

    def _add(self, name: str) -> int:
        spelling = " ".join(name.split()) if self._ignore_case else name
        key = fold_name(name) if self._ignore_case else name
        row = self._rows.setdefault(key, len(self.names))
        self._spellings[name] = row
        if row == len(self.names):
            self.names.append(spelling)
        else:
            self.merged.append(name)
        return row


def fold_name(name: str) -> str:
    """Return a name without differences in case and spaces."""
    return " ".join(name.split()).casefold()


class CellParts(NamedTuple):
    """The names in each of C cells, by their numbers in an index."""

    starts: np.ndarray
    """[C + 1] where the names of each cell begin in `codes`"""

    codes: np.ndarray
    """numbers of the names of all cells"""

    @classmethod
    def from_cells(cls, cells: Sequence[str], marks: str, index: NameIndex) -> Self:
        """Split cells at marks such as `|`; what is repeated in a cell stays."""
        rows = [index.rows(split_cell(cell, marks)) for cell in cells]
        lengths = np.array([len(row) for row in rows], np.int64)
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        codes = [*chain.from_iterable(rows)]
        return cls(starts, np.array(codes, np.int32))

    @property
    def lengths(self) -> np.ndarray:
        """Return the number [C] of names of each cell."""
        return np.diff(self.starts)

    def take(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the names of some cells [N]: positions in 0..N-1, and codes."""
        lengths = self.lengths[cells]
        positions = np.repeat(np.arange(len(cells)), lengths)
        first = np.repeat(self.starts[cells] - (np.cumsum(lengths) - lengths), lengths)
        return positions, self.codes[first + np.arange(len(positions))]

    def any(self, flags: np.ndarray) -> np.ndarray:
        """Return [C] bool: whether a cell has a name whose flag is set."""
        cells = np.repeat(np.arange(len(self.starts) - 1), self.lengths)
        counts = np.bincount(cells[flags[self.codes]], minlength=len(self.starts) - 1)
        return counts > 0


def split_cell(cell: str, marks: str) -> Iterator[str]:
    """Yield the names in a cell; parts that are blank are left out."""
    for mark in marks[1:]:
        cell = cell.replace(mark, marks[0])
    parts = cell.split(marks[0]) if marks else [cell]
    return (name for part in parts if (name := clean_cell(part)) is not None)


def have_problems(names: Sequence[str]) -> np.ndarray:
    """Return [len(names)] bool: names with control characters."""
    problems = problems_of_names(names)
    return np.array([name in problems for name in names], bool)
