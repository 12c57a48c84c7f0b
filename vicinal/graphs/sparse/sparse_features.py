"""Sparse node features, such as bags of words: a linear layer as a weighted sum.

::

    y_v = W x_v + b = sum over words w of v of  x_vw W[:, w] + b

This is an aggregation in a bipartite graph from words to nodes. Of the 1,433 words of a
paper in Cora 18 occur, so 18 rows of W are read and dropout draws 18 numbers.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from vicinal.graphs.sparse.adjacency import Adjacency, csr_by_target
from vicinal.graphs.sparse.aggregation import weighted_sum

MAX_DENSITY = 0.1
"""share of nonzero values up to which the sparse form is faster"""


@dataclass(frozen=True)
class SparseFeatures:
    """The nonzero values of features [N, F]."""

    graph: Adjacency
    """edges from words (columns) to nodes (rows)"""

    values: Tensor
    """[E], in the order of incoming edges"""

    @classmethod
    def from_dense(cls, x: Tensor) -> "SparseFeatures":
        node, word = x.nonzero().T
        graph = Adjacency(csr_by_target(word, node, len(x)), x.shape[1])
        return cls(graph, x[node, word])


Features = Tensor | SparseFeatures


def to_sparse_if_faster(x: Tensor) -> Features:
    """Return x [N, F] in sparse form if few of its values are nonzero."""
    few = x.numel() and int(x.count_nonzero()) <= MAX_DENSITY * x.numel()
    return SparseFeatures.from_dense(x) if few else x


def apply_linear(layer: nn.Linear, x: Features, dropout: nn.Module) -> Tensor:
    """Return layer(dropout(x)), [N, K], for dense or sparse x [N, F]."""
    if not isinstance(x, SparseFeatures):
        return layer(dropout(x))
    y = weighted_sum(layer.weight.T, x.graph, dropout(x.values))
    return y if layer.bias is None else y + layer.bias
