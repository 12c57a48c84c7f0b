"""The first answer for nodes: what their surroundings look like, and a fitted layer.

Features are carried along the edges once, before anything is learned (`views`); on
them one dense layer is fitted (`core.head`), and what it says is evened out among
neighbours. That takes seconds. Which view, which penalty and how far to even out is
chosen by how likely held-out labels become, each candidate calibrated first
(`core.calibration`): by what is right alone, chance would choose.

Z_i: row i of a view, of length 1;  p_i = softmax(W' Z_i + b);  then `propagation`.
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
from vicinal.core.training.linear_head import PENALTIES, Head, RidgePath
from vicinal.graphs.layers.gcn import smoothed
from vicinal.graphs.nodes.labelled_graph import LabelledGraph, known_rows
from vicinal.graphs.nodes.propagation import (
    STEPS,
    correct,
    smooth,
    spread,
    spread_labels,
    unit_rows,
)
from vicinal.graphs.sparse.adjacency import Adjacency

VIEWS = {
    "features": "features alone",
    "near": "means of two steps",
    "spread": "features spread ten steps",
    "rings": "features, and means of one, two and three steps, side by side",
    "labels": "the labels around it alone",
}
"""what of a node's surroundings is seen"""

HOPS = {"features": 0, "near": 2, "spread": 10, "rings": 3, "labels": 0}

EVENED = (0.0, 0.5, 0.8, 0.9)
"""how far what was said is evened out among neighbours; 0: not at all"""

SCALE = 10.0
"""length of a row, at which PENALTIES reach from too strong to too weak"""

TINY = 1e-9


def view(name: str, x: Tensor, graph: Adjacency, weight: Tensor | None) -> Tensor:
    """What is seen of each node, [N, D]; of labels alone there is nothing to fit."""
    if name == "labels":
        return x[:, :0]
    if name == "features":
        return unit_rows(x)
    if name == "spread":
        return unit_rows(spread(x, graph, 0.1, 10, weight))
    if name == "near":
        return unit_rows(spread(x, graph, 0.0, 2, weight))
    rings = [x]
    for _ in range(3):
        rings.append(smoothed(rings[-1], graph, weight))
    return torch.cat([unit_rows(ring) for ring in rings], dim=1) / 2


@dataclass(frozen=True)
class PropagatedLinearModel:
    """A view, a layer, and how far its answers are evened out."""

    view: str
    head: Head
    correct_and_smooth: float
    objective: Objective
    loss: float
    """of held-out nodes, calibrated: what it was chosen by"""

    def seen(self, known: LabelledGraph) -> Tensor:
        """What is seen of all nodes, [N, D]."""
        return view(self.view, known.x, known.graph, known.weight)

    @property
    def hops(self) -> int:
        """How far what is said of a node reaches."""
        return HOPS[self.view] + (STEPS if self.correct_and_smooth else 0)

    def logits(self, known: LabelledGraph) -> Tensor:
        """[N, K] of all nodes."""
        if self.view == "labels":
            return label_propagation(known, self.objective, self.correct_and_smooth)
        z = self.seen(known)
        return correct_and_smooth(
            self.head.logits(z.numpy()), known, self.objective, self.correct_and_smooth
        )

    def __str__(self) -> str:
        if self.view == "labels":
            return f"{VIEWS[self.view]}, evened out by {self.correct_and_smooth:g}"
        told = f"{VIEWS[self.view]}, a fitted layer (penalty {self.head.penalty:g})"
        return told + (
            f", evened out by {self.correct_and_smooth:g}"
            if self.correct_and_smooth
            else ""
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "view": self.view,
            "evened": self.correct_and_smooth,
            "penalty": self.head.penalty,
            "loss": self.loss,
        }


def label_propagation(
    known: LabelledGraph, objective: Objective, beta: float
) -> Tensor:
    """Logits [N, K] of the labels around each node, and nothing else."""
    train_mask = torch.from_numpy(known.train_mask)
    rows, graph = known_rows(known, objective), known.graph
    found = spread_labels(rows, train_mask, graph, known.weight, 1 - beta)
    if objective.kind == "numeric":
        return found
    if objective.kind == "multi_label":
        return torch.logit(found.clamp(1e-6, 1 - 1e-6))
    return found.clamp_(min=1e-6).log_()


def correct_and_smooth(
    logits: Tensor, known: LabelledGraph, objective: Objective, beta: float
) -> Tensor:
    """Logits [N, K] of what is said once neighbours have been heard."""
    if not beta:
        return logits
    train_mask = torch.from_numpy(known.train_mask)
    graph, weight = known.graph, known.weight
    rows = known_rows(known, objective).to(logits)
    if objective.kind == "numeric":
        return correct(logits, rows, train_mask, graph, beta, weight)
    if objective.kind == "multi_label":
        p = smooth(logits.sigmoid(), rows, train_mask, graph, beta, weight)
        return torch.logit(p.clamp(TINY, 1 - 1e-6))
    p = smooth(logits.softmax(dim=1), rows, train_mask, graph, beta, weight)
    return (p / p.sum(dim=1, keepdim=True).clamp(min=TINY)).clamp(min=TINY).log()


def first_answers(
    known: LabelledGraph,
    objective: Objective,
    judged: list[np.ndarray],
    max_bytes: float = math.inf,
) -> Iterator[PropagatedLinearModel]:
    """The best answer of each view, the features alone first.

    room: bytes; a view that needs more is passed over, and where there is none for
    what is said of all nodes to be evened out, that is not tried.

    judged: masks [N] of nodes to choose by: they are not learned from meanwhile. One
    mask is a validation part; several, each within `known.train_mask`, are folds.
    None: too few are known to choose by: only the labels around count.
    """
    roomy = 4 * len(known.x) * 6 * objective.outputs <= max_bytes
    for name in VIEWS if judged else ():
        if name == "features" and not roomy:
            yield features_alone(known, objective, judged)
        elif name != "labels" and bytes_of(name, known) <= max_bytes:
            tried = EVENED[1:] if roomy else ()
            yield _best_of_view(name, known, objective, judged, tried)
    tried = EVENED[1:] if roomy else EVENED[-1:]
    yield _best_by_labels(known, objective, judged, tried)


