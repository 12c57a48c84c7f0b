"""Relational GCN: for each kind of edge its own weights, made of a few bases.

::

    z_v = W_0 x_v + sum over kinds r, sum over neighbours u by r of
          W_r x_u / c_v,r                                                     (eq. 2)
    W_r = sum over b of  a_rb V_b                                             (eq. 3)

c_v,r is the number of these neighbours: a mean for each kind.

M. Schlichtkrull, T. Kipf, P. Bloem, R. van den Berg, I. Titov, M. Welling: Modeling
Relational Data with Graph Convolutional Networks, ESWC 2018,
https://arxiv.org/abs/1703.06103.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vicinal.graphs.sparse.adjacency import Adjacency, aggregate


class RelationalGCN(nn.Module):
    """[N, in_features] to [N, out_features]; bases: None for weights of their own."""

    def __init__(
        self, in_features: int, out_features: int, relations: int, bases: int | None
    ) -> None:
        super().__init__()
        shape = bases or relations, in_features, out_features
        self.weight = nn.Parameter(torch.empty(shape))
        self.share = nn.Parameter(torch.empty(relations, bases)) if bases else None
        self.root = nn.Linear(in_features, out_features)
        for parameter in (self.weight, self.root.weight, self.share):
            if parameter is not None:
                nn.init.xavier_uniform_(parameter)
        nn.init.zeros_(self.root.bias)

    def weights(self) -> Tensor:
        """W_r of each relation, [R, in_features, out_features]."""
        if self.share is None:
            return self.weight
        return torch.einsum("rb,bio->rio", self.share, self.weight)

    def forward(self, x: Tensor, graphs: Sequence[Adjacency]) -> Tensor:
        """graphs: the edges of each kind, over the same nodes."""
        weight, z = self.weights(), self.root(x)
        narrow = weight.shape[2] <= weight.shape[1]
        for w, graph in zip(weight, graphs, strict=True):
            if graph.num_edges:
                z = z + (
                    aggregate(x @ w, graph, "mean")
                    if narrow
                    else aggregate(x, graph, "mean") @ w
                )
        return z
