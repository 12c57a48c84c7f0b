"""What a network on OpenVINO gives, and its slope: the chain rule over its own graph.

OpenVINO answers and does not differentiate. But the slope of a network is a network as
well: its layers in reverse order, each one's own rule. For g, the slope of one number
with respect to what a layer gives, the slope with respect to what it gets is

==================  ================================================================
y = W * x           the transposed convolution of g with W
y = max(x, 0)       g where y > 0, else 0; for min(max(x, a), b) where a < x < b
y = a + b           g for both
y = mean x          g / n for each of the n
y = x W             g W^T
y = max of windows  g to the first that is the maximum, summed over windows
==================  ================================================================

and where a value is used twice, the sum of what comes back. D. Rumelhart, G. Hinton,
R. Williams: Learning representations by back-propagating errors, Nature 1986.
"""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, cast

import numpy as np
from torch import Tensor

from vicinal.core.compute.openvino import compiled, traced

Slope = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""from x [N, ...] and weights [K] to F [N], the weighted sum of the K numbers that the
network gives, and dF / dx [N, ...]; float32"""


class _NoRule(Exception):
    """An operation whose slope is not known here."""


def slope_on_openvino(
    function: Callable[[Tensor], Tensor], example: Tensor, kept: Path | None = None
) -> Slope | None:
    """The slope of a function from [N, ...] to [N, K], in float32, N as the example's.

    None where it does something that has no rule here. kept: as for `on_openvino`.
    """
    model = traced(function, example, kept)
    try:
        both = _with_slope(model)
    except _NoRule:
        return None
    both.reshape({0: list(example.shape)})  # a fifth faster
    run = compiled(both, "float32")

    def slope(x: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = run([np.ascontiguousarray(x), weights[None].astype(np.float32)])
        return np.array(found[0]), np.array(found[1])

    return slope


def _with_slope(model: Any) -> Any:
    """A graph that takes (x, weights [1, K]) and gives (F [N], slope)."""
    from openvino import Model

    ops, model_of = _ops(), cast(Any, Model)  # its stubs disagree
    (x,), (result,) = model.get_parameters(), model.get_results()
    y = result.input_value(0)
    if len(y.get_partial_shape()) != 2:
        raise _NoRule
    weights = ops.parameter([1, y.get_partial_shape()[1].get_length()], np.float32)
    weighted = ops.multiply(y, weights)
    total = ops.reduce_sum(weighted, ops.constant([1]), False)
    come_back = {_key(y): ops.broadcast(weights, ops.shape_of(y)).output(0)}
    for node in reversed(model.get_ordered_ops()):
        kind = node.get_type_name()
        if kind in ("Result", "Constant", "Parameter"):
            continue
        g = come_back.pop((node.get_name(), 0), None)
        if g is None:
            continue  # nothing that is explained hangs on it
        if kind not in RULES:
            raise _NoRule(kind)
        for source, slope in zip(
            node.input_values(), RULES[kind](node, g), strict=False
        ):
            if slope is None or _is_constant(source):
                continue
            before = come_back.get(_key(source))
            both = slope if before is None else ops.add(before, slope)
            come_back[_key(source)] = _output(both)
    return model_of([total.output(0), come_back[(x.get_name(), 0)]], [x, weights])


def _convolution(node: Any, g: Any) -> list[Any]:
    """y = W * x."""
    ops, how, kernel = _ops(), node.get_attributes(), _constant(node, 1)
    if how["auto_pad"] != "explicit":
        raise _NoRule
    grouped = node.get_type_name() == "GroupConvolution"
    w = kernel if grouped else kernel[None]  # [G, O, I, k_h, k_w]
    names = ("strides", "dilations", "pads_begin", "pads_end")
    stride, dilation, begin, end = (np.array(how[name]) for name in names)
    reach = (np.array(w.shape[-2:]) - 1) * dilation
    if stride.max() == 1 and min(*(reach - begin), *(reach - end)) >= 0:
        # a plain convolution, with the kernel turned around: faster
        turned = np.ascontiguousarray(w.swapaxes(1, 2)[..., ::-1, ::-1])
        product = ops.group_convolution if grouped else ops.convolution
        weights = ops.constant(turned if grouped else turned[0])
        return [product(g, weights, stride, reach - begin, reach - end, dilation)]
    back = (
        ops.group_convolution_backprop_data
        if grouped
        else ops.convolution_backprop_data
    )
    least = (_sizes(node.output(0)) - 1) * stride + 1 + reach - begin - end
    extra = _sizes(node.input_value(0)) - least
    weights = ops.constant(kernel)
    options = {"dilations": dilation, "output_padding": extra}
    return [back(g, weights, stride, None, begin, end, **options)]


def _relu(node: Any, g: Any) -> list[Any]:
    return [_where(_ops().greater(node.output(0), _number(0.0)), g)]


def _clamp(node: Any, g: Any) -> list[Any]:
    """Of what it gives, not of what it gets: that is then the convolution's alone, and
    OpenVINO makes one operation of both."""
    ops, how, y = _ops(), node.get_attributes(), node.output(0)
    above = ops.greater(y, _number(how["min"]))
    return [_where(ops.logical_and(above, ops.less(y, _number(how["max"]))), g)]


def _add(node: Any, g: Any) -> list[Any]:
    return [g if _same_shape(source, node) else None for source in _summands(node)]


def _summands(node: Any) -> list[Any]:
    """Both sides of a sum; one that is repeated to the other's shape is a constant."""
    for source in node.input_values():
        if not _is_constant(source) and not _same_shape(source, node):
            raise _NoRule
    return node.input_values()


