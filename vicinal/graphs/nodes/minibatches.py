"""Train on sampled neighbourhoods of a graph that is too large for a full-batch step.

A step samples a few neighbours of some nodes (`neighbor_sampler`; Hamilton et al.:
Inductive Representation Learning on Large Graphs, NeurIPS 2017). Inference is
layer-wise, each layer for all nodes before the next: no sampling, no repeated work,
and the full-batch result up to rounding.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from vicinal.core.compute.runtime import seed_for
from vicinal.core.training.trainer import Loader
from vicinal.graphs.nodes.networks import LayeredNetwork, NetworkConfig
from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.graphs.sparse.neighbor_sampler import Block, NeighborSampler

NUM_NEIGHBORS = 15, 10, 5
"""neighbours sampled per node, from the labelled nodes outwards, as in PyG's and DGL's
examples for three layers (Hamilton et al. use 25 and 10 for two)"""

ATTENTION_NETWORKS = ("gat", "gatv2")
"""networks that store values for each edge"""

EDGES_PER_BLOCK = 1 << 17
"""edges per block in layer-wise inference"""

Allocate = Callable[[int, int], Tensor]
"""returns an empty matrix of a height and a width, in memory or on disk"""


@dataclass
class NodeLoader:
    """Shuffled mini-batches of labelled nodes."""

    rows: Tensor
    y: Tensor
    batch_size: int
    seed: int
    share: tuple[int, int] = (0, 1)
    """(rank, world size) of this process, which takes every n-th node of a batch"""

    @property
    def steps(self) -> int:
        return math.ceil(len(self.rows) / self.batch_size)

    def batches(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        g = torch.Generator().manual_seed(seed_for(self.seed, epoch))
        order = torch.randperm(len(self.rows), generator=g)
        k, n = self.share
        for step in range(start, self.steps):
            first = step * self.batch_size
            batch = order[first : first + self.batch_size][k::n]
            yield self.rows[batch], self.y[batch]

    def shard(self, rank: int, world_size: int) -> Loader:
        return replace(self, share=(rank, world_size))


class SampledNetwork(nn.Module):
    """A network bound to its graph: rows of nodes [B] to logits [B, K] by sampling."""

    def __init__(
        self,
        network: LayeredNetwork,
        x: Tensor,
        sampler: NeighborSampler,
        num_neighbors: Sequence[int],
    ) -> None:
        """x: [N, F] of any float dtype, in memory or memory-mapped."""
        super().__init__()
        self.network, self.x = network, x
        self.sampler, self.num_neighbors = sampler, tuple(num_neighbors)

    def forward(self, rows: Tensor) -> Tensor:
        blocks = self.sampler.sample_blocks(rows, self.num_neighbors)
        return forward_blocks(self.network, self.x, blocks)

    def logits(self, rows: Tensor, batch_size: int) -> Tensor:
        """Return the logits [R, K] of `rows`, from one sample with a fixed seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return torch.cat([self(batch) for batch in rows.split(batch_size)])


def forward_blocks(network: LayeredNetwork, x: Tensor, blocks: list[Block]) -> Tensor:
    """Return the logits of the last block's targets; x: [N, F] of the whole graph."""
    h = x[blocks[0].nodes].float()
    for k, block in enumerate(blocks):
        h = network.apply_layer(k, h, block, block.edge_weight)
    return network.head(network.dropout(h))


@torch.no_grad()
def layerwise_embeddings(
    network: LayeredNetwork,
    x: Tensor,
    graph: Adjacency,
    edge_weight: Tensor | None = None,
    allocate: Allocate = torch.empty,
    edges_per_block: int | None = None,
) -> Tensor:
    """Return the embeddings [N, hidden] of all nodes from all their neighbours.

    allocate: makes the matrix for the output of each layer. edges_per_block: None:
    EDGES_PER_BLOCK.
    """
    network.eval()
    sampler = NeighborSampler(graph, edge_weight)
    for k in range(len(network.layers)):
        output = allocate(graph.num_nodes, network.config.hidden)
        for begin, end in graph.incoming.row_chunks(edges_per_block or EDGES_PER_BLOCK):
            block = sampler.sample_block(torch.arange(begin, end))
            h = network.apply_layer(k, x[block.nodes].float(), block, block.edge_weight)
            output[begin:end] = h
        x = output
    return x


def estimate_step_bytes(
    name: str, config: NetworkConfig, num_nodes: int, num_edges: int
) -> int:
    """Estimate the memory of a full-batch training step.

    Each layer stores its input, aggregate and product, and gradients of the same size;
    attention also stores score, share and their gradients for each head and edge.
    """
    width = config.features + 6 * config.layers * config.hidden
    heads = config.layers * config.heads if name in ATTENTION_NETWORKS else 0
    return 4 * num_nodes * width + (16 + 20 * heads) * num_edges
