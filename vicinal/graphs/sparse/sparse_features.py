"""Features that are mostly 0, such as the words of a text, as a list of those that are
not: a dense layer on them is a weighted sum over a node's words.

::

    y_v = W x_v + b = sum over words w of v of  x_vw W[:, w] + b

So it is the sum over neighbours of `adjacency`, where the neighbours are words: of the
1,433 words of a paper in Cora 18 are read, and dropout tosses 18 coins.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from vicinal.graphs.sparse.adjacency import Adjacency, csr_by_target, weighted_sum

DENSE = 0.1
"""share of numbers other than 0 up to which a list is quicker"""


@dataclass(frozen=True)
class SparseFeatures:
    """Features [N, F] by what is not 0 in them."""

    graph: Adjacency
    """from words to nodes"""

    values: Tensor
    """[E], in the order of arriving edges"""

    @classmethod
    def of(cls, x: Tensor) -> "SparseFeatures":
        node, word = x.nonzero().T
        return cls(
            Adjacency(csr_by_target(word, node, len(x)), x.shape[1]), x[node, word]
        )

    def dense(self, layer: nn.Linear, dropout: nn.Module) -> Tensor:
        """layer(dropout(x)): [N, K]."""
        summed = weighted_sum(layer.weight.T, self.graph, dropout(self.values))
        return summed if layer.bias is None else summed + layer.bias


Features = Tensor | SparseFeatures


def listed(x: Tensor) -> Features:
    """Features as they are quicker."""
    few = x.numel() and int(x.count_nonzero()) <= DENSE * x.numel()
    return SparseFeatures.of(x) if few else x


def dense(layer: nn.Linear, x: Features, dropout: nn.Module) -> Tensor:
    """layer(dropout(x)) in either form."""
    return (
        x.dense(layer, dropout) if isinstance(x, SparseFeatures) else layer(dropout(x))
    )
