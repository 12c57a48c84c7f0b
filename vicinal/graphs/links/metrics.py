"""Metrics of ranking edges above pairs without an edge.

AUROC and average precision equal scikit-learn's, which are 8 to more than 100 times
slower for their input checks; the bootstrap calls them hundreds of times.
"""

from typing import TYPE_CHECKING

import numpy as np

from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.evaluation.significance import SignTest, sign_test_of_gains
from vicinal.core.metrics import Measure, Score, bootstrap

if TYPE_CHECKING:
    import pandas as pd

HITS = (20, 50)
"""values of k in hits@k"""

CLASSES = ("no edge", "edge")

BOOTSTRAP_SAMPLES = 200


def auroc(y: np.ndarray, scores: np.ndarray) -> float:
    """Return the probability that an edge scores above a negative; ties count half.

    (R - P (P + 1) / 2) / (P N), with R the sum of the edges' ranks (Mann and Whitney
    1947). NaN without edges or without negatives.
    """
    from scipy.stats import rankdata

    edges = y == 1
    positive, negative = int(edges.sum()), int((~edges).sum())
    if not positive or not negative:
        return float("nan")
    rank_sum = rankdata(scores)[edges].sum()
    return float((rank_sum - positive * (positive + 1) / 2) / (positive * negative))


def average_precision(y: np.ndarray, scores: np.ndarray) -> float:
    """Return the mean of the precision at each edge, tied scores taken together.

    NaN without edges.
    """
    if not (y == 1).any():
        return float("nan")
    thresholds, group = np.unique(-scores, return_inverse=True)
    edges = np.bincount(group, y == 1, len(thresholds))
    pairs = np.bincount(group, minlength=len(thresholds))
    precision = np.cumsum(edges) / np.cumsum(pairs)
    return float((precision * edges).sum() / edges.sum())


def hits_at_k(k: int, y: np.ndarray, scores: np.ndarray) -> float:
    """Return the share of edges that score above the k-th negative (OGB, 2020).

    NaN without edges, or with fewer than k negatives.
    """
    edges, negatives = scores[y == 1], np.sort(scores[y != 1])[::-1]
    if not len(edges) or len(negatives) < k:
        return float("nan")
    return float((edges > negatives[k - 1]).mean())


def mean_reciprocal_rank(y: np.ndarray, scores: np.ndarray) -> float:
    """Return the mean of 1 / rank of each edge among all negatives; ties count half.

    NaN without edges or without negatives.
    """
    edges, negatives = scores[y == 1], np.sort(scores[y != 1])
    if not len(edges) or not len(negatives):
        return float("nan")
    not_above = np.searchsorted(negatives, edges, side="right")
    above = len(negatives) - not_above
    tied = not_above - np.searchsorted(negatives, edges)
    return float((1 / (1 + above + tied / 2)).mean())


def evaluate_links(
    y: np.ndarray,
    probabilities: np.ndarray,
    baselines: dict[str, np.ndarray],
    predictions: "pd.DataFrame",
) -> Evaluation:
    """Evaluate the probabilities [P] of pairs; y [P]: 1 for an edge, 0 for a negative.

    baselines: scores [P] of heuristics for the same pairs.
    """

    def score(name: str, measure: Measure, scores: np.ndarray) -> Score:
        return bootstrap(name, measure, y, scores, samples=BOOTSTRAP_SAMPLES)

    negatives = int((y != 1).sum())
    secondary = [score("average_precision", average_precision, probabilities)]
    for k in HITS:
        if negatives >= k:
            secondary.append(
                score(f"hits@{k}", lambda a, b, k=k: hits_at_k(k, a, b), probabilities)
            )
    secondary.append(score("mrr", mean_reciprocal_rank, probabilities))
    missing = [f"hits@{k}" for k in HITS if negatives < k]
    note = f"{' and '.join(missing)} not computed: only {negatives} negative pairs"
    return Evaluation(
        score=score("auroc", auroc, probabilities),
        scores=secondary,
        baselines={
            name: score("auroc", auroc, scores) for name, scores in baselines.items()
        },
        predictions=predictions,
        decisions=(probabilities >= 0.5).astype(int),
        classes=CLASSES,
        notes=[note] if missing else [],
        comparisons={
            name: compare_rankings(y, probabilities, scores)
            for name, scores in baselines.items()
        },
    )


def compare_rankings(y: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> SignTest:
    """Test how often `ours` ranks an edge above a negative where `theirs` does not."""
    return sign_test_of_gains(ranking_gains(y, ours, theirs))


def ranking_gains(y: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Return how much better `ours` orders each of P pairs than `theirs`, -2 to 2.

    Each edge (y = 1) is paired with one negative, so that the pairs are independent.
    """
    count = min(int((y == 1).sum()), int((y != 1).sum()))
    edges, negatives = np.flatnonzero(y == 1)[:count], np.flatnonzero(y != 1)[:count]
    our_order, their_order = (
        np.sign(scores[edges] - scores[negatives]) for scores in (ours, theirs)
    )
    return our_order - their_order
