"""PageRank by power iteration, of all entities or personalised.

::

    x = d (P^T x + D x p) + (1 - d) p

P: a random walk along the edges; D: entities without edges, whose walk restarts; p: the
distribution of restarts.

L. Page, S. Brin, R. Motwani, T. Winograd: The PageRank citation ranking, 1999.
"""

import numpy as np
from scipy.sparse import csr_matrix

DAMPING = 0.85
TOLERANCE, MAX_STEPS = 1e-10, 200


def pagerank(edges: csr_matrix, restart: np.ndarray | None = None) -> np.ndarray:
    """Return PageRank [E], which adds up to 1.

    edges: [E, E], number of edges from row to column. restart: [E] weights, 0 or more;
    None: equal.
    """
    size = edges.get_shape()[0]
    p = np.full(size, 1.0) if restart is None else np.asarray(restart, float)
    p = p / p.sum() if p.sum() > 0 else np.full(size, 1 / size)
    degrees = np.asarray(edges.sum(axis=1)).ravel().astype(float)
    dangling = degrees == 0
    share = 1 / np.where(dangling, np.inf, degrees)
    reverse = csr_matrix(edges.T, dtype=np.float64)
    x = p
    for _ in range(MAX_STEPS):
        moved = reverse @ (x * share) + x[dangling].sum() * p
        following = DAMPING * moved + (1 - DAMPING) * p
        change, x = np.abs(following - x).sum(), following
        if change < TOLERANCE:
            break
    return x


def pagerank_of_new(
    ranks: np.ndarray, degrees: np.ndarray, sources: np.ndarray
) -> float:
    """Return the PageRank of an entity that is added, in the first order.

    Its neighbours keep their ranks [E] and share them with one more neighbour. degrees:
    [E] outgoing edges. sources: entities with an edge to it.
    """
    moved = (ranks[sources] / (degrees[sources] + 1)).sum()
    return float(DAMPING * moved + (1 - DAMPING) / (len(ranks) + 1))
