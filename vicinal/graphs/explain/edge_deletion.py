"""Ranking of edges by the change of a prediction when they are removed.

Edge deletion is exact: each edge nearby is removed in turn and the prediction for the
node recomputed on its receptive field. Where there are many edges, integrated gradients
(`edge_attribution`), which need 16 evaluations in all, rank them instead.

Effects are differences of the log-odds of a class, which still move where the
probability is close to 1, or of a number. The top of the ranking is tested against
random edges (`random_control`).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np
import torch

from vicinal.core.objective import Objective
from vicinal.core.text import class_label, pluralize
from vicinal.graphs.explain.edge_attribution import attribute_prediction
from vicinal.graphs.explain.random_control import RandomControl, compare_to_random
from vicinal.graphs.nodes.labelled_graph import LabelledGraph
from vicinal.graphs.nodes.receptive_field import (
    ReceptiveField,
    extract_receptive_field,
    k_hop_nodes,
)
from vicinal.graphs.sparse.adjacency import Adjacency

if TYPE_CHECKING:
    from vicinal.graphs.node_model import NodeModel

MAX_EDGES = 400
"""edges that are ranked, the nearest first"""

MAX_DELETIONS = 60
"""edges up to which method "auto" uses deletion"""

MAX_HOPS = 3
"""hops within which edges are ranked"""

Method = Literal["deletion", "integrated_gradients"]


class EdgeEffect(NamedTuple):
    """One edge, and its effect on the prediction."""

    source: int
    target: int
    """rows of the whole graph, the smaller first"""

    effect: float
    """log-odds (or number) with all edges minus those without this edge, or the edge's
    attribution; negative: the edge opposes the class"""


@dataclass(frozen=True)
class EdgeExplanation:
    """The edges near a node, ranked by their effect on its prediction."""

    node: int
    target: int
    """row of the class"""

    prediction: float
    """probability of the class, or the number"""

    edges: list[EdgeEffect]
    """largest effect first, for or against"""

    random_control: RandomControl
    num_untested: int
    """edges nearby beyond MAX_EDGES"""

    total_effect: float | None = None
    """integrated gradients: attribution of all edges, including those not listed"""

    method: Method = "deletion"
    quantity: str = "log-odds"
    """log-odds or number"""

    class_name: str = ""

    @property
    def verdict(self) -> str:
        """Return the result of the random control in words."""
        if not self.edges:
            return (
                "No edges are near this node: the prediction depends only on its own "
                "features."
            )
        quantity = describe_quantity(self.quantity, self.class_name)
        return self.random_control.verdict("edge", quantity)

    @property
    def method_description(self) -> str:
        """Return how the ranking was computed, in words."""
        if self.method == "integrated_gradients":
            total = self.total_effect or 0.0
            listed = sum(edge.effect for edge in self.edges)
            return (
                "With this many edges nearby, effects are integrated gradients of a "
                "mask on the messages, which do not depend on the seed. All edges "
                f"contribute {total:+.4f}; those not listed contribute "
                f"{total - listed:+.4f}."
            )
        text = (
            "Each edge nearby was removed in turn; the ranking is exact and does not "
            "depend on the seed."
        )
        if self.num_untested:
            text += f" {pluralize(self.num_untested, 'more edge')} not tested."
        return text


def describe_quantity(quantity: str, class_name: str) -> str:
    """Return what effects are measured on, for a sentence."""
    if quantity == "number":
        return "the predicted number"
    return f"the log-odds of {class_label(class_name)}"


def explain_edges(
    model: "NodeModel",
    node: int,
    target: int | None = None,
    seed: int = 0,
    method: Literal["auto"] | Method = "auto",
) -> EdgeExplanation:
    """Return the edges near a node, ranked by their effect on its prediction.

    target: row of a class; None: the predicted class. seed: of the random control.
    method: "auto" is deletion if few edges are nearby or the model is the linear
    baseline, else integrated gradients.
    """
    objective = model.objective_
    field = extract_receptive_field(model.labelled_graph_, np.array([node]), model.hops)
    labelled, row = field.labelled_graph, int(field.rows[0])
    logits = model.logits(labelled)[row]
    prediction = np.atleast_1d(model.predict_from_logits(logits[None])[0])
    target = int(prediction.argmax()) if target is None else target
    pairs, num_untested = _edges_nearby(field, min(model.hops, MAX_HOPS))
    if method == "auto":
        use_deletion = len(pairs) <= MAX_DELETIONS or model.networks_ is None
        method = "deletion" if use_deletion else "integrated_gradients"

    def compute_output(labelled: LabelledGraph) -> float:
        z = model.logits(labelled)[row]
        if objective.kind == "numeric":
            return float(model.predict_from_logits(z[None])[0])
        return log_odds(model, z, target)

    output = compute_output(labelled)

    def removal_effect(sets: np.ndarray) -> np.ndarray:
        return np.array(
            [output - compute_output(remove_edges(labelled, pairs[k])) for k in sets]
        )

    total_effect = None
    if method == "deletion":
        effects = removal_effect(np.arange(len(pairs))[:, None])
    else:
        named = field.nodes[pairs]
        effects, total_effect = _mean_attributions(model, node, target, named)
    order = np.argsort(-np.abs(effects), kind="stable")
    return EdgeExplanation(
        node=node,
        target=target,
        prediction=float(prediction[target]),
        edges=[_edge_effect(field.nodes[pairs[k]], float(effects[k])) for k in order],
        random_control=compare_to_random(effects, removal_effect, seed),
        num_untested=num_untested,
        total_effect=total_effect,
        method=method,
        quantity="number" if objective.kind == "numeric" else "log-odds",
        class_name=objective.classes[target] if objective.classes else "",
    )


def _edge_effect(ends: np.ndarray, effect: float) -> EdgeEffect:
    source, target = sorted(ends.tolist())
    return EdgeEffect(source, target, effect)


def _mean_attributions(
    model: "NodeModel", node: int, target: int, pairs: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return attributions of edges [P, 2] and of all edges, mean over the ensemble."""
    num_networks = len(model.networks_ or [])
    num_nodes = len(model.labelled_graph_.x)
    total, all_edges = np.zeros(len(pairs)), 0.0
    low, high = np.sort(pairs, axis=1).T.reshape(2, -1)
    keys = (low * num_nodes + high).tolist()
    for network_row in range(num_networks):
        found = attribute_prediction(model, node, target, network_row=network_row)
        found_keys = (found.sources * num_nodes + found.targets).tolist()
        values = dict(zip(found_keys, found.edges.tolist(), strict=True))
        total += [values.get(key, 0.0) for key in keys]
        all_edges += found.output - found.output_without_messages
    return total / max(num_networks, 1), all_edges / max(num_networks, 1)


