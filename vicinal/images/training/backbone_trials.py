"""Try candidates for the backbone on a sample of the training images, within a time.

With a time limit, trials may take `TRIAL_FRACTION` of it. The smallest weights are
tried first; a trial that is not finished by then is given up, and a sentence says so.
What would take too long for all images is not chosen.
"""

import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vicinal.core.objective import Objective
from vicinal.core.text import format_duration
from vicinal.images.data.audit import ProgressCallback
from vicinal.images.training.backbone_selection import (
    SAMPLE_SIZE,
    BackboneTrial,
    choose_backbone,
    within_limits,
)
from vicinal.images.training.time_budget import seconds_left
from vicinal.images.weights.registry import WEIGHTS

MIN_SAMPLE_SIZE = 100
"""images that a candidate is tried on, whatever the time"""

TRIAL_FRACTION = 0.25
"""fraction of the minutes that all trials may take together"""

TRIAL_SECONDS = 0.02
"""seconds per image of the sample that are assumed for one trial"""

FEATURE_FRACTION = 0.5
"""fraction of the time left that the features of all images may take"""


class TrialLimits(NamedTuple):
    """What limits the choice."""

    started_at: float
    """`time.monotonic()` at which the minutes began"""

    minutes: float | None = None
    max_ms: float | None = None
    """most milliseconds per image"""

    max_mb: float | None = None
    """most megabytes of weights"""

    num_images: int = 0
    """images of all splits, which the chosen backbone has to process"""

    def trial_seconds(self) -> float:
        """Return the seconds that all trials may take together."""
        if self.minutes is None:
            return np.inf
        left = seconds_left(self.minutes, self.started_at)
        return min(TRIAL_FRACTION * 60 * self.minutes, max(left, 0))


class _OutOfTime(Exception):
    """The trial takes too long."""


class Tried(NamedTuple):
    """A candidate that was tried, and the labels of the sample."""

    trial: BackboneTrial
    objective: Objective
    y: np.ndarray


def compare_backbones(
    candidates: Sequence[str],
    try_weights: Callable[[str, ProgressCallback], Tried],
    limits: TrialLimits,
    trials: list[BackboneTrial],
    report_progress: ProgressCallback | None = None,
) -> Generator[str, None, str]:
    """Append the trials of candidates to a list; return the weights of the best.

    Yields a sentence on each candidate, and on the choice.

    candidates: names of weights. try_weights: fits a linear probe to a sample, and
    reports its progress. trials: takes the results.
    """
    deadline = time.monotonic() + limits.trial_seconds()

    def progress(done: int, total: int) -> None:
        if time.monotonic() > deadline:
            raise _OutOfTime
        if report_progress is not None and total:
            report_progress(done, total)

    tried = None
    for weights in candidates:
        try:
            progress(0, 0)
            tried = try_weights(weights, progress)
        except _OutOfTime:
            yield f"{weights} is not compared: there was no time; raise --minutes"
            continue
        trials.append(tried.trial)
        yield str(tried.trial)
    if tried is None:
        unchecked = limits.max_ms is not None or limits.max_mb is not None
        more = "; --max-ms and --max-mb could not be checked" if unchecked else ""
        yield f"Chose {candidates[0]}: no trial was finished in time{more}."
        return candidates[0]
    allowed, too_slow = _split_by_time(
        within_limits(trials, limits.max_ms, limits.max_mb), limits
    )
    for trial in too_slow:
        needed = format_duration(trial.ms / 1000 * limits.num_images)
        yield (
            f"{trial.backbone} is left out: {limits.num_images:,} images take "
            f"{needed}; raise --minutes"
        )
    chosen, reason = choose_backbone(
        allowed, tried.objective, tried.y, limits.max_ms, limits.max_mb
    )
    yield reason
    return chosen.weights


def sample_size(seconds: float, num_candidates: int) -> int:
    """Return the images to try each candidate on, for trials of so many seconds."""
    most = seconds / num_candidates / TRIAL_SECONDS
    return int(np.clip(most, MIN_SAMPLE_SIZE, SAMPLE_SIZE))


def sort_by_size(candidates: Sequence[str]) -> list[str]:
    """Return candidates by the bytes of their weights; unknown sizes come last."""

    def size(name: str) -> float:
        path = Path(name)
        if path.is_dir():
            return sum(file.stat().st_size for file in path.glob("*.safetensors"))
        if path.is_file():
            return path.stat().st_size
        return 4.0 * WEIGHTS[name].parameters if name in WEIGHTS else np.inf

    return sorted(candidates, key=size)


def _split_by_time(
    trials: Sequence[BackboneTrial], limits: TrialLimits
) -> tuple[list[BackboneTrial], list[BackboneTrial]]:
    """Return the trials whose backbone has time for all images, and the others.

    The fastest one is always among the first.
    """
    left = seconds_left(limits.minutes, limits.started_at)
    most = FEATURE_FRACTION * max(left, 0) * 1000 / max(limits.num_images, 1)
    fastest = min(trial.ms for trial in trials)
    fits = [trial.ms <= max(most, fastest) for trial in trials]
    pairs = list(zip(trials, fits, strict=True))
    return [t for t, fit in pairs if fit], [t for t, fit in pairs if not fit]
