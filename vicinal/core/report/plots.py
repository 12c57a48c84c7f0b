"""Plots of a report as SVG, and thumbnails as JPEG, made to be embedded in a page."""

import base64
import io
from pathlib import Path
from typing import Any

from vicinal.core.evaluation.calibration import Bin
from vicinal.core.metrics import PROPORTIONS, Score, is_better, wilson
from vicinal.core.report.figure_text import drawable_texts
from vicinal.core.storage.files import replace_file

# distinguishable by colour-blind readers
BLUE = "#2563a8"
GREY = "#8a8f98"
ORANGE = "#c2571a"


def to_svg(figure: Any) -> str:
    """Return a matplotlib figure as SVG, without a date so that it is reproducible."""
    import matplotlib

    out = io.StringIO()
    options: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "vicinal"}
    with matplotlib.rc_context(options), drawable_texts(figure, spell=False):
        figure.savefig(out, format="svg", metadata={"Date": None}, transparent=True)
    text = out.getvalue()
    return text[text.index("<svg") :]


def make_axes(width: float, height: float) -> tuple[Any, Any]:
    """Return an empty figure of this size in inches, and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=9)
    return figure, axes


def plot_curves(
    epochs: list[int], lines: dict[str, list[float]], title: str, best: int
) -> str:
    """Plot named lines over epochs; a vertical line marks the selected epoch."""
    figure, axes = make_axes(4.2, 2.6)
    styles = zip(
        lines.items(), ((GREY, "--"), (BLUE, "-"), (ORANGE, ":")), strict=False
    )
    for (name, values), (color, dash) in styles:
        axes.plot(epochs, values, dash, color=color, label=name, linewidth=1.8)
    axes.axvline(best, color=GREY, linewidth=0.8)
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel("epoch", fontsize=9)
    axes.xaxis.get_major_locator().set_params(integer=True)
    if len(lines) > 1:
        axes.legend(frameon=False, fontsize=9)
    return to_svg(figure)


def plot_intervals(scores: dict[str, Score]) -> str:
    """Plot scores with their intervals; the first one, the model's, is blue."""
    figure, axes = make_axes(5.6, 0.7 + 0.36 * len(scores))
    metric = next(iter(scores.values())).metric
    factor = 100 if metric in PROPORTIONS else 1
    for row, score in enumerate(scores.values()):
        color = BLUE if row == 0 else GREY
        low, value, high = (factor * v for v in (score.low, score.value, score.high))
        axes.plot([low, high], [row, row], color=color, linewidth=5, alpha=0.35)
        axes.plot(value, row, "o", color=color, markersize=7)
    axes.set_yticks(range(len(scores)), list(scores))
    axes.invert_yaxis()
    axes.margins(y=0.25)
    unit = " (%)" if factor == 100 else ""
    side = "right" if is_better(metric, 1, 0) else "left"
    axes.set_xlabel(f"{metric}{unit}; further {side} is better", fontsize=9)
    return to_svg(figure)


def plot_reliability(bins: list[Bin]) -> str:
    """Plot accuracy against confidence (a reliability diagram).

    The area of a dot shows how many predictions are in its bin; the bar is the interval
    of their accuracy. A calibrated model lies on the diagonal.
    """
    figure, axes = make_axes(3.6, 3.2)
    axes.plot([0, 100], [0, 100], color=GREY, linewidth=0.8)
    total = sum(b.n for b in bins)
    for b in bins:
        low, high = wilson(b.accuracy * b.n, b.n)
        x = 100 * b.confidence
        axes.plot([x, x], [100 * low, 100 * high], color=BLUE, linewidth=2, alpha=0.35)
        size = 20 + 180 * b.n / total
        axes.scatter([x], [100 * b.accuracy], s=size, color=BLUE, alpha=0.8)
    axes.set_xlim(0, 102)
    axes.set_ylim(0, 102)
    axes.set_xlabel("confidence (%)", fontsize=9)
    axes.set_ylabel("accuracy (%)", fontsize=9)
    return to_svg(figure)


def jpeg_base64(pixels: Any, side: int = 160) -> str:
    """Return pixels [H, W, C] of uint8 as a JPEG in base64, `side` pixels at most."""
    from PIL import Image

    plain = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    image = Image.fromarray(plain)
    if max(image.size) < side:  # enlarge small images so that pixels stay sharp
        factor = side // max(image.size)
        size = (image.width * factor, image.height * factor)
        image = image.resize(size, Image.Resampling.NEAREST)
    image.thumbnail((side, side))
    out = io.BytesIO()
    image.convert("RGB").save(out, "JPEG", quality=82)
    return base64.b64encode(out.getvalue()).decode()


def save_figure(figure: Any, path: Path) -> None:
    """Write a matplotlib figure; the suffix says the format, text in SVG stays text."""
    from matplotlib import rc_context

    suffix = path.suffix[1:].lower()
    texts = drawable_texts(figure, spell=suffix != "svg")
    with rc_context({"svg.fonttype": "none"}), texts:
        replace_file(path, lambda part: figure.savefig(part, format=suffix, dpi=150))
