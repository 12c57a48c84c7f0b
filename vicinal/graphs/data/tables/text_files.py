"""Text files of tables: compression, encoding, comments and separator.

Only the standard library: data are recognised by their first lines before anything else
is loaded.
"""

import codecs
import csv
import gzip
import io
import re
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from vicinal.core.data.claimed_size import CheckedGzip
from vicinal.errors import DataError, NoDataError
from vicinal.graphs.data.tables.column_names import is_number, plain_names

COMMENTS = ("#", "%")
"""first characters of comment lines in the edge lists of SNAP and KONECT"""

COMMENT_LINES = re.compile(r"(?<=\n)[#%].*")
BLANK_LINE = re.compile(r"^[ \t]*\n", re.MULTILINE)
EMPTY_LINE = re.compile(r"^ *\n", re.MULTILINE)
"""the same where a tab separates cells"""

EXCEL = re.compile(r"sep=.")
"""a first line that tells Excel the separator"""

SAMPLED_BYTES = 1 << 16
GZIP = b"\x1f\x8b"
DAMAGED_GZIP = (EOFError, gzip.BadGzipFile, zlib.error)
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


ROW_NAMES = "rownames"
"""name that the column of R's row names gets, which R leaves out of the header"""

MAX_HEADER = 100_000
"""characters of a first line that are read"""


class TextFormat(NamedTuple):
    """How the lines of a table are written."""

    separator: str | None
    """None: spaces"""

    num_skipped: int
    """empty lines and comments before the first row"""

    rows: list[list[str]]
    """cells of the first lines, the header among them if there is one"""

    has_row_names: bool = False
    """R's `write.table`: the header has no name for the first column, which `rows`
    calls ROW_NAMES"""

    comments: tuple[str, ...] = ()
    """the first and the last comment above the first row"""

    @property
    def pandas_separator(self) -> str:
        """The separator of the lines of `TableText`, as pandas takes it."""
        return r"\s+" if self.separator is None else self.separator.replace("::", "\t")

    @property
    def commented_names(self) -> list[str] | None:
        """The names in a comment such as `# id,label` above the first row, or None."""
        if not self.comments:
            return None
        text = self.comments[-1].lstrip("#% ").rstrip()
        (names,) = split_lines([text], self.separator)
        names = plain_names(names)
        return names if len(names) == len(self.rows[0]) else None


def check_exists(path: Path) -> None:
    """Raise NoDataError if there is no such file or directory."""
    if not path.exists():
        raise NoDataError(
            f"There is nothing at {path}. Check the spelling of the path."
        )


def open_text(path: Path) -> TextIO:
    """Open a text file, which may be gzipped: UTF-8, or UTF-16 with its mark."""
    with path.open("rb") as file:
        start = file.read(2)
    if start == GZIP:
        with gzip.open(path) as file:
            start = file.read(2)
        binary: Any = CheckedGzip(path)
    else:
        binary = path.open("rb")
    encoding = "utf-16" if start in UTF_16 else "utf-8-sig"
    return io.TextIOWrapper(binary, encoding=encoding)


def first_line(path: Path) -> str:
    """Return the first line of a text file, MAX_HEADER characters at most.

    "" for a file that is not text.
    """
    try:
        with open_text(path) as file:
            return file.readline(MAX_HEADER)
    except (OSError, UnicodeError, *DAMAGED_GZIP):
        return ""


@contextmanager
def damage_as_data_error(path: Path) -> Iterator[None]:
    """Raise DataError for a wrong encoding, a damaged file or a ragged table."""
    import pandas as pd

    from vicinal.core.data.csv_tables import describe_parser_error

    try:
        yield
    except UnicodeError as error:
        raise not_utf8(path, getattr(error, "start", 0)) from error
    except DAMAGED_GZIP as error:
        raise damaged_gzip(path, error) from error
    except (pd.errors.ParserError, pd.errors.ParserWarning, csv.Error) as error:
        raise DataError(
            f"{path} cannot be read as a table: {describe_parser_error(error)}. Put "
            "cells that contain a separator in double quotes."
        ) from error


def damaged_gzip(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} is a damaged gzip file: {error}. Compress it again.")


def not_utf8(path: Path, byte: int) -> DataError:
    return DataError(
        f"{path} is not encoded in UTF-8 (byte {byte}). Save it as UTF-8 and try again."
    )


def read_format(path: Path, expected: str = "source,target[,weight]") -> TextFormat:
    """Return the format of a table from its first 64 KiB; NoDataError if it is empty.

    expected: columns, for the message.
    """
    num_skipped, first, comments = 0, "", list[str]()
    try:
        with open_text(path) as file:
            while line := file.readline(SAMPLED_BYTES):
                if not is_comment(line):
                    first = line
                    break
                num_skipped += 1
                if text := line.strip():
                    comments = [*comments[:1], text]
            text = first + file.read(SAMPLED_BYTES)
    except UnicodeError as error:
        raise not_utf8(path, getattr(error, "start", 0)) from error
    except DAMAGED_GZIP as error:
        raise damaged_gzip(path, error) from error
    if 4 * text.count("\0") > len(text):  # UTF-16 without its mark
        raise not_utf8(path, text.index("\0"))
    lines = text.splitlines()
    if len(text) >= SAMPLED_BYTES and len(lines) > 1:  # the last line may be incomplete
        lines = lines[:-1]
    rows = [line for line in lines if not is_comment(line)]
    if not rows:
        raise NoDataError(f"{path} is empty. Expected columns {expected}.")
    separator = find_separator(rows)
    cells = split_lines(rows, separator)
    if has_row_names := _have_row_names(rows, cells):
        cells[0].insert(0, ROW_NAMES)
    return TextFormat(separator, num_skipped, cells, has_row_names, tuple(comments))


