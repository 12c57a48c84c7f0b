"""What transfer bought: the same network from random weights, for as long.

A run that began with trained weights also trains its network from nothing, for about as
long as the first answer took (`seconds_from_nothing`). All are judged on the same
pictures, which none of them has learned from: the validation part, or one fold where
every picture is learned from.
"""

from typing import Any, NamedTuple

import numpy as np

from vicinal.core.metrics import SHARES, Score, wilson
from vicinal.core.training.trainer import Epoch

SHORTEST, LONGEST = 2.0, 60.0
"""seconds that training from nothing may take"""

OF_MINUTES = 0.05
"""share of the user's minutes that it may take"""


class TrainingComparison(NamedTuple):
    """One row: how the network was made, in how many seconds, and how good it was."""

    how: str
    seconds: float
    score: Score

    def to_dict(self) -> dict[str, Any]:
        return {**self._asdict(), "score": self.score.to_dict()}


def seconds_from_nothing(first_answer: float, minutes: float | None) -> float:
    """How long to train from nothing: as the first answer took, within bounds."""
    most = LONGEST if minutes is None else min(LONGEST, OF_MINUTES * 60 * minutes)
    return max(min(first_answer, most), min(SHORTEST, most))


def reserved(minutes: float) -> float:
    """Seconds of the user's minutes that are left for it."""
    return min(LONGEST, OF_MINUTES * 60 * minutes)


def fine_tuned_after(
    history: list[Epoch],
    seconds: float,
    metric: str,
    n: int,
    *,
    effective_n: float | None = None,
) -> TrainingComparison | None:
    """The best epoch that had ended after so many seconds; None: none had.

    worth: independent pictures that the n which judged are worth; None: n.
    """
    ends = np.cumsum([epoch.seconds for epoch in history])
    done = [epoch for epoch, end in zip(history, ends, strict=True) if end <= seconds]
    best = next((epoch for epoch in reversed(done) if epoch.best), None)
    if best is None or np.isnan(best.val_score):
        return None
    value = best.val_score
    nan = float("nan")
    effective_n = n if effective_n is None else effective_n
    low, high = (
        wilson(value * effective_n, effective_n) if metric in SHARES else (nan, nan)
    )
    return TrainingComparison("fine-tuned", seconds, Score(metric, value, low, high, n))
