"""Follow one number of a network: what it is made of, term by term.

Every step makes a number y of the numbers x_k that it looks at. For nearly all of them
it is a weighted sum,

    y = c + sum over k of w_k x_k

with what stands in the table below; the others are a choice (max pooling) or a curve
(an activation). It is computed here from its terms, apart from the network, and held
against what the network gave.

================  ======================================  ==========================
step              x_k                                     w_k and c
================  ======================================  ==========================
Conv2d            the window and its padding              the kernel; the bias
Linear            all numbers before it                   a row of it; the bias
Pointwise         all channels of the pixel               a row of it; the bias
BatchNorm2d       the number itself                       g / s; b - g m / s
LayerNorm2d       all C channels of the pixel             g (1[k = c] - 1/C) / s; b
AvgPool2d, mean   the window, or the whole map            1 / how many
add, mul          the numbers in that place               1; the other factor
MaxPool2d         the window                              1 for the largest, else 0
================  ======================================  ==========================

with m and s the mean and the spread, g and b the scale and the shift of a norm.
"""

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.utils import _pair

from vicinal.errors import SettingError
from vicinal.images.tracing.trace import PICTURE, Recording, Step
from vicinal.ops.padding import SOURCES, amounts

Place = tuple[int, ...]
"""(channel, row, column) of a map, or (number,) behind the last one"""

NOWHERE = -1
"""row and column of a term that padding made up"""


class Term(NamedTuple):
    """One of the numbers that a number is made of."""

    source: str
    """the step that gave it"""
    place: Place
    """where in that step's value; rows and columns of zero padding are NOWHERE"""
    value: float
    weight: float

    @property
    def product(self) -> float:
        return self.value * self.weight


class WeightedTerms(NamedTuple):
    """What a number is made of: T numbers, their weights, and a constant."""

    source: str
    places: np.ndarray
    """[T, 3] or [T, 1]"""
    values: Tensor
    """[T]"""
    weights: Tensor
    """[T]"""
    constant: Tensor | float = 0.0
    how: str = "the sum of products"
    curve: Callable[[Tensor], Tensor] | None = None
    """what is done to the sum, for an activation"""
    window: tuple[int, int] | None = None
    """rows and columns, where the numbers are a window of one channel or more"""

    def computed(self) -> Tensor:
        total = (self.values * self.weights).sum() + self.constant
        return total if self.curve is None else self.curve(total)


@dataclass(frozen=True)
class NumberBreakdown:
    """One number of a network, opened."""

    step: Step
    place: Place
    given: float
    """what the network gave"""
    computed: float
    """what its terms make"""
    constant: float
    how: str
    terms: list[Term]
    window: tuple[int, int] | None = None
    """rows and columns, where the terms are windows of channels, one after the other"""

    @property
    def foremost(self) -> Term | None:
        """The term that gives most towards the number: of those of its sign, the
        largest. None where no term has it, as in a number that was cut off at 0, or
        that the constant makes alone."""
        side = -1 if self.given < 0 else 1
        found = max(self.terms, key=lambda term: side * term.product)
        return found if side * found.product > 0 else None


@torch.no_grad()
def opened(recording: Recording, name: str, place: Place) -> NumberBreakdown:
    """Open one number: the step of a name, at a place of what it gave.

    place: (channel, row, column) of a map [C, H, W], or (number,) of [D]. SettingError
    for a step that is unknown or cannot be opened, and for a place that is outside.
    """
    step = recording.step(name)
    value = recording.values[name]
    _check(name, place, value)
    opener = OPENERS.get(step.kind) or OPENERS.get(family(step.layer, OPENERS))
    if opener is None:
        raise SettingError(
            f"{name} is a {step.kind}, and how its numbers are made is not known here. "
            "Open the step before it, or the one behind it."
        )
    parts = list(opener(recording, step, place))
    computed = sum((made.computed() for made in parts), torch.zeros(()))
    terms = [
        Term(made.source, tuple(at), v, w)
        for made in parts
        for at, v, w in zip(
            made.places.tolist(),
            made.values.tolist(),
            made.weights.tolist(),
            strict=True,
        )
    ]
    constant = sum(float(made.constant) for made in parts)
    given = float(value[place])
    how, window = parts[0].how, parts[0].window
    return NumberBreakdown(
        step, place, given, float(computed), constant, how, terms, window
    )


def trail(recording: Recording, name: str, place: Place) -> Iterator[NumberBreakdown]:
    """From a number back to the picture, each time by the foremost term.

    It ends at the picture, where all that is left is padding, or where no term gives
    anything towards the number.
    """
    while name != PICTURE:
        found = opened(recording, name, place)
        yield found
        term = found.foremost
        if term is None or NOWHERE in term.place:
            return
        name, place = term.source, term.place


