"""Arrays in memory, or in memory-mapped temporary files where they are large.

The files have no name and disappear with the array; the operating system keeps in
memory what fits. They are made in the directory that TMPDIR names.
"""

import math
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

MatrixAllocator = Callable[[int, int], np.ndarray]
"""(rows, columns) -> an uninitialised float32 matrix"""


def allocate(shape: tuple[int, ...], dtype: Any, max_bytes: float) -> np.ndarray:
    """Return an uninitialised array, on disk if it is larger than `max_bytes`."""
    if math.prod(shape) * np.dtype(dtype).itemsize <= max_bytes:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile(prefix="vicinal-") as file:
        return np.memmap(file, dtype, "w+", shape=shape)


def matrix_allocator(max_bytes: float) -> MatrixAllocator:
    """Return a function that allocates matrices, on disk above `max_bytes`."""
    return lambda rows, columns: allocate((rows, columns), np.float32, max_bytes)
