"""Functions of the edges that arrive at each node, some edges at a time."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vicinal.graphs.sparse.adjacency import CSR, Adjacency, sum_rows


def of_ends(sent: Tensor, heard: Tensor, graph: Adjacency) -> Tensor:
    """sent[s] + heard[t] of each arriving edge, [E, K]; sent: [S, K], heard: [N, K]."""
    return _OfEnds.apply(sent, heard, graph)


def edge_softmax(score: Tensor, graph: Adjacency) -> Tensor:
    """Shares [E, ...] of the edges that arrive at a node, 1 together: exp score[e] over
    the sum for all edges of the same node. score: [E, ...], in the order of arriving
    ones."""
    return _Softmax.apply(score, graph.incoming)


def edge_by_edge(
    rule: Callable[[Tensor, Tensor, Tensor], Tensor],
    sent: Tensor,
    heard: Tensor,
    graph: Adjacency,
    weight: Tensor,
) -> Tensor:
    """rule(sent[s], heard[t], weight) for each arriving edge, some edges at a time.

    sent, heard: [N, ...]. What is made on the way is made again for the slopes, so that
    it is never there for all edges at once.
    """
    return _EdgeByEdge.apply(rule, graph.incoming, sent, heard, weight)


def edge_sum(
    rule: Callable[..., Tensor],
    x: Tensor,
    graph: Adjacency,
    of_edges: Tensor,
    *parameters: Tensor,
) -> Tensor:
    """The sum [N, F] over arriving edges of rule(x[s], of_edges[e], *parameters).

    of_edges: [E, D], in the order of arriving ones. Messages are made some edges at a
    time, and made again for the slopes.
    """
    return _EdgeSum.apply(rule, graph.incoming, x, of_edges, *parameters)


class _OfEnds(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, sent: Tensor, heard: Tensor, graph: Adjacency) -> Tensor:
        ctx.graph, rows = graph, graph.incoming
        found = sent.index_select(0, rows.sources)
        return found.add_(heard.index_select(0, rows.targets))

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        (g,), outgoing = grads, ctx.graph.outgoing
        rows = CSR(outgoing.offsets, outgoing.edges, outgoing.edges)
        return sum_rows(g, rows), _in_rows(g, ctx.graph.incoming, "sum"), None


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, score: Tensor, rows: CSR) -> Tensor:
        most = _in_rows(score, rows, "max")
        raised = (score - most.index_select(0, rows.targets)).exp_()
        total = _in_rows(raised, rows, "sum")
        share = raised.div_(total.index_select(0, rows.targets))
        ctx.rows = rows
        ctx.save_for_backward(share)
        return share

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        (share,), (g,) = ctx.saved_tensors, grads
        mean = _in_rows(share * g, ctx.rows, "sum")
        return (g - mean.index_select(0, ctx.rows.targets)).mul_(share), None


def _in_rows(values: Tensor, rows: CSR, reduce: str) -> Tensor:
    """Numbers [E, ...] of the edges of each node, taken together: [N, ...]."""
    if values.is_cuda:
        shape = len(rows.offsets) - 1, *values.shape[1:]
        if reduce == "sum":
            return values.new_zeros(shape).index_add_(0, rows.targets, values)
        where = rows.targets.long().view(-1, *(1 for _ in shape[1:]))
        least = values.new_full(shape, -torch.inf)
        return least.scatter_reduce(0, where.expand_as(values), values, "amax")
    offsets = rows.offsets.long()
    return torch.segment_reduce(values.contiguous(), reduce, offsets=offsets, axis=0)


class _EdgeByEdge(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        rule: Callable[..., Tensor],
        rows: CSR,
        sent: Tensor,
        heard: Tensor,
        weight: Tensor,
    ) -> Tensor:
        ctx.rule, ctx.rows = rule, rows
        ctx.save_for_backward(sent, heard, weight)
        parts = [
            rule(*_ends(sent, heard, rows, own), weight)
            for own in _parts(rows) or [slice(0)]
        ]
        return torch.cat(parts)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        sent, heard, weight = ctx.saved_tensors
        (g,), rows = grads, ctx.rows
        slopes = [torch.zeros_like(t) for t in (sent, heard, weight)]
        for own in _parts(rows):
            parts = *_ends(sent, heard, rows, own), weight
            for_sent, for_heard, for_weight = _slopes(ctx.rule, parts, g[own])
            slopes[0].index_add_(0, rows.sources[own], for_sent)
            slopes[1].index_add_(0, rows.targets[own], for_heard)
            slopes[2] += for_weight
        return None, None, *slopes


def _ends(sent: Tensor, heard: Tensor, rows: CSR, own: slice) -> tuple[Tensor, Tensor]:
    """sent[s] and heard[t] of some edges."""
    return (
        sent.index_select(0, rows.sources[own]),
        heard.index_select(0, rows.targets[own]),
    )


def _slopes(
    rule: Callable[..., Tensor], given: Sequence[Tensor], g: Tensor
) -> tuple[Tensor, ...]:
    """The slopes of a rule by all that it is given; g: what comes back from above."""
    parts = [part.detach().requires_grad_() for part in given]
    with torch.enable_grad():
        said = rule(*parts)
    return torch.autograd.grad(said, parts, g)


class _EdgeSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        rule: Callable[..., Tensor],
        rows: CSR,
        x: Tensor,
        of_edges: Tensor,
        *parameters: Tensor,
    ) -> Tensor:
        ctx.rule, ctx.rows = rule, rows
        ctx.save_for_backward(x, of_edges, *parameters)
        total = x.new_zeros(x.shape)
        for own in _parts(rows):
            sent = rule(x[rows.sources[own]], of_edges[own], *parameters)
            total.index_add_(0, rows.targets[own], sent)
        return total

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, of_edges, *parameters = ctx.saved_tensors
        (g,), rows = grads, ctx.rows
        slopes = [torch.zeros_like(t) for t in (x, of_edges, *parameters)]
        for own in _parts(rows):
            parts = [x[rows.sources[own]], of_edges[own], *parameters]
            found = _slopes(ctx.rule, parts, g[rows.targets[own]])
            slopes[0].index_add_(0, rows.sources[own], found[0])
            slopes[1][own] = found[1]
            for slope, more in zip(slopes[2:], found[2:], strict=True):
                slope += more
        return None, None, *slopes


def _parts(rows: CSR) -> list[slice]:
    """Edges, some at a time."""
    return [slice(k, k + EDGES) for k in range(0, len(rows.sources), EDGES)]


EDGES = 1 << 16
"""edges whose products are made at a time where an edge has a slope of its own"""
