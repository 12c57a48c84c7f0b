"""A graph with the labels of its training nodes."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vicinal.core.objective import Objective
from vicinal.graphs.sparse.adjacency import Adjacency


class LabelledGraph(NamedTuple):
    """A graph of N nodes and E edges, as tensors, with targets."""

    x: Tensor
    """[N, F] node features"""

    adjacency: Adjacency
    edge_weight: Tensor | None
    """[E] in the order of the edges; None: all weights are 1"""

    y: np.ndarray
    """[N] or [N, K] targets, encoded by `Objective.encode`; arbitrary if unlabelled"""

    train_mask: np.ndarray
    """[N] bool: labelled nodes to train on"""


def target_matrix(graph: LabelledGraph, objective: Objective) -> Tensor:
    """Return the targets [N, K]: one-hot classes, 0/1 labels or standardised numbers.

    Rows of unlabelled nodes are arbitrary.
    """
    y = torch.from_numpy(graph.y)
    if objective.kind == "numeric":
        mean, std = getattr(objective, "mean", 0.0), getattr(objective, "std", 1.0)
        return ((y - mean) / std).float()[:, None]
    if objective.kind == "multi_label":
        return y.float()
    rows = torch.zeros(len(y), objective.outputs)
    return rows.scatter_(1, y.clamp(min=0)[:, None], 1.0)
