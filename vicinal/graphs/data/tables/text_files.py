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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from vicinal.core.data.claimed_size import CheckedGzip
from vicinal.errors import DataError, NoDataError

COMMENTS = ("#", "%")
"""first characters of comment lines in the edge lists of SNAP and KONECT"""

COMMENT_LINES = re.compile(r"(?<=\n)[#%].*")

EXCEL = re.compile(r"sep=.")
"""a first line that tells Excel the separator"""

SAMPLED_BYTES = 1 << 16
GZIP = b"\x1f\x8b"
DAMAGED_GZIP = (EOFError, gzip.BadGzipFile, zlib.error)
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class TextFormat(NamedTuple):
    """How the lines of a table are written."""

    separator: str | None
    """None: spaces"""

    num_skipped: int
    """empty lines and comments before the first row"""

    rows: list[list[str]]
    """cells of the first lines, the header among them if there is one"""


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
    num_skipped, first = 0, ""
    try:
        with open_text(path) as file:
            while line := file.readline(SAMPLED_BYTES):
                if not is_comment(line):
                    first = line
                    break
                num_skipped += 1
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
    return TextFormat(separator, num_skipped, split_lines(rows, separator))


def is_comment(line: str) -> bool:
    """Return True for an empty line, a comment, or Excel's `sep=;`."""
    text = line.strip()
    return not text or text.startswith(COMMENTS) or bool(EXCEL.fullmatch(text))


def find_separator(lines: list[str]) -> str | None:
    """Return a tab, semicolon, comma or bar that the lines are split by; None: spaces.

    It is the one that is most frequent in the first line, among those that all lines
    have as often as the first; a tab goes first, since cells hardly contain any.
    """
    found = [mark for mark in "\t,;|" if mark in lines[0]]
    even = [mark for mark in found if _widths(lines, mark) == _widths(lines[:1], mark)]
    if "\t" in even:
        return "\t"
    if even == ["|"] and len(lines[0].split()) > 1 and len(_widths(lines, None)) == 1:
        return None  # names with bars, between spaces
    return max(even or found, key=lines[0].count, default=None)


def split_lines(lines: list[str], separator: str | None) -> list[list[str]]:
    """Return the stripped cells of each line; quotes around them are removed."""
    if separator is None:
        lines, separator = [" ".join(line.split()) for line in lines], " "
    cells = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    return [[cell.strip() for cell in row] for row in cells]


def _widths(lines: list[str], separator: str | None) -> set[int]:
    return {len(row) for row in split_lines(lines, separator)}


class CommentFilter(io.TextIOBase):
    """A text file without its comment lines, for pandas; it counts them."""

    def __init__(self, file: TextIO) -> None:
        self.num_comments = 0
        self._file = file

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> str:
        """Return about `size` characters that end with a whole line, "" at the end."""
        text = self._file.read(-1 if size is None else size)
        if text and not text.endswith("\n"):
            text += self._file.readline()
        if not (text.startswith(COMMENTS) or "\n#" in text or "\n%" in text):
            return text
        rest, count = COMMENT_LINES.subn("", f"\n{text}")
        self.num_comments += count
        return rest[1:] or "\n"
