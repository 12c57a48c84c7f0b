"""What two nodes have between them, in numbers, and the heuristics of the field.

For a pair (u, v), with degrees d and P = D^-1/2 A D^-1/2:

==================  ====================================================
degrees             log(1 + d) of both: sum, difference, product
common neighbours   (A^2)_uv
Adamic-Adar         sum over common neighbours w of 1 / log d_w
resource            sum over common neighbours w of 1 / d_w
Jaccard             common over all neighbours
paths               (A^3)_uv, (A^4)_uv; (P^k)_uv for k = 2 to 5
low rank            (sum of the K largest w v v')_uv of P, K = 8 and 32
features            cosine of what is known of both, where something is
==================  ====================================================

An edge between u and v itself must not be in A: it would give itself away (`(A^3)_uv`
and `P` hold it). Whoever asks sees to it.

L. Adamic, E. Adar: Friends and neighbors on the Web, 2003; L. Katz: A new status index,
1953; D. Liben-Nowell, J. Kleinberg: The link prediction problem, 2003; T. Zhou et al.:
Predicting missing links via local information, 2009 (resource allocation).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vicinal.graphs.links.split import among

KATZ = 0.005
"""what each further step of a path counts, as in Liben-Nowell and Kleinberg"""

RANKS = (8, 32)
POWERS = (2, 3, 4, 5)
BLOCK = 256
"""nodes whose rows are computed at a time: N x BLOCK numbers are held"""

NAMES = (
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
    "features alike",
)
"""of the numbers, in their order; the last only where something is known of nodes"""

NAMES_OF_RELATIONS = (
    "edges of other relations",
    *(f"{name}, of this relation" for name in NAMES[: -len(RANKS) - 1]),
)
"""of the numbers that are added where edges are of several relations"""

HEURISTICS = ("common neighbours", "Adamic-Adar", "Katz")


@dataclass(frozen=True)
class PairFeatures:
    """What is between pairs of nodes."""

    features: np.ndarray
    """[P, D] float64"""

    heuristics: dict[str, np.ndarray]
    """[P] each of HEURISTICS"""


def adjacency_of(nodes: int, edges: np.ndarray) -> Any:
    """A [N, N] of pairs, both ways, with 1 where there is an edge."""
    from scipy.sparse import csr_matrix

    ones = np.ones(len(edges))
    a = csr_matrix((ones, (edges[:, 0], edges[:, 1])), shape=(nodes, nodes))
    a = a + a.T
    a.data[:] = 1
    return a


def between_relations(
    nodes: int, edges: np.ndarray, pairs: np.ndarray, known: np.ndarray | None = None
) -> PairFeatures:
    """Numbers of pairs [P, 3] with relations, in the graph of edges [E, 3].

    Those of the graph of all edges; by how many edges of other relations the two are
    joined; and those of the graph of the pair's own relation.
    """
    every = np.unique(edges[:, :2], axis=0)
    whole = between(nodes, every, pairs[:, :2], known)
    own = np.zeros((len(pairs), len(NAMES_OF_RELATIONS)))
    own[:, 0] = _other_relations(nodes, edges, pairs)
    for relation in np.unique(pairs[:, 2]):
        rows, these = pairs[:, 2] == relation, edges[edges[:, 2] == relation, :2]
        if len(these):
            found = between(nodes, these, pairs[rows, :2], ranks=False)
            own[rows, 1:] = found.features
    return PairFeatures(np.concatenate([whole.features, own], axis=1), whole.heuristics)


def _other_relations(nodes: int, edges: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """[P] log(1 + edges of other relations) between the two."""
    keys = edges[:, 0] * nodes + edges[:, 1]
    different, counts = np.unique(keys, return_counts=True)
    asked = pairs[:, 0] * nodes + pairs[:, 1]
    place = np.searchsorted(different, asked).clip(max=len(different) - 1)
    found = np.where(different[place] == asked, counts[place], 0)
    return np.log1p(found - among(pairs, edges, nodes))


def between(
    nodes: int,
    edges: np.ndarray,
    pairs: np.ndarray,
    known: np.ndarray | None = None,
    *,
    ranks: bool = True,
) -> PairFeatures:
    """Numbers of pairs [P, 2] in the graph of edges [E, 2].

    known: [N, F] of the nodes, rows of length 1; None: nothing is known of them. ranks:
    whether low ranks are among the numbers.
    """
    a = adjacency_of(nodes, edges)
    degree = np.asarray(a.sum(axis=1)).ravel()
    walk = _walk(a, degree)
    u, v = pairs.T
    log = np.log1p(degree)
    degrees = [log[u] + log[v], np.abs(log[u] - log[v]), log[u] * log[v]]
    near = _by_rows(a, walk, degree, pairs)
    common = near["a2"]
    paths = near["a2"] * KATZ**2 + near["a3"] * KATZ**3 + near["a4"] * KATZ**4
    joined = near["a1"] * KATZ + paths
    union = np.maximum(degree[u] + degree[v] - common, 1)
    columns = [
        *degrees,
        np.log1p(common),
        np.log1p(near["adamic"]),
        np.log1p(10 * near["resource"]),
        common / union,
        np.log1p(near["a3"]),
        np.log1p(near["a4"]),
        *(np.sqrt(np.maximum(near[f"p{k}"], 0) * nodes) for k in POWERS),
        *(_low_rank(walk, degree, pairs) if ranks else ()),
    ]
    if known is not None:
        columns.append((known[u] * known[v]).sum(axis=1))
    told = {
        "common neighbours": common,
        "Adamic-Adar": near["adamic"],
        "Katz": joined,
    }
    return PairFeatures(np.stack(columns, axis=1), told)


def two_hop_pairs(nodes: int, edges: np.ndarray) -> np.ndarray:
    """Pairs [P, 2] of nodes that have a neighbour in common, the smaller row first."""
    a = adjacency_of(nodes, edges)
    two = (a @ a).tocoo()
    above = two.row < two.col
    return np.stack([two.row[above], two.col[above]], axis=1).astype(np.int64)


def _walk(a: Any, degree: np.ndarray) -> Any:
    root = 1 / np.sqrt(np.maximum(degree, 1))
    return a.multiply(root[:, None]).multiply(root[None]).tocsr()


def _by_rows(
    a: Any, walk: Any, degree: np.ndarray, pairs: np.ndarray
) -> dict[str, np.ndarray]:
    """Entries at the pairs of powers of A and P: some rows of them at a time."""
    inverse = 1 / np.log(np.maximum(degree, 2))
    share = 1 / np.maximum(degree, 1)
    names = ["a1", "a2", "a3", "a4", "adamic", "resource", *(f"p{k}" for k in POWERS)]
    found = {name: np.zeros(len(pairs)) for name in names}
    order = np.argsort(pairs[:, 0], kind="stable")
    sources = np.unique(pairs[:, 0])
    weighted, shared = a.multiply(inverse[:, None]).tocsr(), None
    shared = a.multiply(share[:, None]).tocsr()
    for start in range(0, len(sources), BLOCK):
        block = sources[start : start + BLOCK]
        low, high = np.searchsorted(pairs[order, 0], (block[0], block[-1] + 1))
        own = order[low:high]
        row, column = np.searchsorted(block, pairs[own, 0]), pairs[own, 1]
        first = a[block]
        ring = first.toarray()
        found["a1"][own] = ring[row, column]
        found["adamic"][own] = _at(first @ weighted, row, column)
        found["resource"][own] = _at(first @ shared, row, column)
        for k in (2, 3, 4):
            ring = ring @ a
            found[f"a{k}"][own] = ring[row, column]
        ring = walk[block].toarray()
        for k in POWERS:
            ring = ring @ walk
            found[f"p{k}"][own] = ring[row, column]
    return found


def _at(matrix: Any, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    return np.asarray(matrix[row, column]).ravel()


def _low_rank(walk: Any, degree: np.ndarray, pairs: np.ndarray) -> list[np.ndarray]:
    """Entries at the pairs of P's best approximations of low rank, by its eigenvectors.

    They are multiplied by sqrt(d_u d_v), which makes edges of them again.
    """
    from scipy.sparse.linalg import eigsh

    nodes = walk.shape[0]
    u, v = pairs.T
    scale = np.sqrt(np.maximum(degree[u], 1) * np.maximum(degree[v], 1))
    most = min(max(RANKS), nodes - 2)
    if most < 1:
        return [np.zeros(len(pairs)) for _ in RANKS]
    values, vectors = eigsh(walk, k=most, which="LM", v0=np.ones(nodes), rng=0)
    order = np.argsort(-np.abs(values))
    values, vectors = values[order], vectors[:, order]
    return [
        ((vectors[u, :k] * values[:k]) * vectors[v, :k]).sum(axis=1) * scale
        for k in (min(k, most) for k in RANKS)
    ]


def embeddings(nodes: int, edges: np.ndarray, rank: int = max(RANKS)) -> np.ndarray:
    """Numbers [N, K] whose products are P's best approximation of rank K, but for the
    signs of its eigenvalues."""
    from scipy.sparse.linalg import eigsh

    a = adjacency_of(nodes, edges)
    walk = _walk(a, np.asarray(a.sum(axis=1)).ravel())
    values, vectors = eigsh(
        walk, k=min(rank, nodes - 2), which="LM", v0=np.ones(nodes), rng=0
    )
    order = np.argsort(-np.abs(values))
    return (vectors * np.sqrt(np.abs(values)))[:, order].astype(np.float32)
