"""Fast aggregation over the neighbours of each node.

::

    y[t] = reduce over edges e = (s, t) of  w[e] x[s]
    dL/dx[s] = sum over edges e = (s, t) of  w[e] dL/dy[t]         (reduce = sum)

The fast form of `ops.aggregation`, which defines the function. On a CPU sums are
computed by `embedding_bag` in a fixed order, so results are reproducible to the last
bit. On a GPU they are products of sparse matrices, several times as fast there.
"""

import warnings
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vicinal.graphs.sparse.adjacency import (
    CSR,
    Adjacency,
    CachedAggregation,
    WeightedAdjacency,
)

Reduce = Literal["sum", "mean", "max"]
EMBEDDING_BAG_MODES: dict[str, int] = {"sum": 0, "mean": 1, "max": 2}

ROWS_PER_PRODUCT = 1 << 14
"""rows multiplied at a time in float64"""


def aggregate(
    x: Tensor,
    graph: Adjacency,
    reduce: Reduce = "sum",
    edge_weight: Tensor | None = None,
) -> Tensor:
    """Aggregate the features of each node's neighbours: [S, F] to [N, F].

    x: a row per source node. edge_weight: [E], in the order of `edge_index`, multiplies
    the messages; "mean" still divides by the number of edges, as in `ops.aggregation`.
    A node without edges gets zeros. Both x and edge_weight may require gradients.
    Raises ValueError for an unknown reduce, wrong lengths, and weights with "max".
    """
    if reduce not in EMBEDDING_BAG_MODES:
        names = ", ".join(map(repr, EMBEDDING_BAG_MODES))
        raise ValueError(f"reduce must be one of {names}. Got {reduce!r}.")
    _check_num_rows(x, graph)
    if (
        isinstance(graph, CachedAggregation)
        and edge_weight is None
        and graph.is_cacheable(x)
    ):
        if reduce not in graph.cache:
            graph.cache[reduce] = aggregate(x, graph.graph, reduce)
        return graph.cache[reduce]
    if reduce == "max":
        if edge_weight is not None:
            raise ValueError(
                "edge_weight must be None with reduce='max'. Multiply the features by "
                "the weights, or use reduce='sum'."
            )
        return _Max.apply(x, graph)
    if edge_weight is not None and len(edge_weight) != graph.num_edges:
        raise ValueError(
            f"edge_weight must have one value for each of {graph.num_edges:,} edges. "
            f"Got {len(edge_weight):,}."
        )
    weight = None if edge_weight is None else edge_weight[graph.incoming.edge_ids]
    if weight is None and graph.edge_mask is not None:
        weight = torch.ones_like(graph.edge_mask)
    if reduce == "sum" and graph.sampling_weight is not None:
        sampled = graph.sampling_weight
        weight = sampled if weight is None else weight * sampled
    if weight is None:
        return _Sum.apply(x, None, graph, reduce)
    total = weighted_sum(x, graph, weight)
    if reduce == "sum":
        return total
    return total / _num_neighbors(graph)


def weighted_sum(x: Tensor, graph: Adjacency, weight: Tensor) -> Tensor:
    """Sum weighted messages: [N, F]. weight: [E], in the order of incoming edges."""
    weight = weight if graph.edge_mask is None else weight * graph.edge_mask
    return _Sum.apply(x, weight, graph, "sum")


def aggregate_with_self(
    x: Tensor,
    graph: Adjacency,
    self_weight: Tensor,
    edge_weight: Tensor | None = None,
) -> Tensor:
    """Return self_weight x_v + the sum over the neighbours of v, in one pass: [N, F].

    self_weight: [], may require a gradient. Otherwise as `aggregate`.
    """
    _check_num_rows(x, graph)
    plain = (
        edge_weight is None
        and graph.edge_mask is None
        and graph.sampling_weight is None
    )
    if not plain or x.is_cuda:
        own = x[: graph.num_nodes]
        return torch.addcmul(aggregate(x, graph, "sum", edge_weight), own, self_weight)
    cached = None
    if isinstance(graph, CachedAggregation) and graph.is_cacheable(x):
        cached = aggregate(x, graph, "sum")
    return _SumWithSelf.apply(x, self_weight, graph, cached)


def spmm(weighted: WeightedAdjacency, x: Tensor) -> Tensor:
    """Multiply a constant sparse matrix with a dense one: [N, S] @ [S, F] = [N, F]."""
    if weighted.graph.edge_mask is not None:
        return weighted_sum(x, weighted.graph, weighted.incoming)
    return _SpMM.apply(x, weighted)


def sum_rows(x: Tensor, rows: CSR, weight: Tensor | None = None) -> Tensor:
    """Sum x over the edges of each row: [N, F]. weight: [E], in the order of `rows`."""
    if not x.is_cuda:
        return _embedding_bag(x, rows, "sum", weight)[0]
    values = x.new_ones(len(rows.indices)) if weight is None else weight
    return _csr_tensor(rows, values, len(x)) @ x


def _check_num_rows(x: Tensor, graph: Adjacency) -> None:
    if len(x) != graph.num_sources:
        raise ValueError(
            f"x must have a row for each of {graph.num_sources:,} nodes. Got "
            f"{len(x):,}."
        )


