"""Text files of triples, one a line, with or without a header."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import compress
from pathlib import Path

import numpy as np

from vicinal.core.text import pluralize
from vicinal.errors import NoDataError
from vicinal.graphs.data.tables.column_names import plain_names
from vicinal.graphs.data.tables.text_files import find_separator
from vicinal.knowledge.data.columns import (
    EXPECTED,
    TableHeader,
    TripleRoles,
    find_roles,
    unclear_columns,
)
from vicinal.knowledge.data.lines import (
    COMMENTS,
    find_format,
    is_comment,
    line_blocks,
    separator_name,
    split_at_other,
    split_line,
)
from vicinal.knowledge.data.sources import (
    MOST_SHOWN,
    BadRow,
    Block,
    header_notes,
    row_of_wrong_length,
)
from vicinal.knowledge.settings import TripleColumns

FIRST_ROWS_COMPARED = 10
"""rows that a file needs for a note that its first line may be a header"""


class TextTriples:
    """A file of three columns, or of more whose header names them.

    Separators are tabs, commas, semicolons, bars, two colons or spaces. A line that
    the separator of the file does not split into as many cells as the others is split
    by the separator that does.

    lines: the first lines.
    """

    unit = "line"

    def __init__(self, path: Path, lines: Sequence[str], columns: TripleColumns):
        self.path, self.name = path, path.name
        rows = [k for k, line in enumerate(lines) if not is_comment(line)]
        if not rows:
            raise NoDataError(f"{path} has only comments. Expected columns {EXPECTED}.")
        first = lines[rows[0]]
        form = find_format([lines[k] for k in rows])
        if form is None:
            cells = split_line(first, find_separator([first]))
            raise unclear_columns(cells, columns, self.name)
        self._format = form
        self._header, self._header_line = self._find_header(lines, rows[0], columns)
        roles = None if self._header is None else self._header.roles
        self._roles = roles or TripleRoles(0, 1, 2)
        self._num_comments, self._num_rows = 0, 0
        self._resplit = Counter[str]()
        self._resplit_example = ""
        cells = [cell.strip() for cell in split_line(first, form.separator)]
        self._first_cells = cells if len(cells) == 3 else ["", "", ""]
        self._num_first_relation = 0

    def _find_header(
        self, lines: Sequence[str], first: int, columns: TripleColumns
    ) -> tuple[TableHeader | None, int]:
        """Return the columns that the file names, and their line; None and 0 if none.

        first: position of the first row, which is the header; or a comment above it is.
        """
        names = self._names(lines[first])
        is_complete = len(names) == self._format.width
        if is_complete and (roles := find_roles(names, columns)) is not None:
            return TableHeader(names, roles), first + 1
        above = self._names(lines[first - 1]) if first else []
        if len(above) == self._format.width and not columns.are_named:
            if (roles := find_roles(above, columns)) is not None:
                return TableHeader(above, roles), first
        if self._format.width > 3 or columns.are_named:
            raise unclear_columns(names, columns, self.name)
        return None, 0

    def _names(self, line: str) -> list[str]:
        """Return the names of columns in a line."""
        text = line.lstrip("#% ")
        other = split_at_other(text, self._format)
        cells = split_line(text, self._format.separator) if other is None else other[1]
        return plain_names(cells)

    def blocks(self) -> Iterator[Block]:
        for first, lines in line_blocks(self.path):
            yield self._block(lines, first)
        if not self._num_rows:
            raise NoDataError(f"{self.name} has no rows below its header.")

    def _block(self, lines: list[str], first: int) -> Block:
        width, is_regular = self._format.width, self._format.are_regular(lines)
        if first <= self._header_line < first + len(lines):
            is_regular[self._header_line - first] = False
        numbers = first + np.flatnonzero(is_regular)
        all_regular = len(numbers) == len(lines)
        cells = self._format.cells(
            lines if all_regular else [*compress(lines, is_regular)]
        )
        bad_rows = list[BadRow]()
        if not all_regular:
            rows = self._split_others(lines, ~is_regular, first, bad_rows)
            cells += [cell for row in rows.values() for cell in row]
            numbers = np.append(numbers, np.array([*rows], np.int64))
        heads, relations, tails = (cells[k::width] for k in self._roles)
        self._num_rows += len(heads) + len(bad_rows)
        if self._header is None:
            self._num_first_relation += relations.count(self._first_cells[1])
        return Block(heads, relations, tails, numbers, bad_rows)

    def _split_others(
        self, lines: list[str], selected: np.ndarray, first: int, bad_rows: list[BadRow]
    ) -> dict[int, list[str]]:
        """Return the cells of some lines by their numbers.

        bad_rows: lines are added that cannot be split into as many cells as the others.
        """
        rows = dict[int, list[str]]()
        for k in np.flatnonzero(selected).tolist():
            line, number = lines[k], first + k
            if number == self._header_line or not line.strip():
                continue
            if (cells := self._cells(line)) is not None:
                rows[number] = cells
            elif is_comment(line) or line.lstrip().startswith(COMMENTS):
                self._num_comments += 1
            else:
                found = len(split_line(line, self._format.separator))
                width = self._format.width
                bad_rows.append(row_of_wrong_length(number, line, found, width))
        return rows

    def _cells(self, line: str) -> list[str] | None:
        """Return the cells of a line, perhaps by another separator than the others.

        None if it cannot be split. A comment has the right number of cells only by
        chance: one that begins with # or % is not split by another separator.
        """
        if is_comment(line):
            return None
        other = split_at_other(line, self._format)
        if other is None or line.lstrip().startswith(COMMENTS):
            cells = split_line(line, self._format.separator)
            return cells if len(cells) == self._format.width else None
        separator, cells = other
        self._resplit[separator_name(separator)] += 1
        self._resplit_example = self._resplit_example or line.strip()
        return cells

    def notes(self) -> list[str]:
        notes = []
        if self._header is not None:
            notes += header_notes(self._header, self.name, self._header_line)
        elif self._num_first_relation == 1 and self._num_rows >= FIRST_ROWS_COMPARED:
            first = self._first_cells
            notes.append(
                f"the first line of {self.name}, {' '.join(first)}, is read as a "
                f"triple; if it names columns, use --relation-column {first[1]}"
            )
        if self._resplit:
            count = pluralize(self._resplit.total(), "line")
            usual = separator_name(self._format.separator)
            kinds = ", ".join(f"{n:,} by {name}" for name, n in self._resplit.items())
            notes.append(
                f"{count} of {self.name} not separated by {usual}: {kinds}, for "
                f"example {self._resplit_example[:MOST_SHOWN]!r}"
            )
        if self._num_comments:
            count = pluralize(self._num_comments, "line")
            notes.append(f"{count} of {self.name} read as comments (# or %)")
        return notes
