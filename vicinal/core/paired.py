"""Is one model better than another on the same examples, by more than chance?

Both answer the same N examples; those on which they do equally well say nothing. Of
the others a coin would give each half: the sign test, which for right and wrong is
McNemar's exact test (1947).
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


def _goodness(objective: Objective, y: np.ndarray, decided: np.ndarray) -> np.ndarray:
    """[N]: right or wrong, the number of labels right, or minus the error."""
    if objective.kind == "numeric":
        return -np.abs(decided - y)
    right = decided == y
    return right.astype(int) if right.ndim == 1 else right.sum(axis=1)
