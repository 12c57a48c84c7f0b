"""Scores of a ranking of entities, and their means over folds."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vicinal.core.metrics import MIN_GROUPS, Measure, Score, rmse

TOP = 100
SAMPLES = 200
METRICS = ("spearman", f"ndcg@{TOP}", "rmse")


class FoldScores(NamedTuple):
    """Scores of one fold."""

    spearman: float
    ndcg: float
    rmse: float
    """NaN for a model that does not predict on the scale of the target"""


def ndcg(gains: np.ndarray, predicted: np.ndarray, k: int = TOP) -> float:
    """Return the normalised discounted cumulative gain of the first k of n predictions.

    sum over ranks i of gain_i / log2(i + 1), divided by that of the best order; gains:
    [n], 0 or more (K. Jarvelin and J. Kekalainen, 2002). Equal predictions share the
    mean of their gains, as in scikit-learn.
    """
    k = min(k, len(gains))
    discounts = 1 / np.log2(np.arange(k) + 2)
    values, groups, counts = np.unique(
        -predicted, return_inverse=True, return_counts=True
    )
    means = np.bincount(groups, gains, len(values)) / counts
    ranked = np.repeat(means, counts)[:k]
    best = np.sort(gains)[::-1][:k]
    ideal = float(best @ discounts)
    return float(ranked @ discounts) / ideal if ideal > 0 else 1.0


def ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks [n] from 0; equal values share their mean."""
    _, groups, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts + 1) / 2)[groups]


def spearman(y: np.ndarray, predicted: np.ndarray) -> float:
    """Return the rank correlation of [n] values; 0 for constant ones."""
    a, b = ranks(y), ranks(predicted)
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size else 0.0


def gains_of(y: np.ndarray) -> np.ndarray:
    """Return targets as gains, 0 or more."""
    return y - min(0.0, float(y.min(initial=0.0)))


def fold_scores(
    y: np.ndarray, predicted: np.ndarray, *, on_scale: bool = True
) -> FoldScores:
    """Return the scores of predictions [n]; on_scale: whether they have an error."""
    return FoldScores(
        spearman(y, predicted),
        ndcg(gains_of(y), predicted),
        rmse(y, predicted) if on_scale else float("nan"),
    )


MEASURES: dict[str, Measure] = {
    METRICS[0]: spearman,
    METRICS[1]: lambda y, predicted: ndcg(gains_of(y), predicted),
    METRICS[2]: rmse,
}
"""metric -> function of targets and predictions"""


def mean_over_folds(
    metric: str,
    y: np.ndarray,
    predicted: np.ndarray,
    folds: Sequence[np.ndarray],
    seed: int = 0,
) -> Score:
    """Return the mean score over folds, with the 95 % interval of the bootstrap.

    folds: rows of each. Entities are resampled within each fold (B. Efron and R.
    Tibshirani 1993, chapter 13).
    """
    measure = MEASURES[metric]

    def value(parts: Sequence[np.ndarray]) -> float:
        return float(np.mean([measure(y[k], predicted[k]) for k in parts]))

    rng, mean = np.random.default_rng(seed), value(folds)
    if min(map(len, folds)) < MIN_GROUPS:
        return Score(metric, mean, float("nan"), float("nan"), len(y))
    drawn = [
        value([rows[rng.integers(len(rows), size=len(rows))] for rows in folds])
        for _ in range(SAMPLES)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Score(metric, mean, min(float(low), mean), max(float(high), mean), len(y))


def order_gains(
    y: np.ndarray, ours: np.ndarray, theirs: np.ndarray, folds: Sequence[np.ndarray]
) -> np.ndarray:
    """Return 1, 0 or -1 for pairs of entities: which of two rankings orders them right.

    Each entity is in one pair, at random within its fold, so pairs are independent.
    """
    rng, found = np.random.default_rng(0), [np.zeros(0)]
    for rows in folds:
        order = rng.permutation(rows)
        half = len(order) // 2
        a, b = order[:half], order[half : 2 * half]
        truth = np.sign(y[a] - y[b])
        right, other = (np.sign(p[a] - p[b]) * truth for p in (ours, theirs))
        found.append(np.sign(right - other))
    return np.concatenate(found)