def bytes_of(name: str, known: LabelledGraph) -> int:
    """What a view takes, about: the numbers, and what they are made of."""
    wide = known.x.shape[1]
    own = {"labels": 0, "features": 2 * wide, "rings": 9 * wide}.get(name, 3 * wide)
    return 4 * len(known.x) * own


def _best_by_labels(
    known: LabelledGraph,
    objective: Objective,
    judged: list[np.ndarray],
    evened_by: tuple[float, ...],
) -> PropagatedLinearModel:
    tried = {EVENED[-1]: math.nan}
    if judged:
        tried = {
            beta: float(
                np.mean(
                    [
                        _loss_of(
                            label_propagation(
                                known._replace(train_mask=known.train_mask & ~mask),
                                objective,
                                beta,
                            ),
                            known,
                            objective,
                            mask,
                        )
                        for mask in judged
                    ]
                )
            )
            for beta in evened_by
        }
    beta, loss = min(tried.items(), key=lambda item: item[1])
    shape = (0, objective.outputs)
    nothing = Head(np.zeros(shape, np.float32), np.zeros(shape[1], np.float32))
    return PropagatedLinearModel("labels", nothing, beta, objective, loss)


def features_alone(
    known: LabelledGraph, objective: Objective, judged: list[np.ndarray]
) -> PropagatedLinearModel:
    """A layer on each node's own features, which no edge has a part in.

    judged: as for `first_answers`; none: the strongest penalty. Only the nodes that
    are known are looked at.
    """
    rows = np.flatnonzero(np.logical_or.reduce([known.train_mask, *judged]))
    few = LabelledGraph(
        known.x[rows], known.graph, None, known.y[rows], known.train_mask[rows]
    )
    masks = [mask[rows] for mask in judged]
    return _best_of_view("features", few, objective, masks, evened_by=())


def _best_of_view(
    name: str,
    known: LabelledGraph,
    objective: Objective,
    judged: list[np.ndarray],
    evened_by: tuple[float, ...] = EVENED[1:],
) -> PropagatedLinearModel:
    z = view(name, known.x, known.graph, known.weight).numpy()
    spread_of_all = float(np.square(z - z.mean(axis=0)).sum(axis=1).mean()) ** 0.5
    scale = SCALE / max(spread_of_all, TINY)
    z *= np.float32(scale)  # a view is made anew
    parts = [(known.train_mask & ~mask, mask) for mask in judged]
    heads = [_path(z, known, objective, learned) for learned, _ in parts]
    if not judged:
        whole = _path(z, known, objective, known.train_mask)[0]
        head = Head(whole.weights * np.float32(scale), whole.bias, PENALTIES[0])
        return PropagatedLinearModel(name, head, 0.0, objective, math.nan)
    losses = np.array(
        [
            [_loss(h.logits(z), known, objective, 0.0, *p) for h in path]
            for path, p in zip(heads, parts, strict=True)
        ]
    ).mean(axis=0)
    best = int(losses.argmin())
    tried = {(best, 0.0): float(losses[best])}
    for k in range(best, min(best + 3, len(PENALTIES))):
        for beta in evened_by:
            each = [
                _loss(path[k].logits(z), known, objective, beta, *p)
                for path, p in zip(heads, parts, strict=True)
            ]
            tried[k, beta] = float(np.mean(each))
    (k, beta), loss = min(tried.items(), key=lambda item: item[1])
    whole = heads[0][k]
    if not np.array_equal(
        parts[0][0], known.train_mask
    ):  # folds: learn from all of them
        whole = _path(z, known, objective, known.train_mask)[k]
    in_own_scale = Head(whole.weights * np.float32(scale), whole.bias, PENALTIES[k])
    return PropagatedLinearModel(name, in_own_scale, beta, objective, loss)


def _path(
    z: np.ndarray, known: LabelledGraph, objective: Objective, learned: np.ndarray
) -> list[Head]:
    """Heads of all penalties, from the nodes learned [N]."""
    rows = np.flatnonzero(learned)
    problem = RidgePath.of(z[rows], known.y[rows], objective, scaled=True)
    every = np.ones((len(rows), 1), bool)
    heads, start = [], None
    for penalty in PENALTIES:
        start = problem.solve(every, penalty, start)
        heads.append(problem.in_own_axes(start, penalty))
    return heads


def _loss(
    logits: Tensor,
    known: LabelledGraph,
    objective: Objective,
    beta: float,
    learned: np.ndarray,
    judged: np.ndarray,
) -> float:
    """Mean loss of the judged nodes, once what is said is calibrated on them."""
    seen = known._replace(train_mask=learned)
    return _loss_of(
        correct_and_smooth(logits, seen, objective, beta), known, objective, judged
    )


def _loss_of(
    logits: Tensor, known: LabelledGraph, objective: Objective, judged: np.ndarray
) -> float:
    """Mean loss of the judged nodes, of logits [N, K], once they are calibrated."""
    rows = np.flatnonzero(judged)
    said, y = logits[rows], known.y[rows]
    if objective.kind == "numeric":
        return float(np.square(objective.predict(said) - y).mean())
    temperature = fit_temperature(said, y, objective)
    return float(objective.loss(said / temperature, torch.from_numpy(y)))
