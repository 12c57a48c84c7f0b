"""Pairs that may be new edges: their number is bounded by that of the edges.

Of an ordinary graph, pairs with a common neighbour. A hub of degree d is that of
d (d - 1) / 2 pairs, so where there are too many only its neighbours of highest degree
are paired. Of a bipartite graph, pairs of opposite sides; where there are too many,
those that a low-rank approximation ranks highest.
"""

from bisect import bisect_right
from typing import Any

import numpy as np

from vicinal.core.text import pluralize
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.links.features import adjacency_matrix, low_rank_factors
from vicinal.graphs.links.split import num_possible_pairs

MIN_LIMIT, PAIRS_PER_EDGE, MAX_LIMIT = 100_000, 10, 1_000_000
"""up to MIN_LIMIT pairs, or this number for each edge, no pair is left out; there are
never more than MAX_LIMIT"""

ROWS_PER_BLOCK = 256
"""nodes whose scores are computed at a time: N x this in memory"""


def candidate_pairs(
    graph: GraphTable, edges: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """Return pairs [P, 2] that may be new edges, and notes on those left out.

    edges [E, 2]: of the graph, each once. In a bipartite graph a pair begins with the
    node of side 0, else with the smaller row.
    """
    limit = min(max(MIN_LIMIT, PAIRS_PER_EDGE * len(edges)), MAX_LIMIT)
    if graph.sides is None:
        return two_hop_pairs(len(graph), edges, limit)
    return opposite_pairs(graph.sides, edges, limit)


def pairs_of_node(graph: GraphTable, row: int) -> np.ndarray:
    """Return the pairs [P, 2] of a node with every other one, or every one opposite."""
    others = np.arange(len(graph)) != row
    if graph.sides is not None and graph.sides[row] >= 0:
        others &= graph.sides == 1 - graph.sides[row]
    rows = np.flatnonzero(others)
    return np.stack([np.full(len(rows), row), rows], axis=1)


def two_hop_pairs(
    num_nodes: int, edges: np.ndarray, limit: int
) -> tuple[np.ndarray, list[str]]:
    """Return the pairs [P, 2] with a common neighbour, the smaller row first.

    Of each node at most M neighbours are paired, those of highest degree, so that there
    are about `limit` pairs at most; a note gives M.
    """
    a = adjacency_matrix(num_nodes, edges)
    degree = np.asarray(a.sum(axis=1)).ravel().astype(np.int64)
    most = int(degree.max(initial=0))

    def num_paths(neighbors: int) -> int:
        paired = np.minimum(degree, neighbors)
        return int((paired * (paired - 1)).sum() // 2)

    kept = 2 + bisect_right(range(3, most + 1), limit, key=num_paths)
    notes = []
    if kept < most:
        hubs = pluralize(int((degree > kept).sum()), "node")
        notes.append(
            f"{hubs} with more than {kept:,} neighbours: of these only the pairs of "
            f"the {kept:,} with the highest degree are candidates for new edges"
        )
        a = _keep_neighbors(a, degree, kept)
    a2 = (a.T @ a).tocoo()
    upper = a2.row < a2.col
    return np.stack([a2.row[upper], a2.col[upper]], axis=1).astype(np.int64), notes


def _keep_neighbors(a: Any, degree: np.ndarray, count: int) -> Any:
    """Return A with at most `count` entries in each row, of the highest degree."""
    from scipy.sparse import csr_matrix

    row, column = a.nonzero()
    order = np.lexsort((-degree[column], row))
    row, column = row[order], column[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    row, column = row[rank < count], column[rank < count]
    return csr_matrix((np.ones(len(row)), (row, column)), shape=a.shape)


def opposite_pairs(
    sides: np.ndarray, edges: np.ndarray, limit: int
) -> tuple[np.ndarray, list[str]]:
    """Return pairs [P, 2] of nodes of side 0 and of side 1 that are not edges.

    Where there are more than `limit`, as many for each node of the smaller side, those
    with the highest entries of a low-rank approximation of A.
    """
    num_nodes = len(sides)
    first, second = (np.flatnonzero(sides == side) for side in (0, 1))
    possible = num_possible_pairs(num_nodes, sides=sides)
    if possible - len(edges) <= limit:
        pairs = np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1)
        return pairs.reshape(-1, 2), []
    swap = len(first) > len(second)
    if swap:
        first, second = second, first
    a = adjacency_matrix(num_nodes, edges)
    scale = np.sqrt(np.asarray(a.sum(axis=1)).ravel())
    values, vectors = low_rank_factors(num_nodes, edges)
    factors = (vectors * scale[:, None]).astype(np.float32)
    targets = (factors[second] * values.astype(np.float32)).T
    count = max(limit // len(first), 1)
    parts = []
    for start in range(0, len(first), ROWS_PER_BLOCK):
        rows = first[start : start + ROWS_PER_BLOCK]
        scores = factors[rows] @ targets
        scores[a[rows][:, second].nonzero()] = -np.inf
        best = np.argpartition(-scores, min(count, len(second) - 1), axis=1)[:, :count]
        parts.append(np.stack([np.repeat(rows, best.shape[1]), second[best.ravel()]]))
    pairs = np.concatenate(parts, axis=1).T
    note = (
        f"{possible:,} pairs of opposite sides: of each node of the smaller side the "
        f"{count:,} with the highest low-rank score are candidates for new edges"
    )
    return pairs[:, ::-1] if swap else pairs, [note]
