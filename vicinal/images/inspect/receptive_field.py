"""The receptive field of a number: the pixels of the picture that reach it.

From the number back to the picture, each step says which rows and columns of its source
a range of its own rows and columns looks at; where ways meet, as in `x + f(x)`, the
field is all that either reaches. What lies in the padding is no pixel. A. Araujo, W.
Norris and J. Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks",
Distill; `vicinal.ops.stride.receptive_field` has the same for a plain chain of layers.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from torch.nn.modules.utils import _pair

from vicinal.errors import SettingError
from vicinal.images.inspect.walkthrough import (
    NOWHERE,
    OPENERS,
    Place,
    family,
    opened,
    sides,
)
from vicinal.images.tracing.trace import PICTURE, Recording, Step
from vicinal.ops.dilation import span


class Box(NamedTuple):
    """Rows and columns of a map, from the first to behind the last."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def height(self) -> int:
        return max(0, self.bottom - self.top)

    @property
    def width(self) -> int:
        return max(0, self.right - self.left)

    def around(self, other: "Box") -> "Box":
        """The least box that holds both."""
        if not other.height or not other.width:
            return self
        if not self.height or not self.width:
            return other
        return Box(
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            min(self.left, other.left),
            max(self.right, other.right),
        )


def receptive_field(recording: Recording, name: str, place: Place) -> Box:
    """The pixels of the picture that reach a number of a step, at a place of it.

    Empty (height or width 0) for a number that is made of padding alone.
    """
    seen: dict[str, Box] = {}
    for term in opened(recording, name, place).terms:  # the first hop, exactly
        if NOWHERE not in term.place:
            row, column = term.place[1:] if len(term.place) == 3 else (*term.place, 0)
            own = Box(row, row + 1, column, column + 1)
            seen[term.source] = own.around(seen.get(term.source, own))
    for step in reversed(recording.steps.values()):
        if step.name not in seen:
            continue
        box = seen.pop(step.name)
        for source in step.sources:
            looked = _looked_at(recording, step, source, box)
            seen[source] = seen[source].around(looked) if source in seen else looked
    return seen.get(PICTURE, Box(0, 0, 0, 0))


def _looked_at(recording: Recording, step: Step, source: str, box: Box) -> Box:
    """What of a source a step looks at to make the numbers in a box of its own."""
    x = recording.values[source]
    # the numbers behind the last map are a column: rows are numbers
    shape = (x.shape[1], x.shape[2]) if x.ndim == 3 else (len(x), 1)
    whole = Box(0, shape[0], 0, shape[1])
    if not box.height or not box.width:
        return Box(0, 0, 0, 0)
    reach = REACHES.get(step.kind) or REACHES.get(family(step.layer, REACHES))
    if reach is None:
        if step.kind not in OPENERS and not family(step.layer, OPENERS):
            raise SettingError(
                f"{step.name} is a {step.kind}, and which pixels it looks at is not "
                "known here."
            )
        return _clipped(box, shape)
    return _clipped(reach(step, box, recording, source) or whole, shape)


def _clipped(box: Box, shape: tuple[int, int]) -> Box:
    height, width = shape
    return Box(
        min(max(box.top, 0), height),
        max(min(box.bottom, height), 0),
        min(max(box.left, 0), width),
        max(min(box.right, width), 0),
    )


Reach = Callable[[Step, Box, Recording, str], Box | None]


def _windows(box: Box, spans: Any, stride: Any, before: tuple[int, int]) -> Box:
    """All that the windows of a box's numbers look at."""
    (rows, columns), (down, across) = spans, _pair(stride)
    top, left = box.top * down - before[0], box.left * across - before[1]
    return Box(
        top,
        (box.bottom - 1) * down - before[0] + rows,
        left,
        (box.right - 1) * across - before[1] + columns,
    )


def _convolution(step: Step, box: Box, recording: Recording, source: str) -> Box:
    layer: Any = step.layer
    before = sides(layer, recording.values[source])
    spans = span(layer.kernel_size, layer.dilation)
    found = _windows(box, spans, layer.stride, before)
    if layer.padding_mode != "zeros":  # made of pixels, some of the other side
        height, width = recording.values[source].shape[-2:]
        if found.top < 0 or found.bottom > height:
            found = found._replace(top=0, bottom=height)
        if found.left < 0 or found.right > width:
            found = found._replace(left=0, right=width)
    return found


def _pool(step: Step, box: Box, recording: Recording, source: str) -> Box:
    layer: Any = step.layer
    dilation = getattr(layer, "dilation", 1)
    spans = span(_pair(layer.kernel_size), _pair(dilation))
    return _windows(box, spans, layer.stride, _pair(layer.padding))


def _adaptive(step: Step, box: Box, recording: Recording, source: str) -> Box:
    layer: Any = step.layer
    height, width = recording.values[source].shape[-2:]
    down, across = _pair(layer.output_size)
    return Box(
        box.top * height // down,
        -(-box.bottom * height // down),
        box.left * width // across,
        -(-box.right * width // across),
    )


def _flat(step: Step, box: Box, recording: Recording, source: str) -> Box | None:
    """Numbers in a row, as places of the map that they were."""
    x = recording.values[source]
    if x.ndim != 3:
        return box
    _, rows, columns = np.unravel_index(np.arange(box.top, box.bottom), x.shape)
    return Box(
        int(rows.min()),
        int(rows.max()) + 1,
        int(columns.min()),
        int(columns.max()) + 1,
    )


def _padded(step: Step, box: Box, recording: Recording, source: str) -> Box:
    layer: Any = step.layer
    left, _, top, _ = layer.padding
    return Box(box.top - top, box.bottom - top, box.left - left, box.right - left)


def _strided(step: Step, box: Box, recording: Recording, source: str) -> Box:
    layer: Any = step.layer
    return _windows(box, (1, 1), layer.stride, (0, 0))


def _all(step: Step, box: Box, recording: Recording, source: str) -> None:
    """The whole of the source, as a dense layer and a mean over a map look at it."""


REACHES: dict[str, Reach] = {
    "Conv2d": _convolution,
    "MaxPool2d": _pool,
    "AvgPool2d": _pool,
    "AdaptiveAvgPool2d": _adaptive,
    "ZeroPad2d": _padded,
    "ZeroPadded": _strided,
    "Flatten": _flat,
    "flatten": _flat,
    "mean": _all,
    "Linear": _all,
    "Pointwise": lambda step, box, recording, source: box,
}
"""What steps look at that look further than the place of the number itself."""
