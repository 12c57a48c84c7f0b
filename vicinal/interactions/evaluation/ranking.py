"""How well pairs with an effect are ranked above others, effect by effect."""

from typing import NamedTuple

import numpy as np

from vicinal.graphs.links.metrics import auroc, average_precision
from vicinal.interactions.evaluation.cells import Cells


class RankingScores(NamedTuple):
    """Scores of one effect."""

    auroc: float
    average_precision: float
    precision_at_50: float
    """average precision of the first 50"""


def evaluate(scores: np.ndarray, cells: Cells) -> np.ndarray:
    """Return `RankingScores` [E, 3] of each effect; scores: [N] of the cells."""
    found = [rank(cells.truth[k], scores[k]) for _, k in cells.by_effect()]
    return np.array(found).reshape(-1, len(RankingScores._fields))


def rank(truth: np.ndarray, scores: np.ndarray) -> RankingScores:
    """Return how well scores [M] rank what is true above what is not."""
    return RankingScores(
        auroc(truth, scores),
        average_precision(truth, scores),
        average_precision_at(50, truth, scores),
    )


def average_precision_at(k: int, truth: np.ndarray, scores: np.ndarray) -> float:
    """Return the mean precision at the true ones among the first k.

    Divided by the lower of k and the number of true ones, as by Decagon. Of equal
    scores those that are not true come first.
    """
    first = truth[np.lexsort((truth, -scores))][:k]
    precision = np.cumsum(first) / np.arange(1, len(first) + 1)
    return float((precision * first).sum() / max(min(k, truth.sum()), 1))
