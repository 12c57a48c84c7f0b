"""Exact Gaussian process on fingerprints and descriptors.

The covariance of two molecules is half the Tanimoto similarity of their counts, half a
Gaussian of the distance of their descriptors. C. E. Rasmussen and C. K. I. Williams:
Gaussian Processes for Machine Learning, 2006: prediction (2.25, 2.26), evidence (2.30),
leave-one-out (5.10, 5.12). L. Ralaivola et al.: Graph kernels for chemical informatics,
Neural Networks 2005: Tanimoto of counts as a kernel.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import minimize_scalar

NOISE_RANGE = (-6.0, 2.0)
"""decimal logarithms between which the noise is searched, relative to the signal"""


def tanimoto(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return similarities [N, M] of counts [N, F] and [M, F].

    The sum of the smaller counts over that of the larger ones; 1 for two of zeros. The
    smaller of two counts is the number of thresholds t = 1, 2... that both reach, so
    all pairs are one matrix product.
    """
    smaller = np.zeros((len(a), len(b)), np.float32)
    for threshold in range(1, int(max(a.max(initial=0), b.max(initial=0))) + 1):
        columns = (a >= threshold).any(axis=0) & (b >= threshold).any(axis=0)
        if columns.any():
            ones = (a[:, columns] >= threshold).astype(np.float32)
            smaller += ones @ (b[:, columns] >= threshold).astype(np.float32).T
    sums = a.sum(axis=1, dtype=np.float64)[:, None] + b.sum(axis=1, dtype=np.float64)
    larger = sums - smaller
    return np.where(larger > 0, smaller / np.maximum(larger, 1), 1.0)


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return squared Euclidean distances [N, M] of rows of a and b."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)
    return np.maximum(squares - 2 * a @ b.T, 0)


class MolecularKernel(NamedTuple):
    """Covariance of molecules, 1 of each with itself."""

    width: float
    """squared distance of descriptors at which their covariance is exp(-1/2)"""

    tanimoto_share: float = 0.5

    def __call__(
        self, counts: np.ndarray, x: np.ndarray, counts2: np.ndarray, x2: np.ndarray
    ) -> np.ndarray:
        """Return covariances [N, M]."""
        similar = tanimoto(counts, counts2)
        near = np.exp(-squared_distances(x, x2) / (2 * self.width))
        return self.tanimoto_share * similar + (1 - self.tanimoto_share) * near


def median_width(x: np.ndarray, seed: int = 0, most: int = 1000) -> float:
    """Return the median squared distance of pairs of rows; 1 if all are equal."""
    rows = np.random.default_rng(seed).permutation(len(x))[:most]
    if len(rows) < 2:
        return 1.0
    distances = squared_distances(x[rows], x[rows])
    median = float(np.median(distances[np.triu_indices(len(rows), 1)]))
    return median if median > 0 else 1.0


class GaussianProcess(NamedTuple):
    """A fitted process of N molecules and T targets without blanks."""

    mean: np.ndarray
    """[T] of the targets"""

    alpha: np.ndarray
    """[N, T] (K + noise)^-1 (y - mean)"""

    eigenvalues: np.ndarray
    """[N] of K"""

    eigenvectors: np.ndarray
    """[N, N]"""

    noise: np.ndarray
    """[T] variance of the noise over that of the signal"""

    signal: np.ndarray
    """[T] variance of the signal"""

    @classmethod
    def fit(cls, covariance: np.ndarray, y: np.ndarray) -> "GaussianProcess":
        """Fit to covariances K [N, N] and targets [N, T].

        The noise of each target maximises the evidence, in which the variance of the
        signal is the best one for that noise; K has one eigendecomposition for all.
        """
        values, vectors = eigh(covariance)
        values = np.maximum(values, 0)
        mean = y.mean(axis=0)
        z = vectors.T @ (y - mean)
        noise = np.array([_best_noise(values, column) for column in z.T])
        scaled = z / (values[:, None] + noise)
        signal = (z * scaled).mean(axis=0)
        return cls(mean, vectors @ scaled, values, vectors, noise, signal)

    def predict(self, cross: np.ndarray) -> np.ndarray:
        """Return means [M, T] for covariances [M, N] with the molecules of `fit`."""
        return self.mean + cross @ self.alpha

    def variance(self, cross: np.ndarray, own: np.ndarray | float = 1.0) -> np.ndarray:
        """Return variances [M, T] of new values, noise included.

        own: [M], covariance of each molecule with itself.
        """
        projected = (cross @ self.eigenvectors) ** 2
        explained = projected @ (1 / (self.eigenvalues[:, None] + self.noise))
        own = np.broadcast_to(own, len(cross))[:, None]
        return self.signal * np.maximum(own + self.noise - explained, self.noise)

    def leave_one_out(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return means and variances [N, T] for each molecule, fitted to the others.

        Mean, noise and signal are those of all molecules.
        """
        squares = self.eigenvectors**2
        diagonal = squares @ (1 / (self.eigenvalues[:, None] + self.noise))
        return y - self.alpha / diagonal, self.signal / diagonal


def negative_evidence(values: np.ndarray, z: np.ndarray, noise: float) -> float:
    """Return minus the log evidence over N, up to a constant, at the best signal.

    values: eigenvalues [N] of K. z: targets [N] in the basis of its eigenvectors.
    """
    total = values + noise
    return float(np.log((z**2 / total).mean()) + np.log(total).mean()) / 2


def _best_noise(values: np.ndarray, z: np.ndarray) -> float:
    """Return the noise of the largest evidence, by a grid and a bounded search."""
    if not z.any():
        return 1.0
    grid = np.linspace(*NOISE_RANGE, 33)
    losses = [negative_evidence(values, z, 10**g) for g in grid]
    best = int(np.argmin(losses))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = minimize_scalar(
        lambda g: negative_evidence(values, z, 10**g),
        bounds=(low, high),
        method="bounded",
    )
    return float(10**found.x)
