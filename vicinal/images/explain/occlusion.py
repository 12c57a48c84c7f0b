"""Occlusion: the decrease of the output when a window of the image is covered.

::

    O_p = mean over windows w that cover p of F(x) - F(x with w covered)

It needs predictions only, no gradients. M. Zeiler, R. Fergus: Visualizing and
Understanding Convolutional Networks, ECCV 2014, https://arxiv.org/abs/1311.2901,
section 4.2.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from vicinal.images.tracing.gradients import (
    BATCH,
    ValueAndGradient,
    as_value_and_gradient,
)
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
    """Return the decrease of the target [H, W] per covered pixel of x [C, H, W].

    window, stride: pixels, of a square whose channels are set to `fill`; the last
    window of a row or column is cut off at the border. ValueError unless
    1 <= stride <= window, because larger strides skip pixels.
    """
    if not 1 <= stride <= window:
        raise ValueError(
            "stride must be between 1 and window, and window at least 1. Got "
            f"stride={stride}, window={window}."
        )
    height, width = x.shape[-2:]
    total, count = x.new_zeros(height, width), x.new_zeros(height, width)
    corners = [
        (top, left)
        for top in window_starts(height, window, stride)
        for left in window_starts(width, window, stride)
    ]
    with as_value_and_gradient(network) as function:
        uncovered = function.values(x[None], target)
        for batch in _batches(corners):
            covered = x.repeat(len(batch), 1, 1, 1)
            for image, (top, left) in zip(covered, batch, strict=True):
                image[:, top : top + window, left : left + window] = fill
            decreases = uncovered - function.values(covered, target)
            for (top, left), decrease in zip(batch, decreases, strict=True):
                total[top : top + window, left : left + window] += decrease
                count[top : top + window, left : left + window] += 1
    return total / count


def window_starts(size: int, window: int, stride: int) -> range:
    """Return the first pixel of each window; as few as cover the side."""
    return range(0, max(size - window + stride, 1), stride)


def _batches(corners: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    return (corners[k : k + BATCH] for k in range(0, len(corners), BATCH))
