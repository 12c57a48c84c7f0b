"""An explanation of an answer for a picture: its map has a place for every pixel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure

from vicinal.core.explanation import Explanation
from vicinal.core.notebook import drawing, paragraph
from vicinal.core.words import percent
from vicinal.images.inside.drawings import FOR_AND_AGAINST, shown

NAMES = {
    "gradcam": "Grad-CAM",
    "integrated_gradients": "integrated gradients",
    "occlusion": "occlusion",
}


@dataclass(frozen=True)
class PictureExplanation(Explanation):
    """Which parts of a picture one number of a model rests on; `map` is [H, W]."""

    picture: np.ndarray
    """[H, W, C] uint8: what the model saw"""

    def figure(self) -> Figure:
        """The picture, and the map over it."""
        return draw_explanations([self])

    def _repr_html_(self) -> str:
        """The drawing and the verdict, for a notebook."""
        alt = f"{self.method} map for {self.target}"
        return drawing(self.figure(), alt) + paragraph(self.verdict)


def draw_explanations(explanations: Sequence[PictureExplanation]) -> Figure:
    """The picture, and beside it each map: in grey if it is no better than chance.

    Few pixels hold the largest numbers of a fine map: the scale ends where all but one
    in a hundred do, and larger ones have its last colour.
    """
    count = len(explanations) + 1
    sheet = Figure(figsize=(3 * count, 3.6), layout="constrained")
    axes: Any = sheet.subplots(1, count)
    picture = shown(explanations[0].picture)
    first = explanations[0]
    axes[0].imshow(picture, cmap="gray", vmin=0, vmax=255)
    score = percent(first.score) if 0 <= first.score <= 1 else f"{first.score:.4g}"
    axes[0].set_title(f"{first.target}: {score}", fontsize=10)
    for axis, one in zip(axes[1:], explanations, strict=True):
        size = np.abs(one.map)
        largest = float(np.percentile(size, 99)) or float(size.max()) or 1.0
        better = one.faithfulness.better
        colours = FOR_AND_AGAINST if better else "gray_r"
        axis.imshow(_grey(one.picture), cmap="gray", vmin=0, vmax=255)
        drawn = axis.imshow(
            one.map,
            cmap=colours,
            vmin=-largest,
            vmax=largest,
            alpha=np.clip(0.25 + 0.6 * size / largest, 0, 0.85),
        )
        title = NAMES.get(one.method, one.method)
        if not better:
            title += "\nno better than chance"
        axis.set_title(title, fontsize=10)
        sheet.colorbar(drawn, ax=axis, shrink=0.7, extend=_beyond(one.map, largest))
    for axis in axes:
        axis.set_axis_off()
    return sheet


def _beyond(
    values: np.ndarray, largest: float
) -> Literal["neither", "min", "max", "both"]:
    """At which ends of a scale there are numbers beyond it."""
    below, above = bool((values < -largest).any()), bool((values > largest).any())
    return ("both" if above else "min") if below else ("max" if above else "neither")


def _grey(picture: np.ndarray) -> np.ndarray:
    return picture.mean(axis=-1)
