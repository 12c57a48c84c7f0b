"""Pooling: each window becomes one number, without any weights.

    y[n, c, i, j] = reduce over u, v of x[n, c, i * stride + u * dilation,
                                                j * stride + v * dilation]

One function does it, `reduce_windows`; max and average pooling only fix its
operation. Every channel is pooled on its own. Windows that would hang over the far
border are left out (`ceil_mode=False`, in torch's words).

Source: I. Goodfellow, Y. Bengio and A. Courville 2016, "Deep Learning", section 9.3;
the global average: M. Lin, Q. Chen and S. Yan 2014, "Network in network", 3.2.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from vicinal.ops.dilation import Pair, span
from vicinal.ops.padding import Padding, amounts, pad
from vicinal.ops.stride import windows


def reduce_windows(
    x: Tensor,
    reduce: Callable[..., Tensor],
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Padding = 0,
    dilation: Pair = 1,
    *,
    fill: float = 0.0,
) -> Tensor:
    """Turn every window of a picture into one number.

    x: [N, C, H, W]. Returns [N, C, H_out, W_out], see `stride.output_size`.
    reduce: called as reduce(windows, dim=(-2, -1)), for example torch.amax, torch.sum.
    stride: pixels between windows; None means kernel_size, windows side by side.
    fill: the value of the padding.
    Raises ValueError when no window fits, or when one would hold nothing but padding.
    """
    stride = kernel_size if stride is None else stride
    sides = amounts(
        padding, kernel_size, stride=stride, dilation=dilation, size=x.shape[-2:]
    )
    rows, columns = span(kernel_size, dilation)
    if max(sides[:2]) >= rows or max(sides[2:]) >= columns:
        raise ValueError(
            f"padding must be less than the window, {rows} x {columns} pixels, or a "
            f"window would hold nothing else. Got {tuple(sides)} (top, bottom, left, "
            "right). Pad less or use a larger kernel_size."
        )
    seen = windows(pad(x, sides, fill=fill), kernel_size, stride, dilation)
    return reduce(seen, dim=(-2, -1))  # [N, C, H_out, W_out, kh, kw] -> first four


def max_pool(
    x: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Padding = 0,
    dilation: Pair = 1,
) -> Tensor:
    """Keep the largest number of every window.

    Padding counts as minus infinity, so it never wins. Where several pixels share
    the maximum they share its gradient too (torch's own gives it to the first).
    Arguments, shapes and errors are those of `reduce_windows`.
    """
    least = -math.inf if x.is_floating_point() else torch.iinfo(x.dtype).min
    return reduce_windows(
        x, torch.amax, kernel_size, stride, padding, dilation, fill=least
    )


def average_pool(
    x: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Padding = 0,
    dilation: Pair = 1,
    count_include_pad: bool = True,
) -> Tensor:
    """Take the average of every window.

    count_include_pad: True divides by the size of the window, so that zeros of the
        padding pull the border down; False divides by the pixels that are really there.
    Arguments, shapes and errors are otherwise those of `reduce_windows`.
    """
    if count_include_pad:
        return reduce_windows(x, torch.mean, kernel_size, stride, padding, dilation)
    there = torch.ones_like(x[:1, :1])  # [1, 1, H, W]: its sums count real pixels
    total, count = (
        reduce_windows(values, torch.sum, kernel_size, stride, padding, dilation)
        for values in (x, there)
    )
    return total / count


def global_average_pool(x: Tensor) -> Tensor:
    """Take the average of every whole map, whatever its size.

    x: [N, C, H, W]. Returns [N, C].
    """
    return x.mean(dim=(-2, -1))
