"""GINE: GIN with edge features, such as the type of a chemical bond.

::

    z_v = MLP((1 + eps) x_v + sum over edges (u, v) of  ReLU(x_u + W e_uv + b))

W. Hu, B. Liu, J. Gomes, M. Zitnik, P. Liang, V. Pande, J. Leskovec: Strategies for
Pre-training Graph Neural Networks, ICLR 2020, https://arxiv.org/abs/1905.12265.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.graphs.sparse.edge_functions import sum_edge_messages


class GINE(nn.Module):
    """[N, F] and edge features [E, D] to the output shape of the MLP.

    features: F; edge_features: D. learn_eps: make eps a parameter.
    """

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
        self.edge_linear = nn.Linear(edge_features, features)

    def forward(self, x: Tensor, graph: Adjacency, edge_attr: Tensor) -> Tensor:
        """edge_attr: [E, D], in the order of `edge_index`."""
        w, b = self.edge_linear.weight, self.edge_linear.bias
        e = edge_attr[graph.incoming.edge_ids]
        total = sum_edge_messages(_message, x, graph, e, w, b)
        return self.mlp((1 + self.eps) * x + total)


def _message(x_u: Tensor, e_uv: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return torch.relu(x_u + F.linear(e_uv, w, b))
