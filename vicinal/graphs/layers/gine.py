"""GINE: GIN where edges have features of their own, such as a bond's kind.

::

    z_v = MLP((1 + eps) x_v + sum over edges e = (u, v) of ReLU(x_u + W e + b))

W. Hu, B. Liu, J. Gomes, M. Zitnik, P. Liang, V. Pande, J. Leskovec: Strategies for
Pre-training Graph Neural Networks, ICLR 2020, https://arxiv.org/abs/1905.12265.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.graphs.sparse.edge_functions import edge_sum


class GINE(nn.Module):
    """[N, F] to what the MLP makes of it, of edges with features [E, D]."""

    eps: Tensor

    def __init__(
        self,
        mlp: nn.Module,
        features: int,
        edge_features: int,
        eps: float = 0.0,
        learn_eps: bool = False,
    ) -> None:
        super().__init__()
        self.mlp = mlp
        if learn_eps:
            self.eps = nn.Parameter(torch.tensor(eps))
        else:
            self.register_buffer("eps", torch.tensor(eps))
        self.edge = nn.Linear(edge_features, features)

    def forward(self, x: Tensor, graph: Adjacency, edge_attr: Tensor) -> Tensor:
        """edge_attr: [E, D], in the order of the edge list."""
        w, b = self.edge.weight, self.edge.bias
        heard = edge_sum(_message, x, graph, edge_attr[graph.incoming.edges], w, b)
        return self.mlp((1 + self.eps) * x + heard)


def _message(sent: Tensor, edge: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return torch.relu(sent + F.linear(edge, w, b))
