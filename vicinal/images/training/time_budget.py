"""The user's minutes: how many of them are for learning."""

import time
from typing import NamedTuple

MOST_EPOCHS = 60
"""that a plan by the clock makes"""


FOR_SHORTCUTS = 30.0
"""seconds of the user's minutes that are left for the look for shortcuts"""


class TimeBudget(NamedTuple):
    """Minutes for everything from the look at the pictures to the report."""

    minutes: float

    began: float
    """what `time.monotonic` said then"""

    reserved: float = 0.0
    """seconds of them for what comes after learning, beside the test and the report"""

    @property
    def seconds(self) -> float:
        """Seconds from the beginning until learning has to end.

        A tenth of the minutes, half a minute at most, is left for test and report.
        """
        return 60 * self.minutes - min(6 * self.minutes, 30) - self.reserved

    def left(self) -> float:
        """Seconds from now until learning has to end."""
        return max(0.0, self.seconds - (time.monotonic() - self.began))

    def epochs(self, an_epoch: float) -> int:
        """How many epochs of so many seconds there is time for, one at least.

        An estimate: the clock decides when they are made.
        """
        return min(max(int(self.left() / max(an_epoch, 1e-9)), 1), MOST_EPOCHS)
