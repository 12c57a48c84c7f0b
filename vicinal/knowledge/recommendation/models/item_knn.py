"""ItemKNN: the most similar items of each item, by the cosine with shrinkage.

::

    B_ji = C_ji / (sqrt(d_j d_i) + shrink),   C = X^T X,   d_i = C_ii

M. Deshpande and G. Karypis, "Item-based top-N recommendation algorithms" (ACM TOIS
2004); the shrinkage of R. Bell and Y. Koren (ICDM 2007) keeps pairs that few users
support from being similar by chance. With facts as rows of X it needs no user at all.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix, vstack

from vicinal.knowledge.recommendation.models.item_model import binary, no_base
from vicinal.knowledge.recommendation.models.sparse import (
    product,
    take_rows,
    to_dense,
    transpose,
)

ITEMS_PER_BLOCK = 2048


class ItemKNN(NamedTuple):
    """Similarities of items."""

    similarity: csr_matrix
    """[I, I] B: column i holds the neighbours of item i"""

    @classmethod
    def fit(
        cls, rows: csr_matrix, shrink: float = 0.0, neighbors: int = 200
    ) -> "ItemKNN":
        """Return the `neighbors` most similar items of each item.

        rows: [R, I]; only where entries are counts.
        """
        x = binary(rows)
        columns = transpose(x)
        norms = np.sqrt(x.getnnz(0)).astype(np.float32)
        blocks = []
        for start in range(0, len(norms), ITEMS_PER_BLOCK):
            items = np.arange(start, min(start + ITEMS_PER_BLOCK, len(norms)))
            block = product(take_rows(columns, items), x)
            own = np.repeat(items, block.getnnz(1))
            block.data /= norms[own] * norms[block.indices] + np.float32(shrink)
            block.data[own == block.indices] = 0
            blocks.append(_largest(block, neighbors))
        return cls(transpose(csr_matrix(vstack(blocks))))

    @property
    def num_items(self) -> int:
        return self.similarity.get_shape()[0]

    def prepare(self, rows: csr_matrix) -> csr_matrix:
        return binary(rows)

    def score_prepared(self, rows: csr_matrix) -> np.ndarray:
        return to_dense(product(rows, self.similarity))

    def item_weights(self, own: np.ndarray, items: np.ndarray) -> np.ndarray:
        chosen = take_rows(transpose(take_rows(self.similarity, own)), items)
        return to_dense(chosen).T

    def base(self, users: np.ndarray | None, items: np.ndarray) -> np.ndarray:
        return no_base(items)


def _largest(rows: csr_matrix, count: int) -> csr_matrix:
    """Return the `count` largest entries of each row that are above 0."""
    sizes = np.asarray(rows.getnnz(1))
    own = np.repeat(np.arange(len(sizes)), sizes)
    negative = np.negative(rows.data)
    order = np.lexsort((rows.indices, negative, own))
    places = np.arange(rows.nnz) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    chosen = order[places < count]
    chosen = chosen[rows.data[chosen] > 0]
    entries = rows.data[chosen], (own[chosen], rows.indices[chosen])
    return csr_matrix(entries, shape=rows.get_shape())
