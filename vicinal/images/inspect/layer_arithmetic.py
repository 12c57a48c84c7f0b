"""The arithmetic of each layer type: how one activation follows from its inputs.

Nearly every layer computes an activation y as a weighted sum of inputs x_k,

    y = c + sum over k of w_k x_k

================  ======================================  ==========================
layer             x_k                                     w_k and c
================  ======================================  ==========================
Conv2d            the window with its padding             the kernel; the bias
Linear            all inputs                              a row of weights; the bias
Pointwise         all channels of the pixel               a row of weights; the bias
BatchNorm2d       the same activation before              g / s; b - g m / s
LayerNorm2d       all C channels of the pixel             g (1[k = c] - 1/C) / s; b
AvgPool2d, mean   the window, or the whole map            1 / their number
add, mul          the activations at this position        1; the other factor
MaxPool2d         the window                              1 for the largest, else 0
================  ======================================  ==========================

with mean m, standard deviation s, scale g and shift b of a norm. An activation function
is applied to such a sum.
"""

from collections.abc import Callable, Container, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.utils import _pair

from vicinal.images.tracing.trace import Recording, Step
from vicinal.ops.padding import SOURCES, amounts

Position = tuple[int, ...]
"""(channel, row, column) of a feature map, or (index,) of a vector"""

PADDING = -1
"""row and column of a term that is padding"""


class WeightedTerms(NamedTuple):
    """T inputs of an activation, their weights, and a constant."""

    source: str
    """step whose output the inputs are"""

    positions: np.ndarray
    """[T, 3] or [T, 1]"""

    values: Tensor
    """[T]"""

    weights: Tensor
    """[T]"""

    constant: Tensor | float = 0.0
    operation: str = "weighted sum"
    function: Callable[[Tensor], Tensor] | None = None
    """applied to the sum, for an activation function"""

    window: tuple[int, int] | None = None
    """rows and columns, where the inputs are a window of one or more channels"""

    def compute(self) -> Tensor:
        """Return the activation."""
        total = (self.values * self.weights).sum() + self.constant
        return total if self.function is None else self.function(total)


LayerRule = Callable[[Recording, Step, Position], Iterator[WeightedTerms]]
"""yields the terms of an activation, one group for each source"""


def find_base_class(layer: nn.Module | None, table: Container[str]) -> str:
    """Return the name of the class or base class of a layer in a table, else ""."""
    names = [c.__name__ for c in type(layer).__mro__] if layer is not None else []
    return next((name for name in names if name in table), "")


# --- windows and padding -------------------------------------------------------------


def leading_padding(layer: Any, x: Tensor) -> tuple[int, int]:
    """Return the rows above and the columns to the left that a convolution pads."""
    rule = getattr(layer, "padding_rule", None) or layer.padding
    padding = rule if isinstance(rule, str) else _pair(rule)
    padded = amounts(
        padding,
        layer.kernel_size,
        stride=layer.stride,
        dilation=layer.dilation,
        size=x.shape[-2:],
    )
    return padded.top, padded.left


def _window(
    position: Position, kernel: Any, stride: Any, dilation: Any, padding: Any
) -> tuple[Tensor, Tensor]:
    """Return the rows [kh] and columns [kw] of a window, some outside the map."""
    rows, columns = (
        k * s - before + torch.arange(size) * d
        for k, size, s, d, before in zip(
            position[1:],
            _pair(kernel),
            _pair(stride),
            _pair(dilation),
            padding,
            strict=True,
        )
    )
    return rows, columns