def _check(name: str, place: Place, value: Tensor) -> None:
    shape = tuple(value.shape)
    inside = len(place) == len(shape) and all(
        0 <= k < n for k, n in zip(place, shape, strict=False)
    )
    if not inside:
        axes = "channel,row,column" if len(shape) == 3 else "number"
        most = ",".join(str(n - 1) for n in shape)
        raise SettingError(
            f"{name} gives {' x '.join(map(str, shape))} numbers, so a place in it is "
            f"{axes} from {','.join('0' * len(shape))} to {most}. Got "
            f"{','.join(map(str, place))} instead."
        )


# --- how each step makes a number ----------------------------------------------------

Opener = Callable[[Recording, Step, Place], Iterator[WeightedTerms]]


def _window(
    x: Tensor, place: Place, kernel: Any, stride: Any, dilation: Any, top_left: Any
) -> tuple[Tensor, Tensor]:
    """Rows [kh] and columns [kw] of x that a window sees, some of them outside."""
    rows, columns = (
        at * s - before + torch.arange(k) * d
        for at, k, s, d, before in zip(
            place[1:],
            _pair(kernel),
            _pair(stride),
            _pair(dilation),
            top_left,
            strict=True,
        )
    )
    return rows, columns


def sides(layer: Any, x: Tensor) -> tuple[int, int]:
    """Padding above and on the left."""
    rule = getattr(layer, "padding_rule", None) or layer.padding
    padding = rule if isinstance(rule, str) else _pair(rule)
    how = amounts(
        padding,
        layer.kernel_size,
        stride=layer.stride,
        dilation=layer.dilation,
        size=x.shape[-2:],
    )
    return how.top, how.left


def _seen(
    x: Tensor, channels: range, rows: Tensor, columns: Tensor, mode: str, fill: float
) -> tuple[np.ndarray, Tensor]:
    """Places [T, 3] and values [T] of a window, with what the padding makes up."""
    height, width = x.shape[-2:]
    if mode != "zeros":
        rows, columns = SOURCES[mode](rows, height), SOURCES[mode](columns, width)
    inside = ((rows >= 0) & (rows < height))[:, None] & (
        (columns >= 0) & (columns < width)
    )
    r, c = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    window = x[channels.start : channels.stop][:, r][:, :, c]
    window = torch.where(inside, window, torch.as_tensor(fill, dtype=x.dtype))
    grid = torch.meshgrid(torch.arange(*_ends(channels)), rows, columns, indexing="ij")
    places = torch.stack([axis.flatten() for axis in grid], dim=1)
    outside = ~inside.expand(len(channels), -1, -1).flatten()
    places[outside, 1:] = NOWHERE
    return places.numpy(), window.flatten()


def _ends(channels: range) -> tuple[int, int]:
    return channels.start, channels.stop


def _convolution(
    recording: Recording, step: Step, place: Place
) -> Iterator[WeightedTerms]:
    layer: Any = step.layer
    x = recording.values[step.sources[0]]
    own = layer.in_channels // layer.groups
    group = place[0] // (layer.out_channels // layer.groups)
    channels = range(group * own, (group + 1) * own)
    rows, columns = _window(
        x, place, layer.kernel_size, layer.stride, layer.dilation, sides(layer, x)
    )
    places, values = _seen(x, channels, rows, columns, layer.padding_mode, 0.0)
    bias = 0.0 if layer.bias is None else layer.bias[place[0]]
    kernel = layer.weight[place[0]].flatten()
    window = len(rows), len(columns)
    yield WeightedTerms(step.sources[0], places, values, kernel, bias, window=window)


def _dense(recording: Recording, step: Step, place: Place) -> Iterator[WeightedTerms]:
    layer: Any = step.layer
    x = recording.values[step.sources[0]]
    bias = 0.0 if layer.bias is None else layer.bias[place[0]]
    places = np.arange(len(x))[:, None]
    if x.ndim == 3:  # at each pixel
        spot = np.broadcast_to(place[1:], (len(x), 2))
        places, x = np.concatenate([places, spot], axis=1), x[:, place[1], place[2]]
    yield WeightedTerms(step.sources[0], places, x, layer.weight[place[0]], bias)


