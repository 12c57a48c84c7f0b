"""Is one model better than another on the same examples, by more than chance?

Both answer the same N examples. Where only what they decided is known, those on which
they do equally well say nothing, and of the others a coin would give each half: the
sign test, which for right and wrong is McNemar's exact test (1947).

Where it is known how sure they were, every example says something: how much nearer the
truth d_i = D(y_i, theirs_i) - D(y_i, ours_i) one came than the other. Were they equally
good, each d_i might as well have the other sign: the mean of d is held against that
under random signs (Fisher 1935, "The Design of Experiments", section 21). That sees a
difference with far fewer examples. Examples that belong together, such as copies of one
picture, are not so many witnesses: they share a sign.
"""

from typing import Any, NamedTuple

import numpy as np

from vicinal.core.objective import Objective

LEVEL = 0.05
"""how often chance alone may be taken for a difference"""


class SignTest(NamedTuple):
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


def sign_test(
    objective: Objective,
    y: np.ndarray,
    ours: np.ndarray,
    theirs: np.ndarray,
    together: np.ndarray | None = None,
) -> SignTest:
    """Compare what two models decided (as `Objective.decide` does) for targets y.

    together: [N] group numbers of examples that are one witness; wins and losses are
    then counted by group.
    """
    from scipy.stats import binomtest

    gain = _goodness(objective, y, ours) - _goodness(objective, y, theirs)
    if together is not None:
        gain = np.bincount(np.unique(together, return_inverse=True)[1], gain)
    wins, losses = int((gain > 0).sum()), int((gain < 0).sum())
    if not wins + losses:
        return SignTest(0, 0, 1.0)
    test = binomtest(wins, wins + losses, alternative="greater")
    return SignTest(wins, losses, float(test.pvalue))


class PairedComparison(NamedTuple):
    """How far two models' predictions are from the truth, and what they decided."""

    measure: str
    """what the distance is called"""
    ours: float
    """mean distance from the truth (`Objective.distance`)"""
    theirs: float
    p: float
    """chance of as large a difference or larger, if both were equally good"""
    wins: int
    losses: int
    """examples that ours decided better, and worse"""
    groups: int
    """signs that chance has: one for each example, or for those that belong together"""

    @property
    def better(self) -> bool:
        """Nearer by more than chance explains, and no worse in what it decides."""
        return self.p <= LEVEL and self.wins >= self.losses

    @property
    def verdict(self) -> str:
        """Whether ours is kept, and if not, which of the two it lacks."""
        if self.better:
            return "kept"
        if 2.0**-self.groups > LEVEL:
            few = "too few to tell by, where copies and groups count as one"
            return f"not kept, {self.groups} are {few}; the first answer stands"
        if self.ours >= self.theirs:
            return "not kept, for it is no better; the first answer stands"
        if self.p > LEVEL:
            return "not kept, chance alone would do as much; the first answer stands"
        return "not kept, more became worse than better; the first answer stands"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return self._asdict() | {"better": self.better}

    def __str__(self) -> str:
        return (
            f"better on {self.wins}, worse on {self.losses}; {self.measure} "
            f"{self.ours:.3g} instead of {self.theirs:.3g} (p = {self.p:.2g})"
        )


def paired_permutation_test(
    objective: Objective,
    y: np.ndarray,
    ours: np.ndarray,
    theirs: np.ndarray,
    together: np.ndarray | None = None,
) -> PairedComparison:
    """Compare what two models predicted (as `Objective.predict` does) for targets y.

    together: [N] group numbers of examples that share a sign; None: each has its own.
    Up to EXACT groups all signs are tried, of more DRAWS random ones. Predictions that
    are no numbers are never better.
    """
    far, farther = objective.distance(y, ours), objective.distance(y, theirs)
    decided = sign_test(objective, y, objective.decide(ours), objective.decide(theirs))
    gain = farther - far
    if together is not None:
        gain = np.bincount(np.unique(together, return_inverse=True)[1], gain)
    return PairedComparison(
        objective.distance_name,
        float(far.mean()),
        float(farther.mean()),
        permutation_p_value(gain),
        decided.wins,
        decided.losses,
        len(gain),
    )


EXACT = 13
DRAWS = 9_999
MOST_SIGNS = 4_000_000
"""at once: 32 MB as floats"""


def permutation_p_value(gain: np.ndarray) -> float:
    """The share of signs under which the sum of gain [N] is as large or larger.

    Of drawn signs the one that was seen counts as well (Phipson and Smyth 2010).
    """
    n, seen = len(gain), gain.sum() - 1e-12 * np.abs(gain).sum()
    if not np.isfinite(gain).all():
        return 1.0
    if n <= EXACT:
        signs = 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1) - 1
        return float((signs @ gain >= seen).mean())
    rng, larger = np.random.default_rng(0), 0
    block = max(1, MOST_SIGNS // n)
    for start in range(0, DRAWS, block):
        shape = min(block, DRAWS - start), n
        signs = 2.0 * rng.integers(0, 2, shape, np.int8) - 1
        larger += int((signs @ gain >= seen).sum())
    return (larger + 1) / (DRAWS + 1)


def _goodness(objective: Objective, y: np.ndarray, decided: np.ndarray) -> np.ndarray:
    """[N]: right or wrong, the number of labels right, or minus the error."""
    if objective.kind == "numeric":
        return -np.abs(decided - y)
    right = decided == y
    return right.astype(int) if right.ndim == 1 else right.sum(axis=1)
