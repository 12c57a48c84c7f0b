"""Ridge regression on dense features and on sparse facts.

::

    min  |y - m - B b - M g|^2 + lambda_b |b|^2 + lambda_g |g|^2

B: standardised dense features, M: shared facts in rows of length 1. In the dual form
a = (B B^T / lambda_b + M M^T / lambda_g + 1)^-1 (y - m), found by conjugate gradients,
and b = B^T a / lambda_b, g = M^T a / lambda_g (C. Saunders, A. Gammerman, V. Vovk:
Ridge regression learning algorithm in dual variables, ICML 1998).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

TOLERANCE, MAX_STEPS = 1e-4, 300
MIN_SPREAD = 1e-4
"""standard deviation below which a feature is constant: rounding errors are smaller"""


class Penalties(NamedTuple):
    """Penalties of a ridge regression."""

    dense: float
    """of standardised dense features, per example"""

    facts: float


DENSE = (0.03, 0.1, 0.3)
FACTS = (0.5, 1.0, 3.0, 10.0)
"""penalties that are compared"""

START = Penalties(0.1, 1.0)


@dataclass(frozen=True)
class Ridge:
    """A linear model of dense features and facts."""

    mean: np.ndarray
    """[D] float32 of the dense features"""

    scale: np.ndarray
    """[D] float32 their standard deviations; 1 where they are constant"""

    low: np.ndarray
    high: np.ndarray
    """[D] float32 range of each dense feature, beyond which it counts as the bound"""

    weights: np.ndarray
    """[D] float32 of standardised features"""

    fact_weights: np.ndarray
    """[S] float32"""

    bias: float

    @classmethod
    def fit(
        cls, dense: np.ndarray, facts: csr_matrix, y: np.ndarray, penalties: Penalties
    ) -> "Ridge":
        """Fit to dense [n, D], facts [n, S] and y [n]."""
        mean, scale = dense.mean(axis=0), dense.std(axis=0)
        scale = np.where(scale > MIN_SPREAD, scale, 1.0).astype(np.float32)
        b = np.ascontiguousarray((dense - mean) / scale, np.float32)
        dense_share = np.float32(1 / (penalties.dense * len(y)))
        fact_share = np.float32(1 / penalties.facts)
        by_fact = csr_matrix(facts.T)
        bias = float(y.mean())

        def product(a: np.ndarray) -> np.ndarray:
            of_dense = dense_share * (b @ (b.T @ a))
            return of_dense + fact_share * (facts @ (by_fact @ a)) + a

        a = conjugate_gradients(product, (y - bias).astype(np.float32))
        fact_weights = np.asarray(fact_share * (by_fact @ a))
        bounds = dense.min(axis=0), dense.max(axis=0)
        weights = dense_share * (b.T @ a)
        return cls(mean, scale, *bounds, weights, fact_weights, bias)

    def predict(self, dense: np.ndarray, facts: csr_matrix) -> np.ndarray:
        """Return the predictions [M]."""
        return self.terms(dense).sum(axis=1) + facts @ self.fact_weights + self.bias

    def terms(self, dense: np.ndarray) -> np.ndarray:
        """Return what each dense feature adds to the prediction: [M, D]."""
        inside = np.clip(dense, self.low, self.high)
        return (inside - self.mean) / self.scale * self.weights


def conjugate_gradients(
    product: Callable[[np.ndarray], np.ndarray], b: np.ndarray
) -> np.ndarray:
    """Return x [n] with product(x) = b, for a positive definite product.

    M. Hestenes and E. Stiefel, 1952. Stops at a relative residual of TOLERANCE.
    """
    x, residual = np.zeros_like(b), b.copy()
    direction, size = residual, float(residual @ residual)
    goal = TOLERANCE**2 * size
    for _ in range(MAX_STEPS):
        if size <= goal:
            break
        moved = product(direction)
        step = np.float32(size / float(direction @ moved))
        x = x + step * direction
        residual = residual - step * moved
        size, before = float(residual @ residual), size
        direction = residual + np.float32(size / before) * direction
    return x
