"""Readouts: what the nodes of each graph say together.

::

    sum, mean, max    over the nodes of a graph
    attention         sum over nodes of  softmax(gate(x_v)) f(x_v)

A sum tells sizes apart, a mean does not; a maximum tells whether something is there at
all. Y. Li, D. Tarlow, M. Brockschmidt, R. Zemel: Gated Graph Sequence Neural Networks,
ICLR 2016, https://arxiv.org/abs/1511.05493, section 3.3; K. Xu et al.: How Powerful are
Graph Neural Networks?, ICLR 2019, section 5.
"""

import torch
from torch import Tensor, nn

from vicinal.ops.aggregation import REDUCE, aggregate


class Readout(nn.Module):
    """[N, F] of all nodes of a batch to [G, F]; reduce: "sum", "mean" or "max"."""

    def __init__(self, reduce: str = "sum") -> None:
        super().__init__()
        if reduce not in REDUCE:
            words = ", ".join(map(repr, REDUCE))
            raise ValueError(f"reduce must be one of {words}. Got {reduce!r}.")
        self.reduce = reduce

    def forward(self, x: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
        """batch: [N], the graph of each node; one without nodes gets zeros."""
        return aggregate(x, batch, num_graphs, self.reduce)


class AttentionReadout(nn.Module):
    """[N, F] to [G, F]: nodes count by what the gate, F to 1, says of them."""

    def __init__(self, gate: nn.Module, transform: nn.Module | None = None) -> None:
        super().__init__()
        self.gate, self.transform = gate, transform or nn.Identity()

    def forward(self, x: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
        """batch: [N], the graph of each node; one without nodes gets zeros."""
        score = self.gate(x)  # [N, 1]
        most = aggregate(score.detach(), batch, num_graphs, "max")
        raised = torch.exp(score - most[batch])
        share = raised / aggregate(raised, batch, num_graphs)[batch]
        return aggregate(share * self.transform(x), batch, num_graphs)
