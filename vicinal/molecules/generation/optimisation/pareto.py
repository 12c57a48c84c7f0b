"""Order of molecules by several scores: fronts, and crowding within each.

K. Deb et al.: A fast and elitist multiobjective genetic algorithm, NSGA-II, IEEE Trans.
Evol. Comput. 2002, sections III-A and III-B; here scores are maximised. One row
*dominates* another if none of its scores is lower and one is higher.
"""

import numpy as np


def non_dominated_fronts(scores: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each front of scores [N, K], the best front first.

    The first are those that no row dominates, the next those that only they dominate.
    Scores are compared in single precision: in double precision rounding errors would
    tell isomers with the same score apart.
    """
    higher = np.zeros((len(scores), len(scores)), bool)
    lower = np.zeros_like(higher)
    for column in scores.astype(np.float32).T:
        higher |= column[:, None] > column
        lower |= column[:, None] < column
    dominates = higher & ~lower
    left, fronts = dominates.sum(axis=0), []
    while (front := np.flatnonzero(left == 0)).size:
        fronts.append(front)
        left -= dominates[front].sum(axis=0)
        left[front] = -1
    return fronts


def crowding_distances(scores: np.ndarray) -> np.ndarray:
    """Return the distance [N] of each row of a front to its neighbors.

    The sum over the K scores of the gap between the two neighbors, as a share of the
    score's range; infinite for the lowest and the highest.
    """
    found = np.zeros(len(scores))
    for column in scores.T:
        order = np.argsort(column, kind="stable")
        values = column[order]
        found[order[[0, -1]]] = np.inf
        width = values[-1] - values[0]
        if width > 0:
            found[order[1:-1]] += (values[2:] - values[:-2]) / width
    return found


def order_by_dominance(scores: np.ndarray) -> np.ndarray:
    """Return the rows of scores [N, K] from best to worst.

    By front, and within a front the least crowded first; by score if K is 1. Rows that
    are not finite come last.
    """
    if scores.shape[1] == 1:
        return np.argsort(-scores[:, 0], kind="stable")
    finite = np.isfinite(scores).all(axis=1)
    rows = np.flatnonzero(finite)
    fronts = non_dominated_fronts(scores[rows]) if len(rows) else []
    ordered = [
        rows[front[np.argsort(-crowding_distances(scores[rows[front]]), kind="stable")]]
        for front in fronts
    ]
    return np.concatenate([*ordered, np.flatnonzero(~finite)])
