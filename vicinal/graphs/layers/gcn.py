"""GCN: a node becomes the mean of itself and its neighbours, each by its degree.

::

    Z = D^-1/2 (A + I) D^-1/2 X W                                             (eq. 2)

D holds the row sums of A + I. A graph keeps the product as weights of its edges
(`Adjacency.normalised`), so that a layer is one weighted sum and one dense layer; the
sum is taken on the narrower side.

T. Kipf, M. Welling: Semi-Supervised Classification with Graph Convolutional Networks,
ICLR 2017, https://arxiv.org/abs/1609.02907.
"""

import torch
from torch import Tensor, nn

from vicinal.graphs.sparse.adjacency import Adjacency, aggregate

MANY = 20_000_000
"""edges above which no weights of them are kept: a gigabyte of them"""


class GCN(nn.Module):
    """[N, in_features] to [N, out_features]."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features, bias=False)
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None
        nn.init.xavier_uniform_(self.linear.weight)

    def forward(
        self, x: Tensor, graph: Adjacency, weight: Tensor | None = None
    ) -> Tensor:
        """weight: [E], of the edges as listed; a loop that is missing has 1."""
        narrow = self.linear.out_features <= self.linear.in_features
        if narrow:
            z = smoothed(self.linear(x), graph, weight)
        else:
            z = self.linear(smoothed(x, graph, weight))
        return z if self.bias is None else z + self.bias


def smoothed(x: Tensor, graph: Adjacency, weight: Tensor | None = None) -> Tensor:
    """D^-1/2 (A + I) D^-1/2 x: [N, F]. A node with a loop of its own gets no other.

    With weights of edges [E] it is  D^-1/2 (sum over neighbours of w x' + x'),  where
    x' = D^-1/2 x. A part of a graph keeps the D, and the weights, of the whole.
    """
    if graph.is_part or (weight is None and graph.num_edges <= MANY):
        return graph.normalised.sum(x)
    own = graph.without_self_loop.to(x.dtype)
    if weight is None:
        degree = graph.incoming.degrees.to(x.dtype)[:, None] + own
    else:
        degree = aggregate(x.new_ones(len(x), 1), graph, "sum", weight) + own
    root = torch.where(degree > 0, degree, torch.inf).rsqrt()
    sent = root * x
    return root * (aggregate(sent, graph, "sum", weight) + own * sent)
