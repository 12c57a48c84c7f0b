"""Adjacency matrices as tables of text, with or without names of the nodes.

=====================  ==============================================================
n rows, n cells        numbers alone; or names in the first row and column
n + 1 rows, n cells    names in the first row
n rows, n + 1 cells    names in the first column
n + 1 rows, n + 1      the first row is one cell shorter: names as R writes them
=====================  ==============================================================
"""

import csv
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ZEROS = frozenset({"0", "0.0", "0.", "0.00", "0.000000", "0.000000000000000000e+00"})
LONGEST_LINE = 1 << 24
"""characters of the first line of a matrix"""

FEWEST_NODES = 5
"""a smaller table of numbers alone may be a list of edges, unless it is symmetric"""


@dataclass
class AdjacencyCells:
    """The cells of an adjacency matrix [N, N] that are not 0."""

    names: list[str] | None = None
    rows: array = field(default_factory=lambda: array("q"))
    columns: array = field(default_factory=lambda: array("q"))
    values: array = field(default_factory=lambda: array("d"))
    size: int = 0
    num_blank: int = 0

    @property
    def is_symmetric(self) -> bool:
        """True if each cell equals the one across the diagonal."""
        cells = dict(
            zip(zip(self.rows, self.columns, strict=True), self.values, strict=True)
        )
        return all(cells.get((j, i)) == v for (i, j), v in cells.items())

    @property
    def is_binary(self) -> bool:
        """True if all cells are 0 or 1."""
        return all(value == 1 for value in self.values)


def read_adjacency_table(path: Path) -> AdjacencyCells | None:
    """Return the cells of an adjacency matrix; None for a table of another kind."""
    try:
        layout = _layout(path)
        return None if layout is None else _read_cells(path, *layout)
    except (OSError, UnicodeError, csv.Error, ValueError):
        return None


def _split_lines(path: Path) -> Iterator[list[str]]:
    """Yield the cells of each line that is not empty."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline(LONGEST_LINE)
        if len(first) == LONGEST_LINE:
            raise ValueError("a line is too long")
        separator = max(",;\t", key=first.count)
        file.seek(0)
        if separator in first:
            for cells in csv.reader(file, delimiter=separator):
                if cells:
                    yield [cell.strip() for cell in cells]
        else:
            yield from (line.split() for line in file if line.strip())


def _layout(path: Path) -> tuple[bool, bool, int] | None:
    """Return if there is a row and a column of names, and N; None if not square."""
    lines = _split_lines(path)
    first, second = next(lines, []), next(lines, [])
    width = len(first)
    if width < 3 or not all(map(_is_number_or_blank, second[1:])):
        return None
    num_lines = 2
    for _ in lines:
        num_lines += 1
        if num_lines > width + 1:
            return None
    excess = num_lines - width
    if len(second) == width + 1:
        return (True, True, width) if excess == 1 else None
    if len(second) != width or excess not in (-1, 0, 1):
        return None
    if excess == 1:
        return True, False, width
    if excess == -1:
        return False, True, width - 1
    has_names = not first[0] or not all(map(_is_number_or_blank, first))
    return (True, True, width - 1) if has_names else (False, False, width)


def _read_cells(
    path: Path, has_header: bool, has_names: bool, size: int
) -> AdjacencyCells | None:
    cells = AdjacencyCells(size=size)
    lines = _split_lines(path)
    header = next(lines)[-size:] if has_header else None
    names = []
    for i, line in enumerate(lines):
        if has_names:
            names.append(line.pop(0))
        if len(line) != size:
            return None
        for j, cell in enumerate(line):
            if cell in ZEROS:
                continue
            if not cell:
                cells.num_blank += 1
            elif value := float(cell):
                cells.rows.append(i)
                cells.columns.append(j)
                cells.values.append(value)
    if has_header and has_names:
        cells.names = names
        return cells if names == header else None
    if has_header or has_names:
        cells.names = header or names
        is_plausible = cells.is_binary or cells.is_symmetric
        is_plausible &= len(set(cells.names)) == size and cells.num_blank == 0
    else:
        is_plausible = size >= FEWEST_NODES or cells.is_symmetric
    return cells if is_plausible and len(cells.values) else None


def _is_number_or_blank(cell: str) -> bool:
    if not cell:
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return True
