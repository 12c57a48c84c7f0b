"""GCNII: a deep GCN with an initial residual connection and identity mapping.

::

    H' = sigma(((1 - alpha) P H + alpha H_0) ((1 - beta) I + beta W))         (eq. 5)

P = D^-1/2 (A + I) D^-1/2 as in GCN; beta = log(theta / l + 1) decreases with the depth
l of the layer.

M. Chen, Z. Wei, Z. Huang, B. Ding, Y. Li: Simple and Deep Graph Convolutional Networks,
ICML 2020, https://arxiv.org/abs/2007.02133.
"""

import math

import torch
from torch import Tensor, nn

from vicinal.graphs.layers.gcn import gcn_aggregate
from vicinal.graphs.sparse.adjacency import Adjacency


class GCNII(nn.Module):
    """Layer number `layer`, counted from 1: [N, F] to [N, F], before sigma."""

    def __init__(
        self, features: int, layer: int, alpha: float = 0.1, theta: float = 0.5
    ) -> None:
        super().__init__()
        self.alpha, self.beta = alpha, math.log(theta / layer + 1)
        self.weight = nn.Parameter(torch.empty(features, features))  # W
        nn.init.xavier_uniform_(self.weight)

    def forward(
        self,
        h: Tensor,
        h_0: Tensor,
        graph: Adjacency,
        edge_weight: Tensor | None = None,
    ) -> Tensor:
        """h, h_0: [N, F]. edge_weight: [E], in the order of `edge_index`."""
        mixed = torch.lerp(gcn_aggregate(h, graph, edge_weight), h_0, self.alpha)
        beta = self.beta  # product and sum in one pass
        return torch.addmm(mixed, mixed, self.weight, beta=1 - beta, alpha=beta)
