"""Occlusion: how far the answer falls when a part of the picture is covered.

::

    O_p = mean over windows w that cover p of F(x) - F(x with w covered)

Nothing of the network is assumed: it is asked again and again. M. Zeiler, R. Fergus:
Visualizing and Understanding Convolutional Networks, ECCV 2014,
https://arxiv.org/abs/1311.2901, section 4.2.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from vicinal.images.tracing.gradients import BATCH, ValueAndGradient, asked_of
from vicinal.images.tracing.target import Target


@torch.no_grad()
def occlusion(
    network: nn.Module | ValueAndGradient,
    x: Tensor,
    target: Target,
    window: int,
    stride: int,
    fill: float = 0.0,
) -> Tensor:
    """How much covering each pixel of x [C, H, W] costs the target: [H, W].

    window, stride: pixels, of a square that is set to `fill` in all channels; the last
    one of a row or a column is cut at the border. ValueError for a window or a stride
    below 1, and for a stride above the window, which would leave pixels out.
    """
    if not 1 <= stride <= window:
        raise ValueError(
            "stride must be from 1 to window, which is 1 or more. Got "
            f"stride={stride}, window={window}."
        )
    height, width = x.shape[-2:]
    total, count = x.new_zeros(height, width), x.new_zeros(height, width)
    corners = [
        (top, left)
        for top in starts(height, window, stride)
        for left in starts(width, window, stride)
    ]
    with asked_of(network) as asked:
        whole = asked.values(x[None], target)
        for some in _batches(corners):
            covered = x.repeat(len(some), 1, 1, 1)
            for picture, (top, left) in zip(covered, some, strict=True):
                picture[:, top : top + window, left : left + window] = fill
            falls = whole - asked.values(covered, target)
            for (top, left), fall in zip(some, falls, strict=True):
                total[top : top + window, left : left + window] += fall
                count[top : top + window, left : left + window] += 1
    return total / count


def starts(size: int, window: int, stride: int) -> range:
    """Where windows begin, so that they cover a side: as few as do."""
    return range(0, max(size - window + stride, 1), stride)


def _batches(corners: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    return (corners[k : k + BATCH] for k in range(0, len(corners), BATCH))
