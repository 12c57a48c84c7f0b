"""Files of edges: with or without a header, in chunks of rows."""

import warnings
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoDataError
from vicinal.graphs.data.tables.column_names import (
    header_names,
    is_number,
    plain_names,
)
from vicinal.graphs.data.tables.edge_list import (
    cells_as_text,
    check_memory,
    end_columns,
)
from vicinal.graphs.data.tables.text_files import (
    CommentFilter,
    damage_as_data_error,
    open_text,
    read_format,
)
from vicinal.graphs.settings import TableColumns

COLUMNS_WITHOUT_HEADER = ["source", "target", "weight", "time"]
TRIPLE_COLUMNS = ["source", "relation", "target"]
"""columns of a file without a header"""

ROWS_PER_CHUNK = 1_000_000

NUM_FIRST_ROWS = 1000
"""rows of a DataFrame that are compared with the names of nodes"""


class EdgeFile:
    """A file of edges, whose columns are decided by its first lines.

    Without a header they are source, target[, weight[, time]], or source, relation,
    target if the third is not numeric and shares names with the first. The separator is
    a comma, semicolon, tab, bar or spaces. columns: names that the user gave.
    """

    def __init__(self, path: Path, columns: TableColumns | None = None) -> None:
        self.path, self.columns = path, columns or TableColumns()
        self.format = read_format(path)
        self.notes: list[str] = []
        """what was found while the file was read"""

    def first_ends(self) -> list[set[str]]:
        """Return the names of sources and of targets in the first lines."""
        rows, (names, _) = self.format.rows, self._header(())
        ends = 0, 1
        if names is not None:
            (source, target), _ = end_columns(names, self.columns)
            ends = names.index(source), names.index(target)
            rows = rows[1:]
        return [{row[k] for row in rows if len(row) > k} for k in ends]

    def _header(self, ids: Container[str]) -> tuple[list[str] | None, bool]:
        """Return the names in the first line, if they are, and if that is certain."""
        rows, named = self.format.rows, self.columns
        if named.source_column or named.destination_column or named.weight_column:
            return plain_names(rows[0]), True
        return header_names(rows, ids)

    def read(self, ids: Container[str] = ()) -> Iterator[tuple[Any, int]]:
        """Yield tables of edges and the line number of their first row.

        ids: names of nodes, if they are known. Raises DataError where a line has more
        or fewer cells.
        """
        import pandas as pd

        path, (separator, num_skipped, rows) = self.path, self.format
        header, is_certain = self._header(ids)
        names, first = header, rows[0]
        if header is None:
            names = self._names_without_header()
            if not is_certain and len(rows) > 1:
                self.notes.append(
                    f"the first line, {' '.join(first[:2])}, is read as an edge; if it "
                    f"names columns, use --source-column {first[0]}"
                )
        line = num_skipped + (1 if header is None else 2)
        with damage_as_data_error(path), open_text(path) as file:
            for _ in range(num_skipped):
                file.readline()
            text = CommentFilter(file) if header is None else file
            chunks = pd.read_csv(
                text,  # pyright: ignore[reportArgumentType]
                sep=r"\s+" if separator is None else separator,
                header=None if header is None else 0,
                dtype=str,
                keep_default_na=False,
                chunksize=ROWS_PER_CHUNK,
                index_col=False,
                skipinitialspace=True,
            )
            while (chunk := _next_chunk(chunks)) is not None:
                chunk.columns = _distinct(names, chunk.columns)
                yield chunk, line
                line += len(chunk)
            if isinstance(text, CommentFilter) and text.num_comments:
                count = pluralize(text.num_comments, "line")
                self.notes.append(f"{count} between edges read as comments (# or %)")

    def _names_without_header(self) -> list[str]:
        """Return names of columns; DataError if the file is not an edge list."""
        first, rows = self.format.rows[0], self.format.rows
        has_time = len(first) == 4 and all(map(is_number, first[2:]))
        if len(first) not in (2, 3) and not has_time:
            raise DataError(
                f"{self.path} is not an edge list: the first line must name the "
                "columns source and target (or name them with --source-column and "
                f"--destination-column), or have 2 or 3 cells. Got {len(first)}: "
                f"{', '.join(first)[:80]!r}"
            )
        if _are_triples(rows):
            return TRIPLE_COLUMNS
        return COLUMNS_WITHOUT_HEADER[: len(first)]


class EdgeFrame:
    """A DataFrame of edges, with the methods of `EdgeFile`."""

    def __init__(self, frame: Any, columns: TableColumns | None = None) -> None:
        self.frame, self.columns = frame, columns or TableColumns()
        self.notes: list[str] = []

    def first_ends(self) -> list[set[str]]:
        ends, _ = end_columns(self.frame.columns, self.columns)
        first = self.frame.head(NUM_FIRST_ROWS)
        return [set(cells_as_text(first[column])) for column in ends]

    def read(self, ids: Container[str] = ()) -> Iterator[tuple[Any, int]]:
        yield self.frame, 0


def open_edges(edges: Any, columns: TableColumns | None = None) -> EdgeFile | EdgeFrame:
    """Return the edges of a file or a DataFrame, which are not read yet."""
    if hasattr(edges, "columns"):
        return EdgeFrame(edges, columns)
    path = Path(edges)
    if not path.exists():
        raise NoDataError(
            f"There is nothing at {path}. Check the spelling of the path."
        )
    check_memory(estimate_num_lines(path), path)
    return EdgeFile(path, columns)


def estimate_num_lines(path: Path) -> float:
    """Estimate the number of lines of a file from its first 64 KiB."""
    with path.open("rb") as file:
        beginning = file.read(1 << 16)
    return path.stat().st_size / max(len(beginning), 1) * beginning.count(b"\n")


def _are_triples(rows: list[list[str]]) -> bool:
    """Return True if the first lines are triples (source, relation, target).

    Most of the third cells are then not numeric, and some of them are also sources.
    """
    if any(len(row) != 3 for row in rows):
        return False
    if 2 * sum(is_number(row[2]) for row in rows) > len(rows):
        return False
    first, _, third = (set(column) for column in zip(*rows, strict=True))
    return bool(first & third)


def _distinct(names: list[str] | None, columns: Any) -> list[str]:
    """Return the names of columns; those that pandas numbered as it did."""
    found = [str(name).strip() for name in columns]
    if names is None or len(names) != len(found):
        return found
    return names if len(set(names)) == len(names) and all(names) else found


def _next_chunk(chunks: Iterator[Any]) -> Any:
    """Return the next chunk; rows with too many cells raise instead of warn."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return next(chunks, None)