def _batch_norm(
    recording: Recording, step: Step, place: Place
) -> Iterator[WeightedTerms]:
    layer: Any = step.layer
    c = place[0]
    x = recording.values[step.sources[0]][place]
    scale = 1 / torch.sqrt(layer.running_var[c] + layer.eps)
    if layer.weight is not None:
        scale = scale * layer.weight[c]
    shift = -layer.running_mean[c] * scale
    if layer.bias is not None:
        shift = shift + layer.bias[c]
    yield WeightedTerms(step.sources[0], np.array([place]), x[None], scale[None], shift)


def _layer_norm(
    recording: Recording, step: Step, place: Place
) -> Iterator[WeightedTerms]:
    layer: Any = step.layer
    c, *spot = place
    x = recording.values[step.sources[0]]
    x = x[:, spot[0], spot[1]] if spot else x
    spread = torch.sqrt(x.var(correction=0) + layer.eps)
    own = torch.zeros_like(x)
    own[c] = 1
    scale, shift = torch.ones(()), torch.zeros(())
    if layer.weight is not None:
        scale, shift = layer.weight[c], layer.bias[c]
    weights = scale * (own - 1 / len(x)) / spread
    places = np.array([(k, *spot) for k in range(len(x))])
    yield WeightedTerms(step.sources[0], places, x, weights, shift)


def _max_pool(
    recording: Recording, step: Step, place: Place
) -> Iterator[WeightedTerms]:
    layer: Any = step.layer
    x = recording.values[step.sources[0]]
    sides = _pair(layer.padding)
    where = layer.kernel_size, layer.stride, layer.dilation
    rows, columns = _window(x, place, *where, sides)
    own = range(place[0], place[0] + 1)
    places, values = _seen(x, own, rows, columns, "zeros", -torch.inf)
    there = places[:, 1] != NOWHERE  # padding never wins
    places, values = places[there], values[torch.from_numpy(there)]
    weights = torch.zeros_like(values)
    weights[values.argmax()] = 1
    how = f"the largest of {len(values)}"
    window = (len(rows), len(columns)) if there.all() else None
    yield WeightedTerms(
        step.sources[0], places, values, weights, 0.0, how, window=window
    )


def _average_pool(
    recording: Recording, step: Step, place: Place
) -> Iterator[WeightedTerms]:
    layer: Any = step.layer
    x = recording.values[step.sources[0]]
    where = layer.kernel_size, layer.stride, 1
    rows, columns = _window(x, place, *where, _pair(layer.padding))
    own = range(place[0], place[0] + 1)
    places, values = _seen(x, own, rows, columns, "zeros", 0.0)
    count = int((places[:, 1] != NOWHERE).sum())
    if layer.count_include_pad:
        count = len(values)
    window = len(rows), len(columns)
    yield _mean_of(step.sources[0], places, values, count)._replace(window=window)


