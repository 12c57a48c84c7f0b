"""The first answer for whole graphs: what is in them, counted, and a fitted layer.

===========  ====================================================================
view         numbers of a graph of n nodes and m edges
===========  ====================================================================
parts        log n; mean and log(1 + sum) of its nodes' features: no edge is seen
counts       the same; log m, 2 m / n; shares of nodes with 0, 1 ... 8 neighbours
rings        the same; means of features, and of log(1 + neighbours), carried one, two
             and three steps
===========  ====================================================================

The first of them is the baseline that a network has to beat: on PROTEINS it beats many
(F. Errica et al.: A Fair Comparison of Graph Neural Networks for Graph Classification,
ICLR 2020). Which view and which penalty is chosen among the graphs that are learned
from, in folds, by how likely held-out labels become.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vicinal.core.objective import Objective
from vicinal.core.training.linear_head import PENALTIES, Head, RidgePath
from vicinal.graphs.sparse.adjacency import Adjacency, aggregate
from vicinal.ops.aggregation import aggregate as pooled

VIEWS = {
    "parts": "what its nodes are, without edges",
    "counts": "nodes, edges and neighbours, counted",
    "rings": "nodes, edges and neighbours counted, and what is up to three steps off",
}
MOST_NEIGHBOURS = 8
RINGS = 3


class Graphs(NamedTuple):
    """Graphs side by side, as tensors."""

    x: Tensor
    """[N, F]"""

    graph: Adjacency
    member: Tensor
    """[N] int64: the graph of each node, in order"""

    number: int
    """of graphs"""


def view(name: str, graphs: Graphs) -> np.ndarray:
    """What is seen of each graph, [G, D]."""
    x, member, count = graphs.x, graphs.member, graphs.number
    size = torch.bincount(member, minlength=count).float()[:, None]  # [G, 1]
    parts = [size.clamp(min=1).log(), *_readouts(x, member, count)]
    if name == "parts":
        return torch.cat(parts, dim=1).numpy()
    degree = graphs.graph.incoming.degrees
    edges = pooled(degree.float()[:, None], member, count)
    shares = torch.nn.functional.one_hot(
        degree.long().clamp(max=MOST_NEIGHBOURS), MOST_NEIGHBOURS + 1
    )
    parts += [
        (edges / 2).log1p(),
        edges / size.clamp(min=1),
        pooled(shares.float(), member, count, "mean"),
    ]
    if name == "rings":
        ring = torch.cat([x, degree.float()[:, None].log1p()], dim=1)
        for _ in range(RINGS):
            ring = aggregate(ring, graphs.graph, "mean")
            parts.append(pooled(ring, member, count, "mean"))
    return torch.cat(parts, dim=1).numpy()


def _readouts(x: Tensor, member: Tensor, count: int) -> list[Tensor]:
    """Mean, and log(1 + sum) with the sum's sign, of features [N, F]: [G, F] each."""
    total = pooled(x, member, count)
    mean = pooled(x, member, count, "mean")
    return [mean, total.sign() * total.abs().log1p()]


@dataclass(frozen=True)
class GraphLinearModel:
    """A view, and a layer on it."""

    view: str
    head: Head
    objective: Objective
    loss: float
    """of graphs that were left out, by which it was chosen"""

    def logits(self, graphs: Graphs) -> Tensor:
        """[G, K]."""
        return self.head.logits(view(self.view, graphs))

    def __str__(self) -> str:
        return f"{VIEWS[self.view]}, a fitted layer (penalty {self.head.penalty:g})"

    def to_dict(self) -> dict[str, Any]:
        return {"view": self.view, "penalty": self.head.penalty, "loss": self.loss}


def graph_answers(
    graphs: Graphs,
    y: np.ndarray,
    learned: np.ndarray,
    folds: np.ndarray,
    objective: Objective,
) -> Iterator[GraphLinearModel]:
    """The best layer of each view, that without edges first.

    learned: rows of the graphs to learn from; folds: [of them] numbers from 0, by which
    the penalty is chosen: each is judged by layers of the others.
    """
    for name in VIEWS:
        z = view(name, graphs)[learned]
        losses = np.zeros(len(PENALTIES))
        for fold in range(int(folds.max()) + 1):
            own = folds == fold
            heads = _path(z[~own], y[learned][~own], objective)
            target = torch.from_numpy(y[learned][own])
            for k, head in enumerate(heads):
                loss = objective.loss(head.logits(z[own]), target)
                losses[k] += float(loss) * own.mean()
        best = int(losses.argmin())
        whole = _path(z, y[learned], objective)[best]
        yield GraphLinearModel(name, whole, objective, float(losses[best]))


def _path(z: np.ndarray, y: np.ndarray, objective: Objective) -> list[Head]:
    """Heads of all penalties."""
    problem = RidgePath.of(z, y, objective)
    every = np.ones((len(z), 1), bool)
    heads, start = [], None
    for penalty in PENALTIES:
        start = problem.solve(every, penalty, start)
        heads.append(problem.in_own_axes(start, penalty))
    return heads
