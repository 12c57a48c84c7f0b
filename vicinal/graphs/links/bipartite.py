"""Bipartite graphs: users and items, whose edges all connect one side to the other."""

from typing import Any

import numpy as np

from vicinal.core.text import pluralize
from vicinal.errors import DataError
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.data.tables.duplicate_edges import merge_duplicate_edges
from vicinal.graphs.data.tables.sides import DIFFERENT, separate_sides
from vicinal.graphs.links.split import num_connected_pairs, num_possible_pairs

MIN_CYCLES = 20
"""independent cycles from which a graph without an odd cycle counts as bipartite: in a
graph of one kind of nodes each is even with a probability near 1/2. Trees have none"""


def read_links(data: Any, edges: Any, bipartite: str, **columns: Any) -> GraphTable:
    """Read a graph as `read_graph`, and find the sides of its nodes if it has two.

    bipartite: yes, no or auto, as in `with_sides`; yes: equal names in the two columns
    of a table of edges are different nodes. columns: names of columns, as in
    `read_graph`.
    """
    separate = bipartite == "yes"  # u - v and v - u are then two edges
    table = read_graph(data, edges=edges, keep_order=separate, **columns)
    if separate and table.sides is None:
        table = _separate(table)
    if table.sides is not None:  # by the columns: all edges lead from side 0 to 1
        table = table.replace(directed=False)
    return with_sides(table, bipartite)


def _separate(table: GraphTable) -> GraphTable:
    """Return the graph of a table of edges whose columns name two kinds of nodes.

    A table of nodes lists each name once: with one the graph stays as it is.
    """
    columns = table.end_columns
    if columns is None or table.features is not None or table.labels is not None:
        return table
    ends = table.ids, table.source, table.target
    found = separate_sides(*ends, columns, forced=True)
    assert found is not None  # it was forced
    ids, source, target, sides, notes = found
    return table.replace(
        ids=ids,
        source=source,
        target=target,
        sides=sides,
        notes=[*table.notes, *notes],
    )


def _merge(table: GraphTable) -> GraphTable:
    """Return the graph where equal names of both sides are one node, without sides."""
    import pandas as pd

    if table.sides is None or table.end_columns is None:
        return table.replace(sides=None)
    prefix = np.array([*(f"{name}:" for name in table.end_columns), ""], dtype=object)
    names = [
        name.removeprefix(prefix[side])
        for name, side in zip(table.ids, table.sides, strict=True)
    ]
    row, ids = pd.factorize(np.array(names, dtype=object))
    source, target, weight, relation, notes = merge_duplicate_edges(
        row[table.source],
        row[table.target],
        table.weight,
        len(ids),
        table.directed,
        table.relation,
    )
    return table.replace(
        ids=ids,
        source=source,
        target=target,
        weight=weight,
        relation=relation,
        sides=None,
        notes=[*(note for note in table.notes if DIFFERENT not in note), *notes],
    )


def with_sides(table: GraphTable, bipartite: str = "auto") -> GraphTable:
    """Return the graph with the sides of its nodes, if it is bipartite.

    bipartite: no: it has no sides; yes: DataError if it has an odd cycle; auto: it has
    sides if the columns of its edges name two kinds of nodes, or if it has many cycles,
    none of them odd, and at most half of the pairs of opposite sides are edges.
    """
    if bipartite == "no":
        return _merge(table)
    if table.sides is None:
        sides = _find_sides(table, bipartite)
        notes = _note_same_numbers(table) if sides is None else []
        table = table.replace(sides=sides, notes=[*table.notes, *notes])
    return table.replace(notes=[*table.notes, *describe_sides(table)])


def _find_sides(table: GraphTable, bipartite: str) -> np.ndarray | None:
    """Return the sides [N] that the edges show, as in `with_sides`; None: there are no
    such."""
    edges = np.stack([table.source, table.target], axis=1)  # as they are listed
    edges = edges[edges[:, 0] != edges[:, 1]]
    sides, num_components = two_coloring(len(table), edges)
    if bipartite == "yes":
        if sides is None:
            raise DataError(
                "bipartite must be auto or no: the nodes of this graph have no two "
                "sides, because it has an odd cycle. Have nodes of both sides the same "
                "names?"
            )
        return sides
    if sides is None:
        return None
    num_edges = num_connected_pairs(table)
    num_cycles = num_edges - int((sides >= 0).sum()) + num_components
    has_negatives = 2 * num_edges <= num_possible_pairs(len(table), sides=sides)
    return sides if num_cycles >= MIN_CYCLES and has_negatives else None


