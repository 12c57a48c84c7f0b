"""Names of examples: what a name may not contain."""

import re
from collections.abc import Iterable

from vicinal.core.text import CONTROLS

INVALID = re.compile(f"[{CONTROLS}\ud800-\udfff]")
"""control characters other than tab and line end, and halves of surrogate pairs"""


def problem_of_name(name: str) -> str | None:
    """Return why a name cannot be used; None if it can.

    Model files separate names by a zero, and tables and terminals act on other control
    characters; a half of a surrogate pair cannot be written as UTF-8.
    """
    match = INVALID.search(name)
    if match is None:
        return None
    return f"the name contains the character U+{ord(match[0]):04X}"


def problems_of_names(names: Iterable[str]) -> dict[str, str]:
    """Return the names that cannot be used, each with the reason."""
    names = list(names)
    if INVALID.search("\n".join(names)) is None:  # the usual case, in one pass
        return {}
    problems = ((name, problem_of_name(name)) for name in names)
    return {name: problem for name, problem in problems if problem is not None}
