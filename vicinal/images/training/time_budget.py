"""The user's minutes, and how many of them are left for training."""

import time
from typing import NamedTuple

MAX_EPOCHS = 60
"""largest number of epochs that is planned for a time budget"""

SHORTCUT_SECONDS = 30.0
"""seconds of the budget reserved for the search for shortcuts"""


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

    def epochs(self, epoch_seconds: float) -> int:
        """Return the number of epochs that fit into the remaining time, at least one.

        An estimate: training itself ends by the clock.
        """
        epochs = int(self.remaining() / max(epoch_seconds, 1e-9))
        return min(max(epochs, 1), MAX_EPOCHS)
