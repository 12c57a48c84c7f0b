"""GAT: a node chooses which of its neighbours it listens to.

::

    h_v  = W x_v
    e_uv = LeakyReLU(a_1 . h_u + a_2 . h_v)                                   (eq. 3)
    share_uv = exp e_uv / sum over neighbours w of v of exp e_wv
    z_v  = sum over neighbours u of  share_uv h_u                             (eq. 4)

and K times over, with own W and a: the heads stand side by side (eq. 5), or are
averaged (eq. 6). A node listens to itself as well.

P. Velickovic, G. Cucurull, A. Casanova, A. Romero, P. Lio, Y. Bengio: Graph Attention
Networks, ICLR 2018, https://arxiv.org/abs/1710.10903.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.graphs.layers.dropout import Dropout
from vicinal.graphs.sparse.adjacency import Adjacency, weighted_sum
from vicinal.graphs.sparse.edge_functions import edge_softmax, of_ends


class GAT(nn.Module):
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
        self.linear = nn.Linear(in_features, heads * out_features, bias=False)
        self.sender = nn.Parameter(torch.empty(heads, out_features))
        self.receiver = nn.Parameter(torch.empty(heads, out_features))
        wide = out_features if average else heads * out_features
        self.bias = nn.Parameter(torch.zeros(wide))
        self.dropout = Dropout(dropout)
        for weight in (self.linear.weight, self.sender, self.receiver):
            nn.init.xavier_uniform_(weight)

    def forward(self, x: Tensor, graph: Adjacency) -> Tensor:
        graph = graph.add_self_loops
        h = self.linear(x).unflatten(1, (self.heads, -1))  # [N, K, F]
        share = self.dropout(self.shares(h, graph))
        heads = zip(h.unbind(1), share.unbind(1), strict=True)
        z = torch.stack([weighted_sum(own, graph, w) for own, w in heads], dim=1)
        return (z.mean(dim=1) if self.average else z.flatten(1)) + self.bias

    def shares(self, h: Tensor, graph: Adjacency) -> Tensor:
        """How much each edge counts, [E, K], in the order of arriving ones.

        graph: with a loop at each node.
        """
        own = h[: graph.num_nodes]
        sent, heard = (h * self.sender).sum(-1), (own * self.receiver).sum(-1)  # [N, K]
        score = of_ends(sent, heard, graph)
        return edge_softmax(F.leaky_relu(score, self.slope), graph)
