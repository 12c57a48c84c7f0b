"""CSV tables as spreadsheets write them: reading, and cleaning of cells."""

import re
import unicodedata
import warnings
from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from typing import Any

from vicinal.core.data.labels import is_missing, parse_number
from vicinal.core.storage.files import replace_file, write_text
from vicinal.errors import DataError, NoDataError, suggest_names

EMPTY = frozenset({"", "nan", "none", "null", "n/a", "na", "<na>", "#n/a", "\\n"})
"""cells, in lower case, that mean a missing value; databases write NULL as \\N"""

NOT_A_TIME = "NaT"
"""a missing time of pandas, in this spelling only: Nat is a name"""


def read_csv(path: Path, expected: str) -> Any:
    """Read a UTF-8 CSV (comma, semicolon or tab) as a DataFrame of strings.

    expected: the columns, for the error about an empty file.
    """
    import pandas as pd

    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not encoded in UTF-8 (byte {error.start}). "
            "Save it as CSV UTF-8 and try again."
        ) from error
    if not text.strip():
        raise NoDataError(f"{path} is empty. Expected the columns {expected}.")
    head = text.split("\n", 1)[0]
    separator = max(",;\t", key=head.count)
    try:
        with warnings.catch_warnings():
            # rows longer than the header would shift or lose cells
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                StringIO(text),
                sep=separator,
                dtype=str,
                keep_default_na=False,
                index_col=False,
                skip_blank_lines=False,
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise DataError(
            f"{path} cannot be read as a table: {describe_parser_error(error)}. "
            "Put cells that contain a separator in double quotes."
        ) from error


RAGGED = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")


def describe_parser_error(error: Exception) -> str:
    """Return the error of pandas' parser in terms of lines and cells."""
    match = RAGGED.search(str(error))
    if match is not None:
        expected, line, got = match.groups()
        return f"line {line} has {got} cells, the first line {expected}"
    if isinstance(error, Warning):
        return "rows have more cells than the header"
    return str(error).removeprefix("Error tokenizing data. C error: ").strip()


def named_column(columns: Iterable[Any], name: str, table: str) -> Any:
    """Return the column that the user named, whose case may differ; else DataError.

    table: what has the columns, for the message, such as "the table of nodes".
    """
    by_name = {str(column): column for column in columns}
    if name in by_name:
        return by_name[name]
    for known, column in by_name.items():
        if known.strip().lower() == name.strip().lower():
            return column
    hint = suggest_names(name, by_name) if by_name else "It has no columns."
    raise DataError(f"There is no column {name!r} in {table}. {hint}")


def clean_cell(cell: Any) -> str | None:
    """Return a cell as stripped text (NFC); None for a missing value (`is_empty`)."""
    text = "" if is_missing(cell) else unicodedata.normalize("NFC", str(cell)).strip()
    return None if is_empty(text) else text


def is_empty(text: str) -> bool:
    """Return True for the text of a missing value: `EMPTY`, or NaT."""
    return text.lower() in EMPTY or text == NOT_A_TIME


def restore_integers(column: Any) -> list[Any]:
    """Return the cells, with integers that a missing cell had turned into floats.

    False and True are not integers but classes.
    """
    cells = [getattr(cell, "item", lambda cell=cell: cell)() for cell in column]
    present = [cell for cell in cells if not is_missing(cell)]
    integers = (
        isinstance(c, (int, float)) and not isinstance(c, bool) and c == c // 1
        for c in present
    )
    if not all(integers):
        return cells
    return [cell if is_missing(cell) else int(cell) for cell in cells]


def write_csv(path: Path, frame: Any, *, escape: bool = True) -> None:
    """Write a table as CSV; the file is complete or not there.

    escape: for a table that people open, texts that a spreadsheet would run as formulas
    get a leading apostrophe (`escape_formula`).
    """
    write_text(path, (_escape_cells(frame) if escape else frame).to_csv(index=False))


def write_csv_in_parts(path: Path, frames: Iterable[Any]) -> None:
    """Write tables of the same columns one after the other, as `write_csv`.

    One of them is in memory at a time.
    """

    def write(temporary: Path) -> None:
        with temporary.open(
            "w", newline="", encoding="utf-8", errors="backslashreplace"
        ) as file:
            for k, frame in enumerate(frames):
                _escape_cells(frame).to_csv(file, index=False, header=not k)

    replace_file(path, write)


def _escape_cells(frame: Any) -> Any:
    return frame.rename(columns=escape_formula).apply(_escape_column)


def _escape_column(column: Any) -> Any:
    is_text = column.dtype.kind not in "iufb"
    return column.map(escape_formula) if is_text else column


FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20].", re.DOTALL)
"""texts that a spreadsheet runs as a formula, or that were escaped; the last four are
the full-width forms of = + - @"""


def escape_formula(cell: Any) -> Any:
    """Return a text with an apostrophe before = + - @, tab, CR or LF; others unchanged.

    Spreadsheets run such texts as formulas (OWASP, "CSV injection"). Numbers stay.
    """
    if not isinstance(cell, str) or FORMULA.match(cell) is None:
        return cell
    return cell if parse_number(cell) is not None else f"'{cell}"


def unescape_formula(cell: Any) -> Any:
    """Return the text that `escape_formula` was given."""
    is_escaped = isinstance(cell, str) and cell[:1] == "'" and FORMULA.match(cell)
    return cell[1:] if is_escaped else cell
