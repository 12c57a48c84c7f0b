"""GCN: the degree-normalised mean over a node and its neighbours.

::

    Z = D^-1/2 (A + I) D^-1/2 X W                                             (eq. 2)

D holds the row sums of A + I. A graph caches the product as edge weights
(`Adjacency.normalized`), so a layer is one sparse and one dense product; the sparse one
is computed on the narrower side of W.

T. Kipf, M. Welling: Semi-Supervised Classification with Graph Convolutional Networks,
ICLR 2017, https://arxiv.org/abs/1609.02907.
"""

import torch
from torch import Tensor, nn

from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.graphs.sparse.aggregation import aggregate, spmm

MAX_CACHED_EDGES = 20_000_000
"""above this no edge weights are cached: they would take a gigabyte"""


class GCN(nn.Module):
    """Graph convolution: [N, in_features] to [N, out_features]."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features, bias=False)  # W
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None
        nn.init.xavier_uniform_(self.linear.weight)

    def forward(
        self, x: Tensor, graph: Adjacency, edge_weight: Tensor | None = None
    ) -> Tensor:
        """edge_weight: [E], in the order of `edge_index`; added self-loops weigh 1."""
        if self.linear.out_features <= self.linear.in_features:
            z = gcn_aggregate(self.linear(x), graph, edge_weight)
        else:
            z = self.linear(gcn_aggregate(x, graph, edge_weight))
        return z if self.bias is None else z + self.bias


def gcn_aggregate(
    x: Tensor, graph: Adjacency, edge_weight: Tensor | None = None
) -> Tensor:
    """Return D^-1/2 (A + I) D^-1/2 x, [N, F]. Existing self-loops are not doubled.

    With edge weights [E] it is  D^-1/2 (sum over neighbours of w x' + x'),  where
    x' = D^-1/2 x. A sampled subgraph uses the degrees and weights of the whole graph.
    """
    if graph.overrides_normalization or (
        edge_weight is None and graph.num_edges <= MAX_CACHED_EDGES
    ):
        return spmm(graph.normalized, x)
    self_loop = graph.lacks_self_loop.to(x.dtype)  # weight of the added self-loop
    if edge_weight is None:
        degree = graph.incoming.degrees.to(x.dtype)[:, None] + self_loop
    else:
        ones = x.new_ones(len(x), 1)
        degree = aggregate(ones, graph, "sum", edge_weight) + self_loop
    inv_sqrt_degree = torch.where(degree > 0, degree, torch.inf).rsqrt()
    scaled = inv_sqrt_degree * x
    total = aggregate(scaled, graph, "sum", edge_weight) + self_loop * scaled
    return inv_sqrt_degree * total