def _read_window(
    x: Tensor,
    channels: range,
    rows: Tensor,
    columns: Tensor,
    mode: str = "zeros",
    fill: float = 0.0,
) -> tuple[np.ndarray, Tensor]:
    """Return positions [T, 3] and values [T] of a window, with its padding."""
    height, width = x.shape[-2:]
    if mode != "zeros":
        rows, columns = SOURCES[mode](rows, height), SOURCES[mode](columns, width)
    inside = ((rows >= 0) & (rows < height))[:, None] & (
        (columns >= 0) & (columns < width)
    )
    r, c = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    window = x[channels.start : channels.stop][:, r][:, :, c]
    window = torch.where(inside, window, torch.as_tensor(fill, dtype=x.dtype))
    indices = torch.arange(channels.start, channels.stop)
    grid = torch.meshgrid(indices, rows, columns, indexing="ij")
    positions = torch.stack([axis.flatten() for axis in grid], dim=1)
    outside = ~inside.expand(len(channels), -1, -1).flatten()
    positions[outside, 1:] = PADDING
    return positions.numpy(), window.flatten()


def _only(channel: int) -> range:
    return range(channel, channel + 1)


# --- convolutions and dense layers ---------------------------------------------------


def _convolution(
    recording: Recording, step: Step, position: Position
) -> Iterator[WeightedTerms]:
    layer: Any = step.layer
    x = recording.values[step.sources[0]]
    group_size = layer.in_channels // layer.groups
    group = position[0] // (layer.out_channels // layer.groups)
    channels = range(group * group_size, (group + 1) * group_size)
    padding = leading_padding(layer, x)
    rows, columns = _window(
        position, layer.kernel_size, layer.stride, layer.dilation, padding
    )
    positions, values = _read_window(x, channels, rows, columns, layer.padding_mode)
    bias = 0.0 if layer.bias is None else layer.bias[position[0]]
    kernel = layer.weight[position[0]].flatten()
    window = len(rows), len(columns)
    yield WeightedTerms(step.sources[0], positions, values, kernel, bias, window=window)


def _dense(
    recording: Recording, step: Step, position: Position
) -> Iterator[WeightedTerms]:
    layer: Any = step.layer
    x = recording.values[step.sources[0]]
    bias = 0.0 if layer.bias is None else layer.bias[position[0]]
    positions = np.arange(len(x))[:, None]
    if x.ndim == 3:  # the same layer at every pixel
        pixel = np.broadcast_to(position[1:], (len(x), 2))
        positions = np.concatenate([positions, pixel], axis=1)
        x = x[:, position[1], position[2]]
    weights = layer.weight[position[0]]
    yield WeightedTerms(step.sources[0], positions, x, weights, bias)


# --- norms ---------------------------------------------------------------------------


def _batch_norm(
    recording: Recording, step: Step, position: Position
) -> Iterator[WeightedTerms]:
    layer: Any = step.layer
    c = position[0]
    x = recording.values[step.sources[0]][position]
    scale = 1 / torch.sqrt(layer.running_var[c] + layer.eps)
    if layer.weight is not None:
        scale = scale * layer.weight[c]
    shift = -layer.running_mean[c] * scale
    if layer.bias is not None:
        shift = shift + layer.bias[c]
    positions = np.array([position])
    yield WeightedTerms(step.sources[0], positions, x[None], scale[None], shift)


def _layer_norm(
    recording: Recording, step: Step, position: Position
) -> Iterator[WeightedTerms]:
    layer: Any = step.layer
    c, *pixel = position
    x = recording.values[step.sources[0]]
    x = x[:, pixel[0], pixel[1]] if pixel else x
    std = torch.sqrt(x.var(correction=0) + layer.eps)
    is_channel = torch.zeros_like(x)
    is_channel[c] = 1
    scale, shift = torch.ones(()), torch.zeros(())
    if layer.weight is not None:
        scale, shift = layer.weight[c], layer.bias[c]
    weights = scale * (is_channel - 1 / len(x)) / std
    positions = np.array([(k, *pixel) for k in range(len(x))])
    yield WeightedTerms(step.sources[0], positions, x, weights, shift)


# --- pooling -------------------------------------------------------------------------


