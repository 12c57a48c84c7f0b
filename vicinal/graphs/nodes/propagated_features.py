"""The linear baseline for nodes: a linear model on propagated features.

Features are propagated along the edges once, before anything is fitted (as in SGC and
SIGN); one dense layer is fitted on them (`core.training.linear_head`) and its
predictions go through correct-and-smooth (`propagation`). It takes seconds. Features,
penalty and smoothing are chosen by the calibrated loss on held-out labels.

F. Frasca et al.: SIGN: Scalable Inception Graph Neural Networks, 2020; see
`propagation` for SGC, APPNP and C&S.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vicinal.core.evaluation.calibration import fit_temperature
from vicinal.core.objective import Objective
from vicinal.core.training.linear_head import Head
from vicinal.core.training.regularization_path import PENALTIES, regularization_path
from vicinal.graphs.layers.gcn import gcn_aggregate
from vicinal.graphs.nodes.labelled_graph import LabelledGraph, target_matrix
from vicinal.graphs.nodes.propagation import (
    STEPS,
    correct,
    normalize_rows,
    propagate,
    propagate_labels,
    smooth,
)
from vicinal.graphs.sparse.adjacency import Adjacency

FEATURE_SETS = {
    "features": "node features without edges",
    "sgc": "features propagated two steps (SGC)",
    "ppr": "features propagated ten steps by personalised PageRank",
    "sign": "features propagated 0, 1, 2 and 3 steps, concatenated (SIGN)",
    "label_propagation": "label propagation without features",
}

HOPS = {"features": 0, "sgc": 2, "ppr": 10, "sign": 3, "label_propagation": 0}

SMOOTHING = (0.0, 0.5, 0.8, 0.9)
"""values tried for C&S's alpha, the share of the neighbours in every step; 0: none"""

SCALE = 10.0
"""standard deviation of a row, at which PENALTIES reach from too strong to too weak"""

TINY = 1e-9


def propagate_features(
    name: str, x: Tensor, graph: Adjacency, edge_weight: Tensor | None
) -> Tensor:
    """Return the features [N, D] of a set; D = 0 for label propagation."""
    if name == "label_propagation":
        return x[:, :0]
    if name == "features":
        return normalize_rows(x)
    if name == "ppr":
        return normalize_rows(propagate(x, graph, 0.1, 10, edge_weight))
    if name == "sgc":
        return normalize_rows(propagate(x, graph, 0.0, 2, edge_weight))
    powers = [x]
    for _ in range(3):
        powers.append(gcn_aggregate(powers[-1], graph, edge_weight))
    return torch.cat([normalize_rows(power) for power in powers], dim=1) / 2


def num_propagated(name: str, features: int) -> int:
    """Return the number D of features of a set, from F node features."""
    return {"label_propagation": 0, "sign": 4 * features}.get(name, features)


@dataclass(frozen=True)
class PropagatedLinearModel:
    """A linear model on propagated features, with correct-and-smooth."""

    feature_set: str
    head: Head
    smoothing: float
    """C&S's alpha; 0: predictions are not smoothed"""

    objective: Objective
    loss: float
    """calibrated loss on held-out nodes, by which it was chosen"""

    def propagate(self, graph: LabelledGraph) -> Tensor:
        """Return the features [N, D] of all nodes."""
        edges = graph.adjacency, graph.edge_weight
        return propagate_features(self.feature_set, graph.x, *edges)

    @property
    def hops(self) -> int:
        """The radius of the neighbourhood that a prediction depends on."""
        return HOPS[self.feature_set] + (STEPS if self.smoothing else 0)

    def logits(self, graph: LabelledGraph) -> Tensor:
        """Return the logits [N, K] of all nodes."""
        if self.feature_set == "label_propagation":
            return label_propagation(graph, self.objective, self.smoothing)
        logits = self.head.logits(self.propagate(graph).numpy())
        return correct_and_smooth(logits, graph, self.objective, self.smoothing)

    def __str__(self) -> str:
        name = FEATURE_SETS[self.feature_set]
        if self.feature_set == "label_propagation":
            return f"{name}, alpha {self.smoothing:g}"
        model = f"linear model on {name}, penalty {self.head.penalty:g}"
        if not self.smoothing:
            return model
        return f"{model}, correct-and-smooth alpha {self.smoothing:g}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "feature_set": self.feature_set,
            "smoothing": self.smoothing,
            "penalty": self.head.penalty,
            "loss": self.loss,
        }


