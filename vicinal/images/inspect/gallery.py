"""Sheets to look at: filters, what excites a channel, and what it would love to see."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure

from vicinal.errors import SettingError
from vicinal.images.data.preprocess import to_input
from vicinal.images.explain.explain import seen_pixels
from vicinal.images.inspect.feature_visualization import (
    channel_of,
    class_of,
    synthesise,
)
from vicinal.images.inspect.filters import filter_pictures, first_convolution, kind_of
from vicinal.images.inspect.inspect import check_channels
from vicinal.images.inspect.plots import draw_filters, draw_rows
from vicinal.images.inspect.receptive_field import Box
from vicinal.images.inspect.top_patches import Patch, exciting_patches
from vicinal.images.tracing.explained_network import forms_of
from vicinal.images.tracing.target import row_of
from vicinal.images.tracing.trace import record

if TYPE_CHECKING:
    from vicinal.images.model import ImageModel

FEW = 4
"""channels that are shown where none is named"""

PATCHES = 9
"""patches of a channel"""

MOST_PICTURES = 256
"""pictures in which patches are looked for"""


class Sheet(NamedTuple):
    """A drawing, and what is in it for JSON."""

    drawing: Figure
    told: dict[str, Any]
    lines: list[str]


def filters(model: "ImageModel") -> Sheet:
    """The first convolution's kernels; SettingError for a network without one."""
    name, convolution = first_convolution(model.network_)
    kinds = [kind_of(kernel) for kernel in convolution.weight.detach().cpu()]
    pictures = filter_pictures(model.network_).numpy()
    counts = {kind: kinds.count(kind) for kind in sorted(set(kinds))}
    lines = [
        f"{name}: {len(kinds)} filters of {pictures.shape[1]} x {pictures.shape[2]}",
        *(f"  {count:>4} see {kind}" for kind, count in counts.items()),
    ]
    titles = [str(k) for k in range(len(kinds))]
    told = {"layer": name, "filters": kinds}
    above = f"{name}: each scaled by its own largest weight; grey is 0"
    return Sheet(draw_filters(pictures, titles, above), told, lines)


def patches(
    model: "ImageModel",
    pictures: Sequence[str],
    layer: str,
    channels: Sequence[int] = (),
) -> Sheet:
    """The windows of one's own pictures that excite each channel most.

    channels: those to show; none: the ones that answer most strongly anywhere.
    SettingError for a layer or a channel that is not there.
    """
    table = model._unlabelled(list(pictures[:MOST_PICTURES]))
    pixels = [found for _, _, found in model._batches(table)]
    how = model.preprocessing_
    device = str(next(model.network_.parameters()).device)
    inputs = (to_input(some, how, device) for some in pixels if len(some))
    network = forms_of(model).plain
    found = exciting_patches(network, inputs, layer, most=PATCHES)
    usual = sorted(range(len(found)), key=lambda k: -found[k][0].value)
    shown = check_channels(channels, len(found), layer) or sorted(usual[:FEW])
    seen = seen_pixels(np.concatenate(pixels), how)
    rows = [
        [
            _cut(seen[patch.picture], patch.box)
            for patch in found[channel]
            if patch.value
        ]
        for channel in shown
    ]
    titles = [f"channel {k}" + ("" if found[k][0].value else ": 0") for k in shown]
    told = {str(k): [_patch_to_dict(p, table.names) for p in found[k]] for k in shown}
    best = {k: found[k][0] for k in shown}
    lines = [
        f"channel {k}: most {patch.value:.4g}, in {table.names[patch.picture]}"
        if patch.value
        else f"channel {k}: 0 everywhere, nothing here excites it"
        for k, patch in best.items()
    ]
    above = f"{layer}: what excites a channel most, first to {PATCHES}th"
    drawn = draw_rows(rows, titles, above)
    return Sheet(drawn, {"layer": layer, "patches": told}, lines)


def _cut(picture: np.ndarray, box: Box) -> np.ndarray:
    return picture[box.top : box.bottom, box.left : box.right]


def _patch_to_dict(patch: Patch, names: list[str]) -> dict[str, Any]:
    return {
        "picture": names[patch.picture],
        "at": list(patch.place),
        "value": patch.value,
        "sees": patch.box._asdict(),
    }


def synthesis(
    model: "ImageModel",
    layer: str | None,
    channels: Sequence[int] = (),
    target: str | None = None,
    *,
    seed: int = 0,
) -> Sheet:
    """Pictures made to excite channels of a layer, or a class.

    channels: none: the first few. SettingError or ClassError for what is not there.
    """
    network, how = model.network_, model.preprocessing_
    if target is not None:
        classes = model.objective_.classes
        wanted = {target: class_of(row_of(classes, target))}
    elif layer is not None:
        side = how.image_size
        probe = record(network, torch.zeros(how.channels, side, side))
        count = len(probe.values[probe.step(layer).name])
        shown = check_channels(channels, count, layer) or list(range(min(FEW, count)))
        wanted = {f"channel {k}": channel_of(layer, k) for k in shown}
    else:
        raise SettingError(
            "A picture is made to excite a channel, with --layer and --channels, or a "
            "class, with --target."
        )
    made = {
        name: synthesise(network, how, one, seed=seed) for name, one in wanted.items()
    }
    pictures = [one.picture.movedim(0, -1).numpy() for one in made.values()]
    what = "mean of its map" if target is None else "logit"
    lines = [
        f"{name}: {what} from {one.values[0]:.4g} to {one.values[-1]:.4g} in "
        f"{len(one.values)} steps"
        for name, one in made.items()
    ]
    told = {name: one.values[-1] for name, one in made.items()}
    of = f" of {layer}" if target is None else ", by its logit"
    above = f"made to excite {'channels' if target is None else target}{of}"
    drawn = draw_rows([[picture] for picture in pictures], list(made), above, True)
    return Sheet(drawn, {"layer": layer, "synthesis": told}, lines)
