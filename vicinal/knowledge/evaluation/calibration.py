"""Probabilities of answers: how often answers with such scores were right.

A logistic regression (J. Platt 1999) on the best answers to validation questions. It
says how often an answer is one of the facts that were held out, so that true facts
that nobody has written down count as wrong: the probabilities are on the low side.
"""

from typing import NamedTuple

import numpy as np

FIRST = 10
"""best answers to each question that a calibration is fitted to"""

MIN_ANSWERS = 100
"""answers that are needed; with fewer, scores are not calibrated"""

LEAST_LOGIT = -80.0
"""so that its exponential is a number of 32 bits"""


class Calibration(NamedTuple):
    """Probability = sigmoid(bias + weights @ features)."""

    weights: tuple[float, float] = (1.0, 0.0)
    """of the log of the share of all answers, and of the log of the rules' score"""

    bias: float = 0.0

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Return the probabilities [...] of answers with features [..., 2].

        0 where an answer is impossible: its share is 0.
        """
        shares, by_rules = features[..., 0], features[..., 1]
        if self == Calibration():
            return np.exp(shares)
        possible = np.isfinite(shares)
        logits = self.weights[0] * np.where(possible, shares, 0)
        logits += self.weights[1] * by_rules
        logits += self.bias
        np.maximum(logits, LEAST_LOGIT, out=logits)
        return np.where(possible, 1 / (1 + np.exp(-logits)), 0)


class Calibrations(NamedTuple):
    """Of answers to questions about entities of the graph, and about new ones."""

    known: Calibration = Calibration()
    without_network: Calibration = Calibration()
    """as `known`, by a completion whose path network is left out"""

    new: Calibration = Calibration()
    """of rules alone, as a new entity has no vector"""

    def for_entity(self, *, is_new: bool) -> Calibration:
        """Return the calibration of answers about a new entity, or about others."""
        return self.new if is_new else self.known


def answer_features(
    scores: np.ndarray, by_rules: np.ndarray, is_known: np.ndarray
) -> np.ndarray:
    """Return the features [N, E, 2] of all entities as answers to N questions.

    scores: [N, E] logarithms, so that their exponentials can be compared; by_rules:
    [N, E] logarithms; is_known: [N, E] answers that are known, which have no share.
    """
    shares = np.where(is_known, -np.inf, scores)
    best = shares.max(axis=1, keepdims=True)
    shares -= np.where(np.isfinite(best), best, 0)
    total = np.exp(shares).sum(axis=1, keepdims=True)
    shares -= np.log(np.where(total > 0, total, 1))  # 0 where all are known
    return np.moveaxis(np.stack([shares, by_rules]), 0, -1)  # each is contiguous


def fit_calibration(features: np.ndarray, truth: np.ndarray) -> Calibration:
    """Return the calibration of answers: features [N, 2] and truth [N] bool."""
    from sklearn.linear_model import LogisticRegression

    if len(truth) < MIN_ANSWERS or truth.all() or not truth.any():
        return Calibration()
    model = LogisticRegression(C=100.0).fit(features, truth)
    first, second = model.coef_[0].tolist()
    return Calibration((first, second), float(model.intercept_[0]))
