"""Convolution: each output number is a weighted sum of a pixel's neighbours.

    y[n, o, i, j] = b[o] + sum over c, u, v of
                    w[o, c, u, v] * x[n, c, i * stride + u * dilation,
                                            j * stride + v * dilation]

with x already padded. As usual in deep learning the kernel is not flipped, so this is
a cross-correlation in mathematical terms.

Three implementations, from the simplest to the fastest: `window_product` computes one
value, `convolve_by_hand` loops over all of them, `convolve` is vectorised. All are
equal to `torch.nn.functional.conv2d`.

Source: I. Goodfellow, Y. Bengio and A. Courville 2016, "Deep Learning", section 9.1;
Y. LeCun et al. 1998, "Gradient-based learning applied to document recognition".
"""

from itertools import product

import torch
from torch import Tensor

from vicinal.ops.dilation import Pair
from vicinal.ops.padding import Padding, amounts, pad
from vicinal.ops.stride import windows


def window_product(
    window: Tensor, kernel: Tensor, bias: Tensor | float = 0.0
) -> Tensor:
    """Compute one output value: the sum of elementwise products, plus the bias.

        y = bias + sum over c, u, v of kernel[c, u, v] * window[c, u, v]

    window, kernel: the same shape, [C, kh, kw] or [kh, kw]. Returns a scalar.
    Raises ValueError if the shapes differ.
    """
    if window.shape != kernel.shape:
        raise ValueError(
            "window must have the shape of the kernel, because they are multiplied "
            f"elementwise: {list(kernel.shape)}. Got {list(window.shape)}. "
            "Cut the window with the kernel's size."
        )
    return (window * kernel).sum() + bias


def convolve_by_hand(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Pair = 1,
    padding: Padding = 0,
    padding_mode: str = "zeros",
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve one output value at a time: slow, but every step is visible.

    Arguments, shapes and errors are those of `convolve`.
    """
    _check(x, weight, groups)
    views = _windows(x, weight, stride, padding, padding_mode, dilation)
    C_out, C = weight.shape[:2]  # C = C_in / groups: channels that one output reads
    y = x.new_zeros(len(x), C_out, *views.shape[2:4])
    for n, o, i, j in product(*map(range, y.shape)):
        first = o // (C_out // groups) * C  # channel of the group that o belongs to
        window = views[n, first : first + C, i, j]  # [C, kh, kw]
        b = 0.0 if bias is None else bias[o]
        y[n, o, i, j] = window_product(window, weight[o], b)
    return y


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Pair = 1,
    padding: Padding = 0,
    padding_mode: str = "zeros",
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve an image: slide a kernel over it and take weighted sums.

    x: [N, C_in, H, W]; weight: [C_out, C_in / groups, kh, kw]; bias: [C_out].
    Returns [N, C_out, H_out, W_out], see `stride.output_size`.
    stride, dilation: pixels, one number or (rows, columns).
    padding: anything `padding.amounts` reads; padding_mode: a mode of `padding.pad`.
    groups: number of channel groups that are convolved separately.
    Raises ValueError if shapes do not match or no window fits.
    """
    _check(x, weight, groups)
    views = _windows(x, weight, stride, padding, padding_mode, dilation)
    x_g = views.unflatten(1, (groups, -1))  # [N, g, C_in/g, H_out, W_out, kh, kw]
    w_g = weight.unflatten(0, (groups, -1))  # [g, C_out/g, C_in/g, kh, kw]
    y = torch.einsum("ngcijuv,gocuv->ngoij", x_g, w_g)
    y = y.flatten(1, 2)  # [N, C_out, H_out, W_out]
    return y if bias is None else y + bias[:, None, None]


def _windows(
    x: Tensor,
    weight: Tensor,
    stride: Pair,
    padding: Padding,
    padding_mode: str,
    dilation: Pair,
) -> Tensor:
    """Pad, then cut windows: [N, C_in, H_out, W_out, kh, kw]."""
    kernel_size, size = weight.shape[-2:], x.shape[-2:]
    sides = amounts(padding, kernel_size, stride=stride, dilation=dilation, size=size)
    return windows(pad(x, sides, padding_mode), kernel_size, stride, dilation)


def _check(x: Tensor, weight: Tensor, groups: int) -> None:
    if x.ndim != 4 or weight.ndim != 4:
        raise ValueError(
            "x and weight must be [N, C_in, H, W] and [C_out, C_in / groups, kh, kw]. "
            f"Got {list(x.shape)} and {list(weight.shape)}. "
            "Add the missing axes, for example x[None, None] for one gray image."
        )
    if groups < 1 or len(weight) % groups or x.shape[1] != weight.shape[1] * groups:
        raise ValueError(
            "weight must read C_in / groups channels, and groups must divide C_out. "
            f"Got C_in={x.shape[1]}, groups={groups} and weight {list(weight.shape)}. "
            "Change groups or the channels of x."
        )
