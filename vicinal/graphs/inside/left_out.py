"""What a whole graph's answer rests on: leave a node out, and ask again.

::

    cost of v = answer of the graph - answer of the graph without v and its edges

Each is computed exactly, for all nodes at once: the graphs that are left stand side by
side. What it costs to leave out two nodes may be more or less than the sum of both.
"""

from typing import NamedTuple

import numpy as np

from vicinal.graphs.graph_set import GraphSet
from vicinal.graphs.whole_graphs import GraphModel

MOST = 2_000_000
"""nodes of all graphs side by side that are computed at a time"""


class LeftOut(NamedTuple):
    """What each node of one graph costs."""

    answer: float
    """of the whole graph: the probability of the target, or the number"""

    costs: np.ndarray
    """[N], in the order of the graph's nodes"""


def left_out(model: GraphModel, graph: GraphSet, k: int) -> LeftOut:
    """The costs of the nodes of one graph. k: row of the class; 0 for a number."""
    count = len(graph.nodes)
    answer = _answers(model, graph, k)[0]
    if count < 2:
        return LeftOut(float(answer), np.zeros(count))
    parts, size = [], max(1, MOST // count)
    for begin in range(0, count, size):
        gone = np.arange(begin, min(begin + size, count))
        parts.append(_answers(model, without(graph, gone), k))
    return LeftOut(float(answer), answer - np.concatenate(parts))


def _answers(model: GraphModel, graphs: GraphSet, k: int) -> np.ndarray:
    said = model.predicted(graphs)
    return said if said.ndim == 1 else said[:, k]


def without(graph: GraphSet, gone: np.ndarray) -> GraphSet:
    """Copies [C] of one graph, side by side, each without one node of `gone` [C]."""
    count, table = len(graph.nodes), graph.nodes
    names = np.array([f"without {node}" for node in gone], dtype=object)
    rows = np.tile(np.arange(count), len(gone))
    kept = rows != np.repeat(gone, count)
    shift = np.repeat(np.arange(len(gone)) * count, table.num_edges)
    place = np.cumsum(kept) - 1
    source = np.tile(table.source, len(gone)) + shift
    target = np.tile(table.target, len(gone)) + shift
    both = kept[source] & kept[target]
    features = table.features
    if features is not None:
        framed = hasattr(features, "iloc")
        features = features.iloc[rows[kept]] if framed else features[rows[kept]]
    weight = table.weight
    nodes = table.having(
        ids=table.ids[rows[kept]],
        source=place[source[both]],
        target=place[target[both]],
        features=features,
        weight=None if weight is None else np.tile(weight, len(gone))[both],
    )
    return GraphSet(names, nodes, np.repeat(np.arange(len(gone)), count)[kept])