def label_propagation(
    graph: LabelledGraph, objective: Objective, alpha: float
) -> Tensor:
    """Return logits [N, K] from the training labels near each node alone."""
    train_mask = torch.from_numpy(graph.train_mask)
    targets, edge_weight = target_matrix(graph, objective), graph.edge_weight
    mean = propagate_labels(
        targets, train_mask, graph.adjacency, edge_weight, 1 - alpha
    )
    if objective.kind == "numeric":
        return mean
    if objective.kind == "multi_label":
        return torch.logit(mean.clamp(1e-6, 1 - 1e-6))
    return mean.clamp_(min=1e-6).log_()


def correct_and_smooth(
    logits: Tensor, graph: LabelledGraph, objective: Objective, alpha: float
) -> Tensor:
    """Return logits [N, K], corrected (numbers) or smoothed (classes) along edges."""
    if not alpha:
        return logits
    train_mask = torch.from_numpy(graph.train_mask)
    adjacency, edge_weight = graph.adjacency, graph.edge_weight
    targets = target_matrix(graph, objective).to(logits)
    if objective.kind == "numeric":
        return correct(logits, targets, train_mask, adjacency, alpha, edge_weight)
    if objective.kind == "multi_label":
        p = logits.sigmoid()
        p = smooth(p, targets, train_mask, adjacency, alpha, edge_weight)
        return torch.logit(p.clamp(TINY, 1 - 1e-6))
    p = logits.softmax(dim=1)
    p = smooth(p, targets, train_mask, adjacency, alpha, edge_weight)
    return (p / p.sum(dim=1, keepdim=True).clamp(min=TINY)).clamp(min=TINY).log()


def fit_propagated_models(
    graph: LabelledGraph,
    objective: Objective,
    val_masks: list[np.ndarray],
    max_bytes: float = math.inf,
) -> Iterator[PropagatedLinearModel]:
    """Yield the best model of each feature set, the features without edges first.

    val_masks: [N] bool each, nodes to score the candidates on, which they are not
    fitted on. One mask is a validation split; several, each within the training nodes,
    are folds. None: only label propagation, which has nothing to choose.
    max_bytes: feature sets that need more memory are skipped, and so is
    correct-and-smooth.
    """
    can_smooth = 4 * len(graph.x) * 6 * objective.outputs <= max_bytes
    for name in FEATURE_SETS if val_masks else ():
        if name == "features" and not can_smooth:
            yield fit_feature_model(graph, objective, val_masks)
        elif name != "label_propagation" and feature_bytes(name, graph) <= max_bytes:
            alphas = SMOOTHING[1:] if can_smooth else ()
            yield _fit_feature_set(name, graph, objective, val_masks, alphas)
    alphas = SMOOTHING[1:] if can_smooth else SMOOTHING[-1:]
    yield _choose_label_propagation(graph, objective, val_masks, alphas)


def feature_bytes(name: str, graph: LabelledGraph) -> int:
    """Estimate the memory of a feature set, intermediate arrays included."""
    width = graph.x.shape[1]
    columns = {"label_propagation": 0, "features": 2 * width, "sign": 9 * width}
    return 4 * len(graph.x) * columns.get(name, 3 * width)


def fit_feature_model(
    graph: LabelledGraph, objective: Objective, val_masks: list[np.ndarray]
) -> PropagatedLinearModel:
    """Fit a linear model on the node features alone, without any edge.

    val_masks: as for `fit_propagated_models`; none: the strongest penalty. Only the
    rows of labelled nodes are read.
    """
    rows = np.flatnonzero(np.logical_or.reduce([graph.train_mask, *val_masks]))
    labelled = LabelledGraph(
        graph.x[rows], graph.adjacency, None, graph.y[rows], graph.train_mask[rows]
    )
    masks = [mask[rows] for mask in val_masks]
    return _fit_feature_set("features", labelled, objective, masks, alphas=())


