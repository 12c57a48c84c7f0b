"""The user's minutes, and how many of them are left for training."""

import math
import time
from typing import NamedTuple

from vicinal.core.text import format_duration

MAX_EPOCHS = 60
"""largest number of epochs that is planned for a time budget"""

SHORTCUT_SECONDS = 30.0
"""seconds of the budget reserved for the search for shortcuts"""


LATE = 1.15
"""times the minutes, from which on a note says that the run took longer"""


class EpochTime(NamedTuple):
    """Seconds of an epoch; the first ones may take longer."""

    seconds: float

    additional: float = 0.0
    """seconds that each of the first `num_first` epochs takes in addition"""

    num_first: int = 0

    def epochs(self, seconds: float) -> float:
        """Return the number of epochs that take so many seconds."""
        first = self.seconds + self.additional
        if seconds <= self.num_first * first:
            return seconds / max(first, 1e-9)
        rest = seconds - self.num_first * first
        return self.num_first + rest / max(self.seconds, 1e-9)

    def total(self, epochs: int) -> float:
        """Return the seconds of the first `epochs` epochs."""
        return epochs * self.seconds + min(epochs, self.num_first) * self.additional


def seconds_left(minutes: float | None, started_at: float) -> float:
    """Return the seconds until the minutes are used up; infinite without any.

    started_at: `time.monotonic()` at their beginning.
    """
    if minutes is None:
        return math.inf
    return 60 * minutes - (time.monotonic() - started_at)


def note_late(
    minutes: float | None, seconds: float, first_seconds: float, first: str
) -> str:
    """Return a note if a run took longer than its minutes; "" if it did not.

    first_seconds: until its first model, whose name is `first`; 0: unknown.
    """
    if minutes is None or seconds <= LATE * 60 * minutes:
        return ""
    until = f", {format_duration(first_seconds)} of it until {first}"
    return (
        f"note: the run took {format_duration(seconds)}{until if first_seconds else ''}"
        f"; {minutes:g} min were asked for"
    )


def probe_seconds(minutes: float | None, started_at: float) -> float:
    """Return the seconds in which to fit the linear probe: a fifth of those left."""
    return max(0.2 * seconds_left(minutes, started_at), 1.0)


class TimeBudget(NamedTuple):
    """Minutes for a whole run, from reading the images to writing the report."""

    minutes: float

    started_at: float
    """`time.monotonic()` at the beginning of the run"""

    reserved: float = 0.0
    """seconds for analyses after training, besides the test and the report"""

    @property
    def seconds(self) -> float:
        """Seconds from the beginning of the run to the end of training.

        A tenth of the minutes, half a minute at most, is left for test and report.
        """
        return 60 * self.minutes - min(6 * self.minutes, 30) - self.reserved

    def remaining(self) -> float:
        """Return the seconds from now to the end of training."""
        return max(0.0, self.seconds - (time.monotonic() - self.started_at))

    def epochs(self, epoch_time: EpochTime) -> int:
        """Return the number of epochs that fit into the remaining time, at least one.

        An estimate: training itself ends by the clock.
        """
        return min(max(int(epoch_time.epochs(self.remaining())), 1), MAX_EPOCHS)
