"""Networks on a graph that is too large to be computed at once.

They learn from samples (`sampling`): a step sees some nodes and a few neighbours of
each. They answer layer by layer, each layer for all nodes before the next, so that
nothing is computed twice and no sample is needed: what is said is what the whole graph
would have said, but for rounding.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from vicinal.core.compute.runtime import seed_for
from vicinal.core.training.trainer import Loader
from vicinal.graphs.nodes.networks import LayeredNetwork, NetworkConfig, penalties
from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.graphs.sparse.neighbor_sampler import Block, Sampler

COUNTS = 15, 10, 5
"""neighbours of a node that a step sees, of each of those, and so on outward (Hamilton
et al. use 25 and 10; for three layers PyG's and DGL's examples use these)"""

ATTEND = ("gat", "gatv2")
"""networks that keep numbers of each edge"""

EDGES = 1 << 17
"""edges of a block where all neighbours are taken"""

Make = Callable[[int, int], Tensor]
"""gives an empty matrix of a height and a width: in memory, or on disk"""


@dataclass
class Batches:
    """Nodes that are learned from, some at a time, in another order each epoch."""

    rows: Tensor
    y: Tensor
    size: int
    seed: int
    share: tuple[int, int] = (0, 1)
    """which of how many processes takes its part of each batch"""

    @property
    def steps(self) -> int:
        return math.ceil(len(self.rows) / self.size)

    def batches(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        g = torch.Generator().manual_seed(seed_for(self.seed, epoch))
        order = torch.randperm(len(self.rows), generator=g)
        k, of = self.share
        for step in range(start, self.steps):
            own = order[step * self.size : (step + 1) * self.size][k::of]
            yield self.rows[own], self.y[own]

    def part(self, k: int, of: int) -> Loader:
        return replace(self, share=(k, of))


class OnSamples(nn.Module):
    """A network on samples of one graph: rows of nodes [B] to their logits [B, K]."""

    def __init__(
        self,
        network: LayeredNetwork,
        x: Tensor,
        sampler: Sampler,
        counts: Sequence[int],
    ) -> None:
        """x: [N, F] of any format of floats, also one that lies on disk."""
        super().__init__()
        self.network, self.x = network, x
        self.sampler, self.counts = sampler, tuple(counts)

    def forward(self, rows: Tensor) -> Tensor:
        return through(self.network, self.x, self.sampler.blocks(rows, self.counts))

    def penalties(self, decay: float) -> dict[str, float]:
        """L2 penalty of each weight, by name."""
        return penalties(self, decay)

    @torch.no_grad()
    def answer(self, rows: Tensor, size: int) -> Tensor:
        """Logits [R, K] of some nodes, each from one sample, always the same."""
        self.network.eval()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return torch.cat([self(part) for part in rows.split(size)])


def through(network: LayeredNetwork, x: Tensor, blocks: list[Block]) -> Tensor:
    """Logits of the targets of the last block; x: [N, F] of the whole graph."""
    h = x[blocks[0].nodes].float()
    for k, block in enumerate(blocks):
        h = network.step(k, h, block, block.weight)
    return network.head(network.dropout(h))


@torch.no_grad()
def layer_by_layer(
    network: LayeredNetwork,
    x: Tensor,
    graph: Adjacency,
    weight: Tensor | None = None,
    make: Make = torch.empty,
    edges: int = EDGES,
) -> Tensor:
    """Embeddings [N, hidden] of all nodes, of whose neighbours none is left out.

    make: where what a layer gives is put. edges: of one block, about.
    """
    network.eval()
    sampler = Sampler(graph, weight)
    for k in range(len(network.layers)):
        made = make(graph.num_nodes, network.shape.hidden)
        for begin, end in graph.incoming.parts(edges):
            block = sampler.block(torch.arange(begin, end))
            h = network.step(k, x[block.nodes].float(), block, block.weight)
            made[begin:end] = h
        x = made
    return x


def bytes_of_a_step(name: str, shape: NetworkConfig, nodes: int, edges: int) -> int:
    """What a step over a whole graph takes, about: each layer keeps what it is given,
    its sum and its product, and makes slopes of the same size; attention keeps the
    score, the share and their slopes of each head of each edge as well."""
    width = shape.features + 6 * shape.layers * shape.hidden
    heads = shape.layers * shape.heads if name in ATTEND else 0
    return 4 * nodes * width + (16 + 20 * heads) * edges
