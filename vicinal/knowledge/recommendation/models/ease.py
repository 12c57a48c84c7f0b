"""EASE: the items of a user as a linear function of the user's other items.

::

    min_B  |X - X B|^2 + lambda |B|^2   with  diag(B) = 0
    B_ji = -P_ji / P_ii  for j != i,    P = (X^T X + lambda I)^-1            items' side
    P    = (I - X^T A^-1 X) / lambda,   A = X X^T + lambda I                 rows' side

H. Steck, "Embarrassingly shallow autoencoders for sparse data" (WWW 2019). The second
form of P is the identity of M. Woodbury (1950): with fewer users than items the smaller
matrix is inverted, and B is never formed. Columns of X are divided by a power of the
number of users of an item, so that popular items do not dominate; facts about items may
be added as further rows (X. Ning and G. Karypis, RecSys 2012: SSLIM).
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix, vstack

from vicinal.knowledge.recommendation.models.item_model import (
    binary,
    damped,
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

MAX_SIDE = 10_000
"""rows or items of the matrix that is inverted; more items are left out, the least
frequent first"""


class EaseConfig(NamedTuple):
    """Hyperparameters of EASE."""

    penalty: float = 200.0
    """lambda, in units of the mean square of an entry of X"""

    exponent: float = 0.0
    """columns are divided by (users of the item)^exponent"""

    damped: bool = False
    """use log(1 + weight) instead of 1"""

    fact_weight: float = 0.0
    """weight of the rows of facts; 0: they are not used"""

    def describe(self) -> str:
        """Return the hyperparameters in words."""
        parts = [f"lambda {self.penalty:g}", f"item exponent {self.exponent:g}"]
        parts += ["log(1 + weight)"] if self.damped else []
        parts += [f"facts x {self.fact_weight:g}"] if self.fact_weight else []
        return ", ".join(parts)


class ItemsSide(NamedTuple):
    """B of X [R, I], from the inverse of X^T X + lambda I."""

    weights: np.ndarray
    """[I', I'] B among the items in `active`, float32; it is 0 for others"""

    active: np.ndarray
    """[I'] items"""

    @classmethod
    def solve(cls, x: csr_matrix, penalty: float) -> "ItemsSide":
        active = np.flatnonzero(x.getnnz(0))
        p = inverse_of_gram(take_rows(transpose(x), active), penalty)
        weights = -p / np.diagonal(p)
        np.fill_diagonal(weights, 0)
        return cls(weights.astype(np.float32), active)

    def score(self, rows: csr_matrix) -> np.ndarray:
        """Return x B [N, I]."""
        scores = np.zeros(rows.get_shape(), np.float32)
        inside = transpose(take_rows(transpose(rows), self.active))
        scores[:, self.active] = dense_product(inside, self.weights)
        return scores

    def item_weights(self, own: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Return B[own][:, items] [N, M]."""
        places = np.full(max(own.max(), items.max(), self.active.max()) + 1, -1)
        places[self.active] = np.arange(len(self.active))
        first, second = places[own], places[items]
        inside = (first >= 0)[:, None] & (second >= 0)[None]
        return np.where(inside, self.weights[np.ix_(first, second)], 0.0)


class RowsSide(NamedTuple):
    """B of X [R, I], from the inverse of A = X X^T + lambda I: it is never formed."""

    rows: csr_matrix
    """[R, I] X"""

    inverse: np.ndarray
    """[R, R] A^-1 / lambda, float32"""

    diagonal: np.ndarray
    """[I] P_ii, float32"""

    penalty: float
    """lambda"""

    @classmethod
    def solve(cls, x: csr_matrix, penalty: float) -> "RowsSide":
        """Return A^-1, and P_ii = (1 - sum_r X_ri (A^-1 X)_ri) / lambda."""
        inverse = (inverse_of_gram(x, penalty) / penalty).astype(np.float32)
        columns = transpose(x)
        solved = dense_product(columns, inverse)
        items = np.repeat(np.arange(len(solved)), columns.getnnz(1))
        terms = columns.data.astype(float) * solved[items, columns.indices]
        inner = np.bincount(items, terms, minlength=len(solved))
        return cls(x, inverse, (1 / penalty - inner).astype(np.float32), penalty)

    def score(self, rows: csr_matrix) -> np.ndarray:
        """Return x B [N, I]: x X^T A^-1 X / (lambda P_ii), less the diagonal's share.

        X^T A^-1 X / lambda has the diagonal 1 / lambda - P_ii.
        """
        columns = transpose(self.rows)
        left = dense_product(product(rows, columns), self.inverse)
        scores = dense_product(columns, np.ascontiguousarray(left.T)).T
        scores = np.ascontiguousarray(scores)
        scores /= self.diagonal
        own = scale_columns(rows, (1 / self.penalty - self.diagonal) / self.diagonal)
        users = np.repeat(np.arange(len(scores)), own.getnnz(1))
        scores[users, own.indices] -= own.data
        return scores

    def item_weights(self, own: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Return B[own][:, items] [N, M]."""
        columns = transpose(self.rows)
        right = dense_product(take_rows(columns, items), self.inverse)
        found = dense_product(take_rows(columns, own), np.ascontiguousarray(right.T))
        return np.where(own[:, None] == items, 0.0, found / self.diagonal[items])


class Ease(NamedTuple):
    """A solution, and how rows of weights become rows of X."""

    damped: bool
    scale: np.ndarray
    """[I] what the entries of a row are multiplied by; 0: an item that is left out"""

    solution: ItemsSide | RowsSide

    @classmethod
    def fit(
        cls,
        table: csr_matrix,
        facts: csr_matrix | None = None,
        config: EaseConfig | None = None,
        side: type[ItemsSide] | type[RowsSide] | None = None,
    ) -> "Ease":
        """Solve for B.

        table: weights [U, I]. facts: [K, I]. side: what is inverted; None: the smaller
        matrix.
        """
        config = config or EaseConfig()
        counts = item_counts(table)
        scale = counts**-config.exponent
        x = scale_columns(damped(table) if config.damped else binary(table), scale)
        x = take_rows(x, np.flatnonzero(x.getnnz(1)))
        penalty = config.penalty * float(np.square(x.data, dtype=float).mean())
        if config.fact_weight and facts is not None and facts.nnz:
            x = csr_matrix(vstack([x, _fact_rows(facts, scale, config)]))
        num_rows, num_active = x.get_shape()[0], np.count_nonzero(x.getnnz(0))
        if min(num_rows, num_active) > MAX_SIDE:
            kept = _most_frequent(counts, MAX_SIDE)
            x, scale = scale_columns(x, kept), scale * kept
            x.eliminate_zeros()
            num_active = MAX_SIDE
        side = side or (ItemsSide if num_active <= num_rows else RowsSide)
        return cls(config.damped, scale.astype(np.float32), side.solve(x, penalty))

    @property
    def num_items(self) -> int:
        return len(self.scale)

    def prepare(self, rows: csr_matrix) -> csr_matrix:
        """Return the rows as X has them."""
        return scale_columns(damped(rows) if self.damped else binary(rows), self.scale)

    def score_prepared(self, rows: csr_matrix) -> np.ndarray:
        return self.solution.score(rows)

    def item_weights(self, own: np.ndarray, items: np.ndarray) -> np.ndarray:
        return self.solution.item_weights(own, items)

    def base(self, users: np.ndarray | None, items: np.ndarray) -> np.ndarray:
        return no_base(items)


def inverse_of_gram(x: csr_matrix, penalty: float) -> np.ndarray:
    """Return (X X^T + penalty I)^-1 [R, R] float64 of X [R, I], by Cholesky."""
    gram = to_dense(product(x, transpose(x))).astype(np.float64)
    gram[np.diag_indices_from(gram)] += penalty
    factor = cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
    return cho_solve(factor, np.eye(len(gram)), overwrite_b=True, check_finite=False)


def _fact_rows(facts: csr_matrix, scale: np.ndarray, config: EaseConfig) -> csr_matrix:
    """Return facts [K, I] as rows of X; frequent facts are scaled as items are."""
    own = scale_columns(facts, scale * config.fact_weight)
    sizes = own.getnnz(1)
    own.data *= np.repeat(np.maximum(sizes, 1) ** -config.exponent, sizes).astype("f4")
    return own


def _most_frequent(counts: np.ndarray, number: int) -> np.ndarray:
    """Return [I] 1 for the items with most users, 0 for others."""
    kept = np.zeros(len(counts), np.float32)
    kept[np.argsort(-counts, kind="stable")[:number]] = 1
    return kept
