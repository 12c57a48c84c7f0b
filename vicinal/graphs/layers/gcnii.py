"""GCNII: a GCN that may be deep: each layer sees the first, and changes little.

::

    H' = sigma(((1 - alpha) P H + alpha H_0) ((1 - beta) I + beta W))         (eq. 5)

P is GCN's D^-1/2 (A + I) D^-1/2, and beta falls with depth: log(theta / l + 1).

M. Chen, Z. Wei, Z. Huang, B. Ding, Y. Li: Simple and Deep Graph Convolutional Networks,
ICML 2020, https://arxiv.org/abs/2007.02133.
"""

import math

import torch
from torch import Tensor, nn

from vicinal.graphs.layers.gcn import smoothed
from vicinal.graphs.sparse.adjacency import Adjacency


class GCNII(nn.Module):
    """Layer number `layer`, counted from 1: [N, F] to [N, F], before sigma."""

    def __init__(
        self, features: int, layer: int, alpha: float = 0.1, theta: float = 0.5
    ) -> None:
        super().__init__()
        self.alpha, self.beta = alpha, math.log(theta / layer + 1)
        self.weight = nn.Parameter(torch.empty(features, features))
        nn.init.xavier_uniform_(self.weight)

    def forward(
        self, h: Tensor, first: Tensor, graph: Adjacency, weight: Tensor | None = None
    ) -> Tensor:
        """first: H_0 [N, F]. weight: [E], of the edges as they were listed."""
        mixed = torch.lerp(smoothed(h, graph, weight), first, self.alpha)
        beta = self.beta  # the sum and the product in one pass
        return torch.addmm(mixed, mixed, self.weight, beta=1 - beta, alpha=beta)
