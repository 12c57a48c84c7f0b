"""Plot style: colours, headings and the axis of a single channel.

Colours are told apart by people who see no red or green: blue speaks for an answer,
orange against it. Where numbers are shown there is a bar that says how large they are.
"""

from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

FOR_AND_AGAINST = LinearSegmentedColormap.from_list(
    "for_and_against", ["#b35806", "#f7f7f7", "#2563a8"]
)


def above(sheet: Any, text: str, size: float) -> None:
    """A line over a sheet, in as many as its width wants."""
    letters = max(24, int(sheet.get_figwidth() * 118 / size))
    sheet.suptitle("\n".join(wrap(text, letters)), fontsize=size)


def shown(picture: np.ndarray) -> np.ndarray:
    """A picture as matplotlib takes it: without an axis of one channel."""
    return picture[..., 0] if picture.ndim == 3 and picture.shape[-1] == 1 else picture
