"""Products of sparse and dense matrices, with their types."""

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix


def product(a: csr_matrix, b: csr_matrix) -> csr_matrix:
    """Return the sparse product a b [N, M]."""
    found: Any = a @ b
    return csr_matrix(found)


def dense_product(rows: csr_matrix, dense: np.ndarray) -> np.ndarray:
    """Return rows [N, K] @ dense [K, M], float32."""
    return np.asarray(rows @ dense, np.float32)


def to_dense(matrix: csr_matrix) -> np.ndarray:
    """Return a matrix [N, M] with its zeros, float32."""
    return matrix.toarray().astype(np.float32, copy=False)


def take_rows(matrix: csr_matrix, rows: np.ndarray) -> csr_matrix:
    """Return some rows [N', M] of a matrix."""
    found: Any = matrix[rows]
    return csr_matrix(found)


def transpose(matrix: csr_matrix) -> csr_matrix:
    """Return the transposed matrix [M, N], by rows."""
    return csr_matrix(matrix.T)
