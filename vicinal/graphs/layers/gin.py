"""GIN: as able as any sum over neighbours can be to tell two graphs apart.

::

    z_v = MLP((1 + eps) x_v + sum over neighbours u of x_u)                  (eq. 4.1)

A mean cannot tell one neighbour from two that are equal, nor a maximum; a sum can.

K. Xu, W. Hu, J. Leskovec, S. Jegelka: How Powerful are Graph Neural Networks?, ICLR
2019, https://arxiv.org/abs/1810.00826.
"""

import torch
from torch import Tensor, nn

from vicinal.graphs.sparse.adjacency import Adjacency, aggregate_with_self


class GIN(nn.Module):
    """[N, F] to what the MLP makes of it; eps is learned from 0 with learn_eps."""

    eps: Tensor

    def __init__(self, mlp: nn.Module, eps: float = 0.0, learn_eps: bool = False):
        super().__init__()
        self.mlp = mlp
        if learn_eps:
            self.eps = nn.Parameter(torch.tensor(eps))
        else:
            self.register_buffer("eps", torch.tensor(eps))

    def forward(
        self, x: Tensor, graph: Adjacency, weight: Tensor | None = None
    ) -> Tensor:
        """weight: [E], of the edges as they were listed."""
        return self.mlp(aggregate_with_self(x, graph, 1 + self.eps, weight))
