"""What is set aside, by name and with the reason: bad data are never disguised."""

from typing import NamedTuple


class Quarantined(NamedTuple):
    """An example that is set aside, and why."""

    name: str
    label: str
    reason: str
