"""Files of edges: with or without a header, in chunks of rows."""

import os
import warnings
from collections.abc import Container, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from vicinal.core.text import pluralize
from vicinal.errors import DataError
from vicinal.graphs.data.formats.forms import UNREAD_FORMS, file_form, unread_form
from vicinal.graphs.data.formats.graph_files import read_parquet
from vicinal.graphs.data.tables.column_names import (
    header_names,
    id_spaces,
    is_number,
    named_ends,
    plain_names,
)
from vicinal.graphs.data.tables.edge_list import LineOf, check_memory
from vicinal.graphs.data.tables.end_columns import (
    cells_as_text,
    check_unique_columns,
    end_columns,
)
from vicinal.graphs.data.tables.text_files import (
    SAMPLED_BYTES,
    TableText,
    check_exists,
    damage_as_data_error,
    open_text,
    read_format,
)
from vicinal.graphs.settings import TableColumns

COLUMNS_WITHOUT_HEADER = ["source", "target", "weight", "time"]
TRIPLE_COLUMNS = ["source", "relation", "target"]
TEMPORAL_COLUMNS = ["source", "target", "time"]
"""columns of a file without a header"""

LINES, ARROWS = frozenset({"--", "-", "<->"}), frozenset({"->", "-->", "=>", "\u2192"})
"""marks between the ends of undirected and of directed edges"""

MARK = " mark "
"""name of the column of these marks, which no header has"""

EARLIEST_TIME = 1e8
"""whole numbers from here on are times in seconds, from 1973 on, and no weights"""

KONECT_BIPARTITE, KONECT_DIRECTED = "bip", "asym"
"""words in the first comment of an edge list of KONECT"""

ROWS_PER_CHUNK = 1_000_000

NUM_FIRST_ROWS = 1000
"""rows of a DataFrame that are compared with the names of nodes"""


class EdgeFile:
    """A file of edges, whose columns are decided by its first lines.

    Without a header they are source, target[, weight[, time]], or source, relation,
    target if the second is a text between two numbers, or the third is not numeric and
    shares names with the first. The separator is a comma, semicolon, tab, bar, two
    colons or spaces. columns: names that the user gave. names: of the columns, for a
    file that is known to have no header.
    """

    def __init__(
        self,
        path: Path,
        columns: TableColumns | None = None,
        names: list[str] | None = None,
    ) -> None:
        self.path, self.columns = path, columns or TableColumns()
        self.format = read_format(path)
        self.notes: list[str] = []
        """what was found while the file was read"""

        words = _konect_words(self.format.comments)
        self.kinds = id_spaces(self.format.rows[0])
        """names of two kinds of nodes, if equal names of both are different nodes"""

        if KONECT_BIPARTITE in words:
            self.kinds = "source", "target"
        self._marks = {row[1] for row in self.format.rows if len(row) in (3, 4)}
        self.directed_by = ""
        """what says that the edges are directed; "" if nothing does"""

        if KONECT_DIRECTED in words:
            self.directed_by = f"`% {KONECT_DIRECTED}` in the first line"
        elif self._marks and self._marks <= ARROWS:
            self.directed_by = f"the mark {min(self._marks)}"
        self._names = names or self._commented_names()
        _refuse_brackets(path, self.format.rows)

    def _commented_names(self) -> list[str] | None:
        """Return the names in a comment above the first edge, None if it has none."""
        names = self.format.commented_names
        has_header = named_ends(plain_names(self.format.rows[0])) is not None
        return None if has_header or not names or named_ends(names) is None else names

    def first_ends(self) -> list[set[str]]:
        """Return the names of sources and of targets in the first lines."""
        rows, (header, _) = self.format.rows, self._header(())
        names = header or self._names_without_header()[0]
        (source, target), _ = end_columns(names, self.columns)
        ends = names.index(source), names.index(target)
        rows = rows[1:] if header else rows
        return [{row[k] for row in rows if len(row) > k} for k in ends]

    def _header(self, ids: Container[str]) -> tuple[list[str] | None, bool]:
        """Return the names in the first line, if they are, and if that is certain."""
        rows, named = self.format.rows, self.columns
        if self._names is not None:
            return None, True
        if self.format.has_row_names:
            return plain_names(rows[0]), True
        if named.source_column or named.destination_column or named.weight_column:
            return plain_names(rows[0]), True
        return header_names(rows, ids)

    def read(self, ids: Container[str] = ()) -> Iterator[tuple[Any, LineOf]]:
        """Yield tables of edges, each with a function that returns the line of a row.

        ids: names of nodes, if they are known. Raises DataError where a line has more
        or fewer cells.
        """
        import pandas as pd

        path, form = self.path, self.format
        header, is_certain = self._header(ids)
        names, notes = (header, []) if header else self._names_without_header()
        self.notes += notes
        if header is None and not is_certain and len(form.rows) > 1:
            first = form.rows[0]
            self.notes.append(
                f"the first line, {' '.join(first[:2])}, is read as an edge; if it "
                f"names columns, use --source-column {first[0]}"
            )
        with damage_as_data_error(path), open_text(path) as file:
            for _ in range(form.num_skipped):
                file.readline(SAMPLED_BYTES)
            text = TableText(file, form.separator, has_comments=header is None)
            chunks = pd.read_csv(
                text,  # pyright: ignore[reportArgumentType]
                sep=form.pandas_separator,
                header=None if header is None else 0,
                names=header if form.has_row_names else None,
                dtype=str,
                keep_default_na=False,
                chunksize=ROWS_PER_CHUNK,
                index_col=False,
                skipinitialspace=True,
            )
            row = 0 if header is None else 1
            while (chunk := _next_chunk(chunks)) is not None:
                chunk.columns = _distinct(names, chunk.columns)
                has_marks = MARK in chunk.columns
                chunk = chunk.drop(columns=MARK) if has_marks else chunk
                yield chunk, partial(self._line_of, text, row)
                row += len(chunk)
            if text.num_comments:
                count = pluralize(text.num_comments, "line")
                self.notes.append(f"{count} between edges read as comments (# or %)")

    def _line_of(self, text: TableText, first: int, row: int) -> int:
        """Return the line of a row of a table that begins with row `first`."""
        return self.format.num_skipped + 1 + text.line_of(first + row)

    def _names_without_header(self) -> tuple[list[str], list[str]]:
        """Return names of columns, and notes on what the third is read as.

        DataError if the file is not an edge list.
        """
        first, rows = self.format.rows[0], self.format.rows
        if self._names is not None:
            return self._names, []
        if self._marks and self._marks <= ARROWS | LINES:
            return ["source", MARK, "target", "weight"][: len(first)], []
        has_time = len(first) == 4 and all(map(is_number, first[2:]))
        if len(first) not in (2, 3) and not has_time:
            raise DataError(
                f"{self.path} is not an edge list: the first line must name the "
                "columns source and target (or name them with --source-column and "
                f"--destination-column), or have 2 or 3 cells. Got {len(first)}: "
                f"{', '.join(first)[:80]!r}"
            )
        if len(first) == 2:
            return COLUMNS_WITHOUT_HEADER[:2], []
        if _are_triples(rows):
            return TRIPLE_COLUMNS, ["lines are read as source, relation, target"]
        if len(first) == 3 and all(_is_time(row[2]) for row in rows if len(row) > 2):
            note = "the third column is read as times, since its numbers are large"
            hint = "for weights add a line source,target,weight"
            return TEMPORAL_COLUMNS, [f"{note}; {hint}"]
        note = "the third column is read as weights"
        return COLUMNS_WITHOUT_HEADER[: len(first)], [note]


