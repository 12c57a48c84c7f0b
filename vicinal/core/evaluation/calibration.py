"""How sure a model says it is, and how often it is right when it says so.

A network that is 90 % sure should be right nine times in ten; most are too sure. One
number mends that: logits z are divided by a temperature T > 0 before the softmax (or
the sigmoids), chosen so that held-out labels y become as likely as can be:

    NLL(b) = -1/N sum_i log p(y_i | b z_i),    b = 1 / T
    dNLL/db = 1/N sum_ik (p_ik - [y_i = k]) z_ik

NLL is convex in b, so its slope crosses zero once (Guo et al. 2017, "On Calibration of
Modern Neural Networks", section 4.2). What is decided stays the same: no T changes
which logit is largest, nor its sign.

Examples that are all right would make T as small as may be, however few they are. They
only show that a mistake is rarer than about one in their number, so what is delivered
counts one more of them as wrong: the share (N + 1) / (N + 2) in place of N / N (J.
Platt, "Probabilistic Outputs for Support Vector Machines", 1999, section 2.2).
"""

from collections.abc import Callable
from math import nan
from typing import NamedTuple

import numpy as np
from torch import Tensor

from vicinal.core.objective import MultiLabel, Numeric, Objective, SingleLabel

COLDEST, HOTTEST = 0.05, 20.0
"""bounds of T; examples that are all told apart would pull it to 0"""

FEWEST = 10
"""examples below which T stays 1"""

BINS = 15
"""as in Guo et al. 2017, table 1"""


def fit_temperature(
    logits: Tensor, y: np.ndarray, objective: Objective, careful: bool = False
) -> float:
    """The temperature T that makes held-out labels likeliest: predict(logits / T).

    logits: [N, K] of examples that the network did not learn from.
    y: their targets as `Objective.encode` gives them, class rows [N] or marks [N, K].
    careful: whether few examples without a mistake make it no surer than their number
    allows; for what is told, and not for what is compared.

    Never worse than T = 1 on these examples. T = 1 for a number, for fewer than ten
    examples, and where T makes no difference. Weights of classes are not applied:
    probabilities are to be those of the examples as they come.
    """
    if isinstance(objective, Numeric) or len(y) < FEWEST:
        return 1.0
    slope = _slope(logits.double(), y, objective, careful)
    coldest, hottest = slope(1 / COLDEST), slope(1 / HOTTEST)
    if coldest <= hottest:  # a slope that does not grow: the likelihood is flat
        return 1.0
    if hottest >= 0:
        return HOTTEST
    if coldest <= 0:
        return COLDEST
    from scipy.optimize import root_scalar

    found = root_scalar(slope, method="brentq", bracket=(1 / HOTTEST, 1 / COLDEST))
    return 1 / float(found.root)


def _slope(
    z: Tensor, y: np.ndarray, objective: SingleLabel | MultiLabel, careful: bool
) -> Callable[[float], float]:
    """dNLL/db as a function of b = 1 / T, which grows with b; z [N, K] float64."""
    single = isinstance(objective, SingleLabel)
    marks = np.eye(objective.outputs)[y] if single else y  # [N, K]
    if careful:  # the true one has 1 - 1 / (N + 2), others the rest in equal shares
        ways = objective.outputs if single else 2
        rest = 1 / (len(y) + 2)
        marks = marks * (1 - rest) + (1 - marks) * rest / max(ways - 1, 1)
    weight = z.numpy()
    return lambda b: float(((objective.predict(b * z) - marks) * weight).sum() / len(y))


class Bin(NamedTuple):
    """Answers about equally sure, in (low, high], and how often they were right."""

    low: float
    high: float
    confidence: float
    """mean of their probabilities"""

    accuracy: float
    """share of them that is right"""

    n: int


def reliability(
    probabilities: np.ndarray, y: np.ndarray, bins: int = BINS
) -> list[Bin]:
    """Confidence beside accuracy, in bins of equal width that have any answers.

    probabilities: [N, K]; y: class rows [N], and an example's answer is its likeliest
    class; or marks [N, K], and each label is an answer, yes or no, by itself.
    """
    confidence, right = _answers(probabilities, y)
    edges = np.linspace(0, 1, bins + 1)
    of_bin = np.digitize(confidence, edges[1:-1], right=True)
    members = [(m, of_bin == m) for m in np.unique(of_bin).tolist()]
    return [
        Bin(
            float(edges[m]),
            float(edges[m + 1]),
            float(confidence[own].mean()),
            float(right[own].mean()),
            int(own.sum()),
        )
        for m, own in members
    ]


def expected_calibration_error(
    probabilities: np.ndarray, y: np.ndarray, bins: int = BINS
) -> float:
    """How far confidence is from accuracy, 0..1, on average; NaN for no examples.

    ECE = sum_m n_m / N |accuracy_m - confidence_m| over the bins of `reliability`
    (Naeini et al. 2015, "Obtaining Well Calibrated Probabilities Using Bayesian
    Binning"). Chance alone puts it above 0: with few
    examples in a bin, even a perfect model's share of right ones is off by some.
    """
    filled = reliability(probabilities, y, bins)
    if not filled:
        return nan
    gaps = [b.n * abs(b.accuracy - b.confidence) for b in filled]
    return sum(gaps) / sum(b.n for b in filled)


def _answers(probabilities: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Confidence of each answer and whether it is right: [N], or [N K] for marks."""
    if y.ndim == 1:
        return probabilities.max(axis=1), probabilities.argmax(axis=1) == y
    yes = probabilities >= 0.5
    confidence = np.where(yes, probabilities, 1 - probabilities)
    return confidence.ravel(), (yes == (y > 0)).ravel()
