"""Networks for whole graphs: message passing, a readout of all nodes, a dense layer.

`GraphLevelNetwork` reads out every layer, as GIN does (Xu et al. 2019, section 4.2), so
that small and large neighbourhoods both count. Where edges have features, its layers
are GINE.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.core.storage.schema import Integer, Number, Object
from vicinal.graphs.graph_level.graph_features import BatchedGraphs
from vicinal.graphs.layers.dropout import Dropout
from vicinal.graphs.layers.gin import GIN
from vicinal.graphs.layers.gine import GINE
from vicinal.graphs.layers.readout import Readout
from vicinal.graphs.settings import MAX_LAYERS
from vicinal.graphs.sparse.adjacency import Adjacency


class GraphLevelConfig(NamedTuple):
    """Sizes of a network for whole graphs."""

    features: int
    hidden: int
    layers: int
    outputs: int
    dropout: float
    edge_features: int = 0
    """0: GIN"""


CONFIG = Object(
    {
        "features": Integer(1),
        "hidden": Integer(1),
        "layers": Integer(1, MAX_LAYERS),
        "outputs": Integer(1),
        "dropout": Number(0, 1),
    },
    {"edge_features": Integer(0)},
)
"""schema of these sizes in a model file; `load_network` checks them"""


class GraphLevelNetwork(nn.Module):
    """GIN, or GINE, with batch norm and a readout of every layer.

    Readouts: the mean, the maximum, and the logarithm of 1 + the sum over nodes.
    """

    def __init__(self, config: GraphLevelConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.features] + [config.hidden] * (config.layers - 1)
        self.layers = nn.ModuleList(_layer(width, config) for width in widths)
        self.norms = nn.ModuleList(nn.BatchNorm1d(config.hidden) for _ in widths)
        self.readouts = nn.ModuleList([Readout("mean"), Readout("max"), Readout("sum")])
        self.dropout = Dropout(config.dropout)
        self.head = nn.Linear(3 * config.hidden * config.layers, config.outputs)

    def embed(self, graphs: BatchedGraphs) -> Tensor:
        """Return the embeddings [G, D]: the readouts of all layers, concatenated."""
        readouts = []
        for x in self.layer_outputs(graphs):
            for readout in self.readouts:
                readouts.append(readout(x, graphs.batch, graphs.num_graphs))
            readouts[-1] = readouts[-1].log1p()  # the sum grows with the graph
        return torch.cat(readouts, dim=1)

    def layer_outputs(self, graphs: BatchedGraphs) -> Iterator[Tensor]:
        """Yield the output of each layer after norm and ReLU, [N, hidden]."""
        x = graphs.x
        edge_attr = (graphs.edge_attr,) if self.config.edge_features else ()
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.relu(norm(layer(x, graphs.adjacency, *edge_attr)))
            yield x

    def forward(self, graphs: BatchedGraphs) -> Tensor:
        """Return the logits [G, K]."""
        return self.head(self.dropout(self.embed(graphs)))


def _layer(width: int, config: GraphLevelConfig) -> GIN | GINE:
    mlp = nn.Sequential(
        nn.Linear(width, config.hidden),
        nn.BatchNorm1d(config.hidden),
        nn.ReLU(),
        nn.Linear(config.hidden, config.hidden),
    )
    if config.edge_features:
        return GINE(mlp, width, config.edge_features, learn_eps=True)
    return GIN(mlp, learn_eps=True)


def select_graphs(graphs: BatchedGraphs, rows: Tensor) -> BatchedGraphs:
    """Return the graphs of `rows` [B], in that order."""
    sizes = torch.bincount(graphs.batch, minlength=graphs.num_graphs)
    starts = sizes.cumsum(0) - sizes
    selected_sizes = sizes[rows]
    nodes = _spans(starts[rows], selected_sizes)
    incoming = graphs.adjacency.incoming
    indptr = incoming.indptr.long()
    first, last = indptr[nodes], indptr[nodes + 1]
    edges = _spans(first, last - first)
    new_row = torch.full((len(graphs.batch),), -1)
    new_row[nodes] = torch.arange(len(nodes))
    sources = new_row[incoming.indices[edges].long()]
    targets = torch.arange(len(nodes)).repeat_interleave(last - first)
    edge_index = torch.stack([sources, targets])
    adjacency = Adjacency.from_edge_index(edge_index, len(nodes))
    batch = torch.arange(len(rows)).repeat_interleave(selected_sizes)
    edge_attr = graphs.edge_attr
    if edge_attr is not None:
        edge_attr = edge_attr[incoming.edge_ids[edges].long()]
    return BatchedGraphs(graphs.x[nodes], adjacency, batch, len(rows), edge_attr)


def _spans(starts: Tensor, lengths: Tensor) -> Tensor:
    """Return start, start + 1, ... of each span, concatenated."""
    before = lengths.cumsum(0) - lengths
    total = int(lengths.sum())
    return torch.arange(total) + (starts - before).repeat_interleave(lengths)


class GraphBatchNetwork(nn.Module):
    """A network bound to its graphs: rows of graphs [B] to their logits [B, K]."""

    def __init__(self, network: GraphLevelNetwork, graphs: BatchedGraphs) -> None:
        super().__init__()
        self.network = network
        self.graphs = graphs

    def forward(self, rows: Tensor) -> Tensor:
        return self.network(select_graphs(self.graphs, rows))
