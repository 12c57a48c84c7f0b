"""A graph as each node's neighbours, and sums over them at the speed of memory.

::

    y[t] = reduce over edges e = (s, t) of  w[e] x[s]

It is `ops.aggregation`, which says what is meant; here is the form that is fast. The
sources of a node's edges lie side by side (compressed sparse rows), so each of them is
read once and added up while it is in the processor: no tensor of E rows is ever made.
The slope of a sum is a sum over the same edges turned round,

    dL/dx[s] = sum over edges e = (s, t) of  w[e] dL/dy[t]

so the other direction is made when a slope is first wanted, and kept. On a CPU sums are
taken in one order, always the same. On a GPU sums are products of sparse matrices,
several times as fast there as sums over lists of rows.

Where edges lead from one set of nodes to another (`sampling.Block`, `words`), x has a
row for each source, and y one for each target.
"""

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vicinal.errors import DataError
from vicinal.graphs.sparse.memmap import array

Reduce = Literal["sum", "mean", "max"]
MODES: dict[str, int] = {"sum": 0, "mean": 1, "max": 2}
"""torch's numbers for them in `embedding_bag`"""

SOME = 1 << 14
"""rows that are multiplied at a time"""


SORTED = 1 << 24
"""edges that are sorted at a time where they lie on disk"""


@dataclass(frozen=True)
class CSR:
    """Edges by the node that they lead to: compressed sparse rows."""

    offsets: Tensor
    """[N + 1] int32: where each node's edges begin; the last is E"""

    sources: Tensor
    """[E] int32: the node that each edge comes from"""

    edges: Tensor
    """[E] int32: the edge's place: of arriving ones, in the list that the graph came
    as; of leaving ones, among the arriving"""

    @property
    def degrees(self) -> Tensor:
        """[N]: edges of each node."""
        return self.offsets.diff()

    @cached_property
    def targets(self) -> Tensor:
        """[E] int32: the node that each edge leads to."""
        nodes = torch.arange(len(self.offsets) - 1, dtype=torch.int32)
        return nodes.to(self.offsets.device).repeat_interleave(self.degrees)

    def parts(self, edges: int) -> Iterator[tuple[int, int]]:
        """The nodes in order, from which to before which, so many at a time that about
        `edges` edges lead to them."""
        device = self.offsets.device
        last = torch.arange(0, len(self.sources) + edges, edges, device=device)
        ends = torch.searchsorted(self.offsets[1:].long(), last, right=True)
        begin = 0
        for end in sorted({*ends.tolist(), len(self.offsets) - 1}):
            if end > begin:
                yield begin, end
                begin = end

    def to(self, device: str) -> "CSR":
        """The same on a device."""
        return CSR(*(t.to(device) for t in (self.offsets, self.sources, self.edges)))


