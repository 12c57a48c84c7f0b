"""The training molecules that are most similar to others, and which are unlike all.

A model knows least about molecules that are unlike those it was trained on: errors grow
as the similarity to the nearest of them falls.
"""

from typing import NamedTuple

import numpy as np

from vicinal.molecules.baseline.tanimoto import tanimoto

ROWS_PER_BLOCK = 512

OUTSIDE = 0.05
"""share of the training molecules that would count as outside, were they left out"""


class Neighbors(NamedTuple):
    """The K training molecules nearest to each of M molecules, nearest first."""

    rows: np.ndarray
    """[M, K] of the training molecules"""

    similarity: np.ndarray
    """[M, K] Tanimoto similarity of counts"""


def nearest(
    counts: np.ndarray, training: np.ndarray, k: int = 3, *, leave_self: bool = False
) -> Neighbors:
    """Return the nearest of N training fingerprints for M others.

    leave_self: the two are the same molecules, and none is its own neighbour.
    """
    k = min(k, len(training) - leave_self)
    rows = np.empty((len(counts), k), np.int64)
    similarity = np.empty((len(counts), k))
    for start in range(0, len(counts), ROWS_PER_BLOCK):
        block = slice(start, start + ROWS_PER_BLOCK)
        found = tanimoto(counts[block], training)
        if leave_self:
            own = np.arange(len(found))
            found[own, start + own] = -1
        if k == 1:
            order = found.argmax(axis=1)[:, None]
        else:
            order = np.argsort(-found, axis=1, kind="stable")[:, :k]
        rows[block] = order
        similarity[block] = np.take_along_axis(found, order, axis=1)
    return Neighbors(rows, similarity)


def least_similarity(training: np.ndarray) -> float:
    """Return the similarity to the nearest below which a molecule is outside.

    All but a share `OUTSIDE` of the training molecules are above it. 0 for fewer than
    two.
    """
    if len(training) < 2:
        return 0.0
    similarity = nearest(training, training, 1, leave_self=True).similarity[:, 0]
    return float(np.quantile(similarity, OUTSIDE))
