"""Counts, durations and names as text."""

import re

NUMBER = r"[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?"
"""a class name that is a number"""


def pluralize(n: int, noun: str) -> str:
    """Return a count with its noun: `1 image`, `2,500 images`, `3 classes`."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{n:,} {noun if n == 1 else plural}"


def class_label(name: str) -> str:
    """Return a class name for a sentence: `class 3` where the name is a number."""
    return f"class {name}" if re.fullmatch(NUMBER, name) else name


def format_duration(seconds: float) -> str:
    """Return a rounded duration: `about 5 s`, `about 3 min`, `about 2.5 h`."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    minutes = seconds / 60
    return f"about {minutes:.0f} min" if minutes < 90 else f"about {minutes / 60:.1f} h"


def format_percent(fraction: float) -> str:
    """Return a fraction in percent, to a tenth: `12.3 %`."""
    return f"{100 * fraction:.1f} %"


# Terminals act on control characters. Marks of the writing direction reorder what is
# shown, and separators of lines and paragraphs begin a line (Unicode TR 36, 2.6).
CONTROLS = "\0-\x08\x0b-\x1f\x7f-\x9f"
DIRECTION_MARKS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
SEPARATORS = "\u2028\u2029"
BREAKS = re.compile("[\t\n]")
UNSAFE = re.compile(f"[{CONTROLS}{DIRECTION_MARKS}{SEPARATORS}\ufeff\ufff9-\ufffb]")


def printable(text: str) -> str:
    """Return text for a terminal: control characters and direction marks escaped.

    They are shown as in Python, such as \\x1b; tabs and line ends stay.
    """
    return UNSAFE.sub(_escape, text)


def one_line(text: str) -> str:
    """Return a name for a terminal: like `printable`, and line ends and tabs escaped.

    A name with line ends could otherwise print lines of its own.
    """
    return BREAKS.sub(_escape, printable(text))


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
