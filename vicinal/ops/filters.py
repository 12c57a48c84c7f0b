"""Classic filters: handmade kernels, to show what a convolution can detect.

Networks learn similar kernels in their first layer. Kernels are not flipped, so
`sobel_x` is largest where the image gets brighter from left to right.

Source: R. Gonzalez and R. Woods 2018, "Digital image processing", 4th ed., 3.5, 3.6
and 10.2; I. Sobel and G. Feldman 1968, "An isotropic 3x3 image gradient operator";
J. Prewitt 1970, "Object enhancement and extraction".
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from vicinal.ops.convolution import convolve
from vicinal.ops.padding import Padding


class Filter(NamedTuple):
    """A kernel and its description."""

    kernel: Tensor
    """[kh, kw]"""
    meaning: str
    """One sentence."""


def gaussian(sigma: float, size: int | None = None) -> Tensor:
    """Return a Gaussian blur kernel.

        g[u, v] = exp(-(u^2 + v^2) / (2 sigma^2)) / their sum,  u, v from the middle

    sigma: pixels, greater than 0. size: pixels, odd; None reaches 3 sigma to each side.
    Returns [size, size], which sums to 1. Raises ValueError for an invalid sigma or
    size.
    """
    if sigma <= 0:
        raise ValueError(f"sigma must be greater than 0 pixels. Got {sigma}. Try 1.0.")
    size = 2 * math.ceil(3 * sigma) + 1 if size is None else size
    if size < 1 or size % 2 == 0:
        raise ValueError(
            f"size must be odd, so that the kernel has a middle. Got {size}. "
            f"Use {abs(size) + (size % 2 == 0)}."
        )
    u = torch.arange(size) - size // 2  # [size], 0 in the middle
    g = torch.exp(-(u**2) / (2 * sigma**2))
    return torch.outer(g, g) / g.sum() ** 2


FILTERS: dict[str, Filter] = {
    "identity": Filter(
        torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, 0, 0]]),
        "Returns the image as it is.",
    ),
    "sobel_x": Filter(
        torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
        "Detects vertical edges: positive where it gets brighter to the right.",
    ),
    "sobel_y": Filter(
        torch.tensor([[-1.0, -2, -1], [0, 0, 0], [1, 2, 1]]),
        "Detects horizontal edges: positive where it gets brighter downwards.",
    ),
    "prewitt_x": Filter(
        torch.tensor([[-1.0, 0, 1], [-1, 0, 1], [-1, 0, 1]]),
        "Detects vertical edges like sobel_x, with equal weights for the three rows.",
    ),
    "prewitt_y": Filter(
        torch.tensor([[-1.0, -1, -1], [0, 0, 0], [1, 1, 1]]),
        "Detects horizontal edges like sobel_y, with equal weights for the columns.",
    ),
    "laplacian": Filter(
        torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]),
        "Detects spots and edges of any direction: neighbours minus the pixel itself.",
    ),
    "box_blur": Filter(
        torch.full((3, 3), 1 / 9),
        "Blurs: every pixel becomes the mean of the nine around it.",
    ),
    "gaussian_blur": Filter(
        torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16,
        "Blurs softly: near pixels count more than those at the corners.",
    ),
    "sharpen": Filter(
        torch.tensor([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
        "Sharpens: the image minus its laplacian, so that edges stand out.",
    ),
}


def apply_filter(
    x: Tensor,
    name: str | Tensor,
    padding: Padding = "same",
    padding_mode: str = "edge",
) -> Tensor:
    """Apply a classic filter to each channel of an image.

    x: [H, W], [C, H, W] or [N, C, H, W]; whole numbers become float32 first.
    name: one of `FILTERS`, or a kernel [kh, kw] of your own, such as gaussian(2.0).
    Returns the same axes; the same H and W unless padding says otherwise.
    Raises ValueError for an unknown name.
    """
    x = x if x.is_floating_point() else x.float()
    kernel = _kernel(name).to(x)  # [kh, kw]
    planes = x.reshape(-1, 1, *x.shape[-2:])  # [N * C, 1, H, W]
    y = convolve(planes, kernel[None, None], padding=padding, padding_mode=padding_mode)
    return y.reshape(*x.shape[:-2], *y.shape[-2:])


def _kernel(name: str | Tensor) -> Tensor:
    if isinstance(name, Tensor):
        return name
    if name not in FILTERS:
        words = ", ".join(map(repr, FILTERS))
        raise ValueError(
            f"name must be one of {words}, or a kernel. Got {name!r}. "
            "Use one of those, or pass a tensor [kh, kw]."
        )
    return FILTERS[name].kernel
