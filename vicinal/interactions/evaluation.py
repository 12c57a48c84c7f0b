"""How well pairs with an effect are ranked above others, effect by effect."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from vicinal.graphs.links.metrics import auroc, average_precision

Scorer = Callable[[np.ndarray, int], np.ndarray]
"""of pairs [M, 2] and the number of an effect to scores [M]"""


class Questions(NamedTuple):
    """Pairs with and without an effect, to be distinguished."""

    effect: int
    pairs: np.ndarray
    """[M, 2]"""

    truth: np.ndarray
    """[M] bool"""


class RankingScores(NamedTuple):
    """Scores of one effect."""

    auroc: float
    average_precision: float
    precision_at_50: float
    """average precision of the first 50"""


def evaluate(scorer: Scorer, questions: list[Questions]) -> np.ndarray:
    """Return `RankingScores` [E, 3] of each effect."""
    return np.array(
        [rank(own.truth, scorer(own.pairs, own.effect)) for own in questions]
    ).reshape(-1, len(RankingScores._fields))


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
