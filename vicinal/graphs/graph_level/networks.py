"""Networks for whole graphs: layers, then what the nodes say together, then a layer.

`GraphLevelNetwork` joins the embeddings of every layer, as GIN does (Xu et al. 2019,
section 4.2): what is near and what is far are both read out.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.graphs.graph_level.graph_features import Graphs
from vicinal.graphs.layers.dropout import Dropout
from vicinal.graphs.layers.gin import GIN
from vicinal.graphs.layers.readout import Readout
from vicinal.graphs.sparse.adjacency import Adjacency


class GraphLevelConfig(NamedTuple):
    """What a network for whole graphs is made with."""

    features: int
    hidden: int
    layers: int
    outputs: int
    dropout: float


class GraphLevelNetwork(nn.Module):
    """GIN: sums of neighbours, batch norms, and a readout of every layer."""

    def __init__(self, shape: GraphLevelConfig) -> None:
        super().__init__()
        self.shape = shape
        wide = [shape.features] + [shape.hidden] * (shape.layers - 1)
        self.layers = nn.ModuleList(_layer(width, shape.hidden) for width in wide)
        self.norms = nn.ModuleList(nn.BatchNorm1d(shape.hidden) for _ in wide)
        self.readouts = nn.ModuleList([Readout("mean"), Readout("max"), Readout("sum")])
        self.dropout = Dropout(shape.dropout)
        self.head = nn.Linear(3 * shape.hidden * shape.layers, shape.outputs)

    def embed(self, graphs: Graphs) -> Tensor:
        """[G, D]: every layer, read out by mean, by maximum and by sum."""
        x, found = graphs.x, []
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.relu(norm(layer(x, graphs.graph)))
            for readout in self.readouts:
                read = readout(x, graphs.member, graphs.number)
                found.append(read)
            found[-1] = found[-1].log1p()  # a sum grows with the graph
        return torch.cat(found, dim=1)

    def forward(self, graphs: Graphs) -> Tensor:
        """Logits [G, K]."""
        return self.head(self.dropout(self.embed(graphs)))


def _layer(width: int, hidden: int) -> GIN:
    dense = (
        nn.Linear(width, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
    )
    return GIN(nn.Sequential(*dense), learn_eps=True)


def some_of(graphs: Graphs, wanted: Tensor) -> Graphs:
    """Some of the graphs, in the order of rows wanted [B]."""
    sizes = torch.bincount(graphs.member, minlength=graphs.number)
    starts = sizes.cumsum(0) - sizes
    own = sizes[wanted]
    nodes = _spans(starts[wanted], own)
    incoming = graphs.graph.incoming
    offsets = incoming.offsets.long()
    first, last = offsets[nodes], offsets[nodes + 1]
    edges = _spans(first, last - first)
    place = torch.full((len(graphs.member),), -1)
    place[nodes] = torch.arange(len(nodes))
    sources = place[incoming.sources[edges].long()]
    targets = torch.arange(len(nodes)).repeat_interleave(last - first)
    graph = Adjacency.of(torch.stack([sources, targets]), len(nodes))
    member = torch.arange(len(wanted)).repeat_interleave(own)
    return Graphs(graphs.x[nodes], graph, member, len(wanted))


def _spans(starts: Tensor, lengths: Tensor) -> Tensor:
    """start, start + 1 ... of each span, one after the other."""
    before = lengths.cumsum(0) - lengths
    total = int(lengths.sum())
    return torch.arange(total) + (starts - before).repeat_interleave(lengths)


class OnGraphs(nn.Module):
    """A network on a set of graphs: rows of graphs [B] to their logits [B, K]."""

    def __init__(self, network: GraphLevelNetwork, graphs: Graphs) -> None:
        super().__init__()
        self.network = network
        self.graphs = graphs

    def forward(self, rows: Tensor) -> Tensor:
        return self.network(some_of(self.graphs, rows))

    @torch.no_grad()
    def logits(self, rows: Any = None) -> Tensor:
        """Of all graphs, or of some rows."""
        self.network.eval()
        some = self.graphs if rows is None else some_of(self.graphs, rows)
        return self.network(some)
