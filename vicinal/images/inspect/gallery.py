"""Galleries for `vicinal inspect --show`: filters, top patches, visualised features."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure

from vicinal.core.data.class_names import class_index
from vicinal.core.settings import check_seed
from vicinal.errors import SettingError
from vicinal.images.data.decoding.preprocess import to_input
from vicinal.images.explain.explain import crop_pixels
from vicinal.images.inspect.feature_visualization import (
    Objective,
    maximize_channel,
    maximize_class,
    visualize_feature,
)
from vicinal.images.inspect.filters import (
    classify_filter,
    filter_images,
    first_convolution,
)
from vicinal.images.inspect.inspect import PrintLine, check_channels
from vicinal.images.inspect.plots import plot_filters, plot_image_rows
from vicinal.images.inspect.top_patches import Patch, find_top_patches
from vicinal.images.tracing.explained_network import get_explained_network
from vicinal.images.tracing.trace import record

if TYPE_CHECKING:
    from vicinal.images.model import ImageModel

DEFAULT_CHANNELS = 4
"""channels that are shown unless they are named"""

NUM_PATCHES = 9
"""patches per channel"""

MAX_IMAGES = 256
"""images that are searched for patches"""


class Sheet(NamedTuple):
    """A figure, its content for JSON, and lines to print."""

    figure: Figure
    summary: dict[str, Any]
    lines: list[str]


def plot_first_filters(model: "ImageModel") -> Sheet:
    """Plot the filters of the first convolution; SettingError if there is none."""
    name, convolution = first_convolution(model.network_)
    kinds = [classify_filter(kernel) for kernel in convolution.weight.detach().cpu()]
    images = filter_images(model.network_).numpy()
    counts = {kind: kinds.count(kind) for kind in sorted(set(kinds))}
    lines = [
        f"{name}: {len(kinds)} filters of {images.shape[1]} x {images.shape[2]}",
        *(f"  {count:>4} detect {kind}" for kind, count in counts.items()),
    ]
    titles = [str(k) for k in range(len(kinds))]
    heading = f"{name}: each filter scaled by its largest weight; grey is 0"
    figure = plot_filters(images, titles, heading)
    return Sheet(figure, {"layer": name, "filters": kinds}, lines)


def plot_top_patches(
    model: "ImageModel",
    images: Sequence[str],
    layer: str,
    channels: Sequence[int] = (),
) -> Sheet:
    """Plot the image patches with the highest activation of each channel.

    channels: those to show; empty: the ones with the highest activations. SettingError
    for an unknown layer or channel.
    """
    table = model.read_unlabelled(list(images[:MAX_IMAGES]))
    stored = [pixels for _, _, pixels in model.read_batches(table)]
    preprocessing = model.preprocessing_
    device = str(next(model.network_.parameters()).device)
    inputs = (to_input(b, preprocessing, device) for b in stored if len(b))
    network = get_explained_network(model).folded_traced
    patches = find_top_patches(network, inputs, layer, count=NUM_PATCHES)
    by_value = sorted(range(len(patches)), key=lambda k: -patches[k][0].value)
    shown = check_channels(channels, len(patches), layer)
    shown = shown or sorted(by_value[:DEFAULT_CHANNELS])
    pixels = crop_pixels(np.concatenate(stored), preprocessing)
    rows = [[_cut(pixels, patch) for patch in patches[k] if patch.value] for k in shown]
    titles = [f"channel {k}" + ("" if patches[k][0].value else ": 0") for k in shown]
    lines = [_describe_channel(k, patches[k][0], table.names) for k in shown]
    heading = f"{layer}: patches with the highest activation, in decreasing order"
    summary = {
        str(k): [_patch_to_dict(patch, table.names) for patch in patches[k]]
        for k in shown
    }
    figure = plot_image_rows(rows, titles, heading)
    return Sheet(figure, {"layer": layer, "patches": summary}, lines)


def _describe_channel(channel: int, patch: Patch, names: list[str]) -> str:
    if not patch.value:
        return f"channel {channel}: 0 for all images"
    return f"channel {channel}: highest {patch.value:.4g}, in {names[patch.image]}"


def _cut(pixels: np.ndarray, patch: Patch) -> np.ndarray:
    """Return the pixels of a patch of images [N, H, W, C]."""
    box = patch.box
    return pixels[patch.image, box.top : box.bottom, box.left : box.right]


def _patch_to_dict(patch: Patch, names: list[str]) -> dict[str, Any]:
    return {
        "image": names[patch.image],
        "position": list(patch.position),
        "value": patch.value,
        "receptive_field": patch.box._asdict(),
    }


def plot_feature_visualizations(
    model: "ImageModel",
    layer: str | None,
    channels: Sequence[int] = (),
    target: str | None = None,
    *,
    seed: int = 0,
    print_line: PrintLine | None = None,
) -> Sheet:
    """Plot images that maximise channels of a layer, or the logit of a class.

    channels: empty: the first few. print_line: called with the expected duration, once
    the arguments are checked. SettingError or ClassError for an unknown layer, channel
    or class.
    """
    check_seed(seed)
    network, preprocessing = model.network_, model.preprocessing_
    objectives = _objectives(model, layer, channels, target)
    if print_line is not None:
        print_line("about 20 s for each image ...")
    results = {
        name: visualize_feature(network, preprocessing, objective, seed=seed)
        for name, objective in objectives.items()
    }
    images = [result.image.movedim(0, -1).numpy() for result in results.values()]
    value = "mean activation" if target is None else "logit"
    lines = [
        f"{name}: {value} from {result.values[0]:.4g} to {result.values[-1]:.4g} in "
        f"{len(result.values)} steps"
        for name, result in results.items()
    ]
    what = f"channels of {layer}" if target is None else f"the logit of {target}"
    heading = f"images that maximise {what}"
    figure = plot_image_rows(
        [[image] for image in images], list(results), heading, True
    )
    summary = {name: result.values[-1] for name, result in results.items()}
    return Sheet(figure, {"layer": layer, "synthesis": summary}, lines)


def _objectives(
    model: "ImageModel", layer: str | None, channels: Sequence[int], target: str | None
) -> dict[str, tuple[str | None, Objective]]:
    """Return what is maximised, by its name: the logit of a class, or channels."""
    if target is not None:
        index = class_index(model.objective_.classes, target)
        return {target: maximize_class(index)}
    if layer is None:
        raise SettingError(
            "A feature visualisation maximises a channel (--layer and --channels) or "
            "a class (--target). Got neither."
        )
    shown = _channels_of(model, layer, channels)
    return {f"channel {k}": maximize_channel(layer, k) for k in shown}


def _channels_of(model: "ImageModel", layer: str, channels: Sequence[int]) -> list[int]:
    """Return the channels of a layer to show; the first few unless they are named."""
    preprocessing = model.preprocessing_
    side = preprocessing.image_size
    blank = torch.zeros(preprocessing.channels, side, side)
    recording = record(model.network_, blank)
    count = len(recording.values[recording.step(layer).name])
    shown = check_channels(channels, count, layer)
    return shown or list(range(min(DEFAULT_CHANNELS, count)))
