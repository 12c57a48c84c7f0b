"""Split edges for link prediction without leakage, and sample negative edges.

A held-out edge is removed from the training graph in both directions, however it was
listed, and is not among the negatives of the score. Negatives for training are sampled
without looking at held-out edges, so some of them may be held-out edges, as in
practice.

Known leaks that this excludes, each with a test: the reverse of a held-out edge in the
messages; features of a training edge computed on a graph with that edge; training
negatives chosen to avoid held-out edges; the same pair as edge and as negative; an
edge listed in both directions that is in two splits.

In a bipartite graph negatives are pairs of opposite sides, as all edges are: telling
them from pairs of one side would be easy, and of no use.

With several relations a pair has a third column, its relation. Each relation between
two nodes is split and sampled separately, so another relation between two held-out
nodes may be in the training graph.
"""

from dataclasses import dataclass

import numpy as np

from vicinal.errors import DataError
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.tables.duplicate_edges import merge_duplicate_edges

MIN_EDGES = 10
"""edges that link prediction needs"""


@dataclass(frozen=True)
class LinkSplit:
    """Pairs [., 2] of rows, or [., 3] with a relation; the smaller row first."""

    train: np.ndarray
    """edges to train on, which are also the edges for messages"""

    val: np.ndarray
    val_negatives: np.ndarray
    test: np.ndarray
    test_negatives: np.ndarray
    """held-out edges, and as many pairs without an edge"""


def unique_edges(table: GraphTable) -> np.ndarray:
    """Return the edges [E, 2], or [E, 3] with relations, once each, no self-loops."""
    columns = [table.source, table.target]
    columns += [] if table.relation is None else [table.relation]
    edges = np.stack(columns, axis=1)
    edges = edges[edges[:, 0] != edges[:, 1]]
    if table.directed:
        return edges
    # u - v and v - u, of a graph that was directed, are one edge
    edges = sort_pairs(edges)
    _, first = np.unique(_keys(edges, len(table)), return_index=True)
    return edges[np.sort(first)]


def num_connected_pairs(table: GraphTable) -> int:
    """Return the number of pairs with an edge, of any relation or direction."""
    return len(np.unique(sort_pairs(unique_edges(table)[:, :2]), axis=0))


def to_undirected(table: GraphTable) -> GraphTable:
    """Return the graph without directions: both directions of an edge are one edge."""
    edges = table.source, table.target, table.weight, len(table), False
    source, target, weight, relation, notes = merge_duplicate_edges(
        *edges, table.relation
    )
    table.notes.extend(["edges are read as undirected", *notes])
    return table.replace(
        source=source,
        target=target,
        weight=weight,
        relation=relation,
        directed=False,
    )


def sort_pairs(pairs: np.ndarray) -> np.ndarray:
    """Return pairs [P, 2 or 3] with the smaller row first."""
    return np.concatenate([np.sort(pairs[:, :2], axis=1), pairs[:, 2:]], axis=1)


def split_links(
    table: GraphTable, val: float = 0.05, test: float = 0.1, seed: int = 0
) -> LinkSplit:
    """Hold out random shares of the edges, and as many negatives.

    DataError if there are too few edges, or too few pairs without one.
    """
    edges = unique_edges(table)
    if len(edges) < MIN_EDGES:
        raise DataError(
            f"Link prediction needs at least {MIN_EDGES} edges without self-loops. "
            f"Got {len(edges)} instead. Add edges to the data."
        )
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(edges))
    num_test, num_val = round(test * len(edges)), round(val * len(edges))
    held_out = num_test + num_val
    negatives = sample_negative_edges(
        len(table), edges, held_out, table.directed, rng, table.sides
    )
    return LinkSplit(
        train=edges[np.sort(order[held_out:])],
        val=edges[order[num_test:held_out]],
        val_negatives=negatives[num_test:],
        test=edges[order[:num_test]],
        test_negatives=negatives[:num_test],
    )


