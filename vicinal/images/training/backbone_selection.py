"""Selection of a backbone: every candidate is tried on the user's images.

Each candidate gets a cross-validated linear probe on a stratified sample of the train
split, and its speed and size on this machine are measured. Of those within the limits
the most accurate is chosen, or a faster one that is not significantly worse. The test
split is not used.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from vicinal.core.data.splits import stratified_sample
from vicinal.core.evaluation.significance import sign_test
from vicinal.core.metrics import Score, is_better
from vicinal.core.objective import Objective
from vicinal.errors import SettingError

TIMING_BATCH = 64
"""images in the batch that is timed"""

SLOW_BATCH = 1.0
"""seconds of a batch from which on it is timed once"""

MIN_OF_CLASS = 5
"""images of each class in the sample"""

SAMPLE_SIZE = 500
"""images that a candidate is tried on"""


class BackboneTrial(NamedTuple):
    """The results of one candidate."""

    weights: str
    backbone: str
    score: Score
    """of its cross-validated linear probe on the sample"""

    ms: float
    """milliseconds per image on this machine, in large batches, without decoding"""

    mb: float
    """megabytes of its weights"""

    predicted: np.ndarray
    """[n] out-of-fold prediction of each image of the sample"""

    def to_dict(self) -> dict[str, Any]:
        """Return the results as a JSON object."""
        names = {"weights": self.weights, "backbone": self.backbone}
        return {**names, "score": self.score.to_dict(), "ms": self.ms, "mb": self.mb}

    def __str__(self) -> str:
        cost = f"{self.ms:.1f} ms per image, {self.mb:.0f} MB"
        return f"{self.backbone} ({self.weights}): {self.score}, {cost}"


def sample_rows(
    labels: np.ndarray, kind: str, seed: int, most: int = SAMPLE_SIZE
) -> np.ndarray:
    """Return the rows of about `most` images, stratified by class.

    Of a rare class there are MIN_OF_CLASS, if it has so many.
    """
    if kind != "single_label":
        return stratified_sample(np.zeros(len(labels)).astype(str), most, seed)
    strata = labels.astype(str)
    rows = stratified_sample(strata, most, seed)
    rare = [np.flatnonzero(strata == k)[:MIN_OF_CLASS] for k in np.unique(strata)]
    few = [k for k in rare if np.isin(strata[rows], strata[k[0]]).sum() < len(k)]
    return np.unique(np.concatenate([rows, *few]))


def measure_ms_per_image(
    embed: Callable[[np.ndarray], Any], pixels: np.ndarray, repeats: int = 3
) -> float:
    """Return the fewest milliseconds per image of a batch, after one warm-up.

    A batch that takes more than SLOW_BATCH seconds is not repeated.
    """
    seconds = []
    for _ in range(repeats + 1):
        started_at = time.perf_counter()
        embed(pixels)
        seconds.append(time.perf_counter() - started_at)
        if min(seconds) > SLOW_BATCH:
            break
    return 1000 * min(seconds[1:] or seconds) / len(pixels)


def choose_backbone(
    trials: Sequence[BackboneTrial],
    objective: Objective,
    y: np.ndarray,
    max_ms: float | None = None,
    max_mb: float | None = None,
) -> tuple[BackboneTrial, str]:
    """Return the chosen trial and the reason in a sentence.

    max_ms, max_mb: upper limits of `BackboneTrial.ms` and `mb`. Raises SettingError
    when no candidate is within them.
    """
    allowed = within_limits(trials, max_ms, max_mb)
    best = allowed[0]
    for trial in allowed[1:]:
        if is_better(trial.score.metric, trial.score.value, best.score.value):
            best = trial
    faster = [
        t
        for t in allowed
        if t.ms < best.ms
        and not sign_test(objective, y, best.predicted, t.predicted).better
    ]
    if not faster:
        return best, f"Chose {best.backbone}: it has the best {best.score.metric}."
    chosen = min(faster, key=lambda t: t.ms)
    return chosen, (
        f"Chose {chosen.backbone}: it is faster than {best.backbone} and not "
        "significantly worse."
    )


def within_limits(
    trials: Sequence[BackboneTrial], max_ms: float | None, max_mb: float | None
) -> list[BackboneTrial]:
    """Return the trials within upper limits of ms and mb; SettingError if none is."""
    allowed = [
        t for t in trials if t.ms <= (max_ms or np.inf) and t.mb <= (max_mb or np.inf)
    ]
    if not allowed:
        raise _no_candidate(trials, max_ms, max_mb)
    return allowed


def _no_candidate(
    trials: Sequence[BackboneTrial], max_ms: float | None, max_mb: float | None
) -> SettingError:
    fastest = min(trials, key=lambda t: t.ms)
    smallest = min(trials, key=lambda t: t.mb)
    limits = [f"--max-ms {max_ms:g}"] if max_ms else []
    limits += [f"--max-mb {max_mb:g}"] if max_mb else []
    return SettingError(
        f"No backbone is within {' and '.join(limits)}. The fastest is "
        f"{fastest.backbone} with {fastest.ms:.1f} ms per image, the smallest "
        f"{smallest.backbone} with {smallest.mb:.0f} MB. Raise the limit, or name "
        "smaller networks with --weights."
    )
