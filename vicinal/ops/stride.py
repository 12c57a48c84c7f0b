"""Stride: the positions of windows, the output size, and the receptive field.

Along an axis of size n padded to n + p, with a kernel of span s pixels (its gaps
included) and a stride, the windows start at 0, stride, 2 * stride, ...:

    outputs = floor((n + p - s) / stride) + 1

Source: V. Dumoulin and F. Visin 2016, "A guide to convolution arithmetic for deep
learning" (sections 2.4 and 5.1); for the receptive field A. Araujo, W. Norris and
J. Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks", Distill.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from torch import Tensor

from vicinal.ops.dilation import Pair, pair, span
from vicinal.ops.padding import Padding, amounts


def output_size(
    size: Sequence[int],
    kernel_size: Pair,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
) -> tuple[int, int]:
    """Return (H_out, W_out) of a layer: the number of windows, down and across.

    size: (H, W) in pixels, before padding; padding: anything `amounts` reads.
    Raises ValueError if no window fits into the padded image.
    """
    top, bottom, left, right = amounts(
        padding, kernel_size, stride=stride, dilation=dilation, size=size
    )
    padded = size[0] + top + bottom, size[1] + left + right
    rows, columns = span(kernel_size, dilation)
    down, across = pair(stride, "stride")
    if padded[0] < rows or padded[1] < columns:
        raise ValueError(
            f"the padded image must be at least {rows} x {columns} pixels, the size of "
            "one window including the gaps of its dilation. "
            f"Got {padded[0]} x {padded[1]}. Add padding or use a smaller kernel."
        )
    return (padded[0] - rows) // down + 1, (padded[1] - columns) // across + 1


def windows(
    x: Tensor, kernel_size: Pair, stride: Pair = 1, dilation: Pair = 1
) -> Tensor:
    """Return a view of an image with every position of a sliding window.

        windows[..., i, j, u, v] = x[..., i * stride + u * dilation,
                                          j * stride + v * dilation]

    x: [..., H, W], already padded. Returns [..., H_out, W_out, kh, kw]: a view, so
    writing into it changes the image. Raises ValueError if no window fits.
    """
    output_size(x.shape[-2:], kernel_size, stride, 0, dilation)  # raises if none fits
    rows, columns = span(kernel_size, dilation)
    (down, across), (gap_v, gap_h) = pair(stride, "stride"), pair(dilation, "dilation")
    x = x.unfold(-2, rows, down)  # [..., H_out, W, rows]
    x = x.unfold(-2, columns, across)  # [..., H_out, W_out, rows, columns]
    return x[..., ::gap_v, ::gap_h]  # [..., H_out, W_out, kh, kw]


def subsample(x: Tensor, stride: Pair) -> Tensor:
    """Return every stride-th row and column, starting with the first.

    A layer with a stride equals the layer without one, subsampled, but computes less.
    x: [..., H, W]. Returns [..., ceil(H / stride), ceil(W / stride)], a view.
    """
    down, across = pair(stride, "stride")
    return x[..., ::down, ::across]


class Layer(NamedTuple):
    """The parameters of a layer along one axis, in pixels of its input."""

    kernel_size: int
    stride: int = 1
    padding: int = 0
    """Pixels before the first one; padding after the last has no effect here."""
    dilation: int = 1


class ReceptiveField(NamedTuple):
    """The input pixels that affect one output value, along one axis."""

    size: int
    """Number of input pixels, from the first to the last."""
    jump: int
    """Distance in pixels between the fields of two neighbouring outputs."""
    start: int
    """First pixel of the field of output 0; negative if it is padding."""

    def pixels(self, output: int) -> range:
        """Return the pixels in the field of an output, including padding."""
        first = self.start + output * self.jump
        return range(first, first + self.size)


def receptive_field(layers: Iterable[Sequence[int]]) -> ReceptiveField:
    """Return the receptive field of a chain of layers.

    Layer by layer, from size = 1, jump = 1, start = 0:

        size  <- size + (kernel_size - 1) * dilation * jump
        start <- start - padding * jump
        jump  <- jump * stride

    layers: `Layer`s or tuples (kernel_size, stride, padding, dilation), along one
    axis, first layer first; pooling counts as a layer. For kernels that are not
    square, call it once per axis.
    """
    size, jump, start = 1, 1, 0
    for layer in layers:
        kernel_size, stride, padding, dilation = Layer(*layer)
        size += (kernel_size - 1) * dilation * jump
        start -= padding * jump
        jump *= stride
    return ReceptiveField(size, jump, start)
