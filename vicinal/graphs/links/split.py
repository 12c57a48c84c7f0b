"""Which edges are learned from and which are held out, and pairs that are no edges.

What is held out is held out whole: an edge u - v is not in the graph that is learned
from in either direction, however it was listed, nor is it among the pairs that count as
no edges for the score. Pairs for learning are drawn without sight of what is held out:
one of them may be a held-out edge, as in life.

Known leaks that this rules out, each with a test: a held-out edge whose reverse stays
in the messages; features of a training edge computed on a graph that holds that edge;
negatives that are known not to be held-out edges; the same pair for and against; an
edge that is listed both ways, held out one way and learned from the other.

Where edges are of several relations, a pair has a third number, its relation: two nodes
may be joined by several, and each is held out, and drawn against, by itself. What else
joins them may then be among what is learned from, as it is among what is known in life.
"""

from dataclasses import dataclass

import numpy as np

from vicinal.errors import DataError
from vicinal.graphs.data.edge_list import once
from vicinal.graphs.data.graph_table import GraphTable

FEWEST = 10
"""edges below which none can be held out"""


@dataclass(frozen=True)
class LinkSplit:
    """Pairs [., 2] of rows, [., 3] with their relations; the smaller row first."""

    train: np.ndarray
    """edges that are learned from, and that messages take"""

    val: np.ndarray
    val_negatives: np.ndarray
    test: np.ndarray
    test_negatives: np.ndarray
    """held out, and as many pairs that are no edges"""


def pairs_of(table: GraphTable) -> np.ndarray:
    """Edges [E, 2], or [E, 3] with their relations, of a graph, each once, without
    those from a node to itself."""
    columns = [table.source, table.target]
    columns += [] if table.relation is None else [table.relation]
    ends = np.stack(columns, axis=1)
    ends = ends[ends[:, 0] != ends[:, 1]]
    if table.directed:
        return ends
    # u - v and v - u, of a graph that was directed, are one
    ends = in_order(ends)
    _, first = np.unique(_keys(ends, len(table)), return_index=True)
    return ends[np.sort(first)]


def to_undirected(table: GraphTable) -> GraphTable:
    """The same graph, where an edge that is listed both ways is one."""
    given = table.source, table.target, table.weight, len(table), False
    source, target, weight, relation, notes = once(*given, table.relation)
    table.notes.extend(["edges are taken without their direction", *notes])
    return table.having(
        source=source,
        target=target,
        weight=weight,
        relation=relation,
        directed=False,
    )


def in_order(pairs: np.ndarray) -> np.ndarray:
    """Pairs [P, 2 or 3] whose smaller row is first."""
    return np.concatenate([np.sort(pairs[:, :2], axis=1), pairs[:, 2:]], axis=1)


def split_links(
    table: GraphTable, val: float = 0.05, test: float = 0.1, seed: int = 0
) -> LinkSplit:
    """Hold out shares of the edges at random, and as many pairs that are none.

    DataError for too few edges, and for a graph with too few other pairs.
    """
    edges = pairs_of(table)
    if len(edges) < FEWEST:
        raise DataError(
            f"{len(edges)} edges are too few to learn from: {FEWEST} or more were "
            "wanted, edges from a node to itself not counted."
        )
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(edges))
    held = [round(share * len(edges)) for share in (test, val)]
    first, second = order[: held[0]], order[held[0] : sum(held)]
    rest = np.sort(order[sum(held) :])
    nones = sample_negative_edges(len(table), edges, sum(held), table.directed, rng)
    return LinkSplit(
        train=edges[rest],
        val=edges[second],
        val_negatives=nones[held[0] :],
        test=edges[first],
        test_negatives=nones[: held[0]],
    )


def sample_negative_edges(
    nodes: int,
    edges: np.ndarray,
    count: int,
    directed: bool,
    rng: np.random.Generator,
) -> np.ndarray:
    """Different pairs [count, 2] that are not among edges [E, 2], drawn uniformly.

    Of edges [E, 3] with relations: pairs of each relation as often as an edge is of it.
    """
    if edges.shape[1] == 3:
        return _of_relations(nodes, edges, count, directed, rng)
    most = nodes * (nodes - 1) // (1 if directed else 2) - len(edges)
    if count > most:
        raise DataError(
            f"{count:,} pairs without an edge were wanted, and there are {most:,}: "
            "nearly every pair of nodes is joined."
        )
    there = np.sort(_keys(edges, nodes))
    found = np.empty(0, np.int64)
    while len(found) < count:
        drawn = rng.integers(0, nodes, (2 * (count - len(found)) + 16, 2))
        drawn = drawn[drawn[:, 0] != drawn[:, 1]]
        drawn = drawn if directed else np.sort(drawn, axis=1)
        keys = _keys(drawn, nodes)
        place = np.searchsorted(there, keys)
        known = (
            there[np.minimum(place, len(there) - 1)] == keys if len(there) else False
        )
        both = np.concatenate([found, keys[~known] if len(there) else keys])
        _, first = np.unique(both, return_index=True)
        found = both[np.sort(first)]
    return np.stack(np.divmod(found[:count], nodes), axis=1)


def _of_relations(
    nodes: int,
    edges: np.ndarray,
    count: int,
    directed: bool,
    rng: np.random.Generator,
) -> np.ndarray:
    wanted = np.bincount(rng.choice(edges[:, 2], count))
    parts = []
    for relation in np.flatnonzero(wanted):
        own = edges[edges[:, 2] == relation, :2]
        drawn = sample_negative_edges(nodes, own, int(wanted[relation]), directed, rng)
        parts.append(np.column_stack([drawn, np.full(len(drawn), relation)]))
    return rng.permutation(np.concatenate(parts)) if parts else edges[:0]


def among(pairs: np.ndarray, edges: np.ndarray, nodes: int) -> np.ndarray:
    """[P] bool: pairs that are edges, of the same relation where there are several."""
    return np.isin(_keys(pairs, nodes), _keys(edges, nodes))


def _keys(pairs: np.ndarray, nodes: int) -> np.ndarray:
    """A number of each pair, and of its relation."""
    relation = pairs[:, 2:].sum(axis=1, dtype=np.int64)
    return (relation * nodes + pairs[:, 0]) * nodes + pairs[:, 1]