@dataclass(frozen=True)
class Adjacency:
    """A graph's edges, from both ends."""

    incoming: CSR
    """by target"""

    num_sources: int
    """nodes that edges may come from: as many as `num_nodes`, unless two sets differ"""

    edge_multiplicity: Tensor | None = None
    """[E], in the order of arriving ones: of a sample, how many edges of the whole each
    stands for in a sum; None: for itself"""

    max_bytes: float = math.inf
    """bytes up to which the rows' arrays of edges are in memory; larger ones lie on
    disk. What is made of them for a whole step, such as weights, is in memory"""

    is_part: ClassVar[bool] = False
    """whether it is a part of a graph, and knows the degrees of the whole"""

    mask: ClassVar[Tensor | None] = None
    """what messages are multiplied by, where it is asked what they add
    (`inside.masks`)"""

    @cached_property
    def outgoing(self) -> CSR:
        """By source; its `sources` are the edges' targets."""
        rows = self.incoming
        return csr_by_target(
            rows.targets, rows.sources, self.num_sources, self.max_bytes
        )

    @property
    def num_nodes(self) -> int:
        """Nodes that edges lead to."""
        return len(self.incoming.offsets) - 1

    @property
    def num_edges(self) -> int:
        return len(self.incoming.sources)

    @classmethod
    def of(cls, edge_index: Tensor, num_nodes: int) -> "Adjacency":
        """From edge_index [2, E] (source row, target row).

        DataError for a node outside 0 .. num_nodes - 1, and for 2^31 edges or more.
        """
        _refuse_too_many(edge_index.shape[1], num_nodes)
        if edge_index.numel():
            least, most = int(edge_index.min()), int(edge_index.max())
            if least < 0 or most >= num_nodes:
                raise DataError(
                    f"Edges must name nodes from 0 to {num_nodes - 1}. Got "
                    f"{least if least < 0 else most}. Say num_nodes, or mend the edges."
                )
        return cls.between(edge_index[0], edge_index[1], num_nodes)

    @classmethod
    def between(
        cls, source: Tensor, target: Tensor, num_nodes: int, max_bytes: float = math.inf
    ) -> "Adjacency":
        """From both ends [E] of edges, which must name nodes that are there.

        DataError for 2^31 edges or more.
        """
        _refuse_too_many(len(source), num_nodes)
        return cls(
            csr_by_target(source, target, num_nodes, max_bytes),
            num_nodes,
            max_bytes=max_bytes,
        )

    @cached_property
    def without_self_loop(self) -> Tensor:
        """[N, 1] float32: 1 for a node without an edge to itself, else 0."""
        rows = self.incoming
        found = torch.ones(self.num_nodes, 1, device=rows.sources.device)
        for begin, end in rows.parts(SORTED):
            degrees = rows.offsets[begin : end + 1].diff()
            nodes = torch.arange(begin, end, device=degrees.device)
            targets = nodes.repeat_interleave(degrees)
            sources = rows.sources[rows.offsets[begin] : rows.offsets[end]]
            found[targets[sources == targets]] = 0
        return found

    @cached_property
    def add_self_loops(self) -> "Adjacency":
        """With an edge from each node to itself, where there is none yet."""
        rows = self.incoming
        bare = self.without_self_loop[:, 0].nonzero()[:, 0]
        source, target = (
            torch.cat([t, bare.int()]) for t in (rows.sources, rows.targets)
        )
        found = csr_by_target(source, target, self.num_nodes, self.max_bytes)
        return Adjacency(found, self.num_sources, max_bytes=self.max_bytes)

    @cached_property
    def normalised(self) -> "WeightedAdjacency":
        """D^-1/2 (A + I) D^-1/2, where D holds the row sums of A + I; made once."""
        graph = self.add_self_loops
        root = graph.incoming.degrees.clamp(min=1).float().rsqrt()
        rows = graph.incoming
        return WeightedAdjacency(graph, root[rows.sources] * root[rows.targets])

    def forget(self) -> None:
        """Let go of what was made and kept; it is made again where it is wanted."""
        for name in ("add_self_loops", "normalised", "outgoing", "without_self_loop"):
            self.__dict__.pop(name, None)
        self.incoming.__dict__.pop("targets", None)

    def to(self, device: str) -> "Adjacency":
        """The same on a device."""
        return Adjacency(self.incoming.to(device), self.num_sources)


def _refuse_too_many(edges: int, nodes: int) -> None:
    """DataError for what int32 cannot count."""
    if edges >= 2**31 or nodes >= 2**31:
        raise DataError(
            f"A graph here has fewer than 2^31 nodes and edges. Got {nodes:,} and "
            f"{edges:,}. Divide it first."
        )


@dataclass(frozen=True, kw_only=True)
class CachedAggregation(Adjacency):
    """A graph with the features that it is asked with again and again."""

    features: Tensor
    """[N, F] that do not change; a sum of them is made once"""

    whole: Adjacency
    sums: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def with_features(cls, graph: Adjacency, x: Tensor) -> "CachedAggregation":
        """x: [N, F], not to be changed."""
        return cls(graph.incoming, graph.num_sources, features=x, whole=graph)

    def keeps(self, x: Tensor) -> bool:
        """Whether x are the features, and its sums may serve again: they have no
        slope, and are none that only inference may use."""
        same = x is self.features and not x.requires_grad
        return same and not torch.is_inference_mode_enabled()

    @property
    def outgoing(self) -> CSR:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.whole.outgoing

    @property
    def without_self_loop(self) -> Tensor:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.whole.without_self_loop

    @property
    def add_self_loops(self) -> Adjacency:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.whole.add_self_loops

    @property
    def normalised(self) -> "WeightedAdjacency":  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.whole.normalised


@dataclass(frozen=True)
class WeightedAdjacency:
    """Edges with weights that do not change, from both ends."""

    graph: Adjacency
    incoming: Tensor
    """[E], in the order of arriving edges"""

    @cached_property
    def outgoing(self) -> Tensor:
        """[E], in the order of leaving ones."""
        return self.incoming[self.graph.outgoing.edges]

    def sum(self, x: Tensor) -> Tensor:
        """The weighted sum [N, F] over the neighbours of each node, of x [S, F]."""
        return _Fixed.apply(x, self)


