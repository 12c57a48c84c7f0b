"""How well pairs that are edges are ranked above pairs that are none."""

import numpy as np

from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.evaluation.significance import SignTest
from vicinal.core.metrics import Score, bootstrap

HITS = (20, 50)
"""hits@K: the share of edges ranked above the K-th of the pairs that are none"""


def auroc(y: np.ndarray, said: np.ndarray) -> float:
    """Chance that an edge is ranked above a pair that is none; ties count half.

    (sum of the ranks of edges - P (P + 1) / 2) / (P N): Mann and Whitney 1947. NaN
    where there are no edges, or nothing else.
    """
    edges = y == 1
    positive, negative = int(edges.sum()), int((~edges).sum())
    if not positive or not negative:
        return float("nan")
    _, member, counts = np.unique(said, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2)[member]
    least = positive * (positive + 1) / 2
    return float((ranks[edges].sum() - least) / (positive * negative))


def average_precision(y: np.ndarray, said: np.ndarray) -> float:
    """Mean precision at each edge, those of one score together; NaN without edges."""
    if not (y == 1).any():
        return float("nan")
    values, member = np.unique(-said, return_inverse=True)
    right = np.bincount(member, y == 1, len(values))
    total = np.bincount(member, minlength=len(values))
    precision = np.cumsum(right) / np.cumsum(total)
    return float((precision * right).sum() / right.sum())


def hits(k: int, y: np.ndarray, said: np.ndarray) -> float:
    """Share of edges ranked above the k-th of the others (Hu et al. 2020, OGB).

    NaN where there are no edges, or fewer than k others.
    """
    edges, others = said[y == 1], np.sort(said[y != 1])[::-1]
    if not len(edges) or len(others) < k:
        return float("nan")
    return float((edges > others[k - 1]).mean())


def reciprocal_rank(y: np.ndarray, said: np.ndarray) -> float:
    """Mean of 1 / rank of each edge among all pairs that are none; ties count half."""
    edges, others = said[y == 1], np.sort(said[y != 1])
    if not len(edges) or not len(others):
        return float("nan")
    above = len(others) - np.searchsorted(others, edges, side="right")
    level = np.searchsorted(others, edges, side="right") - np.searchsorted(
        others, edges
    )
    return float((1 / (1 + above + level / 2)).mean())


def judge_links(
    y: np.ndarray,
    said: np.ndarray,
    baselines: dict[str, np.ndarray],
    predictions: "object",
) -> Evaluation:
    """The evaluation of scores [P] for pairs, y [P] 1 for an edge and 0 for none.

    baselines: scores of simpler answers for the same pairs.
    """

    def score(name: str, measure, values: np.ndarray) -> Score:
        return bootstrap(name, measure, y, values, samples=200)

    more = [score("average_precision", average_precision, said)]
    for k in HITS:
        if (y != 1).sum() >= k:
            more.append(score(f"hits@{k}", lambda a, b, k=k: hits(k, a, b), said))
    more.append(score("mrr", reciprocal_rank, said))
    few, frame = int((y != 1).sum()), predictions
    left = [f"hits@{k}" for k in HITS if few < k]
    notes = [
        f"{' and '.join(left)} would want more than the {few} pairs here that are no "
        "edges"
    ]
    return Evaluation(
        score=score("auroc", auroc, said),
        scores=more,
        baselines={k: score("auroc", auroc, v) for k, v in baselines.items()},
        predictions=frame,  # pyright: ignore[reportArgumentType]
        decided=(said >= 0.5).astype(int),
        classes=("no edge", "edge"),
        notes=notes if left else [],
        against={name: _beside(y, said, values) for name, values in baselines.items()},
    )


def _beside(y: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> SignTest:
    """How often ours ranks an edge above its counterpart where theirs does not.

    Each edge is set beside one pair that is none, so that the trials are independent.
    """
    from scipy.stats import binomtest

    count = min(int((y == 1).sum()), int((y != 1).sum()))
    edges, others = np.flatnonzero(y == 1)[:count], np.flatnonzero(y != 1)[:count]
    right = [np.sign(said[edges] - said[others]) for said in (ours, theirs)]
    gain = right[0] - right[1]
    wins, losses = int((gain > 0).sum()), int((gain < 0).sum())
    if not wins + losses:
        return SignTest(0, 0, 1.0)
    test = binomtest(wins, wins + losses, alternative="greater")
    return SignTest(wins, losses, float(test.pvalue))
