"""Calibration: temperature scaling, reliability and expected calibration error.

Most networks are overconfident. Logits z are divided by a temperature T > 0 before the
softmax (or the sigmoids), chosen to minimise the loss on held-out labels y:

    NLL(b) = -1/N sum_i log p(y_i | b z_i),    b = 1 / T
    dNLL/db = 1/N sum_ik (p_ik - [y_i = k]) z_ik

NLL is convex in b, so its derivative has one root (Guo et al. 2017, "On Calibration of
Modern Neural Networks", section 4.2). No T changes the predicted class.

Held-out examples that are all correct would drive T to 0, however few they are. So
targets can be smoothed to (N + 1) / (N + 2) in place of 1 (J. Platt, "Probabilistic
Outputs for Support Vector Machines", 1999, section 2.2).
"""

from collections.abc import Callable
from math import nan
from typing import NamedTuple

import numpy as np
from torch import Tensor

from vicinal.core.objective import (
    MultiLabel,
    MultiNumeric,
    Numeric,
    Objective,
    SingleLabel,
)

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
"""bounds of T; perfectly separated examples would drive it to 0"""

MIN_EXAMPLES = 10
"""examples below which T stays 1"""

BINS = 15
"""as in Guo et al. 2017, table 1"""


def fit_temperature(
    logits: Tensor, y: np.ndarray, objective: Objective, careful: bool = False
) -> float:
    """Return the temperature T that minimises the NLL of predict(logits / T).

    logits: [N, K] of examples that the network was not trained on.
    y: their targets as `Objective.encode` gives them, class rows [N] or labels [N, K].
    careful: smooth the targets (Platt), so that few examples without an error do not
    make the model overconfident; for reported probabilities, not for comparisons.

    T = 1 for regression, for fewer than MIN_EXAMPLES examples, and where T makes no
    difference. Class weights are not applied: probabilities are those of the examples.
    """
    if isinstance(objective, Numeric | MultiNumeric) or len(y) < MIN_EXAMPLES:
        return 1.0
    derivative = _nll_derivative(logits.double(), y, objective, careful)
    coldest, hottest = derivative(1 / MIN_TEMPERATURE), derivative(1 / MAX_TEMPERATURE)
    if coldest <= hottest:  # the likelihood is flat
        return 1.0
    if hottest >= 0:
        return MAX_TEMPERATURE
    if coldest <= 0:
        return MIN_TEMPERATURE
    from scipy.optimize import root_scalar

    bracket = (1 / MAX_TEMPERATURE, 1 / MIN_TEMPERATURE)
    return 1 / float(root_scalar(derivative, method="brentq", bracket=bracket).root)


def _nll_derivative(
    z: Tensor, y: np.ndarray, objective: SingleLabel | MultiLabel, careful: bool
) -> Callable[[float], float]:
    """Return dNLL/db, an increasing function of b = 1 / T; z [N, K] float64."""
    single = isinstance(objective, SingleLabel)
    targets = np.eye(objective.outputs)[y] if single else y  # [N, K]
    if careful:  # 1 - 1 / (N + 2) for the true class, the rest shared by the others
        num_classes = objective.outputs if single else 2
        rest = 1 / (len(y) + 2)
        others = (1 - targets) * rest / max(num_classes - 1, 1)
        targets = targets * (1 - rest) + others
    weight = z.numpy()
    return lambda b: float(
        ((objective.predict(b * z) - targets) * weight).sum() / len(y)
    )


class Bin(NamedTuple):
    """Predictions with a confidence in (low, high], and their accuracy."""

    low: float
    high: float
    confidence: float
    """mean probability of the predictions"""

    accuracy: float
    n: int


def reliability_bins(
    probabilities: np.ndarray, y: np.ndarray, bins: int = BINS
) -> list[Bin]:
    """Return confidence and accuracy in bins of equal width; empty ones are left out.

    probabilities: [N, K]. y: class rows [N], one prediction an example; or labels
    [N, K], one yes-or-no prediction a label.
    """
    confidence, correct = _predictions(probabilities, y)
    edges = np.linspace(0, 1, bins + 1)
    bin_of = np.digitize(confidence, edges[1:-1], right=True)
    masks = [(k, bin_of == k) for k in np.unique(bin_of).tolist()]
    return [
        Bin(
            float(edges[k]),
            float(edges[k + 1]),
            float(confidence[mask].mean()),
            float(correct[mask].mean()),
            int(mask.sum()),
        )
        for k, mask in masks
    ]


def expected_calibration_error(
    probabilities: np.ndarray, y: np.ndarray, bins: int = BINS
) -> float:
    """Return the mean gap between confidence and accuracy, 0 to 1; NaN for no examples.

    ECE = sum_m n_m / N |accuracy_m - confidence_m| over `reliability_bins` (Naeini et
    al. 2015, "Obtaining Well Calibrated Probabilities Using Bayesian Binning"). It is
    above 0 for a perfect model too: with few examples in a bin, accuracy fluctuates.
    """
    filled = reliability_bins(probabilities, y, bins)
    if not filled:
        return nan
    gaps = [b.n * abs(b.accuracy - b.confidence) for b in filled]
    return sum(gaps) / sum(b.n for b in filled)


def binary_calibration_error(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean difference of probability and frequency in BINS bins.

    The expected calibration error of the probabilities [N] of one class, with as many
    examples in each bin; truth: [N] bool.
    """
    order = np.argsort(probabilities, kind="stable")
    errors = [
        len(rows) * abs(probabilities[rows].mean() - truth[rows].mean())
        for rows in np.array_split(order, BINS)
        if len(rows)
    ]
    return float(sum(errors) / max(len(truth), 1))


def _predictions(
    probabilities: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return confidence and correctness: [N], or [N K] for several labels."""
    if y.ndim == 1:
        return probabilities.max(axis=1), probabilities.argmax(axis=1) == y
    yes = probabilities >= 0.5
    confidence = np.where(yes, probabilities, 1 - probabilities)
    return confidence.ravel(), (yes == (y > 0)).ravel()
