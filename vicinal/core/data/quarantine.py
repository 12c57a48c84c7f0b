"""Quarantined rows: what could not be used, and why."""

import csv
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from vicinal.core.data.csv_tables import escape_formula
from vicinal.core.storage.files import replace_file
from vicinal.core.text import one_line, pluralize
from vicinal.errors import QuarantineWarning

QUARANTINE_FILE = "data/quarantine.csv"
"""where a run lists them"""

MAX_LISTED = 20
"""rows that are listed in text"""


class Quarantined(NamedTuple):
    """An example that was left out, and the reason."""

    name: str
    label: str
    reason: str


def describe_quarantine(count: int, total: int | None, unit: str) -> str:
    """Summarise quarantined rows in one sentence.

    total: examples before quarantine; None where it is unknown. unit: singular noun.
    """
    if not count:
        return f"No {unit} was quarantined."
    if total is None:
        return f"{pluralize(count, unit)} quarantined; see {QUARANTINE_FILE}."
    of_all = f"{count:,} of {pluralize(total, unit)}"
    return f"{of_all} quarantined; see {QUARANTINE_FILE}."


def warn_quarantined(
    quarantined: Sequence[Quarantined], unit: str, stacklevel: int = 4
) -> None:
    """Issue a QuarantineWarning with the count and the first reason, if any.

    unit: singular noun, such as `image`. stacklevel: 4 points to the caller of `fit`
    when `fit` calls a function that calls this one.
    """
    if quarantined:
        first = quarantined[0]
        warnings.warn(
            f"{pluralize(len(quarantined), unit)} quarantined, for example "
            f"{describe_row(first)}. See the quarantine_ attribute.",
            QuarantineWarning,
            stacklevel=stacklevel,
        )


def describe_row(row: Quarantined) -> str:
    """Return the name, if it has one, and the reason as text of one line."""
    return ": ".join(map(one_line, filter(None, (row.name, row.reason))))


def quarantine_lines(rows: Sequence[Quarantined], more: str) -> Iterator[str]:
    """Yield the first quarantined rows as text; more: what lists them all."""
    for row in rows[:MAX_LISTED]:
        yield f"quarantined: {describe_row(row)}"
    if len(rows) > MAX_LISTED:
        yield f"... and {len(rows) - MAX_LISTED:,} more ({more})"


def write_quarantine(path: Path, rows: Sequence[Quarantined]) -> None:
    """Write quarantined rows as CSV with the columns name, label and reason."""

    def write(temporary: Path) -> None:
        # bytes of names that are not UTF-8 are escaped as in JSON: \udc..
        with temporary.open(
            "w", newline="", encoding="utf-8", errors="backslashreplace"
        ) as file:
            table = csv.writer(file)
            table.writerow(Quarantined._fields)
            table.writerows(map(escape_formula, row) for row in rows)

    replace_file(path, write)