def _max_pool(
    recording: Recording, step: Step, position: Position
) -> Iterator[WeightedTerms]:
    layer: Any = step.layer
    x = recording.values[step.sources[0]]
    rows, columns = _window(
        position, layer.kernel_size, layer.stride, layer.dilation, _pair(layer.padding)
    )
    positions, values = _read_window(
        x, _only(position[0]), rows, columns, fill=-torch.inf
    )
    inside = positions[:, 1] != PADDING  # padding is never the maximum
    positions, values = positions[inside], values[torch.from_numpy(inside)]
    weights = torch.zeros_like(values)
    weights[values.argmax()] = 1
    operation = f"maximum of {len(values)}"
    window = (len(rows), len(columns)) if inside.all() else None
    yield WeightedTerms(
        step.sources[0], positions, values, weights, 0.0, operation, window=window
    )


def _average_pool(
    recording: Recording, step: Step, position: Position
) -> Iterator[WeightedTerms]:
    layer: Any = step.layer
    x = recording.values[step.sources[0]]
    rows, columns = _window(
        position, layer.kernel_size, layer.stride, 1, _pair(layer.padding)
    )
    positions, values = _read_window(x, _only(position[0]), rows, columns)
    count = int((positions[:, 1] != PADDING).sum())
    if layer.count_include_pad:
        count = len(values)
    window = len(rows), len(columns)
    yield _mean(step.sources[0], positions, values, count, window)