def sample_negative_edges(
    num_nodes: int,
    edges: np.ndarray,
    count: int,
    directed: bool,
    rng: np.random.Generator,
    sides: np.ndarray | None = None,
) -> np.ndarray:
    """Return distinct pairs [count, 2] that are not among `edges`, drawn uniformly.

    For edges [E, 3] with relations, each relation is drawn as often as it occurs.
    sides: [N], of a bipartite graph, where both ends are of opposite sides.
    """
    if edges.shape[1] == 3:
        return _sample_by_relation(num_nodes, edges, count, directed, rng, sides)
    possible = num_possible_pairs(num_nodes, directed, sides) - len(edges)
    if count > possible:
        kind = "nodes" if sides is None else "nodes of opposite sides"
        raise DataError(
            f"{count:,} pairs without an edge are needed, but there are only "
            f"{possible:,}: nearly every pair of {kind} has an edge. Hold out fewer "
            "edges with --val-fraction and --test-fraction."
        )
    edge_keys = np.sort(_keys(edges, num_nodes))
    keys = np.empty(0, np.int64)
    while len(keys) < count:
        pairs = _draw_pairs(num_nodes, 2 * (count - len(keys)) + 16, sides, rng)
        pairs = pairs if directed else np.sort(pairs, axis=1)
        drawn = _keys(pairs, num_nodes)
        if len(edge_keys):
            nearest = np.searchsorted(edge_keys, drawn).clip(max=len(edge_keys) - 1)
            drawn = drawn[edge_keys[nearest] != drawn]
        keys = np.concatenate([keys, drawn])
        _, first = np.unique(keys, return_index=True)
        keys = keys[np.sort(first)]
    return np.stack(np.divmod(keys[:count], num_nodes), axis=1)


def num_possible_pairs(
    num_nodes: int, directed: bool = False, sides: np.ndarray | None = None
) -> int:
    """Return the number of pairs that can be an edge."""
    if sides is not None:
        return int((sides == 0).sum()) * int((sides == 1).sum())
    return num_nodes * (num_nodes - 1) // (1 if directed else 2)


def _draw_pairs(
    num_nodes: int, count: int, sides: np.ndarray | None, rng: np.random.Generator
) -> np.ndarray:
    """Return random pairs of two nodes, at most `count`; of opposite sides if given."""
    if sides is not None:
        ends = [rng.choice(np.flatnonzero(sides == side), count) for side in (0, 1)]
        return np.stack(ends, axis=1)
    pairs = rng.integers(0, num_nodes, (count, 2))
    return pairs[pairs[:, 0] != pairs[:, 1]]


def _sample_by_relation(
    num_nodes: int,
    edges: np.ndarray,
    count: int,
    directed: bool,
    rng: np.random.Generator,
    sides: np.ndarray | None,
) -> np.ndarray:
    counts = np.bincount(rng.choice(edges[:, 2], count))
    samples = []
    for relation in np.flatnonzero(counts):
        own = edges[edges[:, 2] == relation, :2]
        pairs = sample_negative_edges(
            num_nodes, own, int(counts[relation]), directed, rng, sides
        )
        samples.append(np.column_stack([pairs, np.full(len(pairs), relation)]))
    return rng.permutation(np.concatenate(samples)) if samples else edges[:0]


def is_edge(pairs: np.ndarray, edges: np.ndarray, num_nodes: int) -> np.ndarray:
    """Return [P] bool: pairs that are among `edges`, of the same relation if any."""
    return np.isin(_keys(pairs, num_nodes), _keys(edges, num_nodes))


def _keys(pairs: np.ndarray, num_nodes: int) -> np.ndarray:
    """Return a unique number for each pair and its relation."""
    relation = pairs[:, 2:].sum(axis=1, dtype=np.int64)
    return (relation * num_nodes + pairs[:, 0]) * num_nodes + pairs[:, 1]
