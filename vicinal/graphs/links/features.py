"""Features of a pair of nodes: the link prediction heuristics of the field.

For a pair (u, v), with degrees d and P = D^-1/2 A D^-1/2:

===================  ====================================================
degrees              log(1 + d) of both: sum, difference, product
common neighbours    (A^2)_uv
Adamic-Adar          sum over common neighbours w of 1 / log d_w
resource allocation  sum over common neighbours w of 1 / d_w
Jaccard              common neighbours / all neighbours
paths                (A^3)_uv, (A^4)_uv; (P^k)_uv for k = 2 to 5
low rank             (sum of the K largest w v v')_uv of P, K = 8 and 32
feature similarity   cosine of the node features, if there are any
===================  ====================================================

The caller must leave an edge between u and v out of A: it would reveal itself, as
`(A^3)_uv` and `P` contain it.

L. Adamic, E. Adar: Friends and neighbors on the Web, 2003; L. Katz: A new status index,
1953; D. Liben-Nowell, J. Kleinberg: The link prediction problem, 2003; T. Zhou et al.:
Predicting missing links via local information, 2009 (resource allocation).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vicinal.graphs.links.split import is_edge

KATZ_BETA = 0.005
"""Katz's damping factor per step, as in Liben-Nowell and Kleinberg"""

RANKS = (8, 32)
POWERS = (2, 3, 4, 5)
ROWS_PER_BLOCK = 256
"""nodes whose rows of the matrix powers are computed at a time: N x this in memory"""

FEATURE_NAMES = (
    "degrees, sum",
    "degrees, difference",
    "degrees, product",
    "common neighbours",
    "Adamic-Adar",
    "resource allocation",
    "Jaccard",
    "paths of 3 steps",
    "paths of 4 steps",
    *(f"walks of {k} steps" for k in POWERS),
    *(f"low rank, {k}" for k in RANKS),
    "feature similarity",
)
"""columns of `pair_features`; the last only if nodes have features"""

RELATION_FEATURE_NAMES = (
    "edges of other relations",
    *(f"{name}, of this relation" for name in FEATURE_NAMES[: -len(RANKS) - 1]),
)
"""further columns of `relation_pair_features`"""

HEURISTICS = ("common neighbours", "Adamic-Adar", "Katz")
BIPARTITE_HEURISTICS = ("preferential attachment", "paths of 3 steps", "Katz")
"""for pairs of opposite sides, which have no common neighbours"""


@dataclass(frozen=True)
class PairFeatures:
    """Features of P pairs, and the heuristics that are baselines."""

    features: np.ndarray
    """[P, D] float64"""

    heuristics: dict[str, np.ndarray]
    """scores [P] of each of HEURISTICS and BIPARTITE_HEURISTICS"""


def adjacency_matrix(num_nodes: int, edges: np.ndarray) -> Any:
    """Return the symmetric 0/1 matrix A [N, N] of edges [E, 2], in CSR format."""
    from scipy.sparse import csr_matrix

    ones = np.ones(len(edges))
    a = csr_matrix((ones, (edges[:, 0], edges[:, 1])), shape=(num_nodes, num_nodes))
    a = a + a.T
    a.data[:] = 1
    return a


def relation_pair_features(
    num_nodes: int,
    edges: np.ndarray,
    pairs: np.ndarray,
    node_features: np.ndarray | None = None,
) -> PairFeatures:
    """Return features of pairs [P, 3] with relations, in the graph of edges [E, 3].

    These are the features in the graph of all edges, the number of edges of other
    relations between the two nodes, and the features in the graph of the relation.
    """
    all_edges = np.unique(edges[:, :2], axis=0)
    all_relations = pair_features(num_nodes, all_edges, pairs[:, :2], node_features)
    this_relation = np.zeros((len(pairs), len(RELATION_FEATURE_NAMES)))
    this_relation[:, 0] = _edges_of_other_relations(num_nodes, edges, pairs)
    for relation in np.unique(pairs[:, 2]):
        rows, own_edges = pairs[:, 2] == relation, edges[edges[:, 2] == relation, :2]
        if len(own_edges):
            own = pair_features(num_nodes, own_edges, pairs[rows, :2], low_rank=False)
            this_relation[rows, 1:] = own.features
    features = np.concatenate([all_relations.features, this_relation], axis=1)
    return PairFeatures(features, all_relations.heuristics)


def _edges_of_other_relations(
    num_nodes: int, edges: np.ndarray, pairs: np.ndarray
) -> np.ndarray:
    """Return log(1 + number of edges of other relations) between the two nodes, [P]."""
    keys, counts = np.unique(edges[:, 0] * num_nodes + edges[:, 1], return_counts=True)
    pair_keys = pairs[:, 0] * num_nodes + pairs[:, 1]
    nearest = np.searchsorted(keys, pair_keys).clip(max=len(keys) - 1)
    total = np.where(keys[nearest] == pair_keys, counts[nearest], 0)
    return np.log1p(total - is_edge(pairs, edges, num_nodes))


