"""Counts, times and names as a person says them."""

import re

NUMBER = r"[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?"
"""a name that is one"""


def counted(n: int, noun: str) -> str:
    """`1 picture`, `2,500 pictures`, `3 classes`."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{n:,} {noun if n == 1 else plural}"


def class_or_number(name: str) -> str:
    """A class in a sentence: one whose name is a number is called a class."""
    return f"class {name}" if re.fullmatch(NUMBER, name) else name


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    minutes = seconds / 60
    return f"about {minutes:.0f} min" if minutes < 90 else f"about {minutes / 60:.1f} h"


def percent(share: float) -> str:
    """A share of 1 in percent, to a tenth."""
    return f"{100 * share:.1f} %"
