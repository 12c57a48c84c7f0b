"""Pooling: the maximum or average of each window.

    y[n, c, i, j] = reduce over u, v of x[n, c, i * stride + u * dilation,
                                                j * stride + v * dilation]

`reduce_windows` is the general function; max and average pooling set its operation.
Channels are pooled separately. Windows that cross the far border are left out (torch:
`ceil_mode=False`).

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
    """Reduce every window of an image to one value.

    x: [N, C, H, W]. Returns [N, C, H_out, W_out], see `stride.output_size`.
    reduce: called as reduce(windows, dim=(-2, -1)), for example torch.amax, torch.sum.
    stride: pixels between windows; None means kernel_size, windows side by side.
    fill: the value of the padding.
    Raises ValueError if no window fits, or if one would contain only padding.
    """
    stride = kernel_size if stride is None else stride
    sides = amounts(
        padding, kernel_size, stride=stride, dilation=dilation, size=x.shape[-2:]
    )
    rows, columns = span(kernel_size, dilation)
    if max(sides[:2]) >= rows or max(sides[2:]) >= columns:
        raise ValueError(
            f"padding must be less than the window, {rows} x {columns} pixels, or a "
            f"window would contain only padding. Got {tuple(sides)} (top, bottom, "
            "left, right). Pad less or use a larger kernel_size."
        )
    views = windows(pad(x, sides, fill=fill), kernel_size, stride, dilation)
    return reduce(views, dim=(-2, -1))  # [N, C, H_out, W_out, kh, kw] -> first four


def max_pool(
    x: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Padding = 0,
    dilation: Pair = 1,
) -> Tensor:
    """Return the maximum of every window.

    Padding is minus infinity. Pixels that share the maximum share its gradient (in
    torch the first one gets it).
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
    """Return the average of every window.

    count_include_pad: True divides by the size of the window; False by the number of
        pixels in it that are not padding.
    Arguments, shapes and errors are otherwise those of `reduce_windows`.
    """
    if count_include_pad:
        return reduce_windows(x, torch.mean, kernel_size, stride, padding, dilation)
    ones = torch.ones_like(x[:1, :1])  # [1, 1, H, W]: its sums count real pixels
    total, count = (
        reduce_windows(values, torch.sum, kernel_size, stride, padding, dilation)
        for values in (x, ones)
    )
    return total / count


def global_average_pool(x: Tensor) -> Tensor:
    """Return the average of every feature map.

    x: [N, C, H, W]. Returns [N, C].
    """
    return x.mean(dim=(-2, -1))
