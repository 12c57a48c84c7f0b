"""GraphSAGE: what a node is and what its neighbours are, side by side.

::

    h_N(v) = mean of x_u over neighbours u of v                       (Algorithm 1)
    z_v    = W [x_v ; h_N(v)]  =  W_1 h_N(v) + b + W_2 x_v

Nothing of it belongs to single nodes, so it embeds those that it has never seen.

W. Hamilton, R. Ying, J. Leskovec: Inductive Representation Learning on Large Graphs,
NeurIPS 2017, https://arxiv.org/abs/1706.02216.
"""

import torch
from torch import Tensor, nn

from vicinal.graphs.sparse.adjacency import Adjacency, Reduce, aggregate


class GraphSAGE(nn.Module):
    """[N, in_features] to [N, out_features]; reduce: "mean", "sum" or "max"."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        reduce: Reduce = "mean",
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.neighbours = nn.Linear(in_features, out_features, bias=bias)
        self.itself = nn.Linear(in_features, out_features, bias=False)
        self.reduce: Reduce = reduce

    def forward(
        self, x: Tensor, graph: Adjacency, weight: Tensor | None = None
    ) -> Tensor:
        """weight: [E], of the edges as they were listed."""
        first = self.neighbours
        if self.reduce != "max" and first.out_features < first.in_features:
            sent = nn.functional.linear(x, first.weight)  # the narrow side is summed
            found = aggregate(sent, graph, self.reduce, weight)
            found = found if first.bias is None else found + first.bias
        else:
            found = first(aggregate(x, graph, self.reduce, weight))
        own, weights = x[: graph.num_nodes], self.itself.weight.T
        if found.dtype == own.dtype == weights.dtype:
            return found.addmm_(own, weights)  # it is this layer's own
        return torch.addmm(found, own, weights)
