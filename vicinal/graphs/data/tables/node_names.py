"""Names of nodes that a spreadsheet or pandas has changed."""

import re

from vicinal.core.data.csv_tables import NOT_A_TIME, is_empty

FLOAT_NAME = re.compile(r"(-?\d+)\.0+")
"""an integer that pandas made a float because of a missing cell"""

SHORTENED_NAME = re.compile(r"\d([.,]\d+)?[eE]\+\d+")
"""a number of which a spreadsheet has kept the first digits only"""

MISSING_IDS = frozenset({"", "nan", "none", "null", "<na>", "#n/a", "\\n"})
"""cells, in lower case, that name no node; n/a and NA may be names"""

SHORTENED = "is a number that a spreadsheet has shortened; save it as text"


def is_missing_id(name: str) -> bool:
    """Return True for a cell that names no node in a table of nodes."""
    return name.lower() in MISSING_IDS or name == NOT_A_TIME


def are_float_names(names: list[str]) -> bool:
    """Return True if all names are integers that became floats, such as 1.0."""
    given = (name for name in names if not is_empty(name))
    first = next(given, None)
    return (
        first is not None
        and FLOAT_NAME.fullmatch(first) is not None
        and all(FLOAT_NAME.fullmatch(name) for name in given)
    )


def restore_names(names: list[str]) -> list[str]:
    """Return names without the .0 of integers that became floats."""
    matches = (FLOAT_NAME.fullmatch(name) for name in names)
    return [m[1] if m else name for name, m in zip(names, matches, strict=True)]