def _adaptive_pool(
    recording: Recording, step: Step, position: Position
) -> Iterator[WeightedTerms]:
    layer: Any = step.layer
    x = recording.values[step.sources[0]]
    rows, columns = (
        torch.arange(k * n // out, -(-(k + 1) * n // out))
        for k, n, out in zip(
            position[1:], x.shape[-2:], _pair(layer.output_size), strict=True
        )
    )
    positions, values = _read_window(x, _only(position[0]), rows, columns)
    window = len(rows), len(columns)
    yield _mean(step.sources[0], positions, values, len(values), window)


def _global_mean(
    recording: Recording, step: Step, position: Position
) -> Iterator[WeightedTerms]:
    x = recording.values[step.sources[0]]
    rows, columns = map(torch.arange, x.shape[-2:])
    positions, values = _read_window(x, _only(position[0]), rows, columns)
    window = len(rows), len(columns)
    yield _mean(step.sources[0], positions, values, len(values), window)


def _mean(
    source: str,
    positions: np.ndarray,
    values: Tensor,
    count: int,
    window: tuple[int, int],
) -> WeightedTerms:
    weights, operation = torch.full_like(values, 1 / count), f"mean of {count}"
    return WeightedTerms(
        source, positions, values, weights, 0.0, operation, window=window
    )


# --- operations that move or combine activations --------------------------------------


def _single(
    source: str, position: Position, x: Tensor, weight: Any, operation: str
) -> WeightedTerms:
    weights = torch.as_tensor(weight, dtype=x.dtype).reshape(1)
    positions = np.array([position])
    return WeightedTerms(source, positions, x.reshape(1), weights, 0.0, operation)


def _identity(
    recording: Recording, step: Step, position: Position
) -> Iterator[WeightedTerms]:
    """Pass an activation on, perhaps in another shape."""
    x = recording.values[step.sources[0]]
    if x.shape != recording.values[step.name].shape:
        position = tuple(int(k) for k in np.unravel_index(position[0], x.shape))
    yield _single(step.sources[0], position, x[position], 1.0, "unchanged")


def _zero_pad(
    recording: Recording, step: Step, position: Position
) -> Iterator[WeightedTerms]:
    layer: Any = step.layer
    left, _, top, _ = layer.padding
    source = position[0], position[1] - top, position[2] - left
    yield _single_or_zero(recording, step, source)


def _zero_padded(
    recording: Recording, step: Step, position: Position
) -> Iterator[WeightedTerms]:
    layer: Any = step.layer
    s = layer.stride
    source = position[0] - layer.before, position[1] * s, position[2] * s
    yield _single_or_zero(recording, step, source)


def _single_or_zero(
    recording: Recording, step: Step, position: Position
) -> WeightedTerms:
    x = recording.values[step.sources[0]]
    if all(0 <= k < n for k, n in zip(position, x.shape, strict=True)):
        return _single(step.sources[0], position, x[position], 1.0, "unchanged")
    outside = max(position[0], 0), PADDING, PADDING
    zero = torch.zeros((), dtype=x.dtype)
    return _single(step.sources[0], outside, zero, 1.0, "zero padding")


def _add(
    recording: Recording, step: Step, position: Position
) -> Iterator[WeightedTerms]:
    for source in step.sources:
        x = recording.values[source]
        index = _broadcast_index(position, x)
        yield _single(source, index, x[index], 1.0, "sum")
    if constants := [a for a in step.arguments if a is not None]:
        empty = torch.zeros(0)
        constant = sum(_constant_at(a, position) for a in constants)
        yield WeightedTerms(
            step.sources[0], np.empty((0, 3), int), empty, empty, constant
        )


def _mul(
    recording: Recording, step: Step, position: Position
) -> Iterator[WeightedTerms]:
    x = recording.values[step.sources[0]]
    weight: Any = 1.0
    for a in step.arguments:
        weight = weight * (1.0 if a is None else _constant_at(a, position))
    for source in step.sources[1:]:
        factor = recording.values[source]
        weight = weight * factor[_broadcast_index(position, factor)]
    index = _broadcast_index(position, x)
    yield _single(step.sources[0], index, x[index], weight, "product")


def _broadcast_index(position: Position, x: Tensor) -> Position:
    """Return the index into a broadcast tensor: 0 along an axis of length 1."""
    trailing = position[len(position) - x.ndim :]
    return tuple(k if n > 1 else 0 for k, n in zip(trailing, x.shape, strict=True))


def _constant_at(a: Any, position: Position) -> Any:
    """Return the element of a parameter at a position, or a plain number."""
    return a[_broadcast_index(position, a)] if isinstance(a, Tensor) else a


# --- activation functions ------------------------------------------------------------


def _activation_function(
    recording: Recording, step: Step, position: Position
) -> Iterator[WeightedTerms]:
    function, formula = ACTIVATION_FUNCTIONS[step.kind]
    x = recording.values[step.sources[0]][position]
    terms = _single(step.sources[0], position, x, 1.0, formula)
    yield terms._replace(function=function)


ACTIVATION_FUNCTIONS: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "ReLU": (lambda x: x.clamp(min=0), "max(0, x)"),
    "ReLU6": (lambda x: x.clamp(0, 6), "min(max(0, x), 6)"),
    "Tanh": (torch.tanh, "tanh(x)"),
    "Sigmoid": (torch.sigmoid, "1 / (1 + exp(-x))"),
    "SiLU": (lambda x: x * torch.sigmoid(x), "x / (1 + exp(-x))"),
    "GELU": (
        lambda x: x * (1 + torch.erf(x / 2**0.5)) / 2,
        "x times the normal distribution function at x",
    ),
}
"""the function and its formula"""

LAYER_RULES: dict[str, LayerRule] = {
    "Conv2d": _convolution,
    "Linear": _dense,
    "Pointwise": _dense,
    "BatchNorm2d": _batch_norm,
    "LayerNorm2d": _layer_norm,
    "MaxPool2d": _max_pool,
    "AvgPool2d": _average_pool,
    "AdaptiveAvgPool2d": _adaptive_pool,
    "mean": _global_mean,
    "add": _add,
    "mul": _mul,
    "ZeroPad2d": _zero_pad,
    "ZeroPadded": _zero_padded,
    **dict.fromkeys(ACTIVATION_FUNCTIONS, _activation_function),
    **dict.fromkeys(
        ("Flatten", "flatten", "contiguous", "Dropout", "StochasticDepth", "Identity"),
        _identity,
    ),
}
"""the rule of each kind of step"""
