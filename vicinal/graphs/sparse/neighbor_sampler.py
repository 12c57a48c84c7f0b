"""Neighbour sampling: mini-batches of a graph too large for full-batch training.

The output of L layers at some nodes depends on all nodes within L hops, which in a
large graph are soon all nodes. Instead k_l neighbours of each node are drawn without
replacement, from the last layer to the first::

    N_L = the seed nodes,   N_l-1 = N_l and k_l neighbours of each node in N_l

The edges from N_l-1 to N_l are a `Block`. The mean over a sample is unbiased; a sum is
unbiased where each edge is weighted by d / k, with d the degree of the node; and a GCN
layer where each edge also keeps its weight in the whole graph.

W. Hamilton, R. Ying, J. Leskovec: Inductive Representation Learning on Large Graphs,
NeurIPS 2017, Algorithm 2. Sampling without replacement by R. Floyd's algorithm: J.
Bentley, R. Floyd: Programming Pearls: A Sample of Brilliance, CACM 30 (1987).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from vicinal.graphs.sparse.adjacency import CSR, Adjacency, WeightedAdjacency
from vicinal.graphs.sparse.aggregation import aggregate


@dataclass(frozen=True, kw_only=True)
class Block(Adjacency):
    """The sampled edges of one layer: from S source nodes to the first N of them."""

    nodes: Tensor
    """[S] int64: the source nodes as rows of the whole graph; the targets come first"""

    edge_positions: Tensor
    """[E] int64: positions of the edges among the incoming edges of the whole graph"""

    edge_weight: Tensor | None
    """[E], if the whole graph has edge weights"""

    inv_sqrt_degree: Tensor
    """[S] D^-1/2 of the whole graph with self-loops (`layers.gcn`)"""

    target_lacks_self_loop: Tensor
    """[N, 1] `lacks_self_loop` of the targets in the whole graph"""

    overrides_normalization: ClassVar[bool] = True

    @cached_property
    def lacks_self_loop(self) -> Tensor:
        return self.target_lacks_self_loop

    @cached_property
    def normalized(self) -> WeightedAdjacency:
        """The GCN weights of the whole graph, scaled for the sample."""
        rows, root = self.incoming, self.inv_sqrt_degree
        added = self.target_lacks_self_loop[:, 0].nonzero()[:, 0]
        weight = root[rows.indices] * root[rows.row_indices]
        for factor in (self.sampling_weight, self.edge_weight):
            weight = weight if factor is None else weight * factor
        weight = torch.cat([weight, root[added] ** 2])
        graph = self.with_self_loops
        return WeightedAdjacency(graph, weight[graph.incoming.edge_ids])


class NeighborSampler:
    """Samples blocks of a graph. All randomness is torch's: a seed repeats a sample."""

    def __init__(self, graph: Adjacency, edge_weight: Tensor | None = None) -> None:
        """edge_weight: [E], in the order of `edge_index`."""
        self.graph = graph
        self.edge_weight = None
        if edge_weight is not None:
            self.edge_weight = edge_weight[graph.incoming.edge_ids]
        ones = torch.ones(graph.num_nodes, 1)
        degree = aggregate(ones, graph, "sum", edge_weight) + graph.lacks_self_loop
        root = torch.where(degree > 0, degree, torch.inf).rsqrt()[:, 0]
        self.inv_sqrt_degree = root
        self._local_index = np.full(graph.num_nodes, -1, np.int32)  # reused buffer

    def sample_blocks(self, nodes: Tensor, num_neighbors: Sequence[int]) -> list[Block]:
        """Sample a block for each layer, the first layer's first, for seed nodes [B].

        num_neighbors: for each hop, from the seed nodes outward; all neighbours where a
        node has fewer. nodes: without repeats.
        """
        blocks: list[Block] = []
        for count in num_neighbors:
            blocks.insert(0, self.sample_block(nodes, count))
            nodes = blocks[0].nodes
        return blocks

    def sample_block(self, nodes: Tensor, num_neighbors: int | None = None) -> Block:
        """Sample at most `num_neighbors` incoming edges of each node [N]; None: all."""
        indptr = self.graph.incoming.indptr
        first = indptr[nodes].long()
        degree = indptr[nodes + 1].long() - first
        taken = degree if num_neighbors is None else degree.clamp(max=num_neighbors)
        block_indptr = torch.zeros(len(nodes) + 1, dtype=torch.int32)
        block_indptr[1:] = taken.cumsum(0)
        if num_neighbors is None or not (degree > num_neighbors).any():
            starts = block_indptr[:-1].long().repeat_interleave(taken)
            within = torch.arange(int(block_indptr[-1])) - starts
            positions = first.repeat_interleave(taken) + within
            sampling_weight = None
        else:
            drawn = sample_without_replacement(degree, num_neighbors)
            valid = torch.arange(num_neighbors) < taken[:, None]
            positions = (first[:, None] + drawn)[valid]
            ratio = degree / taken.clamp(min=1)
            sampling_weight = ratio.repeat_interleave(taken)
        sources = self.graph.incoming.indices[positions]
        all_nodes, indices = self._relabel(nodes, sources)
        edge_ids = torch.arange(len(positions), dtype=torch.int32)
        weight = self.edge_weight
        return Block(
            CSR(block_indptr, indices, edge_ids),
            len(all_nodes),
            sampling_weight,
            nodes=all_nodes,
            edge_positions=positions,
            edge_weight=None if weight is None else weight[positions],
            inv_sqrt_degree=self.inv_sqrt_degree[all_nodes],
            target_lacks_self_loop=self.graph.lacks_self_loop[nodes],
        )

    def _relabel(self, targets: Tensor, sources: Tensor) -> tuple[Tensor, Tensor]:
        """Return the nodes of a block [S], targets first, and sources [E] as rows."""
        local, own, ends = self._local_index, targets.numpy(), sources.numpy()
        local[own] = np.arange(len(own), dtype=np.int32)
        new = ends[local[ends] < 0]
        local[new] = np.arange(len(new), dtype=np.int32)  # of repeats the last stays
        unique = new[local[new] == np.arange(len(new), dtype=np.int32)]
        local[unique] = np.arange(len(own), len(own) + len(unique), dtype=np.int32)
        rows = torch.from_numpy(local[ends])
        local[own] = local[unique] = -1
        return torch.from_numpy(np.concatenate([own, unique])).long(), rows


def sample_without_replacement(population: Tensor, count: int) -> Tensor:
    """Draw `count` distinct integers below each population size [N]: [N, count].

    Where a population is not larger than count: 0, 1, 2, ... Floyd's algorithm: for j =
    n - k ... n - 1 take t uniform in 0 .. j, or j itself if t was already taken.
    """
    drawn = torch.empty(count, len(population), dtype=torch.int64)
    large = population > count
    uniform = torch.rand(count, len(population))
    for k in range(count):
        j = (population - count + k).clamp(min=0)
        t = (uniform[k].double() * (j + 1)).long()
        taken = (drawn[:k] == t).any(dim=0) if k else torch.zeros_like(large)
        t = torch.where(taken, j, t)
        drawn[k] = torch.where(large, t, k)
    return drawn.T
