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
import torch
from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator
from torch import Tensor

NOISE = 0.01
"""variance of the noise, that of the scores being 1"""

BITS = 1024
_GENERATOR = GetMorganGenerator(radius=2, fpSize=BITS)


def count_fingerprints(mols: Sequence[Any]) -> np.ndarray:
    """Return hashed counts [N, BITS] of Morgan environments."""
    rows = [_GENERATOR.GetCountFingerprintAsNumPy(mol) for mol in mols]
    return np.array(rows, np.float32).reshape(-1, BITS)


def tanimoto_kernel(x: np.ndarray, y: np.ndarray) -> Tensor:
    """Return the kernel [N, M] of fingerprints [N, D] and [M, D], float64."""
    inner = torch.from_numpy(x) @ torch.from_numpy(y).T  # exact: small whole numbers
    squares = (x * x).sum(axis=1)[:, None] + (y * y).sum(axis=1)
    union = (torch.from_numpy(squares) - inner).clamp(min=1)
    return inner.double() / union.double()


class Prediction(NamedTuple):
    """Predicted scores."""

    mean: np.ndarray
    """[N, K]"""

    sd: np.ndarray
    """[N, K]"""


def lowest_for_missing(scores: np.ndarray) -> np.ndarray:
    """Return scores [N, K] in which rows that are not finite have the lowest scores.

    A process fitted to them predicts low scores near molecules that have none, so that
    few of those are evaluated. Where no row is finite the scores are returned as is.
    """
    finite = np.asarray(np.isfinite(scores).all(axis=1))
    if not finite.any():
        return scores
    return np.where(finite[:, None], scores, scores[finite].min(axis=0))


class GaussianProcess:
    """The posterior after N molecules with K scores each, one kernel for all.

    By torch, whose threads do not spin where other programs run.
    """

    def __init__(self, prints: np.ndarray, scores: np.ndarray) -> None:
        """prints: [N, D]. scores: [N, K]."""
        self.prints = prints
        self.mean, self.sd = scores.mean(axis=0), scores.std(axis=0)
        kernel = tanimoto_kernel(prints, prints)
        kernel.diagonal().add_(NOISE)
        self.factor = torch.linalg.cholesky(kernel)
        standard = (scores - self.mean) / np.maximum(self.sd, 1e-12)
        self.weights = torch.cholesky_solve(torch.from_numpy(standard), self.factor)

    def predict(self, prints: np.ndarray) -> Prediction:
        """Return the scores of fingerprints [N, D], without noise."""
        kernel = tanimoto_kernel(prints, self.prints)
        spread = torch.linalg.solve_triangular(self.factor, kernel.T, upper=False)
        variance = (1 - (spread * spread).sum(dim=0)).clamp(min=0)
        mean = self.mean + self.sd * (kernel @ self.weights).numpy()
        return Prediction(mean, np.sqrt(variance.numpy())[:, None] * self.sd)