class CalibratedModel(Protocol):
    """A model with a temperature."""

    objective_: Objective
    temperature_: float


def log_odds(model: CalibratedModel, logits: torch.Tensor, k: int) -> float:
    """Return the calibrated log p_k / (1 - p_k) of logits [K].

    It is finite also where p rounds to 1.
    """
    z = logits.double() / model.temperature_
    if model.objective_.kind == "multi_label":
        return float(z[k])
    others = torch.cat([z[:k], z[k + 1 :]])
    return float(z[k] - others.logsumexp(dim=0))


def _edges_nearby(field: ReceptiveField, hops: int) -> tuple[np.ndarray, int]:
    """Return edges [P, 2] within some hops, nearest first, and the number left out."""
    graph, rows = field.labelled_graph.adjacency, field.rows
    found: dict[tuple[int, int], None] = {}
    sources = graph.incoming.indices.numpy()
    targets = graph.incoming.row_indices.numpy()
    for distance in range(hops):
        inner = k_hop_nodes(graph, rows, distance)
        into_inner = np.isin(targets, inner) & (sources != targets)
        pairs = zip(
            sources[into_inner].tolist(), targets[into_inner].tolist(), strict=True
        )
        for a, b in pairs:
            found.setdefault((min(a, b), max(a, b)))
    edges = np.array(list(found), np.int64).reshape(-1, 2)
    return edges[:MAX_EDGES], max(0, len(edges) - MAX_EDGES)


def remove_edges(labelled: LabelledGraph, pairs: np.ndarray) -> LabelledGraph:
    """Return the graph without the edges between pairs [P, 2], in both directions."""
    graph, num_nodes = labelled.adjacency, labelled.adjacency.num_nodes
    rows = graph.incoming
    sources, targets = rows.indices.long(), rows.row_indices.long()
    low, high = torch.minimum(sources, targets), torch.maximum(sources, targets)
    removed_low, removed_high = torch.from_numpy(np.sort(pairs, axis=1)).unbind(1)
    removed = removed_low * num_nodes + removed_high
    kept = ~torch.isin(low * num_nodes + high, removed)
    edge_index = torch.stack([sources[kept], targets[kept]])
    weight = labelled.edge_weight
    return labelled._replace(
        adjacency=Adjacency.from_edge_index(edge_index, num_nodes),
        edge_weight=None if weight is None else weight[rows.edge_ids[kept].long()],
    )
