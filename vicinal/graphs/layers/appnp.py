"""APPNP: predict first, then spread the predictions, as far as a random walker gets.

::

    Z_0 = H = f(X)
    Z_k+1 = (1 - alpha) A^ Z_k + alpha H                                      (eq. 5)

A^ is GCN's. alpha is how often the walker goes back to where it began.

J. Klicpera, A. Bojchevski, S. Guennemann: Predict then Propagate: Graph Neural Networks
meet Personalized PageRank, ICLR 2019, https://arxiv.org/abs/1810.05997.
"""

from torch import Tensor, nn

from vicinal.graphs.layers.dropout import Dropout
from vicinal.graphs.layers.gcn import smoothed
from vicinal.graphs.sparse.adjacency import Adjacency


class APPNP(nn.Module):
    """[N, F] to [N, F]; it has nothing to learn. dropout: of what is spread."""

    def __init__(self, steps: int = 10, alpha: float = 0.1, dropout: float = 0.0):
        super().__init__()
        self.steps, self.alpha = steps, alpha
        self.dropout = Dropout(dropout)

    def forward(
        self, h: Tensor, graph: Adjacency, weight: Tensor | None = None
    ) -> Tensor:
        """weight: [E], of the edges as they were listed."""
        z = h
        for _ in range(self.steps):
            spread = smoothed(self.dropout(z), graph, weight)
            z = (1 - self.alpha) * spread + self.alpha * h
        return z