def csr_by_target(
    source: Tensor, target: Tensor, num_nodes: int, max_bytes: float = math.inf
) -> CSR:
    """The edges by target; those of one keep the order that they came in.

    room: bytes; rows that take more lie on disk, and are sorted a part at a time.
    """
    offsets = torch.zeros(num_nodes + 1, dtype=torch.int32, device=target.device)
    offsets[1:] = torch.bincount(target, minlength=num_nodes).cumsum(0)
    if 4 * len(target) <= max_bytes:
        order = target.int().sort(stable=True).indices
        return CSR(offsets, source[order].int(), order.int())
    on_disk = (array(target.shape, np.int32, max_bytes) for _ in range(2))
    rows = CSR(offsets, *map(torch.from_numpy, on_disk))
    for begin, end in rows.parts(SORTED):
        own = ((target >= begin) & (target < end)).nonzero()[:, 0]
        order = own[target[own].sort(stable=True).indices]
        places = slice(int(offsets[begin]), int(offsets[end]))
        rows.sources[places], rows.edges[places] = source[order].int(), order.int()
    return rows


def _refuse_length(x: Tensor, graph: Adjacency) -> None:
    if len(x) != graph.num_sources:
        raise ValueError(
            f"x must have a row for each of {graph.num_sources:,} nodes. Got "
            f"{len(x):,}."
        )


def aggregate(
    x: Tensor, graph: Adjacency, reduce: Reduce = "sum", weight: Tensor | None = None
) -> Tensor:
    """What each node gets from its neighbours: [N, F] for x [N, F] (or [S, F], of those
    that edges come from).

    weight: [E], in the order of the edge list, multiplies what is sent; with "mean" the
    sum is still divided by the number of edges, as `ops.aggregation` says. A node
    without edges gets zeros. Both x and weight have slopes. ValueError for an unknown
    reduce, lengths that differ, or a weighted maximum.
    """
    if reduce not in MODES:
        words = ", ".join(map(repr, MODES))
        raise ValueError(f"reduce must be one of {words}. Got {reduce!r}.")
    _refuse_length(x, graph)
    if isinstance(graph, CachedAggregation) and weight is None and graph.keeps(x):
        if reduce not in graph.sums:
            graph.sums[reduce] = aggregate(x, graph.whole, reduce)
        return graph.sums[reduce]
    if reduce == "max":
        if weight is not None:
            raise ValueError(
                "A maximum has no weights here. Multiply the features, or take a sum."
            )
        return _Maximum.apply(x, graph)
    if weight is not None and len(weight) != graph.num_edges:
        raise ValueError(
            f"weight must have a number for each of {graph.num_edges:,} edges. Got "
            f"{len(weight):,}."
        )
    own = None if weight is None else weight[graph.incoming.edges]
    if own is None and graph.mask is not None:
        own = torch.ones_like(graph.mask)
    if reduce == "sum" and graph.edge_multiplicity is not None:
        own = graph.edge_multiplicity if own is None else own * graph.edge_multiplicity
    if own is None:
        return _Sum.apply(x, None, graph, reduce)
    total = weighted_sum(x, graph, own)
    if reduce == "sum":
        return total
    return total / _count(graph)


def weighted_sum(x: Tensor, graph: Adjacency, weight: Tensor) -> Tensor:
    """The sum [N, F] with a weight [E] for each edge, in the order of arriving ones."""
    weight = weight if graph.mask is None else weight * graph.mask
    return _Sum.apply(x, weight, graph, "sum")


def aggregate_with_self(
    x: Tensor, graph: Adjacency, share: Tensor, weight: Tensor | None = None
) -> Tensor:
    """share x_v + the sum over neighbours of each node, [N, F], in one pass there and
    one back; share: [] a number with a slope. Else as `aggregate`."""
    _refuse_length(x, graph)
    plain = weight is None and graph.mask is None and graph.edge_multiplicity is None
    if not plain or x.is_cuda:
        own = x[: graph.num_nodes]
        return torch.addcmul(aggregate(x, graph, "sum", weight), own, share)
    kept = None
    if isinstance(graph, CachedAggregation) and graph.keeps(x):
        kept = aggregate(x, graph, "sum")
    return _SumAndOwn.apply(x, share, graph, kept)


def _count(graph: Adjacency) -> Tensor:
    """What a mean is divided by, [N, 1]."""
    return graph.incoming.degrees.clamp(min=1)[:, None]


def sum_rows(x: Tensor, rows: CSR, weight: Tensor | None = None) -> Tensor:
    """The sum over the edges of each row; a weight for each of the rows' own edges."""
    if not x.is_cuda:
        return _bags(x, rows, "sum", weight)[0]
    values = x.new_ones(len(rows.sources)) if weight is None else weight
    return _matrix(rows, values, len(x)) @ x


