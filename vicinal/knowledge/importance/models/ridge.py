"""Ridge regression on dense features and on sparse facts.

::

    min  |y - m - B b - M g|^2 + lambda_b |b|^2 + lambda_g |g|^2

B: standardised dense features, M: shared facts in rows of length 1. In the dual form
a = (B B^T / lambda_b + M M^T / lambda_g + 1)^-1 (y - m), found by conjugate gradients,
and b = B^T a / lambda_b, g = M^T a / lambda_g (C. Saunders, A. Gammerman, V. Vovk:
Ridge regression learning algorithm in dual variables, ICML 1998).

The preconditioner is the inverse of the dense part, by the Woodbury identity::

    (B B^T / lambda_b + 1)^-1 r  =  r - B (B^T B + lambda_b)^-1 B^T r

B^T B does not depend on the penalties, so many penalties are compared at little cost.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix

TOLERANCE, MAX_STEPS = 1e-4, 300
MIN_SPREAD = 1e-4
"""standard deviation below which a feature is constant: rounding errors are smaller"""

Product = Callable[[np.ndarray], np.ndarray]


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
        return RidgeProblem(dense, facts, y).solve(penalties)

    def predict(self, dense: np.ndarray, facts: csr_matrix) -> np.ndarray:
        """Return the predictions [M]."""
        return self.terms(dense).sum(axis=1) + facts @ self.fact_weights + self.bias

    def terms(self, dense: np.ndarray) -> np.ndarray:
        """Return what each dense feature adds to the prediction: [M, D]."""
        inside = np.clip(dense, self.low, self.high)
        return (inside - self.mean) / self.scale * self.weights


class RidgeProblem:
    """Standardised data of a ridge regression, to be solved for several penalties."""

    def __init__(self, dense: np.ndarray, facts: csr_matrix, y: np.ndarray) -> None:
        """dense: [n, D], facts: [n, S], y: [n]."""
        self.mean = dense.mean(axis=0)
        self.low, self.high = dense.min(axis=0), dense.max(axis=0)
        self.b = np.ascontiguousarray(dense - self.mean, np.float32)
        self.gram = self.b.T @ self.b
        spread = np.sqrt(self.gram.diagonal() / len(y))
        self.scale = np.where(spread > MIN_SPREAD, spread, 1.0).astype(np.float32)
        self.b /= self.scale
        self.gram /= np.outer(self.scale, self.scale)
        self.facts, self.by_fact = facts, csr_matrix(facts.T)
        self.bias = float(y.mean())
        self.y = (y - self.bias).astype(np.float32)

    def solve(self, penalties: Penalties) -> Ridge:
        """Return the ridge with these penalties."""
        b, facts, by_fact = self.b, self.facts, self.by_fact
        penalty = np.float32(penalties.dense * len(self.y))
        dense_share, fact_share = 1 / penalty, np.float32(1 / penalties.facts)
        factor = cho_factor(self.gram + penalty * np.eye(b.shape[1], dtype=np.float32))

        def product(a: np.ndarray) -> np.ndarray:
            of_dense = dense_share * (b @ (b.T @ a))
            return of_dense + fact_share * (facts @ (by_fact @ a)) + a

        def precondition(r: np.ndarray) -> np.ndarray:
            return r - b @ cho_solve(factor, b.T @ r)

        a = conjugate_gradients(product, self.y, precondition)
        return Ridge(
            self.mean,
            self.scale,
            self.low,
            self.high,
            dense_share * (b.T @ a),
            np.asarray(fact_share * (by_fact @ a)),
            self.bias,
        )


def conjugate_gradients(
    product: Product, b: np.ndarray, precondition: Product
) -> np.ndarray:
    """Return x [n] with product(x) = b, for a positive definite product.

    precondition: nearly the inverse of the product, positive definite. Stops at a
    relative residual of TOLERANCE (M. Hestenes and E. Stiefel, 1952).
    """
    x, residual = np.zeros_like(b), b.copy()
    goal = TOLERANCE * float(np.linalg.norm(b))
    direction, size = np.zeros_like(b), 1.0
    for _ in range(MAX_STEPS):
        if float(np.linalg.norm(residual)) <= goal:
            break
        towards = precondition(residual)
        size, before = float(residual @ towards), size
        direction = towards + np.float32(size / before) * direction
        moved = product(direction)
        step = np.float32(size / float(direction @ moved))
        x = x + step * direction
        residual = residual - step * moved
    return x
