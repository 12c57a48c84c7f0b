"""How large the network's input is, when the user does not say."""

import numpy as np

from vicinal.errors import ImageError
from vicinal.images.data.decode import open_picture, read_file
from vicinal.images.data.image_table import ImageTable
from vicinal.images.networks import architecture


def natural_size(table: ImageTable, backbone: str) -> int:
    """Pixels of the input that suit the pictures and the network."""
    native = architecture(backbone).image_size
    if backbone not in ("small", "dense", "lenet5"):
        return native
    rows = _sample(table)
    sides = [side for row in rows if (side := _short_side(table, row))]
    typical = int(np.median(sides)) if sides else 32
    if typical <= 48:
        return max(8, typical)
    return 64 if typical <= 96 else 128


def _sample(table: ImageTable, most: int = 64) -> np.ndarray:
    """Rows spread evenly over the names in their order, so whatever the row order."""
    if table.pixels is not None:  # nothing to open, so all may count
        return np.arange(len(table))
    places = np.linspace(0, len(table) - 1, min(most, len(table))).astype(int)
    return np.argsort(np.array(table.names, dtype=object), kind="stable")[places]


def _short_side(table: ImageTable, row: int) -> int:
    if table.pixels is not None:
        return min(table.pixels[row].shape[:2])
    try:
        return min(open_picture(read_file(table.path(row))).size)
    except ImageError:
        return 0
