"""Attribution of a network's prediction for a node to edges and features.

Integrated gradients (M. Sundararajan, A. Taly, Q. Yan: Axiomatic Attribution for Deep
Networks, ICML 2017, section 3) of a mask m that scales the messages on all edges from 0
to 1::

    a_e = integral from 0 to 1 of  df(m, ..., m) / dm_e  dm
    sum over edges of a_e = f(all messages) - f(no messages)

f is the log-odds of a class, or the number; an edge used in several layers is one edge.
Features are attributed in the same way, from 0 to their values. Unlike the masks of
GNNExplainer (Ying et al., NeurIPS 2019) nothing is trained, so there is no seed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vicinal.core.objective import Numeric, Objective
from vicinal.errors import SettingError
from vicinal.graphs.nodes.labelled_graph import LabelledGraph
from vicinal.graphs.nodes.receptive_field import extract_receptive_field
from vicinal.graphs.sparse.adjacency import Adjacency, WeightedAdjacency
from vicinal.graphs.sparse.aggregation import weighted_sum

if TYPE_CHECKING:
    from vicinal.graphs.node_model import NodeModel

STEPS = 16
"""points on the path"""


@dataclass(frozen=True, kw_only=True)
class MaskedAdjacency(Adjacency):
    """A graph whose messages are multiplied by a mask; degrees are not affected."""

    edge_mask: Tensor  # pyright: ignore[reportIncompatibleVariableOverride]
    """[E], in the order of incoming edges"""

    unmasked: Adjacency
    edge_weight: Tensor | None
    """[E] of the unmasked graph, in the order of its edge list"""

    overrides_normalization: ClassVar[bool] = True

    @cached_property
    def lacks_self_loop(self) -> Tensor:
        return self.unmasked.lacks_self_loop

    @cached_property
    def with_self_loops(self) -> "MaskedAdjacency":
        """Return the graph with self-loops; their mask is 1, as no message is sent."""
        graph = self.unmasked.with_self_loops
        num_added = graph.num_edges - len(self.edge_mask)
        listed = torch.cat([self.edge_mask, self.edge_mask.new_ones(num_added)])
        return mask_messages(graph, listed[graph.incoming.edge_ids])

    @cached_property
    def normalized(self) -> WeightedAdjacency:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Return GCN's weights, which are those of the unmasked graph."""
        weights = normalize_weights(self.unmasked, self.edge_weight)
        return WeightedAdjacency(self.with_self_loops, weights.incoming)


def normalize_weights(
    graph: Adjacency, edge_weight: Tensor | None
) -> WeightedAdjacency:
    """Return GCN's normalised weights D^-1/2 (A + I) D^-1/2.

    edge_weight: [E] entries of A, in the order of the edge list; None: all 1.
    """
    if edge_weight is None:
        return graph.normalized
    looped = graph.with_self_loops
    incoming_weight = edge_weight[graph.incoming.edge_ids]
    ones = torch.ones(graph.num_sources, 1)
    degree = weighted_sum(ones, graph, incoming_weight) + graph.lacks_self_loop
    scale = torch.where(degree > 0, degree, torch.inf).rsqrt()[:, 0]
    num_added = looped.num_edges - graph.num_edges
    listed = torch.cat([incoming_weight, incoming_weight.new_ones(num_added)])
    weight, rows = listed[looped.incoming.edge_ids], looped.incoming
    return WeightedAdjacency(
        looped, weight * scale[rows.indices] * scale[rows.row_indices]
    )


def mask_messages(
    graph: Adjacency, mask: Tensor, edge_weight: Tensor | None = None
) -> MaskedAdjacency:
    """Return a graph with a mask [E] in the order of its incoming edges."""
    return MaskedAdjacency(
        graph.incoming,
        graph.num_sources,
        edge_mask=mask,
        unmasked=graph,
        edge_weight=edge_weight,
    )


