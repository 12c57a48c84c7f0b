"""GAT: attention over the neighbours of a node.

::

    h_v      = W x_v
    e_uv     = LeakyReLU(a_1 . h_u + a_2 . h_v)                               (eq. 3)
    alpha_uv = exp e_uv / sum over neighbours w of v of exp e_wv
    z_v      = sum over neighbours u of v of  alpha_uv h_u                    (eq. 4)

With K heads, each with its own W and a, the results are concatenated (eq. 5) or
averaged (eq. 6). Self-loops are added, so a node attends to itself as well.

P. Velickovic, G. Cucurull, A. Casanova, A. Romero, P. Lio, Y. Bengio: Graph Attention
Networks, ICLR 2018, https://arxiv.org/abs/1710.10903.
"""

import torch
from torch import Tensor, nn

from vicinal.graphs.layers.dropout import Dropout
from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.graphs.sparse.aggregation import weighted_sum
from vicinal.graphs.sparse.edge_functions import add_endpoints, edge_softmax


class GAT(nn.Module):
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
        self.linear = nn.Linear(in_features, heads * out_features, bias=False)  # W
        self.source_attention = nn.Parameter(torch.empty(heads, out_features))  # a_1
        self.target_attention = nn.Parameter(torch.empty(heads, out_features))  # a_2
        width = out_features if average else heads * out_features
        self.bias = nn.Parameter(torch.zeros(width))
        self.dropout = Dropout(dropout)
        for weight in (
            self.linear.weight,
            self.source_attention,
            self.target_attention,
        ):
            nn.init.xavier_uniform_(weight)

    def forward(self, x: Tensor, graph: Adjacency) -> Tensor:
        graph = graph.with_self_loops
        h = self.linear(x).unflatten(1, (self.heads, -1))  # [N, K, F]
        alpha = self.dropout(self.attention_weights(h, graph))  # [E, K]
        heads = zip(h.unbind(1), alpha.unbind(1), strict=True)
        z = torch.stack([weighted_sum(h_k, graph, a_k) for h_k, a_k in heads], dim=1)
        return (z.mean(dim=1) if self.average else z.flatten(1)) + self.bias

    def attention_weights(self, h: Tensor, graph: Adjacency) -> Tensor:
        """Return alpha [E, K] in the order of incoming edges.

        h: [N, K, F]. graph: with self-loops.
        """
        from_source = (h * self.source_attention).sum(-1)  # [N, K]
        from_target = (h[: graph.num_nodes] * self.target_attention).sum(-1)
        e = add_endpoints(from_source, from_target, graph)  # [E, K]
        return edge_softmax(self.leaky_relu(e), graph)