def pair_features(
    num_nodes: int,
    edges: np.ndarray,
    pairs: np.ndarray,
    node_features: np.ndarray | None = None,
    *,
    low_rank: bool = True,
) -> PairFeatures:
    """Return features of pairs [P, 2] in the graph of edges [E, 2].

    node_features: [N, F] with rows of length 1. low_rank: include the low-rank columns.
    """
    a = adjacency_matrix(num_nodes, edges)
    degree = np.asarray(a.sum(axis=1)).ravel()
    p = _normalize(a, degree)
    u, v = pairs.T
    log = np.log1p(degree)
    entries = _entries_at(pairs, a, p, degree)
    common = entries["a2"]
    paths = sum(entries[f"a{k}"] * KATZ_BETA**k for k in (2, 3, 4))
    union = np.maximum(degree[u] + degree[v] - common, 1)
    columns = [
        log[u] + log[v],
        np.abs(log[u] - log[v]),
        log[u] * log[v],
        np.log1p(common),
        np.log1p(entries["adamic_adar"]),
        np.log1p(10 * entries["resource_allocation"]),
        common / union,
        np.log1p(entries["a3"]),
        np.log1p(entries["a4"]),
        *(np.sqrt(np.maximum(entries[f"p{k}"], 0) * num_nodes) for k in POWERS),
        *(_low_rank_entries(p, degree, pairs) if low_rank else ()),
    ]
    if node_features is not None:
        columns.append((node_features[u] * node_features[v]).sum(axis=1))
    heuristics = {
        "common neighbours": common,
        "Adamic-Adar": entries["adamic_adar"],
        "preferential attachment": degree[u] * degree[v],
        "paths of 3 steps": entries["a3"],
        "Katz": entries["a1"] * KATZ_BETA + paths,
    }
    return PairFeatures(np.stack(columns, axis=1), heuristics)


def _normalize(a: Any, degree: np.ndarray) -> Any:
    """Return P = D^-1/2 A D^-1/2."""
    root = 1 / np.sqrt(np.maximum(degree, 1))
    return a.multiply(root[:, None]).multiply(root[None]).tocsr()


def _entries_at(
    pairs: np.ndarray, a: Any, p: Any, degree: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the entries [P] of powers of A and P at the pairs, block by block.

    The matrices are symmetric; rows are those of the end that occurs in more pairs, so
    that few rows are computed.
    """
    occurrences = np.bincount(pairs.ravel(), minlength=a.shape[0])
    u, v = pairs.T
    swap = occurrences[v] > occurrences[u]
    pairs = np.where(swap[:, None], pairs[:, ::-1], pairs)
    inverse_log = 1 / np.log(np.maximum(degree, 2))
    inverse = 1 / np.maximum(degree, 1)
    by_log_degree = a.multiply(inverse_log[:, None]).tocsr()
    by_degree = a.multiply(inverse[:, None]).tocsr()
    names = ["a1", "a2", "a3", "a4", "adamic_adar", "resource_allocation"]
    names += [f"p{k}" for k in POWERS]
    entries = {name: np.zeros(len(pairs)) for name in names}
    order = np.argsort(pairs[:, 0], kind="stable")
    sources = np.unique(pairs[:, 0])
    for start in range(0, len(sources), ROWS_PER_BLOCK):
        block = sources[start : start + ROWS_PER_BLOCK]
        low, high = np.searchsorted(pairs[order, 0], (block[0], block[-1] + 1))
        own = order[low:high]
        row, column = np.searchsorted(block, pairs[own, 0]), pairs[own, 1]
        rows = a[block]
        power = rows.toarray()
        entries["a1"][own] = power[row, column]
        entries["adamic_adar"][own] = _at(rows @ by_log_degree, row, column)
        entries["resource_allocation"][own] = _at(rows @ by_degree, row, column)
        for k in (2, 3, 4):
            power = power @ a
            entries[f"a{k}"][own] = power[row, column]
        power = p[block].toarray()
        for k in POWERS:
            power = power @ p
            entries[f"p{k}"][own] = power[row, column]
    return entries


def _at(matrix: Any, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    return np.asarray(matrix[row, column]).ravel()


def _low_rank_entries(
    p: Any, degree: np.ndarray, pairs: np.ndarray
) -> list[np.ndarray]:
    """Return the entries [P] of P's best approximations of each rank of RANKS.

    Multiplied by sqrt(d_u d_v), they approximate entries of A.
    """
    num_nodes = p.shape[0]
    u, v = pairs.T
    scale = np.sqrt(np.maximum(degree[u], 1) * np.maximum(degree[v], 1))
    max_rank = min(max(RANKS), num_nodes - 2)
    if max_rank < 1:
        return [np.zeros(len(pairs)) for _ in RANKS]
    values, vectors = _largest_eigenpairs(p, max_rank)
    return [
        ((vectors[u, :k] * values[:k]) * vectors[v, :k]).sum(axis=1) * scale
        for k in (min(k, max_rank) for k in RANKS)
    ]


def _largest_eigenpairs(p: Any, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the eigenvalues [K] of largest magnitude and their eigenvectors [N, K]."""
    from scipy.sparse.linalg import eigsh

    start = np.ones(p.shape[0])
    values, vectors = eigsh(p, k=rank, which="LM", v0=start, rng=0)
    order = np.argsort(-np.abs(values))
    return values[order], vectors[:, order]


def spectral_embeddings(
    num_nodes: int, edges: np.ndarray, rank: int = max(RANKS)
) -> np.ndarray:
    """Return node embeddings [N, K] from the K largest eigenpairs of P.

    Their inner products are P's best approximation of rank K, up to the signs of its
    eigenvalues.
    """
    values, vectors = low_rank_factors(num_nodes, edges, rank)
    return (vectors * np.sqrt(np.abs(values))).astype(np.float32)


def low_rank_factors(
    num_nodes: int, edges: np.ndarray, rank: int = max(RANKS)
) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenvalues [K] and eigenvectors [N, K] of P, the largest first."""
    a = adjacency_matrix(num_nodes, edges)
    p = _normalize(a, np.asarray(a.sum(axis=1)).ravel())
    return _largest_eigenpairs(p, min(rank, num_nodes - 2))
