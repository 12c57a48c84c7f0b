"""What a whole graph's answer rests on: leave a node out, and ask again.

::

    cost of v = log-odds (or number) of the graph - those of it without v and its edges

Each is computed exactly, for all nodes at once: the graphs that are left stand side by
side. What it costs to leave out two nodes may be more or less than the sum of both, so
the order is held against chance: the first k nodes that speak one way, left out
together, should move the answer further that way than k nodes at random do.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from vicinal.core.objective import Objective
from vicinal.graphs.data.graph_collection import GraphCollection
from vicinal.graphs.explain.edge_deletion import odds
from vicinal.graphs.explain.random_control import RandomControl, compare_to_random

MOST = 2_000_000
"""nodes, or edges, of all graphs side by side that are computed at a time"""


class WholeModel(Protocol):
    """What is asked of a model of whole graphs."""

    objective_: Objective
    temperature_: float

    @property
    def delivered(self) -> str: ...

    def predicted(self, X: Any) -> np.ndarray: ...

    def logits(self, X: Any) -> Tensor: ...


@dataclass(frozen=True)
class NodeDeletion:
    """What each node of one graph costs."""

    answer: float
    """of the whole graph: the probability of the target, or the number"""

    costs: np.ndarray
    """[N], in the order of the graph's nodes. Below 0: the node speaks against it"""

    chance: RandomControl
    """the order beside chance"""

    what: str = "log-odds"
    """that nodes move: log-odds, or number"""

    @property
    def verdict(self) -> str:
        """What the order is worth, in a sentence."""
        if not self.chance.taken:
            return "It is one node: there is nothing to leave out."
        return self.chance.verdict("nodes of it", self.what)


def left_out(
    model: WholeModel, graph: GraphCollection, k: int, seed: int = 0
) -> NodeDeletion:
    """The costs of the nodes of one graph. k: row of the class; 0 for a number. seed:
    of the nodes at random."""
    count = len(graph.nodes)
    numeric = model.objective_.kind == "numeric"
    what = "number" if numeric else "log-odds"
    said = model.predicted(graph)
    answer = float(said[0] if numeric else said[0, k])
    if count < 2:
        none = compare_to_random(np.zeros(0), np.zeros_like, seed)
        return NodeDeletion(answer, np.zeros(count), none, what)
    whole = _sizes(model, graph, k)[0]

    def lost(sets: np.ndarray) -> np.ndarray:
        return whole - _sizes_without(model, graph, sets, k)

    costs = lost(np.arange(count)[:, None])
    return NodeDeletion(answer, costs, compare_to_random(costs, lost, seed), what)


def _sizes_without(
    model: WholeModel, graph: GraphCollection, gone: np.ndarray, k: int
) -> np.ndarray:
    """[C] what is asked of one graph without some nodes each time, gone [C, M]."""
    size = max(1, MOST // max(len(graph.nodes), graph.nodes.num_edges))
    parts = [gone[begin : begin + size] for begin in range(0, len(gone), size)]
    return np.concatenate([_sizes(model, without(graph, own), k) for own in parts])


def _sizes(model: WholeModel, graphs: GraphCollection, k: int) -> np.ndarray:
    """[G] log-odds of the class, or the number, of each graph."""
    if model.objective_.kind == "numeric":
        return model.predicted(graphs)
    return np.array([odds(model, z, k) for z in model.logits(graphs)])


def without(graph: GraphCollection, gone: np.ndarray) -> GraphCollection:
    """Copies [C] of one graph, side by side, each without some nodes, gone [C, M]."""
    count, table = len(graph.nodes), graph.nodes
    names = np.array([f"copy {k}" for k in range(len(gone))], dtype=object)
    rows = np.tile(np.arange(count), len(gone))
    shift = np.repeat(np.arange(len(gone)) * count, table.num_edges)
    kept = np.ones((len(gone), count), bool)
    np.put_along_axis(kept, gone, False, axis=1)
    kept = kept.ravel()
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
    return GraphCollection(names, nodes, np.repeat(np.arange(len(gone)), count)[kept])
