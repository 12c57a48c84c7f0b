"""Centralities of entities side by side: importance without any target.

Betweenness follows U. Brandes (2001), summed over sampled sources; k-core: V. Batagelj
and M. Zaversnik (2003), by networkx.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from vicinal.knowledge.importance.features.pagerank import pagerank
from vicinal.knowledge.triple_graph import TripleGraph

SOURCES = 64
"""entities from which paths are counted"""

MEANINGS = {
    "degree": "number of triples that the entity is in",
    "in_degree": "number of triples of which it is the tail",
    "out_degree": "number of triples of which it is the head",
    "pagerank": "share of time that a random walk from heads to tails spends at it",
    "betweenness": "share of the shortest paths between others that lead through it",
    "closeness": "1 / mean distance to the entities that it can reach",
    "k_core": "largest k so that it is among entities with k neighbours among them",
}
"""column -> what it means"""


class PathMeasures(NamedTuple):
    """Measures of shortest paths from some sources."""

    betweenness: np.ndarray
    """[E] share of the paths between two others, an estimate unless all are sources"""

    closeness: np.ndarray
    """[E] (r / (n - 1)) r / sum of distances to the r sources reached, n sources"""


def centralities(
    graph: TripleGraph, sources: int | None = SOURCES, seed: int = 0
) -> dict[str, np.ndarray]:
    """Return each measure [E] of `MEANINGS`.

    sources: entities that betweenness and closeness are estimated from; None: all.
    """
    heads, _, tails = graph.triples.T
    size, ones = graph.num_entities, np.ones(len(heads))
    edges = csr_matrix((ones, (heads, tails)), (size, size))
    simple = csr_matrix(edges + edges.T)
    simple.setdiag(0)
    simple.eliminate_zeros()
    simple.data[:] = 1
    chosen = np.arange(size)
    if sources is not None and sources < size:
        chosen = np.random.default_rng(seed).choice(size, sources, replace=False)
    paths = path_measures(simple, chosen)
    return {
        "degree": np.bincount(heads, minlength=size)
        + np.bincount(tails, minlength=size),
        "in_degree": np.bincount(tails, minlength=size),
        "out_degree": np.bincount(heads, minlength=size),
        "pagerank": pagerank(edges),
        "betweenness": paths.betweenness,
        "closeness": paths.closeness,
        "k_core": core_numbers(simple),
    }


def path_measures(adjacency: csr_matrix, sources: np.ndarray) -> PathMeasures:
    """Return betweenness and closeness by shortest paths from sources [S].

    adjacency: [E, E], symmetric, of ones without self-loops. All sources advance
    together: level by level, paths [E, S] are counted by one sparse product.
    """
    size, count = adjacency.get_shape()[0], len(sources)
    columns = np.arange(count)
    paths, distance = np.zeros((size, count)), np.full((size, count), -1)
    paths[sources, columns], distance[sources, columns] = 1, 0
    levels = [distance == 0]
    while levels[-1].any():
        reached = (adjacency @ (paths * levels[-1])) * (distance < 0)
        is_new = reached > 0
        distance[is_new] = len(levels)
        paths += reached
        levels.append(is_new)
    dependency = np.zeros_like(paths)
    safe = np.where(paths > 0, paths, 1.0)
    for level in range(len(levels) - 1, 1, -1):
        share = np.where(levels[level], (1 + dependency) / safe, 0.0)
        dependency += (adjacency @ share) * paths * levels[level - 1]
    dependency[sources, columns] = 0
    pairs = max((size - 1) * (size - 2), 1)
    betweenness = dependency.sum(axis=1) * (size / count) / pairs
    is_reached = distance > 0
    number = is_reached.sum(axis=1)
    total = np.where(is_reached, distance, 0).sum(axis=1)
    others = count - np.isin(np.arange(size), sources)
    closeness = number**2 / np.maximum(total, 1) / np.maximum(others, 1)
    return PathMeasures(betweenness, closeness)


def core_numbers(adjacency: csr_matrix) -> np.ndarray:
    """Return [E] the core number of each entity."""
    import networkx

    cores = networkx.core_number(networkx.from_scipy_sparse_array(adjacency))
    return np.array([cores[k] for k in range(adjacency.get_shape()[0])])


def centrality_table(
    graph: TripleGraph, names: np.ndarray, labels: np.ndarray | None = None
) -> Any:
    """Return a table of entities and their centralities, by PageRank, highest first.

    names: [E]; labels: [E] readable names; None: there are none.
    """
    import pandas as pd

    found = centralities(graph)
    columns: dict[str, Any] = {"entity": names}
    if labels is not None:
        columns["name"] = labels
    frame = pd.DataFrame(columns | found)
    return frame.sort_values("pagerank", ascending=False, kind="stable")