def _note_same_numbers(table: GraphTable) -> list[str]:
    """Return a note if the numbers of a table of edges may be those of two kinds."""
    loops = table.source[table.source == table.target]
    if table.end_columns is None or not len(loops) or len(loops) == len(table):
        return []
    if not all(name.isdecimal() for name in table.ids):
        return []
    first, second = table.end_columns
    return [
        f"{pluralize(len(loops), 'edge')} of a node with itself: if {first} and "
        f"{second} number different things, such as users and items, use --bipartite "
        "yes"
    ]


def two_coloring(num_nodes: int, edges: np.ndarray) -> tuple[np.ndarray | None, int]:
    """Return a side, 0 or 1, of each node [N] int8, and the number of components.

    Every edge [E, 2] connects opposite sides; None if it cannot, because of an odd
    cycle. Most edges of a component lead from side 0 to side 1. A node without edges
    has side -1, and is no component here.

    The bipartite double cover has two copies of each node, and for each edge u - v the
    edges u' - v'' and u'' - v'. A component of the graph becomes two components of the
    cover if it is bipartite, else one.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    u, v = edges.T
    ends = np.concatenate([u, u + num_nodes]), np.concatenate([v + num_nodes, v])
    ones = np.ones(len(ends[0]), np.int8)
    cover = coo_matrix((ones, ends), shape=(2 * num_nodes, 2 * num_nodes))
    component = connected_components(cover, directed=False)[1]
    first, second = component[:num_nodes], component[num_nodes:]
    connected = np.zeros(num_nodes, bool)
    connected[edges.ravel()] = True
    if (first == second)[connected].any():
        return None, 0
    sides = (first > second).astype(np.int8)
    of_node = np.minimum(first, second)
    votes = np.bincount(of_node[u], 1 - 2.0 * sides[u], minlength=2 * num_nodes)
    sides ^= votes[of_node] < 0
    sides[~connected] = -1
    return sides, len(np.unique(of_node[connected]))


def describe_sides(table: GraphTable) -> list[str]:
    """Return what the sides mean for training, in a sentence; none: no sides."""
    if table.sides is None:
        return []
    counts = [f"{int((table.sides == side).sum()):,}" for side in (0, 1)]
    left, right = f"{counts[0]} nodes on one side", f"{counts[1]} on the other"
    if table.end_columns is not None:
        first, second = table.end_columns
        left, right = f"{counts[0]} nodes in {first}", f"{counts[1]} in {second}"
    return [
        f"bipartite graph: {left}, {right}; all edges connect these sides, and so do "
        "negative and proposed pairs (--bipartite no: any two nodes)"
    ]


def on_one_side(table: GraphTable, pairs: np.ndarray) -> np.ndarray:
    """Return [P] bool: pairs of rows on one side, which cannot be an edge."""
    if table.sides is None:
        return np.zeros(len(pairs), bool)
    u, v = table.sides[pairs[:, :2]].T
    return (u == v) & (u >= 0)


def note_one_side(table: GraphTable, pairs: np.ndarray) -> list[str]:
    """Return a note if some pairs of rows are on one side."""
    count = int(on_one_side(table, pairs).sum())
    found = f"{pluralize(count, 'pair')} on one side of the bipartite graph"
    return [f"{found}: probability 0"] if count else []


def refuse_one_side(table: GraphTable, pairs: np.ndarray) -> None:
    """Raise DataError for a pair of rows on one side, which no score explains."""
    if on_one_side(table, pairs).any():
        u, v = table.ids[pairs[0, :2]]
        raise DataError(
            f"{u!r} and {v!r} are on one side of the bipartite graph, where no edge is "
            "possible. Name a node of each side, or train with --bipartite no."
        )


def from_side_0(table: GraphTable, pairs: np.ndarray) -> np.ndarray:
    """Return pairs of rows, those from side 1 to side 0 turned around."""
    if table.sides is None:
        return pairs
    turned = table.sides[pairs[:, 0]] > table.sides[pairs[:, 1]]
    ends = np.where(turned[:, None], pairs[:, 1::-1], pairs[:, :2])
    return np.concatenate([ends, pairs[:, 2:]], axis=1)
