"""GF-CF: low-pass filters on the graph of users and items.

::

    R = D_U^-1/2 X D_I^-1/2
    s_u = x_u (R^T R + alpha D_I^-1/2 V V^T D_I^1/2)

V [I, K] are the right singular vectors of the K largest singular values of R: an ideal
low-pass filter beside a linear one. Y. Shen et al., "How powerful is graph convolution
for recommendation?" (CIKM 2021): the closed form that LightGCN tends to.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import svds

from vicinal.knowledge.recommendation.models.item_model import (
    binary,
    item_counts,
    no_base,
    scale_columns,
)
from vicinal.knowledge.recommendation.models.sparse import (
    dense_product,
    product,
    take_rows,
    to_dense,
    transpose,
)

MAX_RANK = 128
"""K at most"""


class GraphFilter(NamedTuple):
    """The normalised table R and its largest singular vectors."""

    rows: csr_matrix
    """[U, I] R, float32"""

    vectors: np.ndarray
    """[I, K] V, float32"""

    root_counts: np.ndarray
    """[I] D_I^1/2, float32"""

    alpha: float

    @classmethod
    def fit(
        cls, table: csr_matrix, alpha: float = 0.3, rank: int = MAX_RANK
    ) -> "GraphFilter":
        """Return the filters of weights [U, I], of which only the places count."""
        x = binary(table)
        x = take_rows(x, np.flatnonzero(x.getnnz(1)))
        users, items = x.getnnz(1), item_counts(x)
        r = scale_columns(x, items**-0.5)
        r.data /= np.repeat(np.sqrt(users), users).astype(np.float32)
        rank = min(rank, min(r.get_shape()) - 1)
        vectors = np.zeros((len(items), 0))
        if rank > 0:
            start = np.random.default_rng(0).normal(size=min(r.get_shape()))
            found: Any = svds(r, k=rank, v0=start)
            vectors = found[2].T
        roots = np.sqrt(items).astype(np.float32)
        v = np.ascontiguousarray(vectors, np.float32)
        return cls(r, v, roots, alpha)

    @property
    def num_items(self) -> int:
        return len(self.root_counts)

    def prepare(self, rows: csr_matrix) -> csr_matrix:
        return binary(rows)

    def score_prepared(self, rows: csr_matrix) -> np.ndarray:
        similar = product(rows, transpose(self.rows))
        scores = to_dense(product(similar, self.rows))
        left = dense_product(rows, self.vectors / self.root_counts[:, None])
        right = self.vectors * self.root_counts[:, None]
        scores += np.float32(self.alpha) * (left @ right.T)
        return scores

    def item_weights(self, own: np.ndarray, items: np.ndarray) -> np.ndarray:
        columns = transpose(self.rows)
        chosen = transpose(take_rows(columns, items))
        linear = to_dense(product(take_rows(columns, own), chosen))
        left = self.vectors[own] / self.root_counts[own, None]
        right = self.vectors[items] * self.root_counts[items, None]
        return linear + self.alpha * (left @ right.T)

    def base(self, users: np.ndarray | None, items: np.ndarray) -> np.ndarray:
        return no_base(items)
