"""Networks for pairs of nodes: embeddings, and a decoder that scores two of them.

==========  =========================================================
dot         z_u . z_v
bilinear    z_u W z_v, W symmetric: (z_u W z_v + z_v W z_u) / 2
mlp         a dense network on z_u * z_v
==========  =========================================================

Where edges are of several relations, dot and mlp multiply by numbers r of each as well
(z_u * r * z_v: DistMult, Yang et al. 2015), bilinear has a W for each (RESCAL, Nickel
et al. 2011), and the layers are relational GCNs.

Embeddings are free numbers of each node, or come of GraphSAGE layers on features. An
edge that is asked for while the network learns is not among its messages: else each
would be known by itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.core.compute.runtime import generator
from vicinal.core.training.trainer import Loader
from vicinal.graphs.layers.dropout import Dropout
from vicinal.graphs.layers.relational import RelationalGCN
from vicinal.graphs.layers.sage import GraphSAGE
from vicinal.graphs.links.split import sample_negative_edges
from vicinal.graphs.sparse.adjacency import Adjacency

Decoder = Literal["none", "dot", "bilinear", "mlp"]
BASES = 8
"""of the weights of layers, where there are more relations of edges"""

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
    relations: int = 0
    """of edges, where they are told apart"""


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
            self.layers.extend(self._layer(width) for width in wide)
        relations = shape.relations or 1
        self.bias = nn.Parameter(torch.zeros(relations))
        self.of_relation = None
        if shape.relations and shape.decoder != "bilinear":
            self.of_relation = nn.Parameter(
                1 + 0.1 * torch.randn(relations, shape.hidden)
            )
        self.decoder = nn.Module()
        if shape.decoder == "bilinear":
            eye = torch.eye(shape.hidden).repeat(relations, 1, 1)
            self.weight = nn.Parameter(eye)
        if shape.decoder == "mlp":
            dense = nn.Linear(shape.hidden, shape.hidden), nn.ReLU()
            self.decoder = nn.Sequential(*dense, nn.Linear(shape.hidden, 1))

    def _layer(self, width: int) -> nn.Module:
        hidden, relations = self.shape.hidden, self.shape.relations
        if not relations:
            return GraphSAGE(width, hidden)
        return RelationalGCN(
            width, hidden, relations, BASES if relations > BASES else None
        )

    def __str__(self) -> str:
        layers = "relational GCN" if self.shape.relations else "GraphSAGE"
        what = "free embeddings" if self.shape.free else layers
        return f"{what}, {self.shape.decoder}"

    def embed(self, x: Tensor, graph: Adjacency | list[Adjacency]) -> Tensor:
        """[N, F] to [N, hidden]. graph: of several relations one of each."""
        if self.own is not None:
            return self.own
        for k, layer in enumerate(self.layers):
            x = layer(self.dropout(x), graph)
            x = F.relu(x) if k + 1 < len(self.layers) else x
        return x

    def scores(self, z: Tensor, pairs: Tensor) -> Tensor:
        """[P] of pairs [P, 2], or [P, 3] with their relations; the same for (u, v) and
        (v, u)."""
        u, v = self.dropout(z[pairs[:, 0]]), self.dropout(z[pairs[:, 1]])
        relation = (
            pairs[:, 2] if self.shape.relations else torch.zeros_like(pairs[:, 0])
        )
        if self.shape.decoder == "bilinear":
            return self._bilinear(u, v, relation) + self.bias[relation]
        both = u * v if self.of_relation is None else u * v * self.of_relation[relation]
        if self.shape.decoder == "mlp":
            return self.decoder(both).squeeze(1) + self.bias[relation]
        return both.sum(dim=1) + self.bias[relation]

    def _bilinear(self, u: Tensor, v: Tensor, relation: Tensor) -> Tensor:
        scores = u.new_zeros(len(u))
        for k in relation.unique().tolist():
            own = relation == k
            w = self.weight[k]
            both = (u[own] @ w.T * v[own]).sum(1) + (v[own] @ w.T * u[own]).sum(1)
            scores = scores.index_put((own.nonzero()[:, 0],), both / 2)
        return scores


class OnLinks(nn.Module):
    """A network on one graph: pairs [P, 2] of rows, or [P, 3] with their relations, to
    logits [P, 2]."""

    def __init__(
        self, network: LinkNetwork, x: Tensor, edges: np.ndarray, nodes: int
    ) -> None:
        super().__init__()
        self.network, self.x = network, x
        self.edges, self.nodes = torch.from_numpy(edges), nodes
        self.whole = self._graph(self.edges)

    def forward(self, pairs: Tensor) -> Tensor:
        graph = self.whole
        if self.training and not self.network.shape.free:
            graph = self._graph(self.without(pairs))
        said = self.network.scores(self.network.embed(self.x, graph), pairs)
        return torch.stack([torch.zeros_like(said), said], dim=1)

    def _graph(self, edges: Tensor) -> Any:
        """The neighbours by edges; of several relations one graph of each."""
        relations = self.network.shape.relations
        if not relations:
            return both_ways(edges, self.nodes)
        parts = (edges[edges[:, 2] == relation, :2] for relation in range(relations))
        return [both_ways(part, self.nodes) for part in parts]

    def without(self, pairs: Tensor) -> Tensor:
        """The edges that are not among pairs, in either order."""
        return self.edges[~torch.isin(self._keys(self.edges), self._keys(pairs))]

    def _keys(self, pairs: Tensor) -> Tensor:
        """A number of each pair, and of its relation."""
        low, high = pairs[:, :2].sort(dim=1).values.T
        return (pairs[:, 2:].sum(dim=1) * self.nodes + low) * self.nodes + high

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
        nones = torch.from_numpy(
            sample_negative_edges(self.nodes, self.edges, count, False, rng)
        )
        edges = torch.from_numpy(self.edges)[order]
        k, of = self.share
        for part in range(start, self.steps):
            own = slice(part, None, self.steps)
            for_it, against = edges[own][k::of], nones[own][k::of]
            y = torch.cat([torch.ones(len(for_it)), torch.zeros(len(against))]).long()
            yield torch.cat([for_it, against]), y

    def part(self, k: int, of: int) -> Loader:
        return replace(self, share=(k, of))
