"""The covariance of two molecules, from their fingerprints and their descriptors.

A weighted mean of the Tanimoto similarity of counts and of a function of the distance
of descriptors. C. E. Rasmussen and C. K. I. Williams: Gaussian Processes for Machine
Learning, 2006, section 4.2: squared exponential (4.9) and Matern (4.17).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Radial(NamedTuple):
    """A covariance k of r^2, the squared distance over the squared length scale."""

    covariance: Callable[[np.ndarray], np.ndarray]
    derivative: Callable[[np.ndarray], np.ndarray]
    """of k by r^2"""

    formula: str
    """of the squared distance d and twice the squared length scale w"""


RADIAL = {
    "squared exponential": Radial(
        lambda r2: np.exp(-r2 / 2),
        lambda r2: -np.exp(-r2 / 2) / 2,
        "exp(-d / w)",
    ),
    "Matern 3/2": Radial(
        lambda r2: (1 + np.sqrt(3 * r2)) * np.exp(-np.sqrt(3 * r2)),
        lambda r2: -1.5 * np.exp(-np.sqrt(3 * r2)),
        "(1 + s) exp(-s), s = sqrt(6 d / w)",
    ),
}
"""the first is smooth, the second has steep gradients too"""


class MolecularKernel(NamedTuple):
    """Covariance of molecules, 1 of each with itself."""

    width: float
    """squared length scale of the descriptors"""

    tanimoto_share: float = 0.3
    radial: str = "squared exponential"
    """name in RADIAL of the function of the distance of descriptors"""

    def __call__(
        self, similar: np.ndarray, x: np.ndarray, x2: np.ndarray
    ) -> np.ndarray:
        """Return covariances [N, M].

        similar: Tanimoto similarities [N, M]. x: [N, D] and x2: [M, D] descriptors.
        """
        near = self.radial_covariance(squared_distances(x, x2))
        return self.tanimoto_share * similar + (1 - self.tanimoto_share) * near

    def radial_covariance(self, squared: np.ndarray) -> np.ndarray:
        """Return the covariances of descriptors at squared distances."""
        return RADIAL[self.radial].covariance(squared / self.width)


class Candidate(NamedTuple):
    """A kernel that is tried."""

    radial: str
    tanimoto_share: float
    width_factor: float
    """width over the median squared distance of the descriptors"""

    normal_scores: bool = False
    """whether the scaling of the descriptors has normal scores"""

    def kernel(self, median: float) -> MolecularKernel:
        """Return the kernel for the median of the squared distances."""
        width = self.width_factor * median
        return MolecularKernel(width, self.tanimoto_share, self.radial)


CANDIDATES = (
    Candidate("squared exponential", 0.3, 1.0),
    Candidate("Matern 3/2", 0.1, 1.0),
    Candidate("Matern 3/2", 0.03, 2.0),
    Candidate("Matern 3/2", 0.03, 2.0, normal_scores=True),
)
"""the further down, the more a prediction follows from the descriptors, whatever their
distributions"""


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return squared Euclidean distances [N, M] of rows of a and b."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)
    return np.maximum(squares - 2 * a @ b.T, 0)


def median_width(x: np.ndarray, seed: int = 0, most: int = 1000) -> float:
    """Return the median squared distance of pairs of rows; 1 if all are equal."""
    rows = np.random.default_rng(seed).permutation(len(x))[:most]
    if len(rows) < 2:
        return 1.0
    distances = squared_distances(x[rows], x[rows])
    median = float(np.median(distances[np.triu_indices(len(rows), 1)]))
    return median if median > 0 else 1.0
