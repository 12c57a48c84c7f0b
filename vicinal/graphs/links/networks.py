"""Networks for pairs of nodes: node embeddings and a decoder that scores two of them.

==========  =========================================================
dot         z_u . z_v
bilinear    z_u W z_v, W symmetric: (z_u W z_v + z_v W z_u) / 2
mlp         a dense network on z_u * z_v
==========  =========================================================

With several relations, dot and mlp multiply by a vector r of each relation as well
(z_u * r * z_v: DistMult, Yang et al. 2015), bilinear has a W for each (RESCAL, Nickel
et al. 2011), and the layers are relational GCNs.

Embeddings are free parameters of each node, or come from GraphSAGE layers on features.
In training, the edges of a batch are removed from the messages: each would otherwise be
predicted from itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.core.compute.runtime import seeded_generator
from vicinal.core.storage.schema import Flag, Integer, Number, Object, Text
from vicinal.core.training.trainer import Loader
from vicinal.graphs.layers.dropout import Dropout
from vicinal.graphs.layers.relational import RelationalGCN
from vicinal.graphs.layers.sage import GraphSAGE
from vicinal.graphs.links.split import sample_negative_edges
from vicinal.graphs.settings import MAX_LAYERS
from vicinal.graphs.sparse.adjacency import Adjacency

NUM_BASES = 8
"""basis matrices of relational layers that have more relations than this"""

PAIRS_PER_BLOCK = 1 << 16
"""pairs that are scored at a time"""

BATCHES_PER_EPOCH = 5
"""each batch scores a fifth of the edges, with the others as messages"""


class LinkNetworkConfig(NamedTuple):
    """Sizes and kind of a link network."""

    num_nodes: int
    features: int
    hidden: int
    layers: int
    dropout: float
    free_embeddings: bool
    """True: a learned vector per node instead of layers on features"""

    decoder: str
    num_relations: int = 0
    """0: all edges are of one kind"""


CONFIG = Object(
    {
        "num_nodes": Integer(),
        "features": Integer(1),
        "hidden": Integer(1),
        "layers": Integer(1, MAX_LAYERS),
        "dropout": Number(0, 1),
        "free_embeddings": Flag(),
        "decoder": Text(("dot", "bilinear", "mlp")),
        "num_relations": Integer(),
    }
)
"""schema of these sizes in a model file; `load_network` checks them"""


class LinkNetwork(nn.Module):
    """Embed nodes and score pairs of them."""

    def __init__(self, config: LinkNetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.dropout = Dropout(config.dropout)
        self.node_vectors = None
        self.layers = nn.ModuleList()
        hidden, relations = config.hidden, config.num_relations or 1
        if config.free_embeddings:
            self.node_vectors = nn.Parameter(
                0.1 * torch.randn(config.num_nodes, hidden)
            )
        else:
            widths = [config.features] + [hidden] * (config.layers - 1)
            self.layers.extend(self._make_layer(width) for width in widths)
        self.bias = nn.Parameter(torch.zeros(relations))
        self.relation_vectors = None
        if config.num_relations and config.decoder != "bilinear":
            self.relation_vectors = nn.Parameter(
                1 + 0.1 * torch.randn(relations, hidden)
            )
        self.decoder = nn.Module()
        if config.decoder == "bilinear":
            one = torch.eye(hidden).expand(relations, hidden, hidden)
            self.weight = nn.Parameter(one.contiguous())
        if config.decoder == "mlp":
            dense = nn.Linear(hidden, hidden), nn.ReLU()
            self.decoder = nn.Sequential(*dense, nn.Linear(hidden, 1))

    def _make_layer(self, width: int) -> nn.Module:
        hidden, relations = self.config.hidden, self.config.num_relations
        if not relations:
            return GraphSAGE(width, hidden)
        bases = NUM_BASES if relations > NUM_BASES else None
        return RelationalGCN(width, hidden, relations, bases)

    def embed(self, x: Tensor, graph: Adjacency | list[Adjacency]) -> Tensor:
        """[N, F] to [N, hidden]. graph: with several relations one for each."""
        if self.node_vectors is not None:
            return self.node_vectors
        for k, layer in enumerate(self.layers):
            x = layer(self.dropout(x), graph)
            x = F.relu(x) if k + 1 < len(self.layers) else x
        return x

    def scores(self, z: Tensor, pairs: Tensor) -> Tensor:
        """Score pairs [P, 2], or [P, 3] with relations: [P], symmetric in u and v."""
        u, v = self.dropout(z[pairs[:, 0]]), self.dropout(z[pairs[:, 1]])
        relation = torch.zeros_like(pairs[:, 0])
        if self.config.num_relations:
            relation = pairs[:, 2]
        if self.config.decoder == "bilinear":
            return self._bilinear(u, v, relation) + self.bias[relation]
        product = u * v
        if self.relation_vectors is not None:
            product = product * self.relation_vectors[relation]
        if self.config.decoder == "mlp":
            return self.decoder(product).squeeze(1) + self.bias[relation]
        return product.sum(dim=1) + self.bias[relation]

    def _bilinear(self, u: Tensor, v: Tensor, relation: Tensor) -> Tensor:
        scores = u.new_zeros(len(u))
        for k in relation.unique().tolist():
            rows = relation == k
            w = self.weight[k]
            both = (u[rows] @ w.T * v[rows]).sum(1) + (v[rows] @ w.T * u[rows]).sum(1)
            scores = scores.index_put((rows.nonzero()[:, 0],), both / 2)
        return scores


class PairNetwork(nn.Module):
    """A network bound to its graph: pairs [P, 2], or [P, 3] with relations, of rows to
    logits [P, 2] of no edge and edge."""

    def __init__(
        self, network: LinkNetwork, x: Tensor, edges: np.ndarray, num_nodes: int
    ) -> None:
        super().__init__()
        self.network, self.x = network, x
        self.edges, self.num_nodes = torch.from_numpy(edges), num_nodes
        self.adjacency = self._adjacency(self.edges)

    def forward(self, pairs: Tensor) -> Tensor:
        adjacency = self.adjacency
        if self.training and not self.network.config.free_embeddings:
            adjacency = self._adjacency(self.edges_without(pairs))
        scores = self.network.scores(self.network.embed(self.x, adjacency), pairs)
        return torch.stack([torch.zeros_like(scores), scores], dim=1)

    def _adjacency(self, edges: Tensor) -> Any:
        """Return the adjacency of edges; with several relations a list of them."""
        num_relations = self.network.config.num_relations
        if not num_relations:
            return undirected_adjacency(edges, self.num_nodes)
        return [
            undirected_adjacency(edges[edges[:, 2] == relation, :2], self.num_nodes)
            for relation in range(num_relations)
        ]

    def edges_without(self, pairs: Tensor) -> Tensor:
        """Return the edges that are not among `pairs`, in either direction."""
        return self.edges[~torch.isin(self._keys(self.edges), self._keys(pairs))]

    def _keys(self, pairs: Tensor) -> Tensor:
        """Return a unique number for each pair and its relation."""
        low, high = pairs[:, :2].sort(dim=1).values.T
        return (pairs[:, 2:].sum(dim=1) * self.num_nodes + low) * self.num_nodes + high

    @torch.no_grad()
    def logits(self, pairs: Tensor) -> Tensor:
        """Return the logits [P, 2] in evaluation mode."""
        z = self.embeddings()
        blocks = pairs.split(PAIRS_PER_BLOCK)
        scores = torch.cat([self.network.scores(z, block) for block in blocks])
        return torch.stack([torch.zeros_like(scores), scores], dim=1)

    @torch.no_grad()
    def embeddings(self) -> Tensor:
        """Return the node embeddings [N, hidden] in evaluation mode."""
        self.eval()
        return self.network.embed(self.x, self.adjacency)


def undirected_adjacency(edges: Tensor, num_nodes: int) -> Adjacency:
    """Return the adjacency of edges [E, 2] in both directions."""
    edge_index = edges.T
    both = torch.cat([edge_index, edge_index.flip(0)], dim=1)
    return Adjacency.from_edge_index(both, num_nodes)


@dataclass
class PairLoader:
    """Batches of training edges and as many negatives, sampled anew in each epoch."""

    edges: np.ndarray
    num_nodes: int
    seed: int
    sides: np.ndarray | None = None
    """[N], of a bipartite graph, where negatives are pairs of opposite sides"""

    share: tuple[int, int] = (0, 1)
    """(rank, world size) of this process, which takes every n-th pair of a batch"""

    @property
    def steps(self) -> int:
        return min(BATCHES_PER_EPOCH, len(self.edges))

    def batches(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        g = seeded_generator(self.seed, epoch)
        order = torch.randperm(len(self.edges), generator=g)
        rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=g)))
        sampled = sample_negative_edges(
            self.num_nodes, self.edges, len(self.edges), False, rng, self.sides
        )
        edges, negatives = (
            torch.from_numpy(self.edges)[order],
            torch.from_numpy(sampled),
        )
        k, n = self.share
        for step in range(start, self.steps):
            batch = slice(step, None, self.steps)
            positive, negative = edges[batch][k::n], negatives[batch][k::n]
            y = torch.cat([torch.ones(len(positive)), torch.zeros(len(negative))])
            yield torch.cat([positive, negative]), y.long()

    def shard(self, rank: int, world_size: int) -> Loader:
        return replace(self, share=(rank, world_size))
