"""How many support molecules the minutes allow, estimated from the number of steps.

The estimate depends on sizes only and not on a clock, so that equal runs are equal. It
is meant for two cores, and is too high for more.
"""

from typing import NamedTuple

import numpy as np

from vicinal.molecules.baseline.gaussian_process import MAX_EVIDENCE
from vicinal.molecules.baseline.model import MAX_MOLECULES, MAX_SUPPORT

RATE = 25e9
"""floating-point operations per second in products and factorisations"""

SHARE = 0.5
"""of the time limit that the processes may take; the rest is for features, networks and
the report"""

MIN_SUPPORT = 300
EVIDENCE_STEPS = 5
"""factorisations by which the kernel and the noise are chosen"""

MOLECULES_PER_SECOND = 150
"""of which features, scaffolds and keys are computed"""


class BaselinePlan(NamedTuple):
    """The size of the processes of all targets."""

    support: int
    """support molecules; of no more molecules than these, the process is exact"""

    seconds: float
    """estimate for features, cross-validation and the fit to all"""

    reduced: bool = False
    """whether there would be more without the time limit"""


def plan_baseline(known: np.ndarray, folds: int, limit: float | None) -> BaselinePlan:
    """Return the largest processes that can be fitted within a limit of seconds.

    known: [N, C] which molecules have each target. limit: None: there is none. Fewer
    than MIN_SUPPORT molecules are not planned, even if those take longer.
    """
    n = len(known)
    whole = n if n <= MAX_MOLECULES else MAX_SUPPORT
    first = whole
    preparation = n / MOLECULES_PER_SECOND
    if limit is not None:
        budget = max(SHARE * limit - preparation, 0.0)
        while whole > MIN_SUPPORT and process_seconds(known, folds, whole) > budget:
            whole = max(MIN_SUPPORT, min(int(0.8 * whole), MAX_SUPPORT))
    seconds = preparation + process_seconds(known, folds, whole)
    return BaselinePlan(whole, seconds, reduced=whole < first)


def process_seconds(known: np.ndarray, folds: int, support: int) -> float:
    """Return the seconds of folds + 1 fits with S support molecules."""
    n = len(known)
    steps = 0.0
    for count in known.sum(axis=0).tolist():
        size = count if support >= n else support * count / n
        evidence = EVIDENCE_STEPS * min(size, MAX_EVIDENCE) ** 3 / 3
        products = 0.0 if support >= n else 2 * count * size**2
        steps += evidence + products + size**3
    return (folds + 1) * steps / RATE