def _choose_label_propagation(
    graph: LabelledGraph,
    objective: Objective,
    val_masks: list[np.ndarray],
    alphas: tuple[float, ...],
) -> PropagatedLinearModel:
    """Return label propagation with the alpha of lowest validation loss."""
    losses = {SMOOTHING[-1]: math.nan}
    if val_masks:
        losses = {
            alpha: float(
                np.mean(
                    [
                        _label_propagation_loss(graph, objective, mask, alpha)
                        for mask in val_masks
                    ]
                )
            )
            for alpha in alphas
        }
    alpha, loss = min(losses.items(), key=lambda item: item[1])
    shape = (0, objective.outputs)
    no_head = Head(np.zeros(shape, np.float32), np.zeros(shape[1], np.float32))
    return PropagatedLinearModel("label_propagation", no_head, alpha, objective, loss)


def _label_propagation_loss(
    graph: LabelledGraph, objective: Objective, val_mask: np.ndarray, alpha: float
) -> float:
    train = graph._replace(train_mask=graph.train_mask & ~val_mask)
    logits = label_propagation(train, objective, alpha)
    return _calibrated_loss(logits, graph, objective, val_mask)


def _fit_feature_set(
    name: str,
    graph: LabelledGraph,
    objective: Objective,
    val_masks: list[np.ndarray],
    alphas: tuple[float, ...],
) -> PropagatedLinearModel:
    """Choose penalty and smoothing by validation loss, then fit all training nodes."""
    z = propagate_features(name, graph.x, graph.adjacency, graph.edge_weight).numpy()
    std = float(np.square(z - z.mean(axis=0)).sum(axis=1).mean()) ** 0.5
    scale = np.float32(SCALE / max(std, TINY))
    z *= scale  # its own array, not the graph's
    train_masks = [graph.train_mask & ~mask for mask in val_masks]
    paths = [_fit_path(z, graph, objective, mask) for mask in train_masks]
    if not val_masks:
        head = _fit_path(z, graph, objective, graph.train_mask)[0]
        head = Head(head.weights * scale, head.bias, PENALTIES[0])
        return PropagatedLinearModel(name, head, 0.0, objective, math.nan)

    def mean_loss(k: int, alpha: float) -> float:
        return float(
            np.mean(
                [
                    _smoothed_loss(
                        path[k].logits(z), graph, objective, alpha, train, val
                    )
                    for path, train, val in zip(
                        paths, train_masks, val_masks, strict=True
                    )
                ]
            )
        )

    losses = [mean_loss(k, 0.0) for k in range(len(PENALTIES))]
    best = int(np.argmin(losses))
    candidates = {(best, 0.0): losses[best]}
    for k in range(best, min(best + 3, len(PENALTIES))):
        for alpha in alphas:
            candidates[k, alpha] = mean_loss(k, alpha)
    (k, alpha), loss = min(candidates.items(), key=lambda item: item[1])
    head = paths[0][k]
    if not np.array_equal(train_masks[0], graph.train_mask):  # folds: fit them all
        head = _fit_path(z, graph, objective, graph.train_mask)[k]
    head = Head(head.weights * scale, head.bias, PENALTIES[k])
    return PropagatedLinearModel(name, head, alpha, objective, loss)


def _fit_path(
    z: np.ndarray, graph: LabelledGraph, objective: Objective, train_mask: np.ndarray
) -> list[Head]:
    """Fit features [N, D] of the training nodes once per penalty."""
    rows = np.flatnonzero(train_mask)
    return regularization_path(z[rows], graph.y[rows], objective, scaled=True)


def _smoothed_loss(
    logits: Tensor,
    graph: LabelledGraph,
    objective: Objective,
    alpha: float,
    train_mask: np.ndarray,
    val_mask: np.ndarray,
) -> float:
    """Return the calibrated validation loss after correct-and-smooth."""
    train = graph._replace(train_mask=train_mask)
    smoothed = correct_and_smooth(logits, train, objective, alpha)
    return _calibrated_loss(smoothed, graph, objective, val_mask)


def _calibrated_loss(
    logits: Tensor, graph: LabelledGraph, objective: Objective, val_mask: np.ndarray
) -> float:
    """Return the mean loss of logits [N, K] on the validation nodes, calibrated there.

    Accuracy alone would choose by chance among candidates that differ in few nodes.
    """
    rows = np.flatnonzero(val_mask)
    z, y = logits[rows], graph.y[rows]
    if objective.kind == "numeric":
        return float(np.square(objective.predict(z) - y).mean())
    temperature = fit_temperature(z, y, objective)
    return float(objective.loss(z / temperature, torch.from_numpy(y)))
