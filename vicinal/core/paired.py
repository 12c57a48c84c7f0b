"""Is one model better than another on the same examples, by more than chance?

Both answer the same N examples. Where only what they decided is known, those on which
they do equally well say nothing, and of the others a coin would give each half: the
sign test, which for right and wrong is McNemar's exact test (1947).

Where it is known how sure they were, every example says something: how much nearer the
truth d_i = D(y_i, theirs_i) - D(y_i, ours_i) one came than the other. Were they equally
good, each d_i might as well have the other sign: the mean of d is held against that
under random signs (Fisher 1935, "The Design of Experiments", section 21). That sees a
difference with far fewer examples.
"""

from typing import NamedTuple

import numpy as np

from vicinal.core.objective import Objective

LEVEL = 0.05
"""how often chance alone may be taken for a difference"""


class Paired(NamedTuple):
    """How often a model did better than another, and how often worse."""

    wins: int
    losses: int
    p: float
    """chance of as many wins or more, if both were equally good"""

    @property
    def better(self) -> bool:
        return self.p <= LEVEL

    def __str__(self) -> str:
        return f"better on {self.wins}, worse on {self.losses} (p = {self.p:.2g})"


def compare(
    objective: Objective, y: np.ndarray, ours: np.ndarray, theirs: np.ndarray
) -> Paired:
    """Compare what two models decided (as `Objective.decide` does) for targets y."""
    from scipy.stats import binomtest

    gain = _goodness(objective, y, ours) - _goodness(objective, y, theirs)
    wins, losses = int((gain > 0).sum()), int((gain < 0).sum())
    if not wins + losses:
        return Paired(0, 0, 1.0)
    test = binomtest(wins, wins + losses, alternative="greater")
    return Paired(wins, losses, float(test.pvalue))


class Nearer(NamedTuple):
    """How far two models' predictions are from the truth, and what they decided."""

    ours: float
    """mean distance from the truth (`Objective.distance`)"""
    theirs: float
    p: float
    """chance of as large a difference or larger, if both were equally good"""
    wins: int
    losses: int
    """examples that ours decided better, and worse"""

    @property
    def better(self) -> bool:
        """Nearer by more than chance explains, and no worse in what it decides."""
        return self.p <= LEVEL and self.wins >= self.losses

    def __str__(self) -> str:
        return (
            f"better on {self.wins}, worse on {self.losses}; mean distance from the "
            f"truth {self.ours:.3g} instead of {self.theirs:.3g} (p = {self.p:.2g})"
        )


def compare_predictions(
    objective: Objective, y: np.ndarray, ours: np.ndarray, theirs: np.ndarray
) -> Nearer:
    """Compare what two models predicted (as `Objective.predict` does) for targets y.

    Below 13 examples all 2^N signs are tried, above 9,999 draws of them.
    """
    from scipy.stats import permutation_test

    far, farther = objective.distance(y, ours), objective.distance(y, theirs)
    decided = compare(objective, y, objective.decide(ours), objective.decide(theirs))
    p = 1.0
    if len(y) > 1:
        p = permutation_test(
            (farther - far,),
            np.mean,
            permutation_type="samples",
            alternative="greater",
            vectorized=True,
            batch=max(1, MOST_SIGNS // len(y)),
            rng=np.random.default_rng(0),
        ).pvalue
    return Nearer(
        far.mean().item(), farther.mean().item(), float(p), decided.wins, decided.losses
    )


MOST_SIGNS = 1_000_000
"""drawn at once: 8 MB"""


def _goodness(objective: Objective, y: np.ndarray, decided: np.ndarray) -> np.ndarray:
    """[N]: right or wrong, the number of labels right, or minus the error."""
    if objective.kind == "numeric":
        return -np.abs(decided - y)
    right = decided == y
    return right.astype(int) if right.ndim == 1 else right.sum(axis=1)