def _multiply(node: Any, g: Any) -> list[Any]:
    """By numbers that were learned."""
    a, b = _summands(node)
    if _is_constant(a) == _is_constant(b):
        raise _NoRule
    found = _ops().multiply(g, a if _is_constant(a) else b)
    return [None, found] if _is_constant(a) else [found, None]


def _mean(node: Any, g: Any) -> list[Any]:
    ops, x, axes = _ops(), node.input_value(0), _constant(node, 1)
    shape = x.get_partial_shape()
    n = np.prod([shape[int(a)].get_length() for a in np.ravel(axes)])
    share = ops.multiply(g, _number(1 / n))
    if not node.get_attributes()["keep_dims"]:
        share = ops.unsqueeze(share, ops.constant(np.ravel(axes)))
    return [ops.broadcast(share, ops.shape_of(x))]


def _product(node: Any, g: Any) -> list[Any]:
    """y = x W, or x W^T."""
    how, w = node.get_attributes(), _constant(node, 1)
    if how["transpose_a"] or w.ndim != 2:
        raise _NoRule
    return [_ops().matmul(g, node.input_value(1), False, not how["transpose_b"])]


def _reshape(node: Any, g: Any) -> list[Any]:
    ops = _ops()
    return [ops.reshape(g, ops.shape_of(node.input_value(0)), False)]


def _max_pool(node: Any, g: Any) -> list[Any]:
    """Each window's g goes to its first maximum; that is a convolution turned back."""
    ops, how, x, y = _ops(), node.get_attributes(), node.input_value(0), node.output(0)
    if set(how.get("dilations", [1, 1])) != {1} or how["auto_pad"] != "explicit":
        raise _NoRule
    kernel, stride, begin = (
        np.array(how[k]) for k in ("kernel", "strides", "pads_begin")
    )
    size, out = _sizes(x), _sizes(y)
    span = (out - 1) * stride + kernel
    low = float(np.finfo(np.float32).min)
    padded = _padded(x, begin, np.maximum(span - begin - size, 0), low)
    parts, free = [], None
    for place in product(range(kernel[0]), range(kernel[1])):
        seen = _cut(padded, np.array(place), place + (out - 1) * stride + 1, stride)
        hit, missed = ops.equal(seen, y), ops.not_equal(seen, y)
        first = hit if free is None else ops.logical_and(hit, free)
        free = missed if free is None else ops.logical_and(free, missed)
        parts.append(ops.unsqueeze(_where(first, g), ops.constant([2])))
    channels, places = x.get_partial_shape()[1].get_length(), len(parts)
    order = ops.constant(np.array([0, channels * places, *out]))
    stacked = ops.reshape(ops.concat(parts, 2), order, True)
    each = np.eye(places, dtype=np.float32).reshape(1, places, 1, *kernel)
    back = ops.group_convolution_backprop_data(
        stacked, ops.constant(each.repeat(channels, 0)), stride
    )
    unseen = np.maximum(begin + size - span, 0)
    return [_cut(_padded(back, 0 * begin, unseen), begin, begin + size)]


def _padded(x: Any, begin: np.ndarray, end: np.ndarray, value: float = 0.0) -> Any:
    """Maps with rows and columns around them."""
    sides = (_ops().constant(np.array([0, 0, *side])) for side in (begin, end))
    return _ops().pad(x, *sides, "constant", _number(value))


def _cut(
    x: Any, start: np.ndarray, stop: np.ndarray, step: np.ndarray | None = None
) -> Any:
    """Some rows and columns of maps."""
    step = np.array([1, 1]) if step is None else step
    return _ops().slice(x, *map(_ops().constant, (start, stop, step, [2, 3])))


RULES: dict[str, Callable[[Any, Any], list[Any]]] = {
    "Convolution": _convolution,
    "GroupConvolution": _convolution,
    "Relu": _relu,
    "Clamp": _clamp,
    "Add": _add,
    "Multiply": _multiply,
    "ReduceMean": _mean,
    "MatMul": _product,
    "Reshape": _reshape,
    "Squeeze": _reshape,
    "Unsqueeze": _reshape,
    "MaxPool": _max_pool,
}
"""By OpenVINO's name of an operation: what comes back to each of its inputs."""


def _ops() -> Any:
    from openvino import opset14

    return opset14


def _key(output: Any) -> tuple[str, int]:
    return output.get_node().get_name(), output.get_index()


def _output(node: Any) -> Any:
    return node.output(0) if hasattr(node, "output") else node


def _is_constant(output: Any) -> bool:
    return output.get_node().get_type_name() == "Constant"


def _constant(node: Any, index: int) -> np.ndarray:
    """The numbers that are one of a node's inputs."""
    source = node.input_value(index)
    if not _is_constant(source):
        raise _NoRule
    return source.get_node().data


def _number(value: float) -> Any:
    return _ops().constant(np.float32(value))


def _where(mask: Any, g: Any) -> Any:
    return _ops().select(mask, g, _number(0.0))


def _sizes(output: Any) -> np.ndarray:
    """(H, W) of maps [N, C, H, W]."""
    shape = output.get_partial_shape()
    if len(shape) != 4:
        raise _NoRule
    return np.array([shape[i].get_length() for i in (2, 3)])


def _same_shape(source: Any, node: Any) -> bool:
    return source.get_partial_shape() == node.output(0).get_partial_shape()
