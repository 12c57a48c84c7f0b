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
