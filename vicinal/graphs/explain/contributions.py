"""The prediction of the linear baseline for a node, as a sum over nodes.

Apart from one normalisation, a logit is linear in the features x_u of all nodes u:

    logit_vk = b_k + sum over u of  C_vu x_u . W_k / |sum over u of C_vu x_u|

With smoothing the probability is a weighted mean,

    p_vk = sum over u of  S_vu q_uk / sum over u and k of S_vu q_uk

where q_u is the label of u if it is a training node, else its prediction. (With several
labels a node every label has its own p, and nothing is divided.) A smoothed number is
the prediction for v plus errors of training nodes u, S_vu (y_u - prediction for u). C
and S are rows of linear maps, computed as gradients. `max_error` compares the sum with
the output of the model.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vicinal.core.objective import Objective
from vicinal.graphs.inspect.messages import linear_coefficients
from vicinal.graphs.layers.gcn import gcn_aggregate
from vicinal.graphs.nodes.labelled_graph import LabelledGraph, target_matrix
from vicinal.graphs.nodes.propagated_features import PropagatedLinearModel
from vicinal.graphs.nodes.propagation import STEPS, propagate

if TYPE_CHECKING:
    from vicinal.graphs.node_model import NodeModel


class NodeContribution(NamedTuple):
    """The contribution of one node to a prediction."""

    node: int
    """its row"""

    share: float
    """its weight in the sum, 0 to 1; the shares of all nodes sum to 1"""

    values: np.ndarray
    """[K] contribution to the probability or logit of each class; [1] to a number"""

    is_labelled: bool
    """whether it is a training node"""


@dataclass(frozen=True)
class Contributions:
    """A prediction for one node as a sum of the contributions of nodes."""

    node: int
    nodes: list[NodeContribution]
    """by share, largest first"""

    base: np.ndarray
    """[K] the rest of the sum: the bias; 0 for smoothed probabilities; the unsmoothed
    prediction for smoothed numbers"""

    computed: np.ndarray
    """[K] base plus contributions"""

    predicted: np.ndarray
    """[K] output of the model before calibration"""

    quantity: str
    """probability, logit or number"""

    @property
    def max_error(self) -> float:
        """Return the largest absolute difference between the sum and the model."""
        return float(np.abs(self.computed - self.predicted).max())


class _NodeTerms(NamedTuple):
    """The terms of a sum over nodes, in any order."""

    rows: Tensor
    """[U]"""

    shares: Tensor
    """[U]"""

    values: np.ndarray
    """[U, K]"""


def node_contributions(model: "NodeModel", name: str) -> Contributions:
    """Return the contributions to a linear baseline's prediction for a node by name."""
    (row,) = model.row_indices([name], model.graph_)
    return compute_contributions(model.linear_, model.labelled_graph_, int(row))


def compute_contributions(
    linear: PropagatedLinearModel, labelled: LabelledGraph, node: int
) -> Contributions:
    """Return the contributions of nodes to the prediction for one node."""
    if not linear.smoothing:
        return _unsmoothed(linear, labelled, node)
    only_labels = linear.feature_set == "label_propagation"
    if linear.objective.kind == "numeric" and not only_labels:
        return _smoothed_number(linear, labelled, node)
    return _smoothed_probabilities(linear, labelled, node)


def feature_contributions(
    linear: PropagatedLinearModel, labelled: LabelledGraph, node: int
) -> np.ndarray:
    """Return the contribution of each feature to each logit [F, K], or number [F, 1].

    With the bias they sum to the unsmoothed prediction. Label propagation uses no
    features: [0, K].
    """
    if linear.feature_set == "label_propagation":
        return np.zeros((0, linear.objective.outputs))
    z, weights = linear.propagate(labelled)[node].numpy(), linear.head.weights
    width = labelled.x.shape[1]
    blocks = (z[:, None] * weights).reshape(-1, width, weights.shape[1])
    return blocks.sum(axis=0) * _target_scale(linear.objective)[0]


def _target_scale(objective: Objective) -> tuple[float, float]:
    """Return the scale and offset from a logit to the unit of the target."""
    if objective.kind != "numeric":
        return 1.0, 0.0
    return getattr(objective, "std", 1.0), getattr(objective, "mean", 0.0)


def _smoothed_probabilities(
    linear: PropagatedLinearModel, labelled: LabelledGraph, node: int
) -> Contributions:
    """Return the terms of a mean of probabilities, or of labels alone."""
    objective = linear.objective
    only_labels = linear.feature_set == "label_propagation"
    is_single_label = objective.kind == "single_label"
    train_mask = torch.from_numpy(labelled.train_mask)
    targets = target_matrix(labelled, objective) * train_mask[:, None]
    if not only_labels:
        logits = linear.head.logits(linear.propagate(labelled).numpy())
        predicted = logits.softmax(dim=1) if is_single_label else logits.sigmoid()
        targets = targets.where(train_mask[:, None], predicted)
    rows, weights = _smoothing_weights(linear.smoothing, labelled, node)
    if only_labels:
        rows, weights = rows[train_mask[rows]], weights[train_mask[rows]]
    total = weights.sum().clamp(min=1e-12)
    is_divided = objective.kind != "multi_label" or only_labels
    scale, offset = _target_scale(objective)
    values = scale * weights[:, None] * targets[rows] / (total if is_divided else 1)
    logits, quantity = linear.logits(labelled)[node], "probability"
    if objective.kind == "numeric":
        predicted, quantity = scale * logits.numpy() + offset, "number"
    elif is_single_label:
        predicted = logits.softmax(dim=0).numpy()
    else:
        predicted = logits.sigmoid().numpy()
    base = np.full(objective.outputs, offset)
    if not len(rows):  # no label in reach: the model predicts the mean of all labels
        base = predicted
    terms = _NodeTerms(rows, weights / total, values.numpy())
    return _contributions(labelled, node, terms, base, predicted, quantity)