class EdgeFrame:
    """A DataFrame of edges, with the methods of `EdgeFile`."""

    def __init__(self, frame: Any, columns: TableColumns | None = None) -> None:
        check_unique_columns(frame, "edges")
        self.frame, self.columns = frame, columns or TableColumns()
        self.notes: list[str] = []
        self.directed_by, self.kinds = "", None

    def first_ends(self) -> list[set[str]]:
        ends, _ = end_columns(self.frame.columns, self.columns)
        first = self.frame.head(NUM_FIRST_ROWS)
        return [set(cells_as_text(first[column])) for column in ends]

    def read(self, ids: Container[str] = ()) -> Iterator[tuple[Any, LineOf]]:
        yield self.frame, lambda row: row


def open_edges(
    edges: Any, columns: TableColumns | None = None, names: list[str] | None = None
) -> EdgeFile | EdgeFrame:
    """Return the edges of a file or a DataFrame, which are not read yet.

    names: as for `EdgeFile`. DataError for anything else.
    """
    if hasattr(edges, "columns"):
        return EdgeFrame(edges, columns)
    if not isinstance(edges, (str, os.PathLike)):
        raise DataError(
            f"edges must be a path or a DataFrame. Got {type(edges).__name__}. For "
            "pairs use pandas.DataFrame(edges, columns=['source', 'target'])."
        )
    path = Path(edges)
    check_exists(path)
    if (form := file_form(path)) == ".parquet":
        return EdgeFrame(read_parquet(path), columns)
    if form in UNREAD_FORMS and form != ".gz":
        raise unread_form(path, form)
    check_memory(estimate_num_lines(path), path)
    return EdgeFile(path, columns, names)


def estimate_num_lines(path: Path) -> float:
    """Estimate the number of lines of a file from its first 64 KiB."""
    with path.open("rb") as file:
        beginning = file.read(1 << 16)
    return path.stat().st_size / max(len(beginning), 1) * beginning.count(b"\n")


def _are_triples(rows: list[list[str]]) -> bool:
    """Return True if the first lines are triples (source, relation, target).

    Most of the third cells are then not numeric, and some of them are also sources. Or
    the second are texts between two whole numbers, no more different ones than targets:
    those of users, items and ratings are more.
    """
    if any(len(row) != 3 for row in rows):
        return False
    first, second, third = (set(column) for column in zip(*rows, strict=True))
    if 2 * sum(is_number(row[2]) for row in rows) <= len(rows):
        return bool(first & third)
    are_whole = all(name.isdecimal() for name in first | third)
    return are_whole and not any(map(is_number, second)) and len(second) <= len(third)


def _konect_words(comments: tuple[str, ...]) -> list[str]:
    """Return the words of the first line of KONECT, such as `% bip weighted`."""
    is_konect = bool(comments) and comments[0].startswith("%")
    return comments[0].lstrip("% ").split()[:1] if is_konect else []


def _is_time(cell: str) -> bool:
    return cell.isdecimal() and int(cell) >= EARLIEST_TIME


def _refuse_brackets(path: Path, rows: list[list[str]]) -> None:
    """Raise DataError for lines such as (1, 2)."""
    first, last = rows[-1][:1], rows[-1][-1:]
    for opening, closing in ("()", "[]", "{}", "<>"):
        begins = bool(first) and first[0].startswith(opening)
        if not begins or closing in first[0] or opening in last[0]:
            continue
        if last[0].endswith(closing):
            raise DataError(
                f"{path} has lines in brackets: {', '.join(rows[-1])[:80]}. Write them "
                "without, as source,target."
            )


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
