"""Which predictions are used: those of the baseline, the networks, or their average.

Two paired tests in a fixed order, so that neither needs a correction, on predictions
for held-out molecules: is the average better than the baseline? If so, are the networks
alone better than the average? F. Wilcoxon: Individual Comparisons by Ranking Methods,
Biometrics Bulletin 1945: differences are replaced by their signed ranks, because a few
molecules with large errors would decide a test of their mean.
"""

from typing import NamedTuple

import numpy as np

from vicinal.core.evaluation.significance import (
    LEVEL,
    PairedComparison,
    permutation_p_value,
)
from vicinal.core.objective import Objective
from vicinal.molecules.evaluation import losses_of
from vicinal.molecules.objective import is_regression

BASELINE, AVERAGE, NETWORKS = 0.0, 0.5, 1.0
"""weights of the networks in the predictions"""


class Choice(NamedTuple):
    """The weight of the networks, and the comparison that decided it."""

    weight: float
    comparison: PairedComparison


def compare(
    objective: Objective,
    truth: np.ndarray,
    ours: np.ndarray,
    theirs: np.ndarray,
    groups: np.ndarray,
) -> PairedComparison:
    """Compare predictions of columns [N, C] with others on the same molecules.

    Squared errors, which of probabilities are Brier scores. p: of signed ranks of the
    sums of groups; 1 where the mean is not lower. groups: [N] molecules that are not
    independent share a sign in the permutations.
    """
    from scipy.stats import rankdata

    missing = np.isnan(ours) | np.isnan(theirs)
    truth = np.where(missing, np.nan, truth)
    losses = [losses_of(objective, truth, columns) for columns in (ours, theirs)]
    known = ~(np.isnan(losses[0]) | np.isnan(losses[1]))
    if not known.any():
        return PairedComparison("", np.nan, np.nan, 1.0, 0, 0, 0)
    a, b = (loss[known] for loss in losses)
    gain = np.bincount(np.unique(groups[known], return_inverse=True)[1], b - a)
    ranks = rankdata(np.abs(gain)) * np.sign(gain)
    return PairedComparison(
        "mean squared error" if is_regression(objective) else "Brier score",
        float(a.mean()),
        float(b.mean()),
        permutation_p_value(ranks) if gain.sum() > 0 else 1.0,
        int((a < b).sum()),
        int((a > b).sum()),
        len(gain),
    )


def choose(
    objective: Objective,
    truth: np.ndarray,
    baseline: np.ndarray,
    networks: np.ndarray,
    groups: np.ndarray,
    *,
    always: bool = False,
) -> Choice:
    """Return what predicts best. always: use the networks in any case."""
    average = (baseline + networks) / 2
    against_baseline = compare(objective, truth, average, baseline, groups)
    if always:
        found = compare(objective, truth, networks, baseline, groups)
        return Choice(NETWORKS, found)
    if against_baseline.p > LEVEL:
        return Choice(BASELINE, against_baseline)
    if compare(objective, truth, networks, average, groups).p > LEVEL:
        return Choice(AVERAGE, against_baseline)
    found = compare(objective, truth, networks, baseline, groups)
    return Choice(NETWORKS, found)


def choose_by_fold(
    objective: Objective,
    truth: np.ndarray,
    baseline: np.ndarray,
    networks: np.ndarray,
    folds: np.ndarray,
    groups: np.ndarray,
    *,
    always: bool = False,
) -> np.ndarray:
    """Return predictions [N, C] as chosen for each fold by the other folds alone.

    Their score is that of the whole procedure: no molecule takes part in the choice of
    its own prediction. NaN where networks are used and `networks` is NaN.
    """
    predicted = np.empty_like(baseline)
    for fold in np.unique(folds):
        own = folds == fold
        weight = choose(
            objective,
            truth[~own],
            baseline[~own],
            networks[~own],
            groups[~own],
            always=always,
        ).weight
        average = (baseline[own] + networks[own]) / 2
        options = {BASELINE: baseline[own], AVERAGE: average, NETWORKS: networks[own]}
        predicted[own] = options[weight]
    return predicted
