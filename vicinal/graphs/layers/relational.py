"""Relational GCN: separate weights for each relation, composed of a few bases.

::

    z_v = W_0 x_v + sum over relations r, sum over neighbours u of v by r of
          W_r x_u / c_v,r                                                     (eq. 2)
    W_r = sum over b of  a_rb V_b                                             (eq. 3)

c_v,r is the number of these neighbours, so the messages of each relation are averaged.

M. Schlichtkrull, T. Kipf, P. Bloem, R. van den Berg, I. Titov, M. Welling: Modeling
Relational Data with Graph Convolutional Networks, ESWC 2018,
https://arxiv.org/abs/1703.06103.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.graphs.sparse.aggregation import aggregate


class RelationalGCN(nn.Module):
    """[N, in_features] to [N, out_features].

    num_bases: None for an independent W_r for each relation.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        num_relations: int,
        num_bases: int | None,
    ) -> None:
        super().__init__()
        shape = num_bases or num_relations, in_features, out_features
        self.weight = nn.Parameter(torch.empty(shape))  # V, or W without bases
        self.coefficients = None  # a
        if num_bases:
            self.coefficients = nn.Parameter(torch.empty(num_relations, num_bases))
        self.root = nn.Linear(in_features, out_features)  # W_0
        for parameter in (self.weight, self.root.weight, self.coefficients):
            if parameter is not None:
                nn.init.xavier_uniform_(parameter)
        nn.init.zeros_(self.root.bias)

    def relation_weights(self) -> Tensor:
        """Return W_r of each relation, [R, in_features, out_features]."""
        if self.coefficients is None:
            return self.weight
        return torch.einsum("rb,bio->rio", self.coefficients, self.weight)

    def forward(self, x: Tensor, graphs: Sequence[Adjacency]) -> Tensor:
        """graphs: the edges of each relation, over the same nodes."""
        weight, z = self.relation_weights(), self.root(x)
        narrowing = weight.shape[2] <= weight.shape[1]
        for w, graph in zip(weight, graphs, strict=True):
            if graph.num_edges:
                z = z + (
                    aggregate(x @ w, graph, "mean")
                    if narrowing
                    else aggregate(x, graph, "mean") @ w
                )
        return z
