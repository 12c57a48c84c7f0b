"""The image patches with the highest activation of a channel.

An activation depends on a window of the image, its receptive field. The windows with
the highest activations show what a channel detects, beyond the first layer better than
its weights do (M. Zeiler, R. Fergus, ECCV 2014, section 3; R. Girshick et al., CVPR
2014, section 3.1).
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vicinal.errors import SettingError
from vicinal.images.inspect.receptive_field import Box, receptive_field
from vicinal.images.tracing.trace import (
    StepInterpreter,
    eval_mode,
    record,
    trace_network,
)


class Patch(NamedTuple):
    """A window of an image with a high activation of a channel."""

    image: int
    """index of the image"""

    position: tuple[int, ...]
    """(channel, row, column) in the feature map"""

    value: float
    """the activation"""

    box: Box
    """rows and columns of the image"""


@torch.no_grad()
def find_top_patches(
    network: nn.Module,
    batches: Iterable[Tensor],
    layer: str,
    *,
    count: int = 9,
) -> list[list[Patch]]:
    """Return for each channel of a layer its patches, the highest activation first.

    batches: images [N, C, H, W] of one size. Each image contributes its best position
    only, so that the patches differ. SettingError for an unknown layer, ValueError
    without images.
    """
    best: Tensor | None = None  # [channels, k, 3]: value, image, position in the map
    num_images, first = 0, None

    def keep_best(name: str, value: Tensor) -> None:
        nonlocal best
        if name == layer:
            best = _merge(best, _best_positions(value, num_images), count)

    with eval_mode(network):
        graph = trace_network(network)
        for x in batches:
            if first is None:
                first = x[0]
                record(network, first).step(layer)  # SettingError for an unknown layer
            StepInterpreter(graph, keep_best).run(x)
            num_images += len(x)
    if first is None or best is None:
        raise ValueError("find_top_patches needs at least one image. Got none.")
    recording = record(network, first)
    shape = tuple(recording.values[layer].shape)
    if len(shape) not in (1, 3):
        raise SettingError(
            f"The output of {layer} must be feature maps or a vector. Got "
            f"{len(shape)} axes instead."
        )
    found = []
    for channel, rows in enumerate(best.tolist()):
        patches = []
        for value, image, flat in rows:
            position = (channel,)
            if len(shape) == 3:
                position = channel, int(flat) // shape[2], int(flat) % shape[2]
            box = receptive_field(recording, layer, position)
            patches.append(Patch(int(image), position, value, box))
        found.append(patches)
    return found


def _best_positions(value: Tensor, first_image: int) -> Tensor:
    """Return for maps [N, C, H, W] the best position of each channel [C, N, 3].

    The columns are its value, the index of the image, and the flat position in the map.
    """
    flat = value.double()
    flat = flat.flatten(2) if flat.ndim > 2 else flat[..., None]
    top, position = flat.max(dim=2)  # [N, C]
    images = torch.arange(first_image, first_image + len(value)).double()
    columns = [top, images[:, None].expand_as(top), position.double()]
    return torch.stack(columns, dim=2).transpose(0, 1)


def _merge(best: Tensor | None, new: Tensor, count: int) -> Tensor:
    both = new if best is None else torch.cat([best, new], dim=1)
    order = both[..., 0].argsort(dim=1, descending=True, stable=True)[:, :count]
    return both.gather(1, order[..., None].expand(-1, -1, 3))
