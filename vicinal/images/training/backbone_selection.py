"""Which trained network to use: all that are at hand are tried on the user's pictures.

Each candidate gets what a first answer gets: its frozen features of a stratified sample
of the train part, and a head that is cross-validated on them. Beside how often it is
right stands what it costs on this machine, milliseconds a picture and megabytes. Of
those within the limits the most accurate is taken, or a faster one that is worse by no
more than chance explains (`core.paired`). The test part has no say.
"""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from vicinal.core.data.splits import stratified_sample
from vicinal.core.evaluation.significance import sign_test
from vicinal.core.metrics import Score, better
from vicinal.core.objective import Objective
from vicinal.errors import SettingError

SAMPLE = 500
"""pictures that a candidate is tried on"""

TIMED = 64
"""pictures in a batch that is timed"""


class BackboneTrial(NamedTuple):
    """What one candidate gave."""

    weights: str
    backbone: str
    score: Score
    """of its cross-validated head on the sample"""

    ms: float
    """milliseconds a picture here, decoding left out, when there are many"""

    mb: float
    """megabytes of its weights"""

    decided: np.ndarray
    """[n] what it said of each picture of the sample"""

    def row(self) -> dict[str, Any]:
        """For JSON and tables."""
        told = {"weights": self.weights, "backbone": self.backbone}
        return {**told, "score": self.score.to_dict(), "ms": self.ms, "mb": self.mb}

    def __str__(self) -> str:
        cost = f"{self.ms:.1f} ms a picture, {self.mb:.0f} MB"
        return f"{self.backbone} ({self.weights}): {self.score}, {cost}"


def sample_of(labels: np.ndarray, kind: str, seed: int) -> np.ndarray:
    """Rows of at most SAMPLE pictures, each class in its share; all where few."""
    strata = labels if kind == "single_label" else np.zeros(len(labels))
    return stratified_sample(strata.astype(str), SAMPLE, seed)


def milliseconds(embed: Any, pixels: np.ndarray, repeats: int = 3) -> float:
    """The least time of a picture in a batch, after one batch to warm up."""
    seconds = []
    for _ in range(repeats + 1):
        started_at = time.perf_counter()
        embed(pixels)
        seconds.append(time.perf_counter() - started_at)
    return 1000 * min(seconds[1:]) / len(pixels)


def take(
    trials: Sequence[BackboneTrial],
    objective: Objective,
    y: np.ndarray,
    max_ms: float | None = None,
    max_mb: float | None = None,
) -> tuple[BackboneTrial, str]:
    """The trial to go on with, and why, in a sentence.

    Raises SettingError when none is within the limits.
    """
    within = [
        t for t in trials if t.ms <= (max_ms or np.inf) and t.mb <= (max_mb or np.inf)
    ]
    if not within:
        cheapest = min(trials, key=lambda t: t.ms)
        smallest = min(trials, key=lambda t: t.mb)
        limits = [f"--max-ms {max_ms:g}"] if max_ms else []
        limits += [f"--max-mb {max_mb:g}"] if max_mb else []
        raise SettingError(
            f"No network is within {' and '.join(limits)}. The fastest here is "
            f"{cheapest.backbone} with {cheapest.ms:.1f} ms, the smallest "
            f"{smallest.backbone} with {smallest.mb:.0f} MB. Raise the limit, or name "
            "smaller networks with --weights."
        )
    best = within[0]
    for trial in within[1:]:
        if better(trial.score.metric, trial.score.value, best.score.value):
            best = trial
    cheaper = [
        t
        for t in within
        if t.ms < best.ms
        and not sign_test(objective, y, best.decided, t.decided).better
    ]
    if not cheaper:
        return best, f"{best.backbone} is taken: it has the best {best.score.metric}"
    taken = min(cheaper, key=lambda t: t.ms)
    return taken, (
        f"{taken.backbone} is taken: it is faster than {best.backbone} and not worse "
        "by more than chance explains"
    )
