"""Networks for pairs of nodes: embeddings, and a decoder that scores two of them.

==========  =========================================================
dot         z_u . z_v
bilinear    z_u W z_v, W symmetric: (z_u W z_v + z_v W z_u) / 2
mlp         a dense network on z_u * z_v
==========  =========================================================

Embeddings are free numbers of each node, or come of GraphSAGE layers on features. An
edge that is asked for while the network learns is not among its messages: else each
would be known by itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.core.runtime import generator
from vicinal.core.training import Loader
from vicinal.graphs.adjacency import Adjacency
from vicinal.graphs.layers.dropout import Dropout
from vicinal.graphs.layers.sage import GraphSAGE
from vicinal.graphs.link_split import no_edges

Decoder = Literal["none", "dot", "bilinear", "mlp"]
PARTS = 5
"""batches of an epoch: each asks for a fifth of the edges, on messages of the others"""


class LinkShape(NamedTuple):
    """What a network for pairs is made with."""

    nodes: int
    features: int
    hidden: int
    layers: int
    dropout: float
    free: bool
    """whether each node has numbers of its own, in place of layers on features"""

    decoder: str


class LinkNetwork(nn.Module):
    """Embeds nodes and scores pairs of them."""

    def __init__(self, shape: LinkShape) -> None:
        super().__init__()
        self.shape = shape
        self.dropout = Dropout(shape.dropout)
        self.own = None
        self.layers = nn.ModuleList()
        if shape.free:
            self.own = nn.Parameter(0.1 * torch.randn(shape.nodes, shape.hidden))
        else:
            wide = [shape.features] + [shape.hidden] * (shape.layers - 1)
            self.layers.extend(GraphSAGE(width, shape.hidden) for width in wide)
        self.bias = nn.Parameter(torch.zeros(1))
        self.decoder = nn.Module()
        if shape.decoder == "bilinear":
            self.decoder = nn.Linear(shape.hidden, shape.hidden, bias=False)
            nn.init.eye_(self.decoder.weight)
        if shape.decoder == "mlp":
            dense = nn.Linear(shape.hidden, shape.hidden), nn.ReLU()
            self.decoder = nn.Sequential(*dense, nn.Linear(shape.hidden, 1))

    def __str__(self) -> str:
        what = "free embeddings" if self.shape.free else "GraphSAGE"
        return f"{what}, {self.shape.decoder}"

    def embed(self, x: Tensor, graph: Adjacency) -> Tensor:
        """[N, F] to [N, hidden]."""
        if self.own is not None:
            return self.own
        for k, layer in enumerate(self.layers):
            x = layer(self.dropout(x), graph)
            x = F.relu(x) if k + 1 < len(self.layers) else x
        return x

    def scores(self, z: Tensor, pairs: Tensor) -> Tensor:
        """[P] of pairs [P, 2], the same for (u, v) and (v, u)."""
        u, v = self.dropout(z[pairs[:, 0]]), self.dropout(z[pairs[:, 1]])
        if self.shape.decoder == "mlp":
            return self.decoder(u * v).squeeze(1) + self.bias
        if self.shape.decoder == "bilinear":
            both = (self.decoder(u) * v).sum(1) + (self.decoder(v) * u).sum(1)
            return both / 2 + self.bias
        return (u * v).sum(dim=1) + self.bias


class OnLinks(nn.Module):
    """A network on one graph: pairs [P, 2] of rows to logits [P, 2]."""

    def __init__(
        self, network: LinkNetwork, x: Tensor, edges: np.ndarray, nodes: int
    ) -> None:
        super().__init__()
        self.network, self.x = network, x
        self.edges, self.nodes = torch.from_numpy(edges), nodes
        self.whole = both_ways(self.edges, nodes)

    def forward(self, pairs: Tensor) -> Tensor:
        graph = self.whole
        if self.training and not self.network.shape.free:
            graph = both_ways(self.without(pairs), self.nodes)
        said = self.network.scores(self.network.embed(self.x, graph), pairs)
        return torch.stack([torch.zeros_like(said), said], dim=1)

    def without(self, pairs: Tensor) -> Tensor:
        """The edges [E', 2] that are not among pairs, in either order."""
        asked = pairs.sort(dim=1).values @ torch.tensor([self.nodes, 1])
        there = self.edges.sort(dim=1).values @ torch.tensor([self.nodes, 1])
        return self.edges[~torch.isin(there, asked)]

    @torch.no_grad()
    def logits(self, pairs: Tensor) -> Tensor:
        """[P, 2], as the network answers."""
        self.eval()
        return self(pairs)

    @torch.no_grad()
    def embeddings(self) -> Tensor:
        """[N, hidden]."""
        self.eval()
        return self.network.embed(self.x, self.whole)


def both_ways(edges: Tensor, nodes: int) -> Adjacency:
    """The neighbours by edges [E, 2] without a direction."""
    ends = edges.T
    return Adjacency.of(torch.cat([ends, ends.flip(0)], dim=1), nodes)


@dataclass
class PairLoader:
    """Edges, and as many pairs that are no training edge, drawn anew for each epoch."""

    edges: np.ndarray
    nodes: int
    seed: int
    share: tuple[int, int] = (0, 1)

    @property
    def steps(self) -> int:
        return min(PARTS, len(self.edges))

    def batches(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        g = generator(self.seed, epoch)
        order = torch.randperm(len(self.edges), generator=g)
        rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=g)))
        count = len(self.edges)
        nones = torch.from_numpy(no_edges(self.nodes, self.edges, count, False, rng))
        edges = torch.from_numpy(self.edges)[order]
        k, of = self.share
        for part in range(start, self.steps):
            own = slice(part, None, self.steps)
            for_it, against = edges[own][k::of], nones[own][k::of]
            y = torch.cat([torch.ones(len(for_it)), torch.zeros(len(against))]).long()
            yield torch.cat([for_it, against]), y

    def part(self, k: int, of: int) -> Loader:
        return replace(self, share=(k, of))
