"""Paired tests: is one model significantly better than another on the same examples?

`sign_test` compares decisions. Examples on which both do equally well are ignored; of
the others each model wins half under the null hypothesis. For right and wrong this is
McNemar's exact test (1947).

`paired_permutation_test` compares predicted probabilities, and is more powerful. Each
example has a difference of losses d_i = D(y_i, theirs_i) - D(y_i, ours_i), whose sign
is random under the null hypothesis (Fisher 1935, "The Design of Experiments", section
21). Grouped examples, such as copies of one image, share a sign.
"""

from typing import Any, NamedTuple

import numpy as np

from vicinal.core.objective import Objective

LEVEL = 0.05
"""significance level"""

MAX_EXACT = 13
"""groups up to which all signs are enumerated"""

NUM_PERMUTATIONS = 9_999
"""random signs for more groups"""

MAX_SIGNS = 4_000_000
"""signs in memory at once: 32 MB as floats"""


class SignTest(NamedTuple):
    """The number of examples on which a model did better, and worse, than another."""

    wins: int
    losses: int
    p: float
    """probability of as many wins or more under the null hypothesis (one-sided)"""

    @property
    def better(self) -> bool:
        """True if the model is significantly better."""
        return self.p <= LEVEL

    def __str__(self) -> str:
        return f"better on {self.wins}, worse on {self.losses} (p = {self.p:.2g})"


def sign_test(
    objective: Objective,
    y: np.ndarray,
    ours: np.ndarray,
    theirs: np.ndarray,
    groups: np.ndarray | None = None,
) -> SignTest:
    """Compare the decisions of two models (`Objective.decide`) for targets y.

    groups: [N] group numbers of examples that are not independent; wins and losses are
    then counted by group.
    """
    gain = _correctness(objective, y, ours) - _correctness(objective, y, theirs)
    return sign_test_of_gains(gain, groups)


def sign_test_of_gains(gain: np.ndarray, groups: np.ndarray | None = None) -> SignTest:
    """Test whether more of the gains [N] of a model are positive than negative.

    groups: as for `sign_test`, whose gains are summed.
    """
    from scipy.stats import binomtest

    gain = _sum_by_group(gain, groups)
    wins, losses = int((gain > 0).sum()), int((gain < 0).sum())
    if not wins + losses:
        return SignTest(0, 0, 1.0)
    test = binomtest(wins, wins + losses, alternative="greater")
    return SignTest(wins, losses, float(test.pvalue))


class PairedComparison(NamedTuple):
    """The mean losses of two models, and their decisions, on the same examples."""

    loss: str
    """name of the loss, such as `Brier score`"""

    ours: float
    """mean loss (`Objective.distance`)"""

    theirs: float
    p: float
    """probability of as large a difference under the null hypothesis (one-sided)"""

    wins: int
    losses: int
    """examples that ours decided better, and worse"""

    groups: int
    """independent examples, or groups of them"""

    @property
    def better(self) -> bool:
        """True if the loss is significantly lower and the decisions are no worse."""
        return self.p <= LEVEL and self.wins >= self.losses

    @property
    def verdict(self) -> str:
        """Say whether the new model is kept, and if not, why."""
        if self.better:
            return "kept"
        if 2.0**-self.groups > LEVEL:
            return (
                f"not kept: {self.groups} independent validation examples are too few "
                "for a test"
            )
        if self.ours >= self.theirs:
            return "not kept: its validation loss is not lower"
        if self.p > LEVEL:
            return "not kept: its validation loss is not significantly lower"
        return "not kept: it gets more examples wrong"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields for JSON, with the outcome under `better`."""
        return self._asdict() | {"better": self.better}

    def __str__(self) -> str:
        return (
            f"{self.loss} {self.ours:.3g} instead of {self.theirs:.3g} "
            f"(p = {self.p:.2g}); better on {self.wins}, worse on {self.losses}"
        )


def paired_permutation_test(
    objective: Objective,
    y: np.ndarray,
    ours: np.ndarray,
    theirs: np.ndarray,
    groups: np.ndarray | None = None,
) -> PairedComparison:
    """Compare the predictions of two models (`Objective.predict`) for targets y.

    groups: [N] group numbers of examples that share a sign; None: all independent.
    Predictions that are NaN are never better.
    """
    our_loss, their_loss = objective.distance(y, ours), objective.distance(y, theirs)
    decided = sign_test(objective, y, objective.decide(ours), objective.decide(theirs))
    gain = _sum_by_group(their_loss - our_loss, groups)
    return PairedComparison(
        objective.distance_name,
        float(our_loss.mean()),
        float(their_loss.mean()),
        permutation_p_value(gain),
        decided.wins,
        decided.losses,
        len(gain),
    )


def permutation_p_value(gain: np.ndarray) -> float:
    """Return the fraction of sign changes with a sum of gain [N] at least as large.

    All signs for N <= MAX_EXACT, else NUM_PERMUTATIONS random ones and the observed one
    (Phipson and Smyth 2010). `scipy.stats.permutation_test` gives the same p (a test
    holds that) and takes six times as long: half a minute for 20,000 nodes.
    """
    n = len(gain)
    if not np.isfinite(gain).all():
        return 1.0
    observed = gain.sum() - 1e-12 * np.abs(gain).sum()
    if n <= MAX_EXACT:
        signs = 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1) - 1
        return float((signs @ gain >= observed).mean())
    rng, larger = np.random.default_rng(0), 0
    block = max(1, MAX_SIGNS // n)
    for start in range(0, NUM_PERMUTATIONS, block):
        shape = min(block, NUM_PERMUTATIONS - start), n
        signs = 2.0 * rng.integers(0, 2, shape, np.int8) - 1
        larger += int((signs @ gain >= observed).sum())
    return (larger + 1) / (NUM_PERMUTATIONS + 1)


def _sum_by_group(values: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    if groups is None:
        return values
    return np.bincount(np.unique(groups, return_inverse=True)[1], values)


def _correctness(
    objective: Objective, y: np.ndarray, decisions: np.ndarray
) -> np.ndarray:
    """[N]: 1 if correct, the number of correct labels, or minus the absolute error."""
    if objective.kind == "numeric":
        return -np.abs(decisions - y)
    correct = decisions == y
    return correct.astype(int) if correct.ndim == 1 else correct.sum(axis=1)
