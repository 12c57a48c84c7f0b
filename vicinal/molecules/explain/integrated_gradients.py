"""Integrated gradients of a Gaussian process: which features make its prediction.

    a_j = x_j * mean over t in (0, 1) of  d f(t x) / d x_j

from a molecule without substructures, of median descriptors, to the one to explain; the
sum of all a_j is f(x) - f(0). M. Sundararajan et al.: Axiomatic Attribution for Deep
Networks, ICML 2017, https://arxiv.org/abs/1703.01365. Of counts it is the value of each
substructure by Aumann and Shapley.
"""

from typing import NamedTuple

import numpy as np

from vicinal.molecules.baseline.kernels import (
    RADIAL,
    MolecularKernel,
    squared_distances,
)
from vicinal.molecules.baseline.model import Baseline, MoleculeFeatures
from vicinal.molecules.baseline.tanimoto import tanimoto

STEPS = 128
"""points of the path, for one molecule"""


class ProcessAttribution(NamedTuple):
    """The terms of a prediction; their sum is the prediction."""

    base: float
    """prediction for a molecule without substructures, of median descriptors"""

    bits: dict[int, float]
    """of each position of the fingerprint that is not 0"""

    descriptors: np.ndarray
    """[D] of the descriptors that vary in training"""

    value: float
    """the prediction"""

    @property
    def error(self) -> float:
        """Return how far the sum of the terms is from the prediction."""
        total = self.base + sum(self.bits.values()) + float(self.descriptors.sum())
        return abs(total - self.value)


def attribute(
    model: Baseline, features: MoleculeFeatures, column: int = 0, steps: int = STEPS
) -> ProcessAttribution:
    """Return the terms of the prediction of one column for one molecule.

    steps: points of the path; the sum of the terms is the nearer to the prediction.
    """
    alpha, kernel = model.processes[column].alpha, model.kernel
    counts, support = features.counts[0].astype(float), model.support.counts
    x = model.scaler(features.descriptors)
    bits = np.flatnonzero(counts)
    share = kernel.tanimoto_share
    from_bits = share * _tanimoto_gradients(counts, support, bits, alpha, steps)
    from_x = (1 - share) * _radial_gradients(
        x[0], model.support.descriptors, kernel, alpha, steps
    )
    nothing = np.zeros((1, len(counts)), np.uint16)
    origin = np.zeros_like(x)
    at_zero = kernel(tanimoto(nothing, support), origin, model.support.descriptors)
    mean = model.processes[column].mean
    return ProcessAttribution(
        base=float(mean + at_zero[0] @ alpha),
        bits=dict(zip(bits.tolist(), from_bits.tolist(), strict=True)),
        descriptors=from_x,
        value=float(mean + model.cross_covariance(features)[0] @ alpha),
    )


def _tanimoto_gradients(
    counts: np.ndarray,
    support: np.ndarray,
    bits: np.ndarray,
    alpha: np.ndarray,
    steps: int,
) -> np.ndarray:
    """Return the attribution [B] of each bit to sum_n alpha_n tanimoto(c, c_n).

    With N = sum_j min(t c_j, c_nj) and D = sum_j max(t c_j, c_nj), the similarity to
    molecule n is N / D, and each c_j changes either N or D.
    """
    c, theirs = counts[bits], support[:, bits].astype(float)  # [B], [S, B]
    sums = support.sum(axis=1, dtype=float)
    total = np.zeros(len(bits))
    for t in (np.arange(steps) + 0.5) / steps:
        below = t * c < theirs
        smaller = np.minimum(t * c, theirs).sum(axis=1)  # N [S]
        larger = sums + t * c.sum() - smaller  # D [S]
        to_smaller = (alpha / larger) @ below
        to_larger = (alpha * smaller / larger**2) @ ~below
        total += c * (to_smaller - to_larger)
    return total / steps


def _radial_gradients(
    x: np.ndarray,
    support: np.ndarray,
    kernel: MolecularKernel,
    alpha: np.ndarray,
    steps: int,
) -> np.ndarray:
    """Return the attribution [D] to sum_n alpha_n k(|x - x_n|^2 / width)."""
    total, derivative = np.zeros(len(x)), RADIAL[kernel.radial].derivative
    for t in (np.arange(steps) + 0.5) / steps:
        gradients = derivative(
            squared_distances(t * x[None], support)[0] / kernel.width
        )
        total += x * ((alpha * gradients) @ (t * x - support)) * 2 / kernel.width
    return total / steps
