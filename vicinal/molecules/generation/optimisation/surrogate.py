"""A Gaussian process that predicts scores, to choose which molecules to evaluate.

The kernel is the Tanimoto similarity of counts x of Morgan environments of radius 2,

    k(x, y) = <x, y> / (<x, x> + <y, y> - <x, y>)

L. Ralaivola et al.: Graph kernels for chemical informatics, Neural Networks 2005,
section 5.2. As an acquisition function within a genetic algorithm: A. Tripp et al.: A
fresh look at de novo molecular design benchmarks, 2021.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator
from scipy.linalg import cho_factor, cho_solve, solve_triangular

NOISE = 0.01
"""variance of the noise, that of the scores being 1"""

BITS = 1024


def count_fingerprints(mols: Sequence[Any]) -> np.ndarray:
    """Return hashed counts [N, BITS] of Morgan environments."""
    generator = GetMorganGenerator(radius=2, fpSize=BITS)
    rows = [generator.GetCountFingerprintAsNumPy(mol) for mol in mols]
    return np.array(rows, np.float32).reshape(-1, BITS)


def tanimoto_kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the kernel [N, M] of fingerprints [N, D] and [M, D]."""
    inner = x @ y.T
    squares = (x * x).sum(axis=1)[:, None] + (y * y).sum(axis=1)
    return (inner / np.maximum(squares - inner, 1)).astype(float)


class Prediction(NamedTuple):
    """Predicted scores."""

    mean: np.ndarray
    """[N, K]"""

    sd: np.ndarray
    """[N, K]"""


class GaussianProcess:
    """The posterior after N molecules with K scores each, one kernel for all."""

    def __init__(self, prints: np.ndarray, scores: np.ndarray) -> None:
        """prints: [N, D]. scores: [N, K]."""
        self.prints = prints
        self.mean, self.sd = scores.mean(axis=0), scores.std(axis=0)
        kernel = tanimoto_kernel(prints, prints)
        kernel[np.diag_indices(len(kernel))] += NOISE
        self.factor = cho_factor(kernel, lower=True)
        standard = (scores - self.mean) / np.maximum(self.sd, 1e-12)
        self.weights = cho_solve(self.factor, standard)

    def predict(self, prints: np.ndarray) -> Prediction:
        """Return the scores of fingerprints [N, D], without noise."""
        kernel = tanimoto_kernel(prints, self.prints)
        spread = solve_triangular(self.factor[0], kernel.T, lower=True)
        variance = np.maximum(1 - (spread * spread).sum(axis=0), 0)
        mean = self.mean + self.sd * (kernel @ self.weights)
        return Prediction(mean, np.sqrt(variance)[:, None] * self.sd)
