"""Colors and labels shared by the plots of graphs."""

from typing import Any

COLORS = ("#2563a8", "#b35806", "#4d9221", "#762a83", "#80cdc1", "#c51b7d", "#7f7f7f")
"""of classes, distinguishable with color blindness; all further classes are grey"""

NEUTRAL = "#9a9a9a"
"""of nodes without a class, and of edges that only connect the nodes drawn"""


def plain_text(text: Any, max_length: int | None = None) -> str:
    """Return a text for matplotlib, cut to `max_length`, without math mode (`$`)."""
    printable = str(text).encode(errors="replace").decode()
    if max_length is not None and len(printable) > max_length:
        printable = printable[: max_length - 1] + "…"
    return printable.replace("$", r"\$")


def legend_label(text: str) -> str:
    """Return a text for a legend; matplotlib drops labels that begin with `_`."""
    label = plain_text(text)
    return f" {label}" if label.startswith("_") else label


def class_color(row: int) -> str:
    """Return the color of a class by its row; -1 (no class) is neutral."""
    if row < 0:
        return NEUTRAL
    return COLORS[row] if row < len(COLORS) else COLORS[-1]
