"""APPNP: predict first, then propagate by personalised PageRank.

::

    Z_0 = H = f(X)
    Z_k+1 = (1 - alpha) A^ Z_k + alpha H                                      (eq. 5)

A^ = D^-1/2 (A + I) D^-1/2 as in GCN; alpha is the teleport probability.

J. Klicpera, A. Bojchevski, S. Guennemann: Predict then Propagate: Graph Neural Networks
meet Personalized PageRank, ICLR 2019, https://arxiv.org/abs/1810.05997.
"""

from torch import Tensor, nn

from vicinal.graphs.layers.dropout import Dropout
from vicinal.graphs.layers.gcn import gcn_aggregate
from vicinal.graphs.sparse.adjacency import Adjacency


class APPNP(nn.Module):
    """Propagate predictions [N, F] over `steps` hops; it has no parameters.

    dropout: applied to Z_k before each step.
    """

    def __init__(self, steps: int = 10, alpha: float = 0.1, dropout: float = 0.0):
        super().__init__()
        self.steps, self.alpha = steps, alpha
        self.dropout = Dropout(dropout)

    def forward(
        self, h: Tensor, graph: Adjacency, edge_weight: Tensor | None = None
    ) -> Tensor:
        """[N, F] to [N, F]. edge_weight: [E], in the order of `edge_index`."""
        z = h
        for _ in range(self.steps):
            propagated = gcn_aggregate(self.dropout(z), graph, edge_weight)
            z = (1 - self.alpha) * propagated + self.alpha * h
        return z
