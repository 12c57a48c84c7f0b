"""Stride: which windows are visited, and how far an output number sees.

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
    """Say how many windows fit, down and across: the (H_out, W_out) of a layer.

    size: (H, W) in pixels, before padding; padding: anything `amounts` reads.
    Raises ValueError when not one window fits into the padded picture.
    """
    top, bottom, left, right = amounts(
        padding, kernel_size, stride=stride, dilation=dilation, size=size
    )
    padded = size[0] + top + bottom, size[1] + left + right
    rows, columns = span(kernel_size, dilation)
    down, across = pair(stride, "stride")
    if padded[0] < rows or padded[1] < columns:
        raise ValueError(
            f"the padded picture must be at least {rows} x {columns} pixels, to hold "
            "one window with the gaps of its dilation. "
            f"Got {padded[0]} x {padded[1]}. Add padding or use a smaller kernel."
        )
    return (padded[0] - rows) // down + 1, (padded[1] - columns) // across + 1


def windows(
    x: Tensor, kernel_size: Pair, stride: Pair = 1, dilation: Pair = 1
) -> Tensor:
    """Look at a picture through every position of a sliding window.

        windows[..., i, j, u, v] = x[..., i * stride + u * dilation,
                                          j * stride + v * dilation]

    x: [..., H, W], already padded. Returns [..., H_out, W_out, kh, kw]: a view, so
    nothing is copied, and writing into it writes into the picture.
    Raises ValueError when not one window fits.
    """
    output_size(x.shape[-2:], kernel_size, stride, 0, dilation)  # raises if none fits
    rows, columns = span(kernel_size, dilation)
    (down, across), (gap_v, gap_h) = pair(stride, "stride"), pair(dilation, "dilation")
    x = x.unfold(-2, rows, down)  # [..., H_out, W, rows]
    x = x.unfold(-2, columns, across)  # [..., H_out, W_out, rows, columns]
    return x[..., ::gap_v, ::gap_h]  # [..., H_out, W_out, kh, kw]


def subsample(x: Tensor, stride: Pair) -> Tensor:
    """Keep every stride-th row and column, starting with the first.

    A layer with a stride is the same layer without one, subsampled; it only saves
    computing what would be thrown away.
    x: [..., H, W]. Returns [..., ceil(H / stride), ceil(W / stride)], a view.
    """
    down, across = pair(stride, "stride")
    return x[..., ::down, ::across]


class Layer(NamedTuple):
    """What decides how far a layer sees, along one axis, in pixels of its input."""

    kernel_size: int
    stride: int = 1
    padding: int = 0
    """Pixels before the first one; the padding after the last changes nothing here."""
    dilation: int = 1


class ReceptiveField(NamedTuple):
    """The pixels of the picture that reach one output number, along one axis."""

    size: int
    """How many pixels an output sees, from the first to the last."""
    jump: int
    """How many pixels lie between what two neighbouring outputs see."""
    start: int
    """First pixel that output 0 sees; below 0 it lies in the padding."""

    def pixels(self, output: int) -> range:
        """List the pixels that the output of this number sees, padding included."""
        first = self.start + output * self.jump
        return range(first, first + self.size)


def receptive_field(layers: Iterable[Sequence[int]]) -> ReceptiveField:
    """Work out which pixels an output number of a chain of layers can see.

    Layer by layer, from size = 1, jump = 1, start = 0:

        size  <- size + (kernel_size - 1) * dilation * jump
        start <- start - padding * jump
        jump  <- jump * stride

    layers: `Layer`s or tuples (kernel_size, stride, padding, dilation), along one
    axis, first layer first; pooling counts as a layer. For kernels that are not
    square ask once per axis.
    """
    size, jump, start = 1, 1, 0
    for layer in layers:
        kernel_size, stride, padding, dilation = Layer(*layer)
        size += (kernel_size - 1) * dilation * jump
        start -= padding * jump
        jump *= stride
    return ReceptiveField(size, jump, start)
