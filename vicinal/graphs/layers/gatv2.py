"""GATv2: attention whose ranking of the neighbours depends on who asks.

::

    e_uv = a . LeakyReLU(W_1 x_u + W_2 x_v)                                   (eq. 7)
    share_uv = exp e_uv / sum over neighbours w of v of exp e_wv
    z_v  = sum over neighbours u of  share_uv W_1 x_u

In GAT the LeakyReLU comes last, so that all nodes rank their neighbours alike.

S. Brody, U. Alon, E. Yahav: How Attentive are Graph Attention Networks?, ICLR 2022,
https://arxiv.org/abs/2105.14491.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.graphs.layers.dropout import Dropout
from vicinal.graphs.sparse.adjacency import Adjacency, weighted_sum
from vicinal.graphs.sparse.edge_functions import edge_by_edge, edge_softmax


class GATv2(nn.Module):
    """[N, in_features] to [N, heads * out_features], or [N, out_features] averaged."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        heads: int = 1,
        average: bool = False,
        slope: float = 0.2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.heads, self.average, self.slope = heads, average, slope
        self.sender = nn.Linear(in_features, heads * out_features)
        self.receiver = nn.Linear(in_features, heads * out_features)
        self.attention = nn.Parameter(torch.empty(heads, out_features))
        wide = out_features if average else heads * out_features
        self.bias = nn.Parameter(torch.zeros(wide))
        self.dropout = Dropout(dropout)
        for weight in (self.sender.weight, self.receiver.weight, self.attention):
            nn.init.xavier_uniform_(weight)
        nn.init.zeros_(self.sender.bias)
        nn.init.zeros_(self.receiver.bias)

    def forward(self, x: Tensor, graph: Adjacency) -> Tensor:
        graph = graph.add_self_loops
        sent = self.sender(x).unflatten(1, (self.heads, -1))  # [N, K, F]
        heard = self.receiver(x[: graph.num_nodes]).unflatten(1, (self.heads, -1))
        share = self.dropout(edge_softmax(self.scores(sent, heard, graph), graph))
        heads = zip(sent.unbind(1), share.unbind(1), strict=True)
        z = torch.stack([weighted_sum(own, graph, w) for own, w in heads], dim=1)
        return (z.mean(dim=1) if self.average else z.flatten(1)) + self.bias

    def scores(self, sent: Tensor, heard: Tensor, graph: Adjacency) -> Tensor:
        """e [E, K], in the order of arriving edges; graph: with a loop at each node."""

        def score(u: Tensor, v: Tensor, a: Tensor) -> Tensor:
            return (F.leaky_relu(u + v, self.slope) * a).sum(-1)

        return edge_by_edge(score, sent, heard, graph, self.attention)
