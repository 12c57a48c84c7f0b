"""What is set aside, by name and with the reason: bad data are never disguised."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

from vicinal.core.text import counted
from vicinal.errors import QuarantineWarning


class Quarantined(NamedTuple):
    """An example that is set aside, and why."""

    name: str
    label: str
    reason: str


def warn_of(aside: Sequence[Quarantined], what: str, stacklevel: int = 4) -> None:
    """A QuarantineWarning that counts what is set aside, if anything is.

    what: one of them, such as `picture`. stacklevel: of who asks `fit`, which asks
    the caller, 4.
    """
    if aside:
        first = aside[0]
        told = f"{counted(len(aside), what)} set aside, {first.name}: {first.reason}"
        told += "; quarantine_ lists all"
        warnings.warn(told, QuarantineWarning, stacklevel=stacklevel)