def _adaptive_pool(
    recording: Recording, step: Step, place: Place
) -> Iterator[WeightedTerms]:
    layer: Any = step.layer
    x = recording.values[step.sources[0]]
    rows, columns = (
        torch.arange(at * n // out, -(-(at + 1) * n // out))
        for at, n, out in zip(
            place[1:], x.shape[-2:], _pair(layer.output_size), strict=True
        )
    )
    own = range(place[0], place[0] + 1)
    places, values = _seen(x, own, rows, columns, "zeros", 0.0)
    window = len(rows), len(columns)
    yield _mean_of(step.sources[0], places, values, len(values))._replace(window=window)


def _whole_mean(
    recording: Recording, step: Step, place: Place
) -> Iterator[WeightedTerms]:
    x = recording.values[step.sources[0]]
    own = range(place[0], place[0] + 1)
    rows, columns = map(torch.arange, x.shape[-2:])
    places, values = _seen(x, own, rows, columns, "zeros", 0.0)
    window = len(rows), len(columns)
    yield _mean_of(step.sources[0], places, values, len(values))._replace(window=window)


def _mean_of(
    source: str, places: np.ndarray, values: Tensor, count: int
) -> WeightedTerms:
    weights = torch.full_like(values, 1 / count)
    return WeightedTerms(source, places, values, weights, 0.0, f"the mean of {count}")


def _same(recording: Recording, step: Step, place: Place) -> Iterator[WeightedTerms]:
    """What is handed on as it is, if in another shape."""
    x = recording.values[step.sources[0]]
    if x.shape != recording.values[step.name].shape:
        place = tuple(int(k) for k in np.unravel_index(place[0], x.shape))
    yield _one(step.sources[0], place, x[place], 1.0, "the number itself")


def _one(source: str, place: Place, x: Tensor, weight: Any, how: str) -> WeightedTerms:
    weights = torch.as_tensor(weight, dtype=x.dtype).reshape(1)
    return WeightedTerms(source, np.array([place]), x.reshape(1), weights, 0.0, how)


def _zero_pad(
    recording: Recording, step: Step, place: Place
) -> Iterator[WeightedTerms]:
    layer: Any = step.layer
    x = recording.values[step.sources[0]]
    left, _, top, _ = layer.padding
    row, column = place[1] - top, place[2] - left
    yield from _or_zero(step, x, (place[0], row, column))


def _zero_padded(
    recording: Recording, step: Step, place: Place
) -> Iterator[WeightedTerms]:
    layer: Any = step.layer
    x = recording.values[step.sources[0]]
    s = layer.stride
    place = place[0] - layer.before, place[1] * s, place[2] * s
    yield from _or_zero(step, x, place)


def _or_zero(step: Step, x: Tensor, place: Place) -> Iterator[WeightedTerms]:
    if all(0 <= k < n for k, n in zip(place, x.shape, strict=True)):
        yield _one(step.sources[0], place, x[place], 1.0, "the number itself")
    else:
        nowhere = max(place[0], 0), NOWHERE, NOWHERE
        zero = torch.zeros((), dtype=x.dtype)
        yield _one(
            step.sources[0], nowhere, zero, 1.0, "zero, which padding puts there"
        )


def _add(recording: Recording, step: Step, place: Place) -> Iterator[WeightedTerms]:
    for source in step.sources:
        x = recording.values[source]
        at = _in_shape(place, x)
        yield _one(source, at, x[at], 1.0, "the sum")
    if others := [a for a in step.arguments if a is not None]:
        nothing = torch.zeros(0)
        constant = sum(_other(a, place) for a in others)
        yield WeightedTerms(
            step.sources[0], np.empty((0, 3), int), nothing, nothing, constant
        )


def _mul(recording: Recording, step: Step, place: Place) -> Iterator[WeightedTerms]:
    x = recording.values[step.sources[0]]
    weight: Any = 1.0
    for a in step.arguments:
        weight = weight * (1.0 if a is None else _other(a, place))
    for source in step.sources[1:]:
        factor = recording.values[source]
        weight = weight * factor[_in_shape(place, factor)]
    at = _in_shape(place, x)
    yield _one(step.sources[0], at, x[at], weight, "the product")


def _in_shape(place: Place, x: Tensor) -> Place:
    """The place in a tensor that is broadcast: 0 along an axis of length 1."""
    own = place[len(place) - x.ndim :]
    return tuple(k if n > 1 else 0 for k, n in zip(own, x.shape, strict=True))


def _other(a: Any, place: Place) -> Any:
    """A parameter's number in a place, or a plain number."""
    return a[_in_shape(place, a)] if isinstance(a, Tensor) else a


def _activation(
    recording: Recording, step: Step, place: Place
) -> Iterator[WeightedTerms]:
    curve, how = CURVES[step.kind]
    x = recording.values[step.sources[0]][place]
    made = _one(step.sources[0], place, x, 1.0, how)
    yield made._replace(curve=curve)


CURVES: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "ReLU": (lambda x: x.clamp(min=0), "max(0, x)"),
    "ReLU6": (lambda x: x.clamp(0, 6), "min(max(0, x), 6)"),
    "Tanh": (torch.tanh, "tanh(x)"),
    "Sigmoid": (torch.sigmoid, "1 / (1 + exp(-x))"),
    "SiLU": (lambda x: x * torch.sigmoid(x), "x / (1 + exp(-x))"),
    "GELU": (
        lambda x: x * (1 + torch.erf(x / 2**0.5)) / 2,
        "x times the share of a normal law below x",
    ),
}
"""What activations do to a number, and in words."""

OPENERS: dict[str, Opener] = {
    "Conv2d": _convolution,
    "Linear": _dense,
    "Pointwise": _dense,
    "BatchNorm2d": _batch_norm,
    "LayerNorm2d": _layer_norm,
    "MaxPool2d": _max_pool,
    "AvgPool2d": _average_pool,
    "AdaptiveAvgPool2d": _adaptive_pool,
    "mean": _whole_mean,
    "add": _add,
    "mul": _mul,
    "ZeroPad2d": _zero_pad,
    "ZeroPadded": _zero_padded,
    **dict.fromkeys(CURVES, _activation),
    **dict.fromkeys(
        ("Flatten", "flatten", "contiguous", "Dropout", "StochasticDepth", "Identity"),
        _same,
    ),
}
"""How each kind of step makes a number."""


def family(layer: nn.Module | None, table: Container[str]) -> str:
    """The class of a table that a layer is one of; nothing where there is none."""
    kinds = [c.__name__ for c in type(layer).__mro__] if layer is not None else []
    return next((name for name in kinds if name in table), "")
