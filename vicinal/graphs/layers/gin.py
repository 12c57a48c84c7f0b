"""GIN: sums over neighbours, as expressive as the Weisfeiler-Lehman test.

::

    z_v = MLP((1 + eps) x_v + sum over neighbours u of v of x_u)             (eq. 4.1)

A mean or a maximum cannot distinguish one neighbour from two equal ones; a sum can.

K. Xu, W. Hu, J. Leskovec, S. Jegelka: How Powerful are Graph Neural Networks?, ICLR
2019, https://arxiv.org/abs/1810.00826.
"""

import torch
from torch import Tensor, nn

from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.graphs.sparse.aggregation import aggregate_with_self


class GIN(nn.Module):
    """[N, F] to the output shape of the MLP. learn_eps: make eps a parameter."""

    eps: Tensor

    def __init__(self, mlp: nn.Module, eps: float = 0.0, learn_eps: bool = False):
        super().__init__()
        self.mlp = mlp
        if learn_eps:
            self.eps = nn.Parameter(torch.tensor(eps))
        else:
            self.register_buffer("eps", torch.tensor(eps))

    def forward(
        self, x: Tensor, graph: Adjacency, edge_weight: Tensor | None = None
    ) -> Tensor:
        """edge_weight: [E], in the order of `edge_index`."""
        return self.mlp(aggregate_with_self(x, graph, 1 + self.eps, edge_weight))
