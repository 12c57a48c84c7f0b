"""Scores of a ranking of entities, and their means over folds."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from vicinal.core.metrics import MIN_GROUPS, Score, rmse

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


def spearman(y: np.ndarray, predicted: np.ndarray) -> float:
    """Return the rank correlation of [n] values; 0 for constant ones."""
    return float(spearman_of_rows(y[None], predicted[None])[0])


def spearman_of_rows(y: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the rank correlations [S] of values [S, n]; equal ones share a rank."""
    a, b = rankdata(y, axis=1), rankdata(predicted, axis=1)
    a -= a.mean(axis=1, keepdims=True)
    b -= b.mean(axis=1, keepdims=True)
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return (a * b).sum(axis=1) / np.where(size > 0, size, 1.0)


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


def scores_of_rows(metric: str, y: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the scores [S] of targets and predictions [S, n] by one of `METRICS`."""
    if metric == METRICS[0]:
        return spearman_of_rows(y, predicted)
    pairs = zip(y, predicted, strict=True)
    if metric == METRICS[1]:
        return np.array([ndcg(gains_of(a), b) for a, b in pairs])
    return np.array([rmse(a, b) for a, b in pairs])


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
    parts = [(y[rows][None], predicted[rows][None]) for rows in folds]
    mean = float(np.mean([scores_of_rows(metric, *part) for part in parts]))
    if min(map(len, folds)) < MIN_GROUPS:
        return Score(metric, mean, float("nan"), float("nan"), len(y))
    rng, drawn = np.random.default_rng(seed), np.zeros(SAMPLES)
    for rows in folds:
        sample = rows[rng.integers(len(rows), size=(SAMPLES, len(rows)))]
        drawn += scores_of_rows(metric, y[sample], predicted[sample]) / len(folds)
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
