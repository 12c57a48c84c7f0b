"""Aggregation: each node combines the messages of its neighbours.

    y[t] = reduce over edges e with target[e] = t of  weight[e] * messages[e]

Neighbours have no order, so reduce must not depend on one: sum, mean or maximum.
`edge_index [2, E]` lists the edges: source row, target row.

Pooling a batch of graphs is the same function, with the graph of each node as its
target:  aggregate(x, batch, num_graphs, "mean")  turns [N, F] into [num_graphs, F].

A convolution is the same function on a grid of pixels, where neighbours have positions:
one weight matrix per relative position, the messages summed (`grid_edges`).

Source: J. Gilmer et al. 2017, "Neural message passing for quantum chemistry", eq. 1;
K. Xu et al. 2019, "How powerful are graph neural networks?", section 5.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from vicinal.ops.dilation import Pair, pair
from vicinal.ops.padding import amounts


def gather(x: Tensor, edge_index: Tensor) -> Tensor:
    """Return for every edge the features of its source node.

    x: [N, F]; edge_index: [2, E]. Returns messages [E, F].
    """
    return x.index_select(0, edge_index[0])


def aggregate(
    messages: Tensor,
    target: Tensor,
    num_nodes: int,
    reduce: str = "sum",
    weight: Tensor | None = None,
) -> Tensor:
    """Combine the messages that arrive at each node.

    messages: [E, F], or more axes after the first; target: [E], the target nodes.
    Returns [num_nodes, F]; zeros for a node without messages.
    reduce: "sum", "mean" or "max", see `REDUCE`.
    weight: [E], multiplies each message first; the mean still divides by the number of
        messages, not by their weights (as PyG does).
    Raises ValueError for an unknown reduce or lengths that differ. A target outside
    0 .. num_nodes - 1 is left to torch, which raises IndexError or RuntimeError.
    """
    if reduce not in REDUCE:
        words = ", ".join(map(repr, REDUCE))
        raise ValueError(
            f"reduce must be one of {words}. Got {reduce!r}. Use one of those."
        )
    _check_length("target", target, messages)
    if weight is not None:
        _check_length("weight", weight, messages)
        messages = messages * _column(weight, messages)
    return REDUCE[reduce](messages, target, num_nodes)


def _sum(messages: Tensor, target: Tensor, num_nodes: int) -> Tensor:
    # half precision loses small messages in a large sum, so it is summed in float32
    half = messages.dtype in (torch.float16, torch.bfloat16)
    exact = messages.float() if half else messages
    zeros = exact.new_zeros(num_nodes, *messages.shape[1:])
    return zeros.index_add(0, target, exact).to(messages.dtype)


def _mean(messages: Tensor, target: Tensor, num_nodes: int) -> Tensor:
    count = torch.bincount(target, minlength=num_nodes)
    total = _sum(messages, target, num_nodes)
    return total / _column(count.clamp(min=1), total).to(total)


def _max(messages: Tensor, target: Tensor, num_nodes: int) -> Tensor:
    zeros = messages.new_zeros(num_nodes, *messages.shape[1:])
    index = _column(target, messages).expand_as(messages)
    # include_self=False: the zeros stay only where no message arrives.
    return zeros.scatter_reduce(0, index, messages, "amax", include_self=False)


REDUCE: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {
    "sum": _sum,
    "mean": _mean,
    "max": _max,
}


class GridEdges(NamedTuple):
    """The neighbours of every pixel; pixel (i, j) is node i * width + j."""

    edge_index: Tensor
    """[2, E]: the neighbour (source) and the pixel (target)."""
    relation: Tensor
    """[E]: the neighbour's position in the kernel, u * kw + v."""


def grid_edges(
    height: int,
    width: int,
    kernel_size: Pair = 3,
    *,
    dilation: Pair = 1,
    wrap: bool = False,
) -> GridEdges:
    """Return the neighbours of every pixel, with their relative positions.

    A convolution with padding "same" is then, with one matrix per relative position,
        y[t] = sum over edges (s, t) of relation r of  weight[:, :, r] @ x[s]

    height, width: pixels; kernel_size: how many neighbours, down and across.
    wrap: True connects opposite borders (circular padding); False has no neighbours
        beyond the border, which equals zero padding.
    """
    top, _, left, _ = amounts("same", kernel_size, dilation=dilation)
    down, across = pair(kernel_size, "kernel_size")
    gap_v, gap_h = pair(dilation, "dilation")
    u, v, i, j = torch.meshgrid(
        *map(torch.arange, (down, across, height, width)), indexing="ij"
    )  # each [kh, kw, H, W]: the position in the kernel, and the pixel
    row, column = i + u * gap_v - top, j + v * gap_h - left
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    kept = inside | wrap
    source, target = row % height * width + column % width, i * width + j
    edge_index = torch.stack([source[kept], target[kept]])  # [2, E]
    return GridEdges(edge_index, (u * across + v)[kept])


def _column(values: Tensor, like: Tensor) -> Tensor:
    """Shape [E] so that it multiplies [E, F, ...] row by row: [E, 1, ...]."""
    return values.reshape(-1, *(1 for _ in like.shape[1:]))


def _check_length(name: str, values: Tensor, messages: Tensor) -> None:
    if values.shape != messages.shape[:1]:
        raise ValueError(
            f"{name} must have one entry per message, [{len(messages)}]. "
            f"Got {list(values.shape)}. Pass the edges that the messages came from."
        )
