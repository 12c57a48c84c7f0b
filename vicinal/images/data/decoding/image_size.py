"""Choose the input size of a network when the user does not set it."""

import numpy as np

from vicinal.errors import ImageError
from vicinal.images.data.decoding.in_memory import open_source
from vicinal.images.data.image_table import ImageTable
from vicinal.images.networks import architecture

NUM_SAMPLED = 64
"""image files that are opened to measure their size"""


def choose_image_size(table: ImageTable, backbone: str) -> int:
    """Return the input size in pixels that suits the images and the network.

    A network designed for one size keeps it. For small, dense and lenet5 it follows the
    median of the shorter sides.
    """
    native = architecture(backbone).image_size
    if backbone not in ("small", "dense", "lenet5"):
        return native
    rows = sample_rows(table, NUM_SAMPLED)
    sides = [side for row in rows if (side := _shorter_side(table, row))]
    median = int(np.median(sides)) if sides else 32
    if median <= 48:
        return max(8, median)
    return 64 if median <= 96 else 128


def sample_rows(table: ImageTable, most: int) -> np.ndarray:
    """Return rows spread evenly over the sorted names: independent of the row order."""
    if table.pixels is not None:  # no file to open, so use all
        return np.arange(len(table))
    ranks = np.linspace(0, len(table) - 1, min(most, len(table))).astype(int)
    return np.argsort(np.array(table.names, dtype=object), kind="stable")[ranks]


def _shorter_side(table: ImageTable, row: int) -> int:
    """Return the shorter side in pixels; 0 for a file that cannot be opened."""
    if table.pixels is not None:
        return min(table.pixels[row].shape[:2])
    try:
        return min(open_source(table.source(row)).size)
    except ImageError:
        return 0
