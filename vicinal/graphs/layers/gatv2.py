"""GATv2: attention in which the ranking of the neighbours depends on the node.

::

    e_uv     = a . LeakyReLU(W_1 x_u + W_2 x_v)                               (eq. 7)
    alpha_uv = exp e_uv / sum over neighbours w of v of exp e_wv
    z_v      = sum over neighbours u of v of  alpha_uv W_1 x_u

In GAT the LeakyReLU comes last, so every node ranks its neighbours in the same order.

S. Brody, U. Alon, E. Yahav: How Attentive are Graph Attention Networks?, ICLR 2022,
https://arxiv.org/abs/2105.14491.
"""

import torch
from torch import Tensor, nn

from vicinal.graphs.layers.dropout import Dropout
from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.graphs.sparse.aggregation import weighted_sum
from vicinal.graphs.sparse.edge_functions import apply_to_edges, edge_softmax


class GATv2(nn.Module):
    """Multi-head attention: [N, in_features] to [N, heads * out_features].

    average: average the heads instead, [N, out_features]. dropout: of the attention
    weights.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        heads: int = 1,
        average: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.heads, self.average = heads, average
        self.leaky_relu = nn.LeakyReLU(0.2)  # as in the paper
        self.source_linear = nn.Linear(in_features, heads * out_features)  # W_1
        self.target_linear = nn.Linear(in_features, heads * out_features)  # W_2
        self.attention = nn.Parameter(torch.empty(heads, out_features))  # a
        width = out_features if average else heads * out_features
        self.bias = nn.Parameter(torch.zeros(width))
        self.dropout = Dropout(dropout)
        for weight in (
            self.source_linear.weight,
            self.target_linear.weight,
            self.attention,
        ):
            nn.init.xavier_uniform_(weight)
        nn.init.zeros_(self.source_linear.bias)
        nn.init.zeros_(self.target_linear.bias)

    def forward(self, x: Tensor, graph: Adjacency) -> Tensor:
        graph = graph.with_self_loops
        shape = (self.heads, -1)
        source = self.source_linear(x).unflatten(1, shape)  # W_1 x: [N, K, F]
        target = self.target_linear(x[: graph.num_nodes]).unflatten(1, shape)
        e = self.attention_scores(source, target, graph)
        alpha = self.dropout(edge_softmax(e, graph))
        heads = zip(source.unbind(1), alpha.unbind(1), strict=True)
        z = torch.stack([weighted_sum(x_k, graph, a_k) for x_k, a_k in heads], dim=1)
        return (z.mean(dim=1) if self.average else z.flatten(1)) + self.bias

    def attention_scores(
        self, source: Tensor, target: Tensor, graph: Adjacency
    ) -> Tensor:
        """Return e [E, K] in the order of incoming edges.

        source: W_1 x [N, K, F]; target: W_2 x [N, K, F]. graph: with self-loops.
        """

        def score(u: Tensor, v: Tensor, a: Tensor) -> Tensor:
            return (self.leaky_relu(u + v) * a).sum(-1)

        return apply_to_edges(score, source, target, graph, self.attention)