def _matrix(rows: CSR, values: Tensor, width: int) -> Tensor:
    """The edges as a sparse matrix [N, width] with these values."""
    shape, parts = (len(rows.offsets) - 1, width), (rows.offsets, rows.sources, values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that such matrices are new to torch
        return torch.sparse_csr_tensor(*parts, shape, check_invariants=False)


def _bags(x: Tensor, rows: CSR, reduce: str, weight: Tensor | None = None) -> Any:
    """torch's sum, mean or maximum over lists of rows; a weight only for sums."""
    return torch.embedding_bag(
        x.detach().contiguous(),
        rows.sources,
        rows.offsets,
        False,
        MODES[reduce],
        False,
        None if weight is None else weight.contiguous(),
        True,  # offsets end with E
    )


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, graph: Adjacency, reduce: str
    ) -> Tensor:
        ctx.graph, ctx.reduce = graph, reduce
        weight = None if weight is None else weight.contiguous()  # of many heads one
        ctx.save_for_backward(x if weight is not None else None, weight)
        own = None if weight is None else weight.to(x.dtype)
        total = sum_rows(x, graph.incoming, own)
        return total if reduce == "sum" else total.div_(_count(graph))

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        (g,), graph = grads, ctx.graph
        if ctx.reduce == "mean":
            g = g / _count(graph)
        for_x = for_weight = None
        if ctx.needs_input_grad[0]:
            own = None
            if weight is not None:
                own = weight.index_select(0, graph.outgoing.edges).to(g.dtype)
            for_x = sum_rows(g, graph.outgoing, own)
        if weight is not None and ctx.needs_input_grad[1]:
            for_weight = _products(x, g, graph.incoming).to(weight.dtype)
        return for_x, for_weight, None, None


class _SumAndOwn(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, share: Tensor, graph: Adjacency, kept: Tensor | None
    ) -> Tensor:
        own, times = x[: graph.num_nodes], float(share)
        ctx.graph, ctx.times = graph, times
        ctx.save_for_backward(x, share)
        if kept is not None:
            return torch.add(kept, own, alpha=times)
        return sum_rows(x, graph.incoming).add_(own, alpha=times)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        (x, share), (g,), graph = ctx.saved_tensors, grads, ctx.graph
        for_x = for_share = None
        if ctx.needs_input_grad[0]:
            for_x = sum_rows(g, graph.outgoing)
            for_x[: graph.num_nodes].add_(g, alpha=ctx.times)
        if ctx.needs_input_grad[1]:
            for_share = _dot(x[: graph.num_nodes], g).to(share.dtype)
        return for_x, for_share, None, None


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """The sum of all a b, of [N, F], without a product of all at once."""
    if a.dtype == torch.float32 == b.dtype:
        return torch.dot(a.contiguous().view(-1), b.contiguous().view(-1))
    both = zip(a.split(SOME), b.split(SOME), strict=True)
    return torch.stack([(p.double() * q.double()).sum() for p, q in both]).sum()


class _Fixed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, edges: WeightedAdjacency) -> Tensor:
        ctx.edges = edges
        own = edges.incoming.to(x.dtype)
        return sum_rows(x, edges.graph.incoming, own)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        (g,), edges = grads, ctx.edges
        own = edges.outgoing.to(g.dtype)
        return sum_rows(g, edges.graph.outgoing, own), None


def _products(x: Tensor, g: Tensor, rows: CSR) -> Tensor:
    """x[s] . g[t] of each edge, [E]: of g x^T what there is an edge for."""
    wide = torch.promote_types(x.dtype, torch.float32)
    given = g.to(wide), x.to(wide).T
    if len(rows.sources) > len(g) * len(x):  # more edges than pairs: torch wants fewer
        return (given[0] @ given[1])[rows.targets, rows.sources]
    zeros = x.new_zeros(len(rows.sources), dtype=wide)
    pattern = _matrix(rows, zeros, len(x))
    return torch.sparse.sampled_addmm(pattern, *given, beta=0).values()


class _Maximum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, graph: Adjacency) -> Tensor:
        found, _, _, where = _bags(x, graph.incoming, "max")
        ctx.shape, ctx.empty = x.shape, graph.incoming.degrees == 0
        ctx.save_for_backward(where)
        return found

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        (where,), (g,) = ctx.saved_tensors, grads
        kept = g.masked_fill(ctx.empty[:, None], 0)
        nothing = g.new_zeros(ctx.shape)
        return nothing.scatter_add(0, where.long().clamp(min=0), kept), None
