"""Colours and labels that the plots of graphs share."""

from typing import Any

COLOURS = ("#2563a8", "#b35806", "#4d9221", "#762a83", "#80cdc1", "#c51b7d", "#7f7f7f")
"""of classes, told apart by people who see no red or green; further ones are grey"""


PLAIN = "#9a9a9a"
"""of what has no class, and of edges that only lead there"""


def plain(text: Any, most: int | None = None) -> str:
    """A text as it stands, cut to so many letters: no `$` begins a formula."""
    told = str(text).encode(errors="replace").decode()
    if most is not None and len(told) > most:
        told = told[: most - 1] + "…"
    return told.replace("$", r"\$")


def key(text: str) -> str:
    """A text for a legend, which leaves out those that begin with `_`."""
    told = plain(text)
    return f" {told}" if told.startswith("_") else told


def colour_of(row: int) -> str:
    """Of a class by its row; plain for -1."""
    if row < 0:
        return PLAIN
    return COLOURS[row] if row < len(COLOURS) else COLOURS[-1]
