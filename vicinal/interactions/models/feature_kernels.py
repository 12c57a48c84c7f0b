"""New drugs from their features: kernel ridge regression on known drugs.

    f(new) = m + K(new, known) (K(known, known) + l2)^-1 (f(known) - m)

m is the mean of f over known drugs, so that the weights of each new drug sum to 1. K is
Tanimoto's kernel (the sum of the lower counts over that of the higher ones) of one kind
of features, or a weighted mean over kinds. The kernel and l2 are chosen by the error
that leaves each known drug out (C. Rasmussen and C. Williams: Gaussian processes for
machine learning, 2006, 5.4.2).
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from vicinal.interactions.data.features import DrugFeatures
from vicinal.molecules.baseline.tanimoto import tanimoto

PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
DOMINANT = 0.7
"""weight of the kind of features that prevails in one of the kernels to choose from"""

NEAREST = 10
"""known drugs whose mean represents a new one, for comparison"""


class FeatureWeights(NamedTuple):
    """How drugs are predicted from others."""

    weights: np.ndarray
    """[D, D] of each drug (rows) for each known drug; each row sums to 1"""

    mixture: tuple[float, ...]
    """weights of the kinds of features in the kernel"""

    l2: float
    kernel: np.ndarray
    """[D, D] similarities, 0 to 1"""


def kernels(
    features: DrugFeatures, kinds: tuple[str, ...]
) -> dict[tuple[float, ...], np.ndarray]:
    """Return kernels [D, D] to choose from, by their weights of the kinds.

    Each kind alone, all equally, and all with one that prevails.
    """
    own = [kernel_of(features.kind(name)) for name in kinds]
    count = len(kinds)
    weights = [*map(tuple, np.eye(count))]
    if count > 1:
        rest = (1 - DOMINANT) / (count - 1)
        weights += [*map(tuple, np.full((1, count), 1 / count))]
        weights += [*map(tuple, np.where(np.eye(count), DOMINANT, rest))]
    return {
        tuple(map(float, each)): sum(
            (w * kernel for w, kernel in zip(each, own, strict=True) if w),
            np.zeros_like(own[0]),
        )
        for each in weights
    }


def kernel_of(values: csr_matrix) -> np.ndarray:
    """Return the similarities [D, D] of rows [D, F]; 0 for rows without entries."""
    known = values.getnnz(axis=1) > 0
    if values.max() <= 1:  # then the lower of two counts is their product
        shared = np.asarray((values @ values.T).todense(), np.float64)
        total = np.asarray(values.sum(axis=1), np.float64)
        return shared / np.maximum(total + total.T - shared, 1)
    dense = values.toarray()
    return np.where(known[:, None] & known, tanimoto(dense, dense), 0.0)


def fit_feature_weights(
    candidates: dict[tuple[float, ...], np.ndarray],
    known: np.ndarray,
    targets: np.ndarray,
) -> FeatureWeights:
    """Return the weights of known drugs for all; those of known ones leave them out.

    candidates: kernels [D, D]. known: [D] bool, drugs whose targets [D, T] are used.
    The kernel and the penalty have the least error of drugs that are left out.
    """
    y = targets[known]
    y = y - y.mean(axis=0) if len(y) else y
    best = None
    for mixture, kernel in candidates.items():
        own = kernel[np.ix_(known, known)]
        for l2 in PENALTIES:
            inverse = np.linalg.inv(own + l2 * np.eye(len(own)))
            # y_i - f_without_i(x_i) = (K + l2)^-1 y / diag((K + l2)^-1)
            errors = inverse @ y / inverse.diagonal()[:, None]
            loss = float((errors**2).mean()) if errors.size else 0.0
            if best is None or loss < best[0]:
                best = loss, mixture, l2, inverse
    assert best is not None
    _, mixture, l2, inverse = best
    kernel = candidates[mixture]
    weights = np.zeros_like(kernel)
    weights[:, known] = kernel[:, known] @ inverse
    leave_out = -inverse / inverse.diagonal()[:, None]
    np.fill_diagonal(leave_out, 0.0)
    weights[np.ix_(known, known)] = leave_out
    if known.any():
        missing = 1 - weights.sum(axis=1, keepdims=True)
        weights[:, known] += missing / known.sum()
    return FeatureWeights(weights, mixture, l2, kernel)


def nearest_mean(
    structure: csr_matrix, known: np.ndarray, values: np.ndarray
) -> np.ndarray:
    """Return values [D, T], of new drugs the mean of the NEAREST most similar ones.

    known: [D] bool, drugs whose values are used. A drug without a structure gets 0.
    """
    similarities = kernel_of(structure)
    similarities[:, ~known] = -1.0
    found = np.array(values, np.float64)
    for drug in np.flatnonzero(~known):
        order = np.argsort(-similarities[drug], kind="stable")[:NEAREST]
        near = order[similarities[drug, order] > 0]
        found[drug] = values[near].mean(axis=0) if len(near) else 0.0
    return found
