"""The explanation of a prediction for an image, and its figure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from vicinal.core.report.explanation import Explanation
from vicinal.core.report.notebook import html_figure, html_paragraph
from vicinal.core.text import format_percent

if TYPE_CHECKING:  # matplotlib is imported only to plot
    from matplotlib.figure import Figure

UNITS = {
    "gradcam": "weighted activation",
    "integrated_gradients": "contribution to the logit",
    "occlusion": "decrease of the logit when covered",
}
"""unit of a map, for its colour bar"""

NAMES = {
    "gradcam": "Grad-CAM",
    "integrated_gradients": "integrated gradients",
    "occlusion": "occlusion",
}


@dataclass(frozen=True, repr=False)
class ImageExplanation(Explanation):
    """The attribution `map` [H, W] of a prediction for an image."""

    image: np.ndarray
    """[H, W, C] uint8: the input of the network"""

    def figure(self) -> "Figure":
        """Plot the image and the map over it."""
        return plot_explanations([self])

    def _repr_html_(self) -> str:
        """Return the figure and the verdict for a notebook."""
        alt = f"{self.method} map for {self.target}"
        return html_figure(self.figure(), alt) + html_paragraph(self.verdict)


def plot_explanations(explanations: Sequence[ImageExplanation]) -> "Figure":
    """Plot an image and its maps, in grey if not better than random controls.

    The colour scale ends at the 99th percentile, because a fine-grained map has few
    extreme values.
    """
    from matplotlib.figure import Figure

    from vicinal.images.tracing.plots import squeeze_gray

    count = len(explanations) + 1
    figure = Figure(figsize=(3 * count, 3.6), layout="constrained")
    axes: Any = figure.subplots(1, count)
    first = explanations[0]
    axes[0].imshow(squeeze_gray(first.image), cmap="gray", vmin=0, vmax=255)
    is_probability = 0 <= first.score <= 1
    score = format_percent(first.score) if is_probability else f"{first.score:.4g}"
    contrast = "\nof the two classes" if ", not " in first.target else ""
    axes[0].set_title(f"{first.target}: {score}{contrast}", fontsize=10)
    for axis, explanation in zip(axes[1:], explanations, strict=True):
        _plot_map(figure, axis, explanation)
    for axis in axes:
        axis.set_axis_off()
    return figure


def _plot_map(figure: "Figure", axis: Any, explanation: ImageExplanation) -> None:
    """Plot one map over the faded image, with its colour bar."""
    from vicinal.images.tracing.plots import DIVERGING

    name = NAMES.get(explanation.method, explanation.method)
    faded = 0.5 * explanation.image.mean(axis=-1) + 127
    axis.imshow(faded, cmap="gray", vmin=0, vmax=255)
    if not explanation.map.any():
        axis.set_title(f"{name}\nempty map", fontsize=10)
        return
    magnitude, better = np.abs(explanation.map), explanation.faithfulness.better
    limit = float(np.percentile(magnitude, 99)) or float(magnitude.max())
    drawn = axis.imshow(
        explanation.map if better else magnitude,
        cmap=DIVERGING if better else "gray_r",
        vmin=-limit if better else 0,
        vmax=limit,
        alpha=np.clip(0.1 + 0.75 * magnitude / limit, 0, 0.85),
    )
    p = f"p = {explanation.faithfulness.p:.2g}"
    control = "better" if better else "not better"
    axis.set_title(f"{name}\n{control} than random controls, {p}", fontsize=9)
    extend = _extend(explanation.map, limit) if better else "max"
    bar = figure.colorbar(drawn, ax=axis, shrink=0.7, extend=extend)
    bar.ax.tick_params(labelsize=7)
    unit = UNITS.get(explanation.method, "attribution")
    bar.set_label(unit if better else "magnitude; do not interpret", fontsize=8)


def _extend(
    values: np.ndarray, limit: float
) -> Literal["neither", "min", "max", "both"]:
    """Return the ends of a colour bar that values exceed."""
    below, above = bool((values < -limit).any()), bool((values > limit).any())
    return ("both" if above else "min") if below else ("max" if above else "neither")
