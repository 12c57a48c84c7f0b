"""GraphSAGE: separate weights for a node and for the mean of its neighbours.

::

    h_N(v) = mean of x_u over neighbours u of v                       (Algorithm 1)
    z_v    = W [x_v ; h_N(v)]  =  W_1 h_N(v) + b + W_2 x_v

No parameter belongs to a single node, so the layer also embeds new nodes (inductive).

W. Hamilton, R. Ying, J. Leskovec: Inductive Representation Learning on Large Graphs,
NeurIPS 2017, https://arxiv.org/abs/1706.02216.
"""

import torch
from torch import Tensor, nn

from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.graphs.sparse.aggregation import Reduce, aggregate


class GraphSAGE(nn.Module):
    """[N, in_features] to [N, out_features]. reduce: "mean", "sum" or "max"."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        reduce: Reduce = "mean",
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.neighbor_linear = nn.Linear(in_features, out_features, bias=bias)  # W_1
        self.self_linear = nn.Linear(in_features, out_features, bias=False)  # W_2
        self.reduce: Reduce = reduce

    def forward(
        self, x: Tensor, graph: Adjacency, edge_weight: Tensor | None = None
    ) -> Tensor:
        """edge_weight: [E], in the order of `edge_index`."""
        w_1 = self.neighbor_linear
        if self.reduce != "max" and w_1.out_features < w_1.in_features:
            # aggregate the narrower features: W_1 is linear
            messages = nn.functional.linear(x, w_1.weight)
            z = aggregate(messages, graph, self.reduce, edge_weight)
            z = z if w_1.bias is None else z + w_1.bias
        else:
            z = w_1(aggregate(x, graph, self.reduce, edge_weight))
        own, w_2 = x[: graph.num_nodes], self.self_linear.weight.T
        if z.dtype == own.dtype == w_2.dtype:
            return z.addmm_(own, w_2)  # in place: z was made here
        return torch.addmm(z, own, w_2)
