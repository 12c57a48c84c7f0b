"""Matrices in memory, or on disk where they are large.

What lies on disk has no name there and is gone with the matrix; the system keeps in
memory what of it is used, as long as nothing else needs the room. It lies where
`tempfile` puts things: TMPDIR says where that is.
"""

import tempfile

import numpy as np

from vicinal.graphs.columns import Make, empty


def in_room(room: float) -> Make:
    """Makes matrices of up to `room` bytes in memory, and larger ones on disk."""

    def make(height: int, width: int) -> np.ndarray:
        if 4 * height * width <= room:
            return empty(height, width)
        with tempfile.TemporaryFile(prefix="vicinal-") as file:
            return np.memmap(file, np.float32, "w+", shape=(height, width))

    return make
