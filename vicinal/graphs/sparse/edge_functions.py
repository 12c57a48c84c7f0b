"""Differentiable functions of edges: edge softmax, endpoint functions, edge messages.

Values of edges are in the order of incoming edges. Where a function needs both ends of
an edge, it is computed in chunks of edges and recomputed for the gradients, so
intermediate values never exist for all edges at once.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vicinal.graphs.sparse.adjacency import CSR, Adjacency
from vicinal.graphs.sparse.aggregation import sum_rows

EDGES_PER_CHUNK = 1 << 16


def add_endpoints(source: Tensor, target: Tensor, graph: Adjacency) -> Tensor:
    """Return source[s] + target[t] of each edge (s, t): [S, K] and [N, K] to [E, K]."""
    return _AddEndpoints.apply(source, target, graph)


def edge_softmax(score: Tensor, graph: Adjacency) -> Tensor:
    """Return exp(score), normalised over the incoming edges of each node: [E, ...]."""
    return _EdgeSoftmax.apply(score, graph.incoming)


def apply_to_edges(
    function: Callable[[Tensor, Tensor, Tensor], Tensor],
    source: Tensor,
    target: Tensor,
    graph: Adjacency,
    parameter: Tensor,
) -> Tensor:
    """Return function(source[s], target[t], parameter) of each edge (s, t), [E, ...].

    source, target: [N, ...]. Computed in chunks of edges.
    """
    return _ApplyToEdges.apply(function, graph.incoming, source, target, parameter)


def sum_edge_messages(
    message: Callable[..., Tensor],
    x: Tensor,
    graph: Adjacency,
    edge_attr: Tensor,
    *parameters: Tensor,
) -> Tensor:
    """Sum message(x[s], edge_attr[e], *parameters) over the incoming edges: [N, F].

    edge_attr: [E, D], in the order of incoming edges. Computed in chunks of edges.
    """
    return _SumEdgeMessages.apply(message, graph.incoming, x, edge_attr, *parameters)


class _AddEndpoints(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, source: Tensor, target: Tensor, graph: Adjacency) -> Tensor:
        ctx.graph, rows = graph, graph.incoming
        values = source.index_select(0, rows.indices)
        return values.add_(target.index_select(0, rows.row_indices))

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        (grad,), outgoing = grads, ctx.graph.outgoing
        edges_by_source = CSR(outgoing.indptr, outgoing.edge_ids, outgoing.edge_ids)
        grad_source = sum_rows(grad, edges_by_source)
        return grad_source, _reduce_edges(grad, ctx.graph.incoming, "sum"), None


class _EdgeSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, score: Tensor, rows: CSR) -> Tensor:
        maximum = _reduce_edges(score, rows, "max")
        exp = (score - maximum.index_select(0, rows.row_indices)).exp_()
        total = _reduce_edges(exp, rows, "sum")
        alpha = exp.div_(total.index_select(0, rows.row_indices))
        ctx.rows = rows
        ctx.save_for_backward(alpha)
        return alpha

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        (alpha,), (grad,) = ctx.saved_tensors, grads
        mean = _reduce_edges(alpha * grad, ctx.rows, "sum")
        return (grad - mean.index_select(0, ctx.rows.row_indices)).mul_(alpha), None


def _reduce_edges(values: Tensor, rows: CSR, reduce: str) -> Tensor:
    """Reduce values [E, ...] of the edges of each row: [N, ...]."""
    if values.is_cuda:
        shape = len(rows.indptr) - 1, *values.shape[1:]
        if reduce == "sum":
            return values.new_zeros(shape).index_add_(0, rows.row_indices, values)
        index = rows.row_indices.long().view(-1, *(1 for _ in shape[1:]))
        lowest = values.new_full(shape, -torch.inf)
        return lowest.scatter_reduce(0, index.expand_as(values), values, "amax")
    offsets = rows.indptr.long()
    return torch.segment_reduce(values.contiguous(), reduce, offsets=offsets, axis=0)


class _ApplyToEdges(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        function: Callable[..., Tensor],
        rows: CSR,
        source: Tensor,
        target: Tensor,
        parameter: Tensor,
    ) -> Tensor:
        ctx.function, ctx.rows = function, rows
        ctx.save_for_backward(source, target, parameter)
        values = [
            function(*_endpoints(source, target, rows, chunk), parameter)
            for chunk in _chunks(rows) or [slice(0)]
        ]
        return torch.cat(values)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        source, target, parameter = ctx.saved_tensors
        (grad,), rows = grads, ctx.rows
        gradients = [torch.zeros_like(t) for t in (source, target, parameter)]
        for chunk in _chunks(rows):
            inputs = *_endpoints(source, target, rows, chunk), parameter
            of_chunk = _gradients(ctx.function, inputs, grad[chunk])
            gradients[0].index_add_(0, rows.indices[chunk], of_chunk[0])
            gradients[1].index_add_(0, rows.row_indices[chunk], of_chunk[1])
            gradients[2] += of_chunk[2]
        return None, None, *gradients


def _endpoints(
    source: Tensor, target: Tensor, rows: CSR, chunk: slice
) -> tuple[Tensor, Tensor]:
    """Return source[s] and target[t] of a chunk of edges."""
    return (
        source.index_select(0, rows.indices[chunk]),
        target.index_select(0, rows.row_indices[chunk]),
    )


def _gradients(
    function: Callable[..., Tensor], inputs: Sequence[Tensor], grad: Tensor
) -> tuple[Tensor, ...]:
    """Return the gradients with respect to all inputs; grad: that of the output."""
    leaves = [tensor.detach().requires_grad_() for tensor in inputs]
    with torch.enable_grad():
        output = function(*leaves)
    return torch.autograd.grad(output, leaves, grad)


class _SumEdgeMessages(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        message: Callable[..., Tensor],
        rows: CSR,
        x: Tensor,
        edge_attr: Tensor,
        *parameters: Tensor,
    ) -> Tensor:
        ctx.message, ctx.rows = message, rows
        ctx.save_for_backward(x, edge_attr, *parameters)
        total = x.new_zeros(x.shape)
        for chunk in _chunks(rows):
            messages = message(x[rows.indices[chunk]], edge_attr[chunk], *parameters)
            total.index_add_(0, rows.row_indices[chunk], messages)
        return total

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, edge_attr, *parameters = ctx.saved_tensors
        (grad,), rows = grads, ctx.rows
        gradients = [torch.zeros_like(t) for t in (x, edge_attr, *parameters)]
        for chunk in _chunks(rows):
            inputs = [x[rows.indices[chunk]], edge_attr[chunk], *parameters]
            of_chunk = _gradients(ctx.message, inputs, grad[rows.row_indices[chunk]])
            gradients[0].index_add_(0, rows.indices[chunk], of_chunk[0])
            gradients[1][chunk] = of_chunk[1]
            for total, more in zip(gradients[2:], of_chunk[2:], strict=True):
                total += more
        return None, None, *gradients


def _chunks(rows: CSR) -> list[slice]:
    return [
        slice(start, start + EDGES_PER_CHUNK)
        for start in range(0, len(rows.indices), EDGES_PER_CHUNK)
    ]
