"""How large the network's input is, when the user does not say."""

import numpy as np

from vicinal.errors import PictureError
from vicinal.images.decode import open_picture, read_file
from vicinal.images.networks import NETWORKS
from vicinal.images.rows import ImageTable


def natural_size(table: ImageTable, backbone: str) -> int:
    """Pixels of the input that suit the pictures and the network."""
    native = NETWORKS[backbone].image_size
    if backbone not in ("small", "dense", "lenet5"):
        return native
    rows = np.linspace(0, len(table) - 1, min(64, len(table))).astype(int)
    sides = [side for row in rows if (side := _short_side(table, row))]
    typical = int(np.median(sides)) if sides else 32
    if typical <= 48:
        return max(8, typical)
    return 64 if typical <= 96 else 128


def _short_side(table: ImageTable, row: int) -> int:
    if table.pixels is not None:
        return min(table.pixels[row].shape[:2])
    try:
        return min(open_picture(read_file(table.path(row))).size)
    except PictureError:
        return 0