def _num_neighbors(graph: Adjacency) -> Tensor:
    """The divisor of a mean, [N, 1]."""
    return graph.incoming.degrees.clamp(min=1)[:, None]


def _csr_tensor(rows: CSR, values: Tensor, num_columns: int) -> Tensor:
    """Return the edges as torch's sparse matrix [N, num_columns]."""
    shape = (len(rows.indptr) - 1, num_columns)
    arrays = (rows.indptr, rows.indices, values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls sparse CSR a beta feature
        return torch.sparse_csr_tensor(*arrays, shape, check_invariants=False)


def _embedding_bag(
    x: Tensor, rows: CSR, reduce: str, weight: Tensor | None = None
) -> Any:
    """Reduce x over the edges of each row; weights only for sums."""
    return torch.embedding_bag(
        x.detach().contiguous(),
        rows.indices,
        rows.indptr,
        False,
        EMBEDDING_BAG_MODES[reduce],
        False,
        None if weight is None else weight.contiguous(),
        True,  # indptr ends with E
    )


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, graph: Adjacency, reduce: str
    ) -> Tensor:
        ctx.graph, ctx.reduce = graph, reduce
        weight = None if weight is None else weight.contiguous()  # one of many heads
        ctx.save_for_backward(x if weight is not None else None, weight)
        weight = None if weight is None else weight.to(x.dtype)
        total = sum_rows(x, graph.incoming, weight)
        return total if reduce == "sum" else total.div_(_num_neighbors(graph))

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        (grad,), graph = grads, ctx.graph
        if ctx.reduce == "mean":
            grad = grad / _num_neighbors(graph)
        grad_x = grad_weight = None
        if ctx.needs_input_grad[0]:
            outgoing = None
            if weight is not None:
                outgoing = weight.index_select(0, graph.outgoing.edge_ids)
                outgoing = outgoing.to(grad.dtype)
            grad_x = sum_rows(grad, graph.outgoing, outgoing)
        if weight is not None and ctx.needs_input_grad[1]:
            grad_weight = _edge_dot_products(x, grad, graph.incoming).to(weight.dtype)
        return grad_x, grad_weight, None, None


class _SumWithSelf(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        self_weight: Tensor,
        graph: Adjacency,
        cached: Tensor | None,
    ) -> Tensor:
        own, factor = x[: graph.num_nodes], float(self_weight)
        ctx.graph, ctx.factor = graph, factor
        ctx.save_for_backward(x, self_weight)
        if cached is not None:
            return torch.add(cached, own, alpha=factor)
        return sum_rows(x, graph.incoming).add_(own, alpha=factor)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        (x, self_weight), (grad,), graph = ctx.saved_tensors, grads, ctx.graph
        grad_x = grad_self_weight = None
        if ctx.needs_input_grad[0]:
            grad_x = sum_rows(grad, graph.outgoing)
            grad_x[: graph.num_nodes].add_(grad, alpha=ctx.factor)
        if ctx.needs_input_grad[1]:
            dot = _dot(x[: graph.num_nodes], grad)
            grad_self_weight = dot.to(self_weight.dtype)
        return grad_x, grad_self_weight, None, None


class _SpMM(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weighted: WeightedAdjacency) -> Tensor:
        ctx.weighted = weighted
        weight = weighted.incoming.to(x.dtype)
        return sum_rows(x, weighted.graph.incoming, weight)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        (grad,), weighted = grads, ctx.weighted
        weight = weighted.outgoing.to(grad.dtype)
        return sum_rows(grad, weighted.graph.outgoing, weight), None


class _Max(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, graph: Adjacency) -> Tensor:
        y, _, _, argmax = _embedding_bag(x, graph.incoming, "max")
        ctx.shape, ctx.without_neighbors = x.shape, graph.incoming.degrees == 0
        ctx.save_for_backward(argmax)
        return y

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        (argmax,), (grad,) = ctx.saved_tensors, grads
        grad = grad.masked_fill(ctx.without_neighbors[:, None], 0)
        zeros = grad.new_zeros(ctx.shape)
        return zeros.scatter_add(0, argmax.long().clamp(min=0), grad), None


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Sum a b over all entries of [N, F], without a product of full size."""
    if a.dtype == torch.float32 == b.dtype:
        return torch.dot(a.contiguous().view(-1), b.contiguous().view(-1))
    chunks = zip(a.split(ROWS_PER_PRODUCT), b.split(ROWS_PER_PRODUCT), strict=True)
    return torch.stack([(p.double() * q.double()).sum() for p, q in chunks]).sum()


def _edge_dot_products(x: Tensor, grad: Tensor, rows: CSR) -> Tensor:
    """Return x[s] . grad[t] of each edge, [E]: grad x^T sampled at the edges."""
    wide = torch.promote_types(x.dtype, torch.float32)
    left, right = grad.to(wide), x.to(wide).T
    if len(rows.indices) > len(grad) * len(x):  # sampled_addmm needs E <= N S
        return (left @ right)[rows.row_indices, rows.indices]
    zeros = x.new_zeros(len(rows.indices), dtype=wide)
    pattern = _csr_tensor(rows, zeros, len(x))
    return torch.sparse.sampled_addmm(pattern, left, right, beta=0).values()
