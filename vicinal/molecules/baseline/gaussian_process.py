"""Gaussian process regression, exact or with fewer support molecules.

C. E. Rasmussen and C. K. I. Williams: Gaussian Processes for Machine Learning, 2006:
prediction (2.25, 2.26), evidence (2.30), approximation by fewer molecules (8.14, 8.27).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_solve, cholesky, solve_triangular

NOISES = tuple(k / 2 for k in range(-12, 5))
"""decimal logarithms of the noise that are tried, relative to the signal"""

MAX_EVIDENCE = 2000
"""molecules by which the noise is chosen: of more, the first of a random order"""

MAX_COARSE = 700
"""molecules by which the kernel is chosen, and from where the noise is searched"""

MAX_FULL_GRID = 200
"""molecules up to which the evidence is computed for each noise"""

ROWS_PER_BLOCK = 4096
"""molecules whose outer products are summed together"""

JITTER = 1e-8
"""added to the diagonal of covariances that are inverted without noise"""


class GaussianProcess(NamedTuple):
    """A fitted process of one target, as weights of its support molecules.

    Those are all N molecules of `fit`, or the S that `fit_support` was given.
    """

    mean: float
    """of the target"""

    alpha: np.ndarray
    """[N] or [S] weights of the covariances with the support molecules"""

    noise: float
    """variance of the noise of a measurement over that of the signal"""

    signal: float
    """variance of the signal"""

    @classmethod
    def fit(
        cls, covariance: np.ndarray, y: np.ndarray, weights: np.ndarray
    ) -> tuple["GaussianProcess", np.ndarray]:
        """Fit to covariances K [N, N] and targets [N].

        The noise maximises the evidence, in which the variance of the signal is the
        best one for that noise. weights: [N] above 0, such as the number of replicates:
        the noise of a molecule is divided by its weight. Returns the process, and the
        triangle [N, N] of `factorize`, by which (2.26) gives variances.
        """
        mean = float(np.average(y, weights=weights))
        noise = choose_noise(covariance, y - mean, weights)
        factor = factorize(covariance, noise / weights)
        alpha = cho_solve((factor, True), y - mean)
        signal = float((y - mean) @ alpha / len(y))
        return cls(mean, alpha, noise, signal), factor

    @classmethod
    def fit_support(
        cls, cross: np.ndarray, support: np.ndarray, y: np.ndarray, weights: np.ndarray
    ) -> tuple["GaussianProcess", np.ndarray]:
        """Fit to N molecules by their covariances [N, S] with S of them.

        The subset of regressors (8.14), in N S^2 steps; with S = N it is `fit`.
        support: [S] rows of these molecules. y, weights: [N]. Returns the process, and
        triangle [S, S] of noise K_SS + K_SN W K_NS, by which (8.27) gives variances.
        """
        mean = float(np.average(y, weights=weights))
        centered, covariance = y - mean, cross[support].astype(np.float64)
        noise = choose_noise(covariance, centered[support], weights[support])
        information = noise * covariance
        right = np.zeros(len(support))
        for start in range(0, len(y), ROWS_PER_BLOCK):
            rows = slice(start, start + ROWS_PER_BLOCK)
            k = cross[rows].astype(np.float64)
            information += (k.T * weights[rows]) @ k
            right += k.T @ (weights[rows] * centered[rows])
        factor = factorize(information, JITTER * len(y))
        alpha = cho_solve((factor, True), right)
        squares = float(weights @ centered**2)
        signal = (squares - float(right @ alpha)) / (noise * len(y))
        return cls(mean, alpha, noise, signal), factor

    def predict(self, cross: np.ndarray) -> np.ndarray:
        """Return means [M] for covariances [M, N or S] with the support molecules."""
        return self.mean + cross @ self.alpha


class LeaveOneOut(NamedTuple):
    """Predictions of an exact process for its molecules, each without itself (5.12)."""

    rows: np.ndarray
    """[M] of the molecules that have the target"""

    inverse: np.ndarray
    """[M, M] of their covariance, the noise included, relative to the signal"""

    alpha: np.ndarray
    """[M] inverse times the centred targets"""

    signal: float

    @property
    def errors(self) -> np.ndarray:
        """Return the targets minus these predictions [M]."""
        return self.alpha / np.diagonal(self.inverse)

    @property
    def deviations(self) -> np.ndarray:
        """Return the standard deviations [M] of a measurement from them."""
        return np.sqrt(self.signal / np.diagonal(self.inverse))

    def without(self, k: int) -> "LeaveOneOut":
        """Return the same without molecule k, whose own prediction stays the same.

        Conditioning on all but k subtracts an outer product from the inverse.
        """
        column, precision = self.inverse[:, k].copy(), self.inverse[k, k]
        inverse = self.inverse - np.outer(column, column) / precision
        alpha = self.alpha - column * (self.alpha[k] / precision)
        inverse[k, k], alpha[k] = precision, self.alpha[k]
        return self._replace(inverse=inverse, alpha=alpha)


def factorize(covariance: np.ndarray, noise: np.ndarray | float) -> np.ndarray:
    """Return the lower triangle L [N, N] with L L^T = K + noise."""
    total = covariance.copy()
    total[np.diag_indices_from(total)] += noise
    return cholesky(total, lower=True, overwrite_a=True)


def explained_variance(factor: np.ndarray, cross: np.ndarray) -> np.ndarray:
    """Return k (K + noise)^-1 k^T [M] for covariances [M, N]; factor: of K + noise."""
    return (solve_triangular(factor, cross.T, lower=True) ** 2).sum(axis=0)


def choose_noise(covariance: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    """Return the noise of the largest evidence for centred targets y [N].

    It is searched in the basis in which all molecules have the same noise: that of
    y_i sqrt(w_i) and K_ij sqrt(w_i w_j). First on a grid with few molecules, then from
    the best of it downhill with more: few may show no noise at all. Of more than
    MAX_EVIDENCE molecules a random sample is used.
    """
    if np.ptp(y) == 0:
        return 1.0
    order = np.random.default_rng(0).permutation(len(y))
    few = _scaled(covariance, y, weights, order[:MAX_COARSE])
    losses = {g: negative_evidence(*few, 10**g) for g in NOISES}
    if len(y) > MAX_COARSE:
        more = _scaled(covariance, y, weights, order[:MAX_EVIDENCE])
        start = min(losses, key=losses.__getitem__)
        losses = descend(lambda g: negative_evidence(*more, 10**g), NOISES, start)
    return 10 ** lowest_point(losses)


def least_negative_evidence(
    covariance: np.ndarray, y: np.ndarray, weights: np.ndarray
) -> float:
    """Return minus the log evidence over N of centred targets, at the best of NOISES.

    Of many molecules it is searched from the middle of them downhill.
    """
    k, scaled = _scaled(covariance, y, weights, np.arange(len(y)))

    def loss(logarithm: float) -> float:
        return negative_evidence(k, scaled, 10**logarithm)

    if len(y) <= MAX_FULL_GRID:
        return min(map(loss, NOISES))
    return min(descend(loss, NOISES, NOISES[len(NOISES) // 2]).values())


def descend(
    loss: Callable[[float], float], grid: Sequence[float], start: float
) -> dict[float, float]:
    """Return losses of points of a grid, with those on both sides of a minimum."""
    losses = {start: loss(start)}
    while True:
        best = grid.index(min(losses, key=losses.__getitem__))
        missing = [g for g in grid[max(best - 1, 0) : best + 2] if g not in losses]
        if not missing:
            return losses
        losses.update((g, loss(g)) for g in missing)


def lowest_point(losses: dict[float, float]) -> float:
    """Return the vertex of the parabola through the lowest of equally spaced points.

    losses: of each point. The lowest point itself without two finite neighbours.
    """
    points = sorted(losses)
    best = min(range(len(points)), key=lambda k: losses[points[k]])
    if best in (0, len(points) - 1):
        return points[best]
    before, lowest, after = (losses[g] for g in points[best - 1 : best + 2])
    if not np.isfinite(before + after):
        return points[best]
    shift = (before - after) / (2 * (before - 2 * lowest + after))
    return points[best] + shift * (points[best + 1] - points[best])


def _scaled(
    covariance: np.ndarray, y: np.ndarray, weights: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return covariances and targets of some molecules, scaled to equal noise."""
    scale = np.sqrt(weights[rows])
    k = covariance[np.ix_(rows, rows)] * scale[:, None] * scale
    return k, scale * y[rows]


def negative_evidence(covariance: np.ndarray, y: np.ndarray, noise: float) -> float:
    """Return minus the log evidence over N, up to a constant, at the best signal.

    covariance: K [N, N]. y: centred targets [N]. (2.30), with y^T (K + noise)^-1 y / N
    as the signal. Infinite where K + noise is not positive.
    """
    try:
        factor = factorize(covariance, noise)
    except LinAlgError:  # by rounding, where there is hardly any noise
        return np.inf
    z = solve_triangular(factor, y, lower=True)
    log_determinant = 2 * np.log(np.diagonal(factor)).mean()
    return float(np.log((z**2).mean()) + log_determinant) / 2
