"""Plots of filters, feature maps, patches, and of one number with its terms."""

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from vicinal.images.inspect.receptive_field import Box
from vicinal.images.inspect.walkthrough import NOWHERE, NumberBreakdown
from vicinal.images.tracing.plots import FOR_AND_AGAINST, above, shown


def draw_filters(
    filters: np.ndarray, titles: Sequence[str] = (), heading: str = ""
) -> Figure:
    """Small pictures [O, h, w, C] in 0 to 1, or [O, h, w], in rows."""
    count = len(filters)
    across = int(np.ceil(np.sqrt(count * 1.6)))
    down = -(-count // across)
    sheet = Figure(figsize=(0.75 * across, 0.75 * down), layout="constrained")
    axes: Any = np.atleast_1d(sheet.subplots(down, across)).ravel()
    for axis in axes:
        axis.set_axis_off()
    for number, (axis, one) in enumerate(zip(axes, filters, strict=False)):
        axis.imshow(shown(one), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        if number < len(titles):
            axis.set_title(titles[number], fontsize=6)
    above(sheet, heading, 7)
    return sheet


def draw_rows(
    rows: Sequence[Sequence[np.ndarray]],
    titles: Sequence[str],
    heading: str = "",
    across: bool = False,
) -> Figure:
    """Pictures [h, w, C] in rows, each row under a title; across: side by side."""
    grid = list(zip(*rows, strict=False)) if across else rows
    down, wide = max(1, len(grid)), max(1, *map(len, grid), 1)
    side = 2.4 if across else 1.1
    sheet = Figure(figsize=(side * wide, (side + 0.25) * down), layout="constrained")
    axes: Any = np.atleast_2d(sheet.subplots(down, wide, squeeze=False))
    for axis in axes.ravel():
        axis.set_axis_off()
    for line, some in zip(axes, grid, strict=False):
        for axis, one in zip(line, some, strict=False):
            top = 1 if one.dtype.kind == "f" else 255
            axis.imshow(shown(one), cmap="gray", vmin=0, vmax=top)
    places = axes[0] if across else axes[:, 0]
    for axis, title in zip(places, titles, strict=False):
        axis.set_title(title, fontsize=8, loc="left")
    above(sheet, heading, 8)
    return sheet


MOST_MAPS = 64
"""maps of a layer that are drawn: those with the largest numbers"""


def draw_maps(maps: np.ndarray, title: str, channels: Sequence[int] = ()) -> Figure:
    """Feature maps [C, H, W], each with its own largest size above it.

    channels: those to draw; none: the ones with the largest numbers.
    """
    order = np.argsort(-np.abs(maps).max(axis=(1, 2)), kind="stable")
    most = list(channels) or order[:MOST_MAPS]
    across = int(np.ceil(np.sqrt(len(most) * 1.4)))
    down = -(-len(most) // across)
    sheet = Figure(figsize=(1.0 * across, 1.1 * down + 0.4), layout="constrained")
    axes: Any = np.atleast_1d(sheet.subplots(down, across)).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, channel in zip(axes, most, strict=False):
        largest = float(np.abs(maps[channel]).max()) or 1.0
        axis.imshow(maps[channel], cmap=FOR_AND_AGAINST, vmin=-largest, vmax=largest)
        axis.set_title(f"{channel}: {largest:.3g}", fontsize=6)
    rest = len(maps) - len(most)
    behind = f"; {rest} others left out" if rest else ""
    text = f"{title}: channel and largest size, which is its scale; blue above 0, "
    above(sheet, f"{text}orange below{behind}", 7)
    return sheet


MOST_CHANNELS = 4
"""channels of a window that are drawn: those that give most"""


def draw_number(
    found: NumberBreakdown, sees: Sequence[Box], picture: np.ndarray
) -> Figure:
    """One number: what it sees of the picture, and what it is made of.

    Of a window the values, the kernel and the products of its main channels, what
    padding made up hatched; of anything else bars of its largest terms. sees: its
    receptive field, and those of the numbers that it is followed back to.
    """
    down = 1
    if _is_window(found):
        down = min(MOST_CHANNELS, len({term.place[0] for term in found.terms}))
    high = max(3.2, 2.1 * down + 0.5)
    sheet = Figure(figsize=(9.4, high), layout="constrained")
    halves: Any = sheet.subfigures(1, 2, width_ratios=[1, 2.3])
    left, right = halves
    _draw_field(left, sees, picture)
    if _is_window(found):
        _windows(right, found, found.window or (1, 1))
    else:
        _bars(right, found)
    return sheet


def _is_window(found: NumberBreakdown) -> bool:
    """Whether it is made of a window larger than one place."""
    return found.window is not None and found.window != (1, 1)


def _draw_field(sheet: Any, sees: Sequence[Box], picture: np.ndarray) -> None:
    """The picture, and a frame around what each number sees of it."""
    axis = sheet.subplots()
    axis.imshow(shown(picture), cmap="gray", vmin=0, vmax=255)
    for box in sees:
        if box.height and box.width:
            corner = box.left - 0.5, box.top - 0.5
            frame = {"fill": False, "edgecolor": "#b35806", "linewidth": 1.6}
            axis.add_patch(Rectangle(corner, box.width, box.height, **frame))
    first = sees[0]
    size = f"{first.height} x {first.width} pixels" if first.height else "none of it"
    more = ", and what came before it" if len(sees) > 1 else ""
    axis.set_title("\n".join(wrap(f"it sees {size}{more}", 34)), fontsize=9)
    axis.set_axis_off()


def _windows(sheet: Any, found: NumberBreakdown, window: tuple[int, int]) -> None:
    channels: dict[int, list] = {}
    for term in found.terms:
        channels.setdefault(term.place[0], []).append(term)
    most = sorted(channels, key=lambda c: -abs(sum(t.product for t in channels[c])))[
        :MOST_CHANNELS
    ]
    axes: Any = np.atleast_2d(sheet.subplots(len(most), 3))
    for row, channel in zip(axes, most, strict=True):
        terms = channels[channel]
        for axis, name in zip(row, ("value", "weight", "product"), strict=True):
            grid = np.array([getattr(t, name) for t in terms]).reshape(window) + 0.0
            made_up = np.array([NOWHERE in t.place for t in terms]).reshape(window)
            _grid(sheet, axis, grid, made_up)
            total = f" = {grid.sum():.4g}" if name == "product" else ""
            axis.set_title(f"channel {channel}: {name}s{total}", fontsize=8)
    rest = len(channels) - len(most)
    behind = f" (and {rest} channels more)" if rest else ""
    sheet.suptitle("\n".join(wrap(f"{_made_of(found)}{behind}", 80)), fontsize=9)


def _made_of(found: NumberBreakdown) -> str:
    constant = f", plus {found.constant:.4g}" if found.constant else ""
    return (
        f"{found.step.name} at {','.join(map(str, found.place))}: {found.how}"
        f"{constant}, is {found.given:.6g}"
    )


def _grid(sheet: Any, axis: Any, grid: np.ndarray, made_up: np.ndarray) -> None:
    largest = float(np.abs(grid).max()) or 1.0
    drawn = axis.imshow(grid, cmap=FOR_AND_AGAINST, vmin=-largest, vmax=largest)
    if grid.size <= 49:
        for (row, column), value in np.ndenumerate(grid):
            axis.text(column, row, f"{value:.2g}", ha="center", va="center", fontsize=6)
    for row, column in np.argwhere(made_up):
        axis.add_patch(_hatched(row, column))
    axis.set_xticks([])
    axis.set_yticks([])
    sheet.colorbar(drawn, ax=axis, shrink=0.8).ax.tick_params(labelsize=6)


def _hatched(row: int, column: int) -> Rectangle:
    corner = column - 0.5, row - 0.5
    return Rectangle(corner, 1, 1, fill=False, hatch="///", linewidth=0, alpha=0.4)


MOST_TERMS = 20


def _bars(sheet: Any, found: NumberBreakdown) -> None:
    terms = sorted(found.terms, key=lambda t: -abs(t.product))[:MOST_TERMS]
    axis = sheet.subplots()
    products = [term.product for term in terms]
    colours = ["#2563a8" if p >= 0 else "#b35806" for p in products]
    names = [f"{t.source} {','.join(map(str, t.place))}" for t in terms]
    axis.barh(range(len(terms)), products, color=colours)
    axis.set_yticks(range(len(terms)), names, fontsize=6)
    axis.invert_yaxis()
    axis.set_xlabel("value times weight", fontsize=8)
    rest = sum(t.product for t in found.terms) - sum(products)
    others = f"; {len(found.terms) - len(terms)} other terms {rest:.4g}"
    told = _made_of(found) + (others if len(found.terms) > len(terms) else "")
    axis.set_title("\n".join(wrap(told, 80)), fontsize=8)
