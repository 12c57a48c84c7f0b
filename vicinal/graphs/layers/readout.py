"""Readout: pool the nodes of each graph in a batch.

::

    sum, mean, max    over the nodes of a graph
    attention         sum over nodes v of  softmax(gate(x_v)) f(x_v)

A sum keeps the size of a graph, a mean does not; a maximum shows whether a feature
occurs at all.

Y. Li, D. Tarlow, M. Brockschmidt, R. Zemel: Gated Graph Sequence Neural Networks, ICLR
2016, https://arxiv.org/abs/1511.05493, section 3.3; K. Xu et al.: How Powerful are
Graph Neural Networks?, ICLR 2019, section 5.
"""

import torch
from torch import Tensor, nn

from vicinal.ops.aggregation import REDUCE, aggregate


class Readout(nn.Module):
    """Pool [N, F] of a batch to [G, F]. reduce: "sum", "mean" or "max"."""

    def __init__(self, reduce: str = "sum") -> None:
        super().__init__()
        if reduce not in REDUCE:
            names = ", ".join(map(repr, REDUCE))
            raise ValueError(f"reduce must be one of {names}. Got {reduce!r}.")
        self.reduce = reduce

    def forward(self, x: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
        """batch: [N], the graph of each node. A graph without nodes gets zeros."""
        return aggregate(x, batch, num_graphs, self.reduce)


class AttentionReadout(nn.Module):
    """Pool [N, F] to [G, F] by attention; gate: a module from F features to 1 score."""

    def __init__(self, gate: nn.Module, transform: nn.Module | None = None) -> None:
        super().__init__()
        self.gate, self.transform = gate, transform or nn.Identity()

    def forward(self, x: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
        """batch: [N], the graph of each node. A graph without nodes gets zeros."""
        score = self.gate(x)  # [N, 1]
        maximum = aggregate(score.detach(), batch, num_graphs, "max")
        exp = torch.exp(score - maximum[batch])  # the shift avoids overflow
        alpha = exp / aggregate(exp, batch, num_graphs)[batch]
        return aggregate(alpha * self.transform(x), batch, num_graphs)