class Attribution(NamedTuple):
    """Attributions of the prediction for one node to edges and features."""

    nodes: np.ndarray
    """[M] rows, in the whole graph, of the node's receptive field"""

    sources: np.ndarray
    targets: np.ndarray
    """[P] rows of the whole graph; both directions of an edge are one, smaller first"""

    edges: np.ndarray
    """[P] attributions, largest first; both directions of an edge together"""

    features: np.ndarray
    """[M, F] attribution of each feature of each node"""

    output: float
    """log-odds of the class, or the number"""

    output_without_messages: float
    output_without_features: float

    completeness_error: float
    """difference between the sum of `edges` and the change of the output"""


def attribute_prediction(
    model: "NodeModel", node: int, target: int, steps: int = STEPS, network_row: int = 0
) -> Attribution:
    """Return the attributions of one network's prediction for a node.

    target: row of the class. network_row: which network of the ensemble. Raises
    SettingError if the model is the linear baseline (see `compute_contributions`).
    """
    if model.networks_ is None:
        raise SettingError(
            "The model is the linear baseline, which sends no messages to mask. "
            "`vicinal explain RUN NODE` shows the contribution of each node instead."
        )
    network = model.networks_[network_row].eval()
    field = extract_receptive_field(
        model.labelled_graph_, np.array([node]), network.hops
    )
    labelled, row = field.labelled_graph, int(field.rows[0])
    graph, weight = labelled.adjacency, labelled.edge_weight

    def compute_output(x: Tensor, graph: Adjacency) -> Tensor:
        return _log_odds(network(x, graph, weight)[row], model.objective_, target)

    def with_mask(mask: Tensor) -> Tensor:
        return compute_output(labelled.x, mask_messages(graph, mask, weight))

    def with_features(x: Tensor) -> Tensor:
        return compute_output(x, graph)

    ones = torch.ones(graph.num_edges)
    edges, without_messages, output = integrated_gradients(with_mask, ones, steps)
    features, without_features, _ = integrated_gradients(
        with_features, labelled.x, steps
    )
    sources, targets, merged = _merge_directions(labelled, edges)
    return Attribution(
        nodes=field.nodes,
        sources=field.nodes[sources],
        targets=field.nodes[targets],
        edges=merged,
        features=features.numpy(),
        output=output,
        output_without_messages=without_messages,
        output_without_features=without_features,
        completeness_error=abs(float(edges.sum()) - (output - without_messages)),
    )


def _log_odds(logits: Tensor, objective: Objective, target: int) -> Tensor:
    """Return the uncalibrated log-odds of a class, or the number, of logits [K]."""
    if isinstance(objective, Numeric):
        return logits[0] * objective.std + objective.mean
    if objective.kind == "multi_label":
        return logits[target]
    others = torch.cat([logits[:target], logits[target + 1 :]])
    return logits[target] - others.logsumexp(dim=0)


def integrated_gradients(
    f: Callable[[Tensor], Tensor], end: Tensor, steps: int
) -> tuple[Tensor, float, float]:
    """Return the integrated gradients on the line from 0 to `end`, f(0) and f(end).

    Midpoint rule with `steps` points.
    """
    total = torch.zeros_like(end)
    for k in range(steps):
        point = (end * ((k + 0.5) / steps)).requires_grad_()
        total += torch.autograd.grad(f(point), point)[0]
    with torch.no_grad():
        at_zero, at_end = float(f(torch.zeros_like(end))), float(f(end))
    return total * end / steps, at_zero, at_end


def _merge_directions(
    labelled: LabelledGraph, attributions: Tensor
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return sources, targets and sums over both directions of each edge, all [P]."""
    rows, num_nodes = labelled.adjacency.incoming, labelled.adjacency.num_nodes
    ends = torch.stack([rows.indices, rows.row_indices]).long().numpy()
    low, high = ends.min(axis=0), ends.max(axis=0)
    keys, group = np.unique(low * num_nodes + high, return_inverse=True)
    total = np.bincount(group, attributions.numpy(), minlength=len(keys))
    nonzero = total != 0  # the others are beyond the receptive field
    keys, total = keys[nonzero], total[nonzero]
    order = np.argsort(-total, kind="stable")
    return keys[order] // num_nodes, keys[order] % num_nodes, total[order]
