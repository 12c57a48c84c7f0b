"""The benefit of transfer: the same network trained from scratch, for comparison.

A run that starts from pretrained weights also trains its network from random ones, for
about as long as the linear probe took (`scratch_seconds`). All are scored on the same
images, which none was trained on: the validation split, or one fold where every image
is used for training.
"""

from typing import Any, NamedTuple

import numpy as np

from vicinal.core.metrics import PROPORTIONS, Score, wilson
from vicinal.core.training.trainer import Epoch

MIN_SECONDS, MAX_SECONDS = 2.0, 60.0
"""bounds of the seconds of training from scratch"""

OTHER_SECONDS = 12.0
"""seconds that it takes besides: to build and time the network, and to score it"""

BUDGET_SHARE = 0.05
"""largest share of the user's minutes that it may take"""

FROM_SCRATCH = "from scratch"
FROZEN = "frozen, linear probe"
FINE_TUNED = "fine-tuned"
"""values of `TrainingComparison.method`"""


class TrainingComparison(NamedTuple):
    """One row of the comparison: a training method, its duration and its score."""

    method: str
    seconds: float
    score: Score

    def to_dict(self) -> dict[str, Any]:
        """Return the row as a JSON object."""
        return {**self._asdict(), "score": self.score.to_dict()}


def why_not_compared(deterministic: bool, seconds_left: float) -> str:
    """Return why there is no comparison with training from scratch; "" if there is."""
    if deterministic:
        return "its length follows the clock, which a deterministic run does not use"
    enough = seconds_left >= MIN_SECONDS + OTHER_SECONDS
    return "" if enough else "too little time was left"


def scratch_seconds(probe_seconds: float, minutes: float | None) -> float:
    """Return the seconds of training from scratch: as the probe took, within bounds."""
    most = MAX_SECONDS if minutes is None else reserved_seconds(minutes)
    return max(min(probe_seconds, most), min(MIN_SECONDS, most))


def reserved_seconds(minutes: float) -> float:
    """Return the seconds of the user's minutes that are reserved for the comparison."""
    return min(MAX_SECONDS, BUDGET_SHARE * 60 * minutes)


def fine_tuned_after(
    history: list[Epoch],
    seconds: float,
    metric: str,
    n: int,
    *,
    effective_n: float | None = None,
) -> TrainingComparison | None:
    """Return the best epoch that ended within so many seconds; None if there is none.

    effective_n: number of independent images among the n validation images; None: n.
    """
    ends = np.cumsum([epoch.seconds for epoch in history])
    ended = [epoch for epoch, end in zip(history, ends, strict=True) if end <= seconds]
    best = next((epoch for epoch in reversed(ended) if epoch.best), None)
    if best is None or np.isnan(best.val_score):
        return None
    value = best.val_score
    low = high = float("nan")
    if metric in PROPORTIONS:
        count = n if effective_n is None else effective_n
        low, high = wilson(value * count, count)
    return TrainingComparison(FINE_TUNED, seconds, Score(metric, value, low, high, n))
