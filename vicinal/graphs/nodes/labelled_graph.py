"""A graph with the labels of its training nodes."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vicinal.core.objective import Objective
from vicinal.graphs.sparse.adjacency import Adjacency


class LabelledGraph(NamedTuple):
    """A graph, and what is known of its nodes."""

    x: Tensor
    """[N, F]"""

    graph: Adjacency
    weight: Tensor | None
    y: np.ndarray
    """[N] as `Objective.encode` gives them; anything where none is known"""

    train_mask: np.ndarray
    """[N] bool: nodes whose y is learned from"""


def known_rows(known: LabelledGraph, objective: Objective) -> Tensor:
    """What is known [N, K] as shares of classes, marks, or spreads from the mean."""
    y = torch.from_numpy(known.y)
    if objective.kind == "numeric":
        spread_of_all = getattr(objective, "std", 1.0)
        return ((y - getattr(objective, "mean", 0.0)) / spread_of_all).float()[:, None]
    if objective.kind == "multi_label":
        return y.float()
    rows = torch.zeros(len(y), objective.outputs)
    return rows.scatter_(1, y.clamp(min=0)[:, None], 1.0)
