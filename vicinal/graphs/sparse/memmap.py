"""Arrays in memory, or on disk where they are large.

What lies on disk has no name there and is gone with the array; the system keeps in
memory what of it is used, as long as nothing else needs the room. It lies where
`tempfile` puts things: TMPDIR says where that is.
"""

import math
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

Make = Callable[[int, int], np.ndarray]
"""gives an empty float32 matrix of a height and a width: in memory, or on disk"""


def array(shape: tuple[int, ...], dtype: Any, max_bytes: float) -> np.ndarray:
    """An empty array of up to `max_bytes` bytes in memory, a larger one on disk."""
    if math.prod(shape) * np.dtype(dtype).itemsize <= max_bytes:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile(prefix="vicinal-") as file:
        return np.memmap(file, dtype, "w+", shape=shape)


def in_room(max_bytes: float) -> Make:
    """Makes matrices of up to `max_bytes` bytes in memory, and larger ones on disk."""
    return lambda height, width: array((height, width), np.float32, max_bytes)
