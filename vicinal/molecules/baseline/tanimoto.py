"""Tanimoto similarities of counts of substructures.

L. Ralaivola et al.: Graph kernels for chemical informatics, Neural Networks 2005:
Tanimoto of counts as a kernel.
"""

import numpy as np
from scipy import sparse

DENSE_SHARE = 0.01
"""share of all pairs in which both reach a threshold, above which a product of dense
matrices is faster than one of sparse matrices"""


def tanimoto(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return similarities [N, M] of counts [N, F] and [M, F].

    The sum of the smaller counts over that of the larger ones; 1 for two of zeros.
    """
    smaller = _smaller_counts(a, b)
    sums = a.sum(axis=1, dtype=np.float64)[:, None] + b.sum(axis=1, dtype=np.float64)
    larger = sums - smaller
    return np.where(larger > 0, smaller / np.maximum(larger, 1), 1.0)


def _smaller_counts(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the sums [N, M] of the smaller counts, as float32.

    The smaller of two counts is the number of thresholds t = 1, 2... that both reach,
    so all pairs are one matrix product. Sums below 2^24 are exact.
    """
    if a is not b:
        used = a.any(axis=0)  # few, where there are few molecules
        a, b = a[:, used], b[:, used]
    highest = int(max(a.max(initial=1), b.max(initial=1)))
    x = reached_thresholds(a, highest)
    y = x if a is b else reached_thresholds(b, highest)
    pairs = x.sum(axis=0) * y.sum(axis=0)  # in which both reach each threshold
    dense = pairs > DENSE_SHARE * len(a) * len(b)
    rare = (pairs > 0) & ~dense
    smaller = x[:, dense].toarray() @ y[:, dense].toarray().T
    smaller += (x[:, rare] @ y[:, rare].T).toarray()
    return smaller


def reached_thresholds(counts: np.ndarray, highest: int) -> sparse.csr_array:
    """Return ones [N, F x highest] in columns (f, t) where count f is t or more."""
    rows, columns = np.nonzero(counts)
    values = counts[rows, columns].astype(np.int64)
    first = np.repeat(values.cumsum() - values, values)
    threshold = np.arange(values.sum()) - first
    columns = np.repeat(columns, values) * highest + threshold
    ends = counts.sum(axis=1, dtype=np.int64).cumsum()
    ones = np.ones(len(columns), np.float32)
    shape = (len(counts), counts.shape[1] * highest)
    return sparse.csr_array((ones, columns, np.append(0, ends)), shape=shape)
