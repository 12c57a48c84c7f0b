"""A table of the largest contributions or effects, for a terminal and for a page."""

from collections.abc import Iterator
from typing import NamedTuple

from vicinal.core.report.report import Table

MAX_PRINTED = 12
"""rows that a terminal shows"""

MAX_LISTED = 200
"""rows that a page shows"""

MAX_CELL_WIDTH = 44


class RankedTable(NamedTuple):
    """Rows under a title, largest first."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    footer: tuple[str, ...] = ()
    """a last row that is always shown"""

    total_rows: int | None = None
    """number of rows including those that are not in `rows`; None: len(rows)"""

    @property
    def num_rows(self) -> int:
        """Return the number of rows, including those that are not listed."""
        return len(self.rows) if self.total_rows is None else self.total_rows

    def lines(self) -> Iterator[str]:
        """Yield the lines for a terminal, the last column aligned to the right."""
        yield f"{self.title}:"
        shown = [self.columns, *self.rows[:MAX_PRINTED]]
        footers = [self.footer] if self.footer else []
        columns = zip(*shown, *footers, strict=True)
        widths = [max(map(len, cells)) for cells in columns]
        for row in shown:
            yield _format_row(row, widths)
        if self.num_rows > MAX_PRINTED:
            yield f"  ... and {self.num_rows - MAX_PRINTED:,} more"
        for row in footers:
            yield _format_row(row, widths)

    def table(self) -> Table:
        """Return the table of a page."""
        hidden = self.num_rows - MAX_LISTED
        return Table(
            list(self.columns),
            [list(row) for row in self.rows[:MAX_LISTED]],
            f"{hidden:,} more not listed." if hidden > 0 else "",
            [list(self.footer)] if self.footer else [],
        )


def _format_row(row: tuple[str, ...], widths: list[int]) -> str:
    cells = zip(row[:-1], widths[:-1], strict=True)
    left = "  ".join(cell.ljust(min(width, MAX_CELL_WIDTH)) for cell, width in cells)
    return f"  {left}  {row[-1]:>{widths[-1]}}"
