"""Parts of a graph that is too large to be computed at once: a few neighbours each.

What L layers say of some nodes rests on nodes up to L edges away, and in a large graph
those are soon all of them. A sample takes k_l neighbours of each node, without
replacement, one layer after the other from the last to the first::

    N_L = the nodes asked for,   N_l-1 = N_l and k_l neighbours of each of N_l

The edges from N_l-1 to N_l are a `Block`. A mean over a sample is right on average; a
sum is when each edge counts for d / k of the node's d edges; and a GCN's when each edge
keeps the weight that the degrees in the whole graph give it as well.

W. Hamilton, R. Ying, J. Leskovec: Inductive Representation Learning on Large Graphs,
NeurIPS 2017, Algorithm 2. Without replacement by R. Floyd's way: J. Bentley, R. Floyd:
Programming Pearls: A Sample of Brilliance, CACM 30 (1987).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from vicinal.graphs.sparse.adjacency import CSR, Adjacency, WeightedAdjacency, aggregate


@dataclass(frozen=True, kw_only=True)
class Block(Adjacency):
    """The edges of one layer, from many nodes to fewer: the first of those many."""

    nodes: Tensor
    """[S] int64: the sources, as rows of the whole graph; targets come first"""

    places: Tensor
    """[E] int64: the edges, as places among the arriving ones of the whole"""

    weight: Tensor | None
    """[E] of the edges, where the whole has weights"""

    root: Tensor
    """[S] D^-1/2 of the whole with a loop at each node (`layers.gcn`)"""

    bare: Tensor
    """[N, 1] 1 for a target without a loop in the whole, else 0"""

    is_part: ClassVar[bool] = True

    @cached_property
    def without_self_loop(self) -> Tensor:
        return self.bare

    @cached_property
    def normalised(self) -> WeightedAdjacency:
        """GCN's weights, as the whole graph has them, for the sample."""
        rows, new = self.incoming, self.bare[:, 0].nonzero()[:, 0]
        given = self.root[rows.sources] * self.root[rows.targets]
        for factor in (self.edge_multiplicity, self.weight):
            given = given if factor is None else given * factor
        listed = torch.cat([given, self.root[new] ** 2])
        graph = self.add_self_loops
        return WeightedAdjacency(graph, listed[graph.incoming.edges])


class Sampler:
    """Draws parts of a graph; every draw is torch's, so that a seed repeats it."""

    def __init__(self, graph: Adjacency, weight: Tensor | None = None) -> None:
        """weight: [E], of the edges as they were listed."""
        self.graph = graph
        self.weight = None if weight is None else weight[graph.incoming.edges]
        ones = torch.ones(graph.num_nodes, 1)
        degree = aggregate(ones, graph, "sum", weight) + graph.without_self_loop
        self.root = torch.where(degree > 0, degree, torch.inf).rsqrt()[:, 0]
        self._place = np.full(graph.num_nodes, -1, np.int32)

    def blocks(self, nodes: Tensor, counts: Sequence[int]) -> list[Block]:
        """Blocks of the first layer to the last, for nodes [B], each named once.

        counts: neighbours of each of them, of each of those, and so on outward; fewer
        where a node has fewer.
        """
        found: list[Block] = []
        for count in counts:
            found.insert(0, self.block(nodes, count))
            nodes = found[0].nodes
        return found

    def block(self, nodes: Tensor, count: int | None = None) -> Block:
        """The edges that arrive at nodes [N]; of each at most `count`, None: all."""
        offsets = self.graph.incoming.offsets
        first = offsets[nodes].long()
        degree = offsets[nodes + 1].long() - first
        taken = degree if count is None else degree.clamp(max=count)
        ends = torch.zeros(len(nodes) + 1, dtype=torch.int32)
        ends[1:] = taken.cumsum(0)
        if count is None or not (degree > count).any():
            own = torch.arange(int(ends[-1])) - ends[:-1].long().repeat_interleave(
                taken
            )
            places, edge_multiplicity = first.repeat_interleave(taken) + own, None
        else:
            drawn = draw(degree, count)
            there = torch.arange(count) < taken[:, None]
            places = (first[:, None] + drawn)[there]
            share = degree / taken.clamp(min=1)
            edge_multiplicity = share.repeat_interleave(taken)
        whole = self.graph.incoming.sources[places]
        every, sources = self._numbered(nodes, whole)
        edges = torch.arange(len(places), dtype=torch.int32)
        return Block(
            CSR(ends, sources, edges),
            len(every),
            edge_multiplicity,
            nodes=every,
            places=places,
            weight=None if self.weight is None else self.weight[places],
            root=self.root[every],
            bare=self.graph.without_self_loop[nodes],
        )

    def _numbered(self, targets: Tensor, sources: Tensor) -> tuple[Tensor, Tensor]:
        """The nodes of a block [S], targets first; and sources [E] as rows of them."""
        place, own, sent = self._place, targets.numpy(), sources.numpy()
        place[own] = np.arange(len(own), dtype=np.int32)
        new = sent[place[sent] < 0]
        place[new] = np.arange(len(new), dtype=np.int32)  # of equal ones the last stays
        once = new[place[new] == np.arange(len(new), dtype=np.int32)]
        place[once] = np.arange(len(own), len(own) + len(once), dtype=np.int32)
        rows = torch.from_numpy(place[sent])
        place[own] = place[once] = -1
        return torch.from_numpy(np.concatenate([own, once])).long(), rows


def draw(degree: Tensor, count: int) -> Tensor:
    """`count` different numbers below each degree [N]: [N, count].

    Where the degree is no larger, 0, 1, ... Floyd: for j = d - k ... d - 1 take a
    number t from 0 to j, or j itself if t was taken before.
    """
    drawn = torch.empty(count, len(degree), dtype=torch.int64)
    many = degree > count
    chance = torch.rand(count, len(degree))
    for k in range(count):
        last = (degree - count + k).clamp(min=0)
        t = (chance[k].double() * (last + 1)).long()
        again = (drawn[:k] == t).any(dim=0) if k else torch.zeros_like(many)
        t = torch.where(again, last, t)
        drawn[k] = torch.where(many, t, k)
    return drawn.T
