"""The receptive field of an activation: the pixels of the image that it depends on.

From the activation back to the image, each step maps a range of rows and columns to the
range that it reads; where branches meet, as in `x + f(x)`, the union is taken. Padding
is not part of it. A. Araujo, W. Norris and J. Sim 2019, "Computing Receptive Fields of
Convolutional Neural Networks", Distill; `vicinal.ops.stride.receptive_field` computes
it for a plain chain of layers.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from torch.nn.modules.utils import _pair

from vicinal.errors import SettingError
from vicinal.images.inspect.layer_arithmetic import (
    LAYER_RULES,
    PADDING,
    Position,
    find_base_class,
    leading_padding,
)
from vicinal.images.inspect.walkthrough import break_down
from vicinal.images.tracing.trace import INPUT, Recording, Step
from vicinal.ops.dilation import span


class Box(NamedTuple):
    """A range of rows and columns; bottom and right are exclusive."""

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

    @property
    def is_empty(self) -> bool:
        return not self.height or not self.width

    def union(self, other: "Box") -> "Box":
        """Return the smallest box around both."""
        if other.is_empty:
            return self
        if self.is_empty:
            return other
        return Box(
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            min(self.left, other.left),
            max(self.right, other.right),
        )


EMPTY = Box(0, 0, 0, 0)


def receptive_field(recording: Recording, name: str, position: Position) -> Box:
    """Return the receptive field of the activation of a step at a position.

    Empty for an activation that depends on padding alone.
    """
    boxes: dict[str, Box] = {}
    for term in break_down(recording, name, position).terms:  # exact for one step
        if PADDING not in term.position:
            is_map = len(term.position) == 3
            row, column = term.position[1:] if is_map else (*term.position, 0)
            box = Box(row, row + 1, column, column + 1)
            boxes[term.source] = box.union(boxes.get(term.source, box))
    for step in reversed(recording.steps.values()):
        if step.name not in boxes:
            continue
        box = boxes.pop(step.name)
        for source in step.sources:
            read = _box_in_source(recording, step, source, box)
            boxes[source] = boxes[source].union(read) if source in boxes else read
    return boxes.get(INPUT, EMPTY)


def _box_in_source(recording: Recording, step: Step, source: str, box: Box) -> Box:
    """Return the box of a source that a step reads for a box of its output."""
    x = recording.values[source]
    # a vector counts as a column
    shape = (x.shape[1], x.shape[2]) if x.ndim == 3 else (len(x), 1)
    if box.is_empty:
        return EMPTY
    rule = WINDOW_RULES.get(step.kind) or WINDOW_RULES.get(
        find_base_class(step.layer, WINDOW_RULES)
    )
    if rule is None:
        if step.kind not in LAYER_RULES and not find_base_class(
            step.layer, LAYER_RULES
        ):
            raise SettingError(
                f"{step.name} is a {step.kind}, whose receptive field is not supported."
            )
        return _clip(box, shape)
    whole = Box(0, shape[0], 0, shape[1])
    return _clip(rule(step, box, recording, source) or whole, shape)


def _clip(box: Box, shape: tuple[int, int]) -> Box:
    height, width = shape
    return Box(
        min(max(box.top, 0), height),
        max(min(box.bottom, height), 0),
        min(max(box.left, 0), width),
        max(min(box.right, width), 0),
    )


WindowRule = Callable[[Step, Box, Recording, str], Box | None]
"""maps a box of a step's output to a box of a source; None: the whole source"""


def _windows(box: Box, spans: Any, stride: Any, padding: tuple[int, int]) -> Box:
    """Return the union of the windows of a box of outputs."""
    (rows, columns), (row_stride, column_stride) = spans, _pair(stride)
    return Box(
        box.top * row_stride - padding[0],
        (box.bottom - 1) * row_stride - padding[0] + rows,
        box.left * column_stride - padding[1],
        (box.right - 1) * column_stride - padding[1] + columns,
    )


def _convolution(step: Step, box: Box, recording: Recording, source: str) -> Box:
    layer: Any = step.layer
    x = recording.values[source]
    spans = span(layer.kernel_size, layer.dilation)
    window = _windows(box, spans, layer.stride, leading_padding(layer, x))
    if layer.padding_mode != "zeros":  # padding is made of pixels, perhaps opposite
        height, width = x.shape[-2:]
        if window.top < 0 or window.bottom > height:
            window = window._replace(top=0, bottom=height)
        if window.left < 0 or window.right > width:
            window = window._replace(left=0, right=width)
    return window


def _pool(step: Step, box: Box, recording: Recording, source: str) -> Box:
    layer: Any = step.layer
    dilation = getattr(layer, "dilation", 1)
    spans = span(_pair(layer.kernel_size), _pair(dilation))
    return _windows(box, spans, layer.stride, _pair(layer.padding))


def _adaptive_pool(step: Step, box: Box, recording: Recording, source: str) -> Box:
    layer: Any = step.layer
    height, width = recording.values[source].shape[-2:]
    rows, columns = _pair(layer.output_size)
    return Box(
        box.top * height // rows,
        -(-box.bottom * height // rows),
        box.left * width // columns,
        -(-box.right * width // columns),
    )


def _flatten(step: Step, box: Box, recording: Recording, source: str) -> Box | None:
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


def _zero_pad(step: Step, box: Box, recording: Recording, source: str) -> Box:
    layer: Any = step.layer
    left, _, top, _ = layer.padding
    return Box(box.top - top, box.bottom - top, box.left - left, box.right - left)


def _zero_padded(step: Step, box: Box, recording: Recording, source: str) -> Box:
    layer: Any = step.layer
    return _windows(box, (1, 1), layer.stride, (0, 0))


def _whole_source(step: Step, box: Box, recording: Recording, source: str) -> None:
    return None


WINDOW_RULES: dict[str, WindowRule] = {
    "Conv2d": _convolution,
    "MaxPool2d": _pool,
    "AvgPool2d": _pool,
    "AdaptiveAvgPool2d": _adaptive_pool,
    "ZeroPad2d": _zero_pad,
    "ZeroPadded": _zero_padded,
    "Flatten": _flatten,
    "flatten": _flatten,
    "mean": _whole_source,
    "Linear": _whole_source,
    "Pointwise": lambda step, box, recording, source: box,
}
"""the steps that read more than the position of their output"""
