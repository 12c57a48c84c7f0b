"""Lines of triples in text files: separators, quotes and comments."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np

from vicinal.errors import NoDataError
from vicinal.graphs.data.tables.text_files import (
    COMMENTS,
    EXCEL,
    SAMPLED_BYTES,
    damage_as_data_error,
    not_utf8,
    open_text,
)
from vicinal.knowledge.data.columns import EXPECTED

SEPARATORS = ("\t", ",", ";", "|", "::", None)
"""what cells are separated by, those that are preferred first; None: spaces"""

SEPARATOR_NAMES = {"\t": "tabs", ",": "commas", ";": "semicolons", None: "spaces"}

CHARACTERS_PER_BLOCK = 1 << 23

COMMENT = re.compile(r"[#%]([\s#%]|$)")
"""how a line begins that is a comment even if it has three cells; #tag is a name"""


def first_lines(path: Path) -> list[str]:
    """Return the first complete lines of a text file; NoDataError if it is empty."""
    with damage_as_data_error(path), open_text(path) as file:
        text = file.read(SAMPLED_BYTES)
        is_complete = not file.read(1)
    if 4 * text.count("\0") > len(text):  # UTF-16 without its mark
        raise not_utf8(path, text.index("\0"))
    lines = text.split("\n")
    if not is_complete and len(lines) > 1:
        lines = lines[:-1]
    if not any(map(str.strip, lines)):
        raise NoDataError(f"{path} is empty. Expected columns {EXPECTED}.")
    return lines


def line_blocks(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield blocks of lines, each with the number of its first line, from 1 on."""
    first = 1
    with damage_as_data_error(path), open_text(path) as file:
        while lines := _next_lines(file):
            yield first, lines
            first += len(lines)


def _next_lines(file: TextIO) -> list[str]:
    text = file.read(CHARACTERS_PER_BLOCK)
    if not text:
        return []
    if not text.endswith("\n"):
        text += file.readline()
    return text.removesuffix("\n").split("\n")


def is_comment(line: str) -> bool:
    """Return True for a comment, a blank line, or Excel's `sep=;`."""
    text = line.strip()
    return not text or bool(COMMENT.match(text) or EXCEL.fullmatch(text))


def split_line(line: str, separator: str | None) -> list[str]:
    """Return the cells of a line; quotes around them are removed.

    In lines of tabs a separator is never inside quotes, and quotes within a name stay.
    """
    if separator is None:
        line, separator = " ".join(line.split()), " "
    if '"' not in line or separator == "::":
        return line.split(separator)
    if separator == "\t":
        return [_unquote(cell.strip()) for cell in line.split(separator)]
    try:
        reader = csv.reader(
            [line.strip()], delimiter=separator, skipinitialspace=True, strict=True
        )
        return next(reader)
    except csv.Error:  # the quotes are part of names
        return line.split(separator)


def _unquote(cell: str) -> str:
    """Return a cell that is written in quotes without them."""
    inside = cell[1:-1].replace('""', "")
    is_quoted = len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inside
    return cell[1:-1].replace('""', '"') if is_quoted else cell


class LineFormat(NamedTuple):
    """How cells are separated."""

    separator: str | None
    """None: spaces"""

    width: int
    """cells of a row"""

    def are_regular(self, lines: Sequence[str]) -> np.ndarray:
        """Return which lines [n] bool can be split at the separator alone."""
        if self.separator is None:
            counts = np.fromiter(map(len, map(str.split, lines)), np.int32)
        else:
            marks = map(str.count, lines, repeat(self.separator))
            counts = np.fromiter(marks, np.int32) + 1
        regular = counts == self.width
        text = "\n".join(lines)
        if '"' in text:
            regular &= ~np.fromiter(map(str.count, lines, repeat('"')), bool)
        if text.startswith(COMMENTS) or any(f"\n{mark}" in text for mark in COMMENTS):
            regular &= ~np.fromiter((k.startswith(COMMENTS) for k in lines), bool)
        return regular

    def cells(self, lines: Sequence[str]) -> list[str]:
        """Return the cells of all lines, which are regular, one after the other."""
        if self.separator is None:
            return [*chain.from_iterable(map(str.split, lines))]
        return self.separator.join(lines).split(self.separator) if lines else []


def find_format(lines: Sequence[str]) -> LineFormat | None:
    """Return the format of the first lines; None if most do not have three cells.

    The separator is the one that splits most lines into the same number of cells.
    """
    best, most = LineFormat(None, 1), (0, False)
    for separator in SEPARATORS:
        widths = Counter(len(split_line(line, separator)) for line in lines)
        for width, count in widths.items():
            if width > 1 and (count, width > 2) > most:
                best, most = LineFormat(separator, width), (count, width > 2)
    return best if best.width > 2 else None


def split_at_other(line: str, form: LineFormat) -> tuple[str | None, list[str]] | None:
    """Return the cells of a line, and the separator that splits it into the right ones.

    None if the separator of the format does, or if none does.
    """
    if len(split_line(line, form.separator)) == form.width:
        return None
    for separator in SEPARATORS:
        cells = split_line(line, separator)
        if len(cells) == form.width:
            return separator, cells
    return None


def separator_name(separator: str | None) -> str:
    """Return a separator for a message."""
    return SEPARATOR_NAMES.get(separator, f"{separator}")
