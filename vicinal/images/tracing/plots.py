"""Plot style that the figures of explanations and layers share."""

from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

DIVERGING = LinearSegmentedColormap.from_list(
    "orange_blue", ["#b35806", "#f7f7f7", "#2563a8"]
)
"""orange below 0, blue above; legible with red-green colour blindness"""


def set_wrapped_title(figure: Any, text: str, size: float) -> None:
    """Set the title of a figure, wrapped to its width."""
    characters = max(24, int(figure.get_figwidth() * 118 / size))
    figure.suptitle("\n".join(wrap(text, characters)), fontsize=size)


def squeeze_gray(image: np.ndarray) -> np.ndarray:
    """Return an image as matplotlib expects it: [H, W] for a single channel."""
    return image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image
