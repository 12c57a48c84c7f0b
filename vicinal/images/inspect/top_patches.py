"""What excites a channel most, in pictures of one's own.

Every number of a map sees a window of the picture, its receptive field. The windows in
which a channel answers most say what it looks for, better than its weights do beyond
the first layer (M. Zeiler, R. Fergus, ECCV 2014, section 3; R. Girshick et al., CVPR
2014, section 3.1).
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vicinal.errors import SettingError
from vicinal.images.inspect.receptive_field import Box, receptive_field
from vicinal.images.tracing.trace import Run, answering, record, traced


class Patch(NamedTuple):
    """A window of a picture in which a channel answers strongly."""

    picture: int
    """number of the picture, in the order in which they came"""
    place: tuple[int, ...]
    """(channel, row, column) of the map"""
    value: float
    box: Box
    """rows and columns of the picture that it sees"""


@torch.no_grad()
def exciting_patches(
    network: nn.Module,
    batches: Iterable[Tensor],
    layer: str,
    *,
    most: int = 9,
) -> list[list[Patch]]:
    """For each channel of a layer, the patches that excite it most, the first first.

    batches: pictures [N, C, H, W], one size. Of one picture only its best place counts,
    or nine windows would show one thing. SettingError for a layer that is unknown, and
    ValueError where there is no picture.
    """
    best: Tensor | None = None  # [channels, k, 3]: value, picture, place in the map
    seen, first = 0, None

    def watch(name: str, value: Tensor) -> None:
        nonlocal best
        if name == layer:
            best = _merged(best, _best_places(value, seen), most)

    with answering(network):
        graph = traced(network)
        for x in batches:
            if first is None:
                first = x[0]
                record(network, first).step(layer)  # SettingError if it is not there
            Run(graph, watch).run(x)
            seen += len(x)
    if first is None or best is None:
        raise ValueError("exciting_patches wants one picture or more.")
    recording = record(network, first)
    shape = tuple(recording.values[layer].shape)
    if len(shape) not in (1, 3):
        raise SettingError(f"{layer} gives neither maps nor numbers in a row.")
    found = []
    for channel, rows in enumerate(best.tolist()):
        patches = []
        for value, picture, spot in rows:
            place = (channel,)
            if len(shape) == 3:
                place = channel, int(spot) // shape[2], int(spot) % shape[2]
            box = receptive_field(recording, layer, place)
            patches.append(Patch(int(picture), place, value, box))
        found.append(patches)
    return found


def _best_places(value: Tensor, seen: int) -> Tensor:
    """The best place of each channel in each picture, of maps [N, C, H, W]: [C, N, 3].

    Its value, the picture's number, and the place in the map, row by row.
    """
    flat = value.double()
    flat = flat.flatten(2) if flat.ndim > 2 else flat[..., None]
    top, spot = flat.max(dim=2)  # [N, C]
    number = torch.arange(seen, seen + len(value)).double()[:, None].expand_as(top)
    return torch.stack([top, number, spot.double()], dim=2).transpose(0, 1)


def _merged(best: Tensor | None, more: Tensor, most: int) -> Tensor:
    both = more if best is None else torch.cat([best, more], dim=1)
    order = both[..., 0].argsort(dim=1, descending=True, stable=True)[:, :most]
    return both.gather(1, order[..., None].expand(-1, -1, 3))
