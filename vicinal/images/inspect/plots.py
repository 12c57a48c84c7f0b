"""Plots of filters, feature maps, patches, and of one activation with its terms."""

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from vicinal.images.inspect.layer_arithmetic import PADDING
from vicinal.images.inspect.receptive_field import Box
from vicinal.images.inspect.walkthrough import NumberBreakdown, Term
from vicinal.images.tracing.plots import DIVERGING, set_wrapped_title, squeeze_gray

BLUE, ORANGE = "#2563a8", "#b35806"

MAX_MAPS = 64
"""feature maps of a layer that are plotted: those with the largest activations"""

MAX_CHANNELS = 4
"""channels of a window that are plotted: those that contribute most"""

MAX_TERMS = 20


def plot_filters(
    filters: np.ndarray, titles: Sequence[str] = (), heading: str = ""
) -> Figure:
    """Plot filters [O, h, w, C] or [O, h, w], in 0 to 1, on a grid."""
    columns = int(np.ceil(np.sqrt(len(filters) * 1.6)))
    rows = -(-len(filters) // columns)
    figure = Figure(figsize=(0.75 * columns, 0.75 * rows), layout="constrained")
    axes: Any = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axis in axes:
        axis.set_axis_off()
    for k, (axis, image) in enumerate(zip(axes, filters, strict=False)):
        gray = squeeze_gray(image)
        axis.imshow(gray, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        if k < len(titles):
            axis.set_title(titles[k], fontsize=6)
    set_wrapped_title(figure, heading, 7)
    return figure


def plot_image_rows(
    rows: Sequence[Sequence[np.ndarray]],
    titles: Sequence[str],
    heading: str = "",
    horizontal: bool = False,
) -> Figure:
    """Plot rows of images [h, w, C], each with a title; horizontal: as columns."""
    grid = list(zip(*rows, strict=False)) if horizontal else rows
    num_rows, num_columns = max(1, len(grid)), max(1, *map(len, grid), 1)
    side = 2.4 if horizontal else 1.1
    size = side * num_columns, (side + 0.25) * num_rows
    figure = Figure(figsize=size, layout="constrained")
    axes: Any = np.atleast_2d(figure.subplots(num_rows, num_columns, squeeze=False))
    for axis in axes.ravel():
        axis.set_axis_off()
    for axis_row, images in zip(axes, grid, strict=False):
        for axis, image in zip(axis_row, images, strict=False):
            white = 1 if image.dtype.kind == "f" else 255
            axis.imshow(squeeze_gray(image), cmap="gray", vmin=0, vmax=white)
    titled_axes = axes[0] if horizontal else axes[:, 0]
    for axis, title in zip(titled_axes, titles, strict=False):
        axis.set_title(title, fontsize=8, loc="left")
    set_wrapped_title(figure, heading, 8)
    return figure


def plot_feature_maps(
    maps: np.ndarray, title: str, channels: Sequence[int] = ()
) -> Figure:
    """Plot feature maps [C, H, W], each scaled to the magnitude in its title.

    channels: those to plot; empty: the ones with the largest activations.
    """
    order = np.argsort(-np.abs(maps).max(axis=(1, 2)), kind="stable")
    shown = list(channels) or order[:MAX_MAPS]
    columns = int(np.ceil(np.sqrt(len(shown) * 1.4)))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(1.0 * columns, 1.1 * rows + 0.4), layout="constrained")
    axes: Any = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, channel in zip(axes, shown, strict=False):
        limit = float(np.abs(maps[channel]).max()) or 1.0
        axis.imshow(maps[channel], cmap=DIVERGING, vmin=-limit, vmax=limit)
        axis.set_title(f"{channel}: {limit:.3g}", fontsize=6)
    rest = len(maps) - len(shown)
    omitted = f"; {rest} channels not shown" if rest else ""
    text = f"{title}: channel and largest magnitude; blue positive, orange negative"
    set_wrapped_title(figure, f"{text}{omitted}", 7)
    return figure


# --- one activation ------------------------------------------------------------------


def plot_breakdown(
    breakdown: NumberBreakdown, fields: Sequence[Box], image: np.ndarray
) -> Figure:
    """Plot the receptive field of an activation, and its terms.

    A window is plotted as inputs, kernel and products of its main channels, with
    hatched padding; anything else as bars of the largest terms. fields: its receptive
    field, and those of the activations that it is traced back to.
    """
    rows = 1
    if _has_window(breakdown):
        rows = min(MAX_CHANNELS, len({term.position[0] for term in breakdown.terms}))
    height = max(3.2, 2.1 * rows + 0.5)
    figure = Figure(figsize=(9.4, height), layout="constrained")
    subfigures: Any = figure.subfigures(1, 2, width_ratios=[1, 2.3])
    left, right = subfigures
    _plot_receptive_fields(left, fields, image)
    if _has_window(breakdown):
        _plot_windows(right, breakdown, breakdown.window or (1, 1))
    else:
        _plot_bars(right, breakdown)
    return figure


def _has_window(breakdown: NumberBreakdown) -> bool:
    return breakdown.window is not None and breakdown.window != (1, 1)


def _plot_receptive_fields(
    figure: Any, fields: Sequence[Box], image: np.ndarray
) -> None:
    axis = figure.subplots()
    axis.imshow(squeeze_gray(image), cmap="gray", vmin=0, vmax=255)
    for box in fields:
        if not box.is_empty:
            corner = box.left - 0.5, box.top - 0.5
            style = {"fill": False, "edgecolor": ORANGE, "linewidth": 1.6}
            axis.add_patch(Rectangle(corner, box.width, box.height, **style))
    first = fields[0]
    size = "empty" if first.is_empty else f"{first.height} x {first.width} pixels"
    others = "; frames: along the trace" if len(fields) > 1 else ""
    axis.set_title("\n".join(wrap(f"receptive field: {size}{others}", 34)), fontsize=9)
    axis.set_axis_off()


def _plot_windows(
    figure: Any, breakdown: NumberBreakdown, window: tuple[int, int]
) -> None:
    by_channel: dict[int, list[Term]] = {}
    for term in breakdown.terms:
        by_channel.setdefault(term.position[0], []).append(term)
    shown = sorted(
        by_channel, key=lambda c: -abs(sum(t.product for t in by_channel[c]))
    )[:MAX_CHANNELS]
    axes: Any = np.atleast_2d(figure.subplots(len(shown), 3))
    for row, channel in zip(axes, shown, strict=True):
        terms = by_channel[channel]
        padding = np.array([PADDING in t.position for t in terms]).reshape(window)
        columns = (("value", "inputs"), ("weight", "weights"), ("product", "products"))
        for axis, (name, title) in zip(row, columns, strict=True):
            grid = np.array([getattr(t, name) for t in terms]).reshape(window) + 0.0
            _plot_grid(figure, axis, grid, padding)
            total = f", sum {grid.sum():.4g}" if name == "product" else ""
            axis.set_title(f"channel {channel}\n{title}{total}", fontsize=8)
    rest = len(by_channel) - len(shown)
    omitted = f" ({rest} channels not shown)" if rest else ""
    title = "\n".join(wrap(f"{_describe(breakdown)}{omitted}", 80))
    figure.suptitle(title, fontsize=9)


def _describe(breakdown: NumberBreakdown) -> str:
    constant = f" + {breakdown.constant:.4g}" if breakdown.constant else ""
    position = ",".join(map(str, breakdown.position))
    return (
        f"{breakdown.step.name} at {position}: {breakdown.operation}{constant} = "
        f"{breakdown.value:.6g}"
    )


def _plot_grid(figure: Any, axis: Any, grid: np.ndarray, padding: np.ndarray) -> None:
    limit = float(np.abs(grid).max()) or 1.0
    drawn = axis.imshow(grid, cmap=DIVERGING, vmin=-limit, vmax=limit)
    if grid.size <= 49:
        for (row, column), value in np.ndenumerate(grid):
            axis.text(column, row, f"{value:.2g}", ha="center", va="center", fontsize=6)
    for row, column in np.argwhere(padding):
        axis.add_patch(_hatched(row, column))
    axis.set_xticks([])
    axis.set_yticks([])
    figure.colorbar(drawn, ax=axis, shrink=0.8).ax.tick_params(labelsize=6)


def _hatched(row: int, column: int) -> Rectangle:
    corner = column - 0.5, row - 0.5
    return Rectangle(corner, 1, 1, fill=False, hatch="///", linewidth=0, alpha=0.4)


def _plot_bars(figure: Any, breakdown: NumberBreakdown) -> None:
    terms = sorted(breakdown.terms, key=lambda t: -abs(t.product))[:MAX_TERMS]
    axis = figure.subplots()
    products = [term.product for term in terms]
    colors = [BLUE if p >= 0 else ORANGE for p in products]
    names = [f"{t.source} {','.join(map(str, t.position))}" for t in terms]
    axis.barh(range(len(terms)), products, color=colors)
    axis.set_yticks(range(len(terms)), names, fontsize=6)
    axis.invert_yaxis()
    axis.set_xlabel("value times weight", fontsize=8)
    title = _describe(breakdown)
    if len(breakdown.terms) > len(terms):
        rest = sum(t.product for t in breakdown.terms) - sum(products)
        title += f"; {len(breakdown.terms) - len(terms)} other terms sum to {rest:.4g}"
    axis.set_title("\n".join(wrap(title, 80)), fontsize=8)
