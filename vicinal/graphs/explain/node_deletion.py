"""Ranking of the nodes of a graph by the change of its prediction without them.

::

    effect of v = log-odds (or number) of the graph - those without v and its edges

All graphs without one node are predicted as one batch. The effect of removing two nodes
is not the sum of both, so the top of the ranking is removed at once and tested against
random nodes (`random_control`).
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from vicinal.core.objective import Objective
from vicinal.graphs.data.graph_collection import GraphCollection
from vicinal.graphs.data.tables.duplicate_edges import select_edges
from vicinal.graphs.explain.edge_deletion import describe_quantity, log_odds
from vicinal.graphs.explain.random_control import RandomControl, compare_to_random

MAX_BATCH = 2_000_000
"""nodes, or edges, of all graphs in a batch"""


class GraphLevelModel(Protocol):
    """The part of a graph-level estimator that explanations need."""

    objective_: Objective
    temperature_: float

    @property
    def model_description(self) -> str: ...

    def predict_values(self, X: Any) -> np.ndarray: ...

    def logits(self, X: Any) -> Tensor: ...


@dataclass(frozen=True)
class NodeDeletion:
    """The nodes of a graph with their effects on its prediction."""

    prediction: float
    """probability of the target, or the number"""

    effects: np.ndarray
    """[N] in the order of the graph's nodes; negative: the node opposes the class"""

    random_control: RandomControl
    quantity: str = "log-odds"
    """log-odds or number"""

    class_name: str = ""

    @property
    def verdict(self) -> str:
        """Return the result of the random control in words."""
        if not self.random_control.num_removed:
            return "The graph has only one node, so there is nothing to remove."
        quantity = describe_quantity(self.quantity, self.class_name)
        return self.random_control.verdict("node", quantity)


def explain_nodes(
    model: GraphLevelModel, graph: GraphCollection, k: int, seed: int = 0
) -> NodeDeletion:
    """Return the effect of removing each node of a single graph.

    k: row of the class; 0 for a number. seed: of the random control.
    """
    num_nodes, classes = len(graph.nodes), model.objective_.classes
    quantity = "log-odds" if classes else "number"
    class_name = classes[k] if classes else ""
    predicted = model.predict_values(graph)
    prediction = float(predicted[0, k] if classes else predicted[0])
    if num_nodes < 2:
        control = compare_to_random(np.zeros(0), np.zeros_like, seed)
        effects = np.zeros(num_nodes)
        return NodeDeletion(prediction, effects, control, quantity, class_name)
    output = _outputs(model, graph, k)[0]

    def removal_effect(sets: np.ndarray) -> np.ndarray:
        return output - _outputs_without(model, graph, sets, k)

    effects = removal_effect(np.arange(num_nodes)[:, None])
    control = compare_to_random(effects, removal_effect, seed)
    return NodeDeletion(prediction, effects, control, quantity, class_name)


def _outputs_without(
    model: GraphLevelModel, graph: GraphCollection, removed: np.ndarray, k: int
) -> np.ndarray:
    """Return the outputs [C] of a graph without each set of nodes, removed [C, M]."""
    size = max(1, MAX_BATCH // max(len(graph.nodes), graph.nodes.num_edges))
    batches = [removed[begin : begin + size] for begin in range(0, len(removed), size)]
    return np.concatenate(
        [_outputs(model, remove_nodes(graph, batch), k) for batch in batches]
    )


def _outputs(model: GraphLevelModel, graphs: GraphCollection, k: int) -> np.ndarray:
    """Return the log-odds of class k, or the number, of each graph [G]."""
    if not model.objective_.classes:
        return model.predict_values(graphs)
    return np.array([log_odds(model, z, k) for z in model.logits(graphs)])


def remove_nodes(graph: GraphCollection, removed: np.ndarray) -> GraphCollection:
    """Return C copies of a graph, each without its own set of nodes, removed [C, M]."""
    num_nodes, table, num_copies = len(graph.nodes), graph.nodes, len(removed)
    names = np.array([f"copy {k}" for k in range(num_copies)], dtype=object)
    rows = np.tile(np.arange(num_nodes), num_copies)
    shift = np.repeat(np.arange(num_copies) * num_nodes, table.num_edges)
    kept = np.ones((num_copies, num_nodes), bool)
    np.put_along_axis(kept, removed, False, axis=1)
    kept = kept.ravel()
    new_rows = np.cumsum(kept) - 1
    source = np.tile(table.source, num_copies) + shift
    target = np.tile(table.target, num_copies) + shift
    kept_edges = kept[source] & kept[target]
    features, weight = table.features, table.weight
    edges = np.tile(np.arange(table.num_edges), num_copies)[kept_edges]
    if features is not None:
        is_frame = hasattr(features, "iloc")
        features = features.iloc[rows[kept]] if is_frame else features[rows[kept]]
    nodes = table.replace(
        ids=table.ids[rows[kept]],
        source=new_rows[source[kept_edges]],
        target=new_rows[target[kept_edges]],
        features=features,
        weight=None if weight is None else weight[edges],
        edge_features=select_edges(table.edge_features, edges),
    )
    member = np.repeat(np.arange(num_copies), num_nodes)[kept]
    return GraphCollection(names, nodes, member)
