"""The time that a training run has used of its minutes."""

import time


class TrainingClock:
    """Counts the seconds of a time limit, across resumptions."""

    def __init__(self, minutes: float | None, started_at: float | None) -> None:
        """started_at: `time.monotonic()` at which the minutes began; None: now."""
        self.minutes = minutes
        self.used_before = 0.0
        self.started_at = time.monotonic() if started_at is None else started_at

    def start(self) -> None:
        """Count from now."""
        self.started_at = time.monotonic()

    def resume(self, used_before: float) -> None:
        """Count from now, in addition to the seconds used before a resumption."""
        self.used_before = used_before
        self.start()

    @property
    def used(self) -> float:
        """Seconds used."""
        return self.used_before + time.monotonic() - self.started_at

    @property
    def fraction(self) -> float:
        """Fraction of the minutes used; 0 without a limit."""
        return 0.0 if self.minutes is None else self.used / (60 * self.minutes)

    @property
    def out_of_time(self) -> bool:
        return self.minutes is not None and self.used > 60 * self.minutes
