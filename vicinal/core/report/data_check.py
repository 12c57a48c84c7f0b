"""What `check` found in data."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from vicinal.core.data.quarantine import Quarantined


class DataCheck(NamedTuple):
    """What data are, what can be used, and what cannot."""

    task: str
    """as --task has it"""

    lines: Sequence[str]
    """the description of the data, for the console"""

    statistics: Mapping[str, Any]
    usable: int
    """number of usable examples; 0 is an error"""

    quarantined: Sequence[Quarantined] = ()
    notes: Sequence[str] = ()
    hints: Sequence[str] = ()
    """further notes, for the console only"""

    extra: Mapping[str, Any] = {}
    """JSON keys that only this domain has"""
