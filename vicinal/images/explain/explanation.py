"""An explanation of an answer for a picture: its map has a place for every pixel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from vicinal.core.report.explanation import Explanation
from vicinal.core.report.notebook import drawing, paragraph
from vicinal.core.text import percent

if TYPE_CHECKING:  # drawing is loaded where something is drawn
    from matplotlib.figure import Figure

UNITS = {
    "gradcam": "weighted maps",
    "integrated_gradients": "what a pixel adds to the logit",
    "occlusion": "loss of logit where covered",
}
"""what the colours of a map measure"""

NAMES = {
    "gradcam": "Grad-CAM",
    "integrated_gradients": "integrated gradients",
    "occlusion": "occlusion",
}


@dataclass(frozen=True, repr=False)
class PictureExplanation(Explanation):
    """Which parts of a picture one number of a model rests on; `map` is [H, W]."""

    picture: np.ndarray
    """[H, W, C] uint8: what the model saw"""

    def figure(self) -> "Figure":
        """The picture, and the map over it."""
        return draw_explanations([self])

    def _repr_html_(self) -> str:
        """The drawing and the verdict, for a notebook."""
        alt = f"{self.method} map for {self.target}"
        return drawing(self.figure(), alt) + paragraph(self.verdict)


def draw_explanations(explanations: Sequence[PictureExplanation]) -> "Figure":
    """The picture, and beside it each map: in grey if it is not shown to be better than
    chance.

    Few pixels hold the largest numbers of a fine map: the scale ends where all but one
    in a hundred do, and larger ones have its last colour.
    """
    count = len(explanations) + 1
    from matplotlib.figure import Figure

    from vicinal.images.tracing.plots import shown

    sheet = Figure(figsize=(3 * count, 3.6), layout="constrained")
    axes: Any = sheet.subplots(1, count)
    picture = shown(explanations[0].picture)
    first = explanations[0]
    axes[0].imshow(picture, cmap="gray", vmin=0, vmax=255)
    score = percent(first.score) if 0 <= first.score <= 1 else f"{first.score:.4g}"
    between = "\nbetween the two" if ", not " in first.target else ""
    axes[0].set_title(f"{first.target}: {score}{between}", fontsize=10)
    for axis, one in zip(axes[1:], explanations, strict=True):
        _draw_map(sheet, axis, one)
    for axis in axes:
        axis.set_axis_off()
    return sheet


def _draw_map(sheet: "Figure", axis: Any, one: PictureExplanation) -> None:
    """One map over the picture in grey, with what its colours say."""
    from vicinal.images.tracing.plots import FOR_AND_AGAINST

    name, faint = NAMES.get(one.method, one.method), 0.5 * _grey(one.picture) + 127
    axis.imshow(faint, cmap="gray", vmin=0, vmax=255)
    if not one.map.any():
        axis.set_title(f"{name}\nempty", fontsize=10)
        return
    size, better = np.abs(one.map), one.faithfulness.better
    largest = float(np.percentile(size, 99)) or float(size.max())
    drawn = axis.imshow(
        one.map if better else size,
        cmap=FOR_AND_AGAINST if better else "gray_r",
        vmin=-largest if better else 0,
        vmax=largest,
        alpha=np.clip(0.1 + 0.75 * size / largest, 0, 0.85),
    )
    p = f"p = {one.faithfulness.p:.2g}"
    says = f"better than chance, {p}" if better else f"not shown to be better, {p}"
    axis.set_title(f"{name}\n{says}", fontsize=9)
    ends = _beyond(one.map, largest) if better else "max"
    bar = sheet.colorbar(drawn, ax=axis, shrink=0.7, extend=ends)
    bar.ax.tick_params(labelsize=7)
    unit = UNITS.get(one.method, "evidence")
    said = f"against   for: {unit}" if better else "size, not to be read"
    bar.set_label(said, fontsize=8)


def _beyond(
    values: np.ndarray, largest: float
) -> Literal["neither", "min", "max", "both"]:
    """At which ends of a scale there are numbers beyond it."""
    below, above = bool((values < -largest).any()), bool((values > largest).any())
    return ("both" if above else "min") if below else ("max" if above else "neither")


def _grey(picture: np.ndarray) -> np.ndarray:
    return picture.mean(axis=-1)
