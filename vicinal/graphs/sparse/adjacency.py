"""The sparse adjacency of a graph: incoming and outgoing edges in CSR form.

The neighbours of a node lie side by side in memory, so an aggregation (`aggregation`)
reads each of them once and never makes a tensor with E rows. The gradient of a sum over
incoming edges is a sum over outgoing edges, so the outgoing CSR is made when a gradient
is first needed, and cached.

In a bipartite graph, such as a sampled `Block` or the words of documents
(`sparse_features`), x has a row for each source node and y one for each target node.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from vicinal.errors import DataError
from vicinal.graphs.sparse.memmap import allocate

EDGES_PER_SORT = 1 << 24
"""edges sorted at a time where they lie on disk"""


@dataclass(frozen=True)
class CSR:
    """Edges grouped by one of their ends: compressed sparse rows, as in scipy."""

    indptr: Tensor
    """[N + 1] int32: the edges of row n are indptr[n] .. indptr[n + 1] - 1"""

    indices: Tensor
    """[E] int32: the node at the other end of each edge"""

    edge_ids: Tensor
    """[E] int32: the position of each edge in `edge_index` (incoming edges), or among
    the incoming edges (outgoing edges)"""

    @property
    def degrees(self) -> Tensor:
        """The number of edges of each row, [N]."""
        return self.indptr.diff()

    @cached_property
    def row_indices(self) -> Tensor:
        """The row of each edge, [E] int32."""
        nodes = torch.arange(len(self.indptr) - 1, dtype=torch.int32)
        return nodes.to(self.indptr.device).repeat_interleave(self.degrees)

    def row_chunks(self, num_edges: int) -> Iterator[tuple[int, int]]:
        """Yield ranges (begin, end) of rows that hold about `num_edges` edges each."""
        device = self.indptr.device
        last = torch.arange(0, len(self.indices) + num_edges, num_edges, device=device)
        ends = torch.searchsorted(self.indptr[1:].long(), last, right=True)
        begin = 0
        for end in sorted({*ends.tolist(), len(self.indptr) - 1}):
            if end > begin:
                yield begin, end
                begin = end

    def to(self, device: str) -> "CSR":
        """Return a copy on a device."""
        return CSR(*(t.to(device) for t in (self.indptr, self.indices, self.edge_ids)))


@dataclass(frozen=True)
class Adjacency:
    """The edges of a graph, by target (`incoming`) and by source (`outgoing`)."""

    incoming: CSR
    """one row per target; `indices` are sources, `row_indices` targets"""

    num_sources: int
    """number of source nodes; equal to `num_nodes` unless the graph is bipartite"""

    sampling_weight: Tensor | None = None
    """[E], in the order of incoming edges: d / k where k of the d edges of a node were
    sampled, so that sums are unbiased; None: 1"""

    max_bytes: float = math.inf
    """arrays of edges larger than this lie on disk; arrays derived from them for a
    whole training step, such as edge weights, stay in memory"""

    overrides_normalization: ClassVar[bool] = False
    """True where `normalized` must be used because it knows more than this graph does:
    the degrees and edge weights of the graph that it is a part of"""

    edge_mask: ClassVar[Tensor | None] = None
    """[E], multiplies every message where edges are attributed
    (`explain.edge_attribution`)"""

    @cached_property
    def outgoing(self) -> CSR:
        """One row per source; `indices` are targets, `row_indices` sources."""
        rows = self.incoming
        return csr_by_target(
            rows.row_indices, rows.indices, self.num_sources, self.max_bytes
        )

    @property
    def num_nodes(self) -> int:
        """The number of target nodes."""
        return len(self.incoming.indptr) - 1

    @property
    def num_edges(self) -> int:
        return len(self.incoming.indices)

    @classmethod
    def from_edge_index(cls, edge_index: Tensor, num_nodes: int) -> "Adjacency":
        """Make an adjacency from edge_index [2, E]: sources, then targets.

        Raises DataError for a node outside 0 .. num_nodes - 1, and for 2^31 edges or
        more.
        """
        _check_size(edge_index.shape[1], num_nodes)
        if edge_index.numel():
            least, most = int(edge_index.min()), int(edge_index.max())
            if least < 0 or most >= num_nodes:
                raise DataError(
                    f"edge_index must hold node indices from 0 to {num_nodes - 1}. Got "
                    f"{least if least < 0 else most}. Increase num_nodes, or correct "
                    "the edges."
                )
        return cls.from_coo(edge_index[0], edge_index[1], num_nodes)

    @classmethod
    def from_coo(
        cls, source: Tensor, target: Tensor, num_nodes: int, max_bytes: float = math.inf
    ) -> "Adjacency":
        """Make an adjacency from the sources [E] and targets [E] of valid edges.

        Raises DataError for 2^31 edges or more.
        """
        _check_size(len(source), num_nodes)
        return cls(
            csr_by_target(source, target, num_nodes, max_bytes),
            num_nodes,
            max_bytes=max_bytes,
        )

    @cached_property
    def lacks_self_loop(self) -> Tensor:
        """1 for each node without a self-loop, else 0: [N, 1] float32."""
        rows = self.incoming
        lacking = torch.ones(self.num_nodes, 1, device=rows.indices.device)
        for begin, end in rows.row_chunks(EDGES_PER_SORT):
            degrees = rows.indptr[begin : end + 1].diff()
            nodes = torch.arange(begin, end, device=degrees.device)
            targets = nodes.repeat_interleave(degrees)
            sources = rows.indices[rows.indptr[begin] : rows.indptr[end]]
            lacking[targets[sources == targets]] = 0
        return lacking

    @cached_property
    def with_self_loops(self) -> "Adjacency":
        """The graph with a self-loop at every node; existing ones are not doubled."""
        rows = self.incoming
        lacking = self.lacks_self_loop[:, 0].nonzero()[:, 0]
        source, target = (
            torch.cat([t, lacking.int()]) for t in (rows.indices, rows.row_indices)
        )
        incoming = csr_by_target(source, target, self.num_nodes, self.max_bytes)
        return Adjacency(incoming, self.num_sources, max_bytes=self.max_bytes)

    @cached_property
    def normalized(self) -> "WeightedAdjacency":
        """D^-1/2 (A + I) D^-1/2, where D holds the row sums of A + I (PyG: gcn_norm).

        Computed once.
        """
        graph = self.with_self_loops
        rows = graph.incoming
        inv_sqrt_degree = rows.degrees.clamp(min=1).float().rsqrt()
        return WeightedAdjacency(
            graph, inv_sqrt_degree[rows.indices] * inv_sqrt_degree[rows.row_indices]
        )

    def clear_cache(self) -> None:
        """Free everything that is derived from the incoming edges and cached."""
        for name in ("with_self_loops", "normalized", "outgoing", "lacks_self_loop"):
            self.__dict__.pop(name, None)
        self.incoming.__dict__.pop("row_indices", None)

    def to(self, device: str) -> "Adjacency":
        """Return a copy on a device."""
        return Adjacency(self.incoming.to(device), self.num_sources)


def _check_size(num_edges: int, num_nodes: int) -> None:
    """Raise DataError where int32 cannot index the nodes or edges."""
    if num_edges >= 2**31 or num_nodes >= 2**31:
        raise DataError(
            f"A graph must have fewer than 2^31 nodes and edges. Got {num_nodes:,} "
            f"nodes and {num_edges:,} edges. Split the graph first."
        )


@dataclass(frozen=True, kw_only=True)
class CachedAggregation(Adjacency):
    """A graph whose input features never change; their aggregations are cached."""

    features: Tensor
    """[N, F], constant"""

    graph: Adjacency
    cache: dict[str, Tensor] = field(default_factory=dict)
    """aggregated features [N, F] by the name of the reduction"""

    @classmethod
    def with_features(cls, graph: Adjacency, x: Tensor) -> "CachedAggregation":
        """Cache aggregations of x [N, F], which must not be changed in place."""
        return cls(graph.incoming, graph.num_sources, features=x, graph=graph)

    def is_cacheable(self, x: Tensor) -> bool:
        """Return True if x are the constant features and their sums may be reused.

        They may not where x requires a gradient, nor in inference mode, whose tensors
        autograd cannot use later.
        """
        same = x is self.features and not x.requires_grad
        return same and not torch.is_inference_mode_enabled()

    @property
    def outgoing(self) -> CSR:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.graph.outgoing

    @property
    def lacks_self_loop(self) -> Tensor:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.graph.lacks_self_loop

    @property
    def with_self_loops(self) -> Adjacency:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.graph.with_self_loops

    @property
    def normalized(self) -> "WeightedAdjacency":  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.graph.normalized


@dataclass(frozen=True)
class WeightedAdjacency:
    """A graph with constant edge weights."""

    graph: Adjacency
    incoming: Tensor
    """[E], in the order of incoming edges"""

    @cached_property
    def outgoing(self) -> Tensor:
        """The weights in the order of outgoing edges, [E]."""
        return self.incoming[self.graph.outgoing.edge_ids]


def csr_by_target(
    source: Tensor, target: Tensor, num_nodes: int, max_bytes: float = math.inf
) -> CSR:
    """Return the edges sorted by target; the sort is stable.

    max_bytes: larger arrays lie on disk and are sorted a range of rows at a time.
    """
    indptr = torch.zeros(num_nodes + 1, dtype=torch.int32, device=target.device)
    indptr[1:] = torch.bincount(target, minlength=num_nodes).cumsum(0)
    if 4 * len(target) <= max_bytes:
        order = target.int().sort(stable=True).indices
        return CSR(indptr, source[order].int(), order.int())
    on_disk = (allocate(target.shape, np.int32, max_bytes) for _ in range(2))
    rows = CSR(indptr, *map(torch.from_numpy, on_disk))
    for begin, end in rows.row_chunks(EDGES_PER_SORT):
        chunk = ((target >= begin) & (target < end)).nonzero()[:, 0]
        order = chunk[target[chunk].sort(stable=True).indices]
        span = slice(int(indptr[begin]), int(indptr[end]))
        rows.indices[span], rows.edge_ids[span] = source[order].int(), order.int()
    return rows