def _smoothed_number(
    linear: PropagatedLinearModel, labelled: LabelledGraph, node: int
) -> Contributions:
    """Return the errors of training nodes that correct the prediction of a number."""
    scale, offset = _target_scale(linear.objective)
    train_mask = torch.from_numpy(labelled.train_mask)
    unsmoothed = linear.head.logits(linear.propagate(labelled).numpy())
    rows, weights = _smoothing_weights(linear.smoothing, labelled, node)
    rows, weights = rows[train_mask[rows]], weights[train_mask[rows]]
    error = target_matrix(labelled, linear.objective)[rows] - unsmoothed[rows]
    values = (scale * weights[:, None] * error).numpy()
    base = scale * unsmoothed[node].numpy() + offset
    predicted = scale * linear.logits(labelled)[node].numpy() + offset
    shares = weights / weights.sum().clamp(min=1e-12)
    terms = _NodeTerms(rows, shares, values)
    return _contributions(labelled, node, terms, base, predicted, "number")


def _smoothing_weights(
    beta: float, labelled: LabelledGraph, node: int
) -> tuple[Tensor, Tensor]:
    """Return the nodes whose values smoothing carries to a node, and their weights."""

    def smooth(z: Tensor) -> Tensor:
        return propagate(z, labelled.adjacency, 1 - beta, STEPS, labelled.edge_weight)

    return linear_coefficients(smooth, labelled.adjacency, node)


def _unsmoothed(
    linear: PropagatedLinearModel, labelled: LabelledGraph, node: int
) -> Contributions:
    """Return the terms of the logits, or of the number."""
    scale, offset = _target_scale(linear.objective)
    head_weights, x = torch.from_numpy(linear.head.weights), labelled.x
    width, num_outputs = x.shape[1], head_weights.shape[1]
    shares: dict[int, float] = {}
    values: dict[int, Tensor] = {}
    for k, (linear_map, factor) in enumerate(_feature_maps(linear, labelled)):
        rows, c = linear_coefficients(linear_map, labelled.adjacency, node)
        norm = (c[:, None] * x[rows]).sum(dim=0).norm().clamp(min=1e-12)
        block = head_weights[k * width : (k + 1) * width]
        added = factor * c[:, None] * (x[rows] @ block) / norm
        for row, weight, term in zip(rows.tolist(), c.tolist(), added, strict=True):
            shares[row] = shares.get(row, 0.0) + abs(weight)
            values[row] = values.get(row, torch.zeros(num_outputs)) + term
    rows, share = torch.tensor(list(shares)), torch.tensor(list(shares.values()))
    logits = linear.head.logits(linear.propagate(labelled).numpy())[node].numpy()
    terms = _NodeTerms(
        rows,
        share / share.sum().clamp(min=1e-12),
        scale * torch.stack(list(values.values())).numpy(),
    )
    base = scale * np.asarray(linear.head.bias) + offset
    quantity = "number" if linear.objective.kind == "numeric" else "logit"
    predicted = scale * logits + offset
    return _contributions(labelled, node, terms, base, predicted, quantity)


LinearMap = Callable[[Tensor], Tensor]


def _feature_maps(
    linear: PropagatedLinearModel, labelled: LabelledGraph
) -> list[tuple[LinearMap, float]]:
    """Return the linear maps of a feature set, each with its factor."""
    graph, weight = labelled.adjacency, labelled.edge_weight

    def power(exponent: int) -> LinearMap:
        def apply(z: Tensor) -> Tensor:
            for _ in range(exponent):
                z = gcn_aggregate(z, graph, weight)
            return z

        return apply

    if linear.feature_set == "features":
        return [(power(0), 1.0)]
    if linear.feature_set == "sgc":
        return [(power(2), 1.0)]
    if linear.feature_set == "ppr":
        return [(lambda z: propagate(z, graph, 0.1, 10, weight), 1.0)]
    return [(power(exponent), 0.5) for exponent in range(4)]


def _contributions(
    labelled: LabelledGraph,
    node: int,
    terms: _NodeTerms,
    base: np.ndarray,
    predicted: np.ndarray,
    quantity: str,
) -> Contributions:
    rows, shares, values = terms
    order = np.argsort(-shares.numpy(), kind="stable")
    nodes = [
        NodeContribution(
            int(rows[k]),
            float(shares[k]),
            values[k],
            bool(labelled.train_mask[int(rows[k])]),
        )
        for k in order
    ]
    computed = values.sum(axis=0) + base
    return Contributions(node, nodes, base, computed, predicted, quantity)