def _have_row_names(lines: list[str], rows: list[list[str]]) -> bool:
    """Return True if R wrote row names, for which its headers have no name.

    Names are in quotes then, every row has one cell more than the header, and the first
    cells are unique.
    """
    header, body = rows[0], rows[1:]
    return (
        len(header) > 1
        and len({*header, ROW_NAMES}) == len(header) + 1
        and bool(body)
        and all(line.lstrip().startswith('"') for line in lines)
        and all(len(row) == len(header) + 1 for row in body)
        and len({row[0] for row in body}) == len(body)
        and not any(map(is_number, header))
    )


def is_comment(line: str) -> bool:
    """Return True for an empty line, a comment, or Excel's `sep=;`."""
    text = line.strip()
    return not text or text.startswith(COMMENTS) or bool(EXCEL.fullmatch(text))


def find_separator(lines: list[str]) -> str | None:
    """Return what the lines are split by: a tab, `,` `;` `|` or `::`; None: spaces.

    It is the one that is most frequent in the first line, among those that all lines
    have as often as the first; a tab goes first, since cells hardly contain any.
    """
    found = [mark for mark in ("\t", ",", ";", "|", "::") if mark in lines[0]]
    even = [mark for mark in found if _widths(lines, mark) == _widths(lines[:1], mark)]
    if "\t" in even:
        return "\t"
    if even in (["|"], ["::"]) and _may_be_inside_names(lines, even[0]):
        return None
    return max(even or found, key=lines[0].count, default=None)


def _may_be_inside_names(lines: list[str], mark: str) -> bool:
    """Return True if spaces split the lines evenly, and marks are not between them."""
    first = lines[0].strip()
    is_between = first.count(f" {mark} ") == first.count(mark)
    return len(first.split()) > 1 and not is_between and len(_widths(lines, None)) == 1


def split_lines(lines: list[str], separator: str | None) -> list[list[str]]:
    """Return the stripped cells of each line; quotes around them are removed."""
    if separator == "::":
        lines, separator = [tabs_for_colons(line) for line in lines], "\t"
    elif separator is None:
        lines, separator = [" ".join(line.split()) for line in lines], " "
    cells = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    return [[cell.strip() for cell in row] for row in cells]


def tabs_for_colons(text: str) -> str:
    """Return a text with a tab for each `::`, which no parser takes as a separator."""
    return text.replace("\t", " ").replace("::", "\t")


def _widths(lines: list[str], separator: str | None) -> set[int]:
    return {len(row) for row in split_lines(lines, separator)}


class TableText(io.TextIOBase):
    """The rows of a table of text, for pandas: without comments, `::` as tabs.

    It counts the lines that are no rows: empty ones, which pandas leaves out, and
    comments. separator: see `TextFormat`. has_comments: lines that begin with # or %
    are comments.
    """

    def __init__(
        self, file: TextIO, separator: str | None = None, has_comments: bool = True
    ) -> None:
        self.num_comments = 0
        self._file, self._has_comments = file, has_comments
        self._has_colons = separator == "::"
        self._empty_line = EMPTY_LINE if separator == "\t" else BLANK_LINE
        self._num_lines = 0
        self._rows_before: list[int] = []
        """rows before each line that is none"""

    def readable(self) -> bool:
        return True

    def line_of(self, row: int) -> int:
        """Return the line of a row of the text; both are counted from 0."""
        return row + bisect_right(self._rows_before, row)

    def read(self, size: int | None = -1, /) -> str:
        """Return about `size` characters that end with a whole line, "" at the end."""
        text = self._file.read(-1 if size is None else size)
        if text and not text.endswith("\n"):
            text += self._file.readline()
        if not text:
            return ""
        num_lines = text.count("\n")
        if self._has_comments and _may_begin_with(text, COMMENTS):
            rest, count = COMMENT_LINES.subn("", f"\n{text}")
            self.num_comments += count
            text = rest[1:] or "\n"
        if _may_begin_with(text, ("\n", " ", "\t")):
            self._note_empty_lines(text)
        self._num_lines += num_lines
        return tabs_for_colons(text) if self._has_colons else text

    def _note_empty_lines(self, text: str) -> None:
        """Remember how many rows come before each empty line of a part of the text."""
        position, line = 0, self._num_lines
        for match in self._empty_line.finditer(text):
            line += text.count("\n", position, match.start())
            position = match.start()
            self._rows_before.append(line - len(self._rows_before))


def _may_begin_with(text: str, marks: tuple[str, ...]) -> bool:
    """Return True if a line of the text begins with one of the marks."""
    return text.startswith(marks) or any(f"\n{mark}" in text for mark in marks)
