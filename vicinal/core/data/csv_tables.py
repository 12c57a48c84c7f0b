"""Tables as spreadsheets write them: a CSV as texts, and what its cells mean."""

import re
import unicodedata
import warnings
from io import StringIO
from pathlib import Path
from typing import Any

from vicinal.core.data.labels import is_missing
from vicinal.errors import DataError, NoDataError

EMPTY = frozenset({"", "nan", "none", "null", "n/a", "na"})
"""cells, in lower case, that count as no label"""


def read_csv(path: Path, wanted: str) -> Any:
    """A CSV in UTF-8 as a DataFrame of texts; comma, semicolon or tab between cells.

    wanted: the columns, for whoever gives an empty file.
    """
    import pandas as pd

    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not written in UTF-8 (byte {error.start}). "
            "Save it as CSV UTF-8 and try again."
        ) from error
    if not text.strip():
        raise NoDataError(f"{path} is empty. Wanted: the columns {wanted}.")
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
            f"{path} cannot be read as a table: {why_no_table(error)}. "
            "A cell that holds a separator belongs in double quotes."
        ) from error


RAGGED = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")


def why_no_table(error: Exception) -> str:
    """What pandas found wrong, in words of a table."""
    found = RAGGED.search(str(error))
    if found is not None:
        wanted, line, got = found.groups()
        return f"line {line} has {got} cells, where the first has {wanted}"
    if isinstance(error, Warning):
        return "rows have more cells than the first line has names"
    return str(error).removeprefix("Error tokenizing data. C error: ").strip()


def clean(cell: Any) -> str | None:
    """A cell as text, composed (NFC); None for empty, NaN and their spellings."""
    text = "" if is_missing(cell) else unicodedata.normalize("NFC", str(cell)).strip()
    return None if text.lower() in EMPTY else text


def whole_numbers_as_such(column: Any) -> list[Any]:
    """The cells; whole numbers that a missing one beside them made floats, as such."""
    cells = [getattr(cell, "item", lambda cell=cell: cell)() for cell in column]
    given = [cell for cell in cells if not is_missing(cell)]
    if not all(isinstance(cell, (int, float)) and cell == cell // 1 for cell in given):
        return cells
    return [cell if is_missing(cell) else int(cell) for cell in cells]
