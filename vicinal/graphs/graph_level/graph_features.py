"""The linear baseline for whole graphs: a linear model on counts and means.

=============  ==================================================================
feature set    features of a graph with n nodes and m edges
=============  ==================================================================
nodes          log n; mean and log(1 + sum) of the node features; no edges
counts         the same; log m, 2 m / n; shares of nodes of degree 0, 1 ... 8;
               mean and log(1 + sum) of the edge features, if there are any
neighborhoods  the same; means of the node features, and of log(1 + degree),
               propagated one, two and three steps
=============  ==================================================================

On PROTEINS the first set alone beats many networks (F. Errica et al.: A Fair Comparison
of Graph Neural Networks for Graph Classification, ICLR 2020). Feature set and penalty
are chosen by cross-validation on the training graphs, by the loss.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vicinal.core.objective import Objective
from vicinal.core.training.linear_head import Head
from vicinal.core.training.regularization_path import PENALTIES, regularization_path
from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.graphs.sparse.aggregation import aggregate
from vicinal.ops.aggregation import aggregate as pool

FEATURE_SETS = {
    "nodes": "node features without edges",
    "counts": "counts of nodes, edges and degrees",
    "neighborhoods": "counts, and node features propagated up to three steps",
}
MAX_DEGREE = 8
STEPS = 3


class BatchedGraphs(NamedTuple):
    """Several graphs as one disconnected graph."""

    x: Tensor
    """[N, F] node features"""

    adjacency: Adjacency
    batch: Tensor
    """[N] int64, ascending: the graph of each node"""

    num_graphs: int
    edge_attr: Tensor | None = None
    """[E, D] features of the edges, in the order of the edge list"""

    @property
    def num_edge_features(self) -> int:
        return 0 if self.edge_attr is None else self.edge_attr.shape[1]


def graph_features(name: str, graphs: BatchedGraphs) -> np.ndarray:
    """Return the features [G, D] of a feature set."""
    x, batch, count = graphs.x, graphs.batch, graphs.num_graphs
    num_nodes = torch.bincount(batch, minlength=count).float()[:, None]  # [G, 1]
    columns = [num_nodes.clamp(min=1).log(), *_mean_and_log_sum(x, batch, count)]
    if name == "nodes":
        return torch.cat(columns, dim=1).numpy()
    degree = graphs.adjacency.incoming.degrees
    num_edges = pool(degree.float()[:, None], batch, count)  # each counts twice
    one_hot = torch.nn.functional.one_hot(
        degree.long().clamp(max=MAX_DEGREE), MAX_DEGREE + 1
    )
    columns += [
        (num_edges / 2).log1p(),
        num_edges / num_nodes.clamp(min=1),
        pool(one_hot.float(), batch, count, "mean"),
    ]
    if graphs.edge_attr is not None:
        incoming = graphs.adjacency.incoming
        graph_of_edge = batch[incoming.row_indices.long()]
        e = graphs.edge_attr[incoming.edge_ids.long()]
        columns += _mean_and_log_sum(e, graph_of_edge, count)
    if name == "neighborhoods":
        h = torch.cat([x, degree.float()[:, None].log1p()], dim=1)
        for _ in range(STEPS):
            h = aggregate(h, graphs.adjacency, "mean")
            columns.append(pool(h, batch, count, "mean"))
    return torch.cat(columns, dim=1).numpy()


def num_graph_features(name: str, features: int, edge_features: int = 0) -> int:
    """Return the number of features of a set, from those of nodes and edges."""
    nodes, counts = 1 + 2 * features, 2 + MAX_DEGREE + 1 + 2 * edge_features
    more = {"nodes": 0, "counts": counts}
    return nodes + more.get(name, counts + STEPS * (features + 1))


def _mean_and_log_sum(x: Tensor, batch: Tensor, count: int) -> list[Tensor]:
    """Return the mean and log(1 + |sum|), with its sign, of [N, F]: [G, F] each.

    x: of nodes or edges. batch: [N] the graph of each.
    """
    total = pool(x, batch, count)
    mean = pool(x, batch, count, "mean")
    return [mean, total.sign() * total.abs().log1p()]


@dataclass(frozen=True)
class GraphLinearModel:
    """A linear model on the features of a set."""

    feature_set: str
    head: Head
    objective: Objective
    loss: float
    """cross-validated loss, by which it was chosen"""

    def logits(self, graphs: BatchedGraphs) -> Tensor:
        """Return the logits [G, K]."""
        return self.head.logits(graph_features(self.feature_set, graphs))

    def __str__(self) -> str:
        name = FEATURE_SETS[self.feature_set]
        return f"linear model on {name}, penalty {self.head.penalty:g}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "feature_set": self.feature_set,
            "penalty": self.head.penalty,
            "loss": self.loss,
        }


def fit_graph_linear_models(
    graphs: BatchedGraphs,
    y: np.ndarray,
    train_rows: np.ndarray,
    folds: np.ndarray,
    objective: Objective,
) -> Iterator[GraphLinearModel]:
    """Yield the best linear model on each feature set, that without edges first.

    folds: [len(train_rows)] numbers from 0, for the cross-validation of the penalty.
    """
    y = y[train_rows]
    for name in FEATURE_SETS:
        z = graph_features(name, graphs)[train_rows]
        losses = np.zeros(len(PENALTIES))
        for fold in range(int(folds.max()) + 1):
            held_out = folds == fold
            heads = regularization_path(z[~held_out], y[~held_out], objective)
            targets = torch.from_numpy(y[held_out])
            for k, head in enumerate(heads):
                loss = objective.loss(head.logits(z[held_out]), targets)
                losses[k] += float(loss) * held_out.mean()
        best = int(losses.argmin())
        head = regularization_path(z, y, objective)[best]
        yield GraphLinearModel(name, head, objective, float(losses[best]))
