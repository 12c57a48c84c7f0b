"""Networks of the layers, and one table of them all.

==========  ======================================================  ========  =======
name        from features x to embeddings                           layers    weights
==========  ======================================================  ========  =======
gcn         (GCN, ReLU) for each layer                              2         used
sage        (GraphSAGE, ReLU)                                       2         used
gin         (GIN with two dense layers, batch norm, ReLU)           2         used
gat, gatv2  (attention with heads side by side, ELU)                2         not used
appnp       dense, ReLU, then spread                                10 steps  used
gcnii       dense, ReLU, then (GCNII, ReLU)                         24        used
==========  ======================================================  ========  =======

Dropout stands before each layer, and one dense layer, the head, scores the embedding.
`weights` are those of the edges.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.errors import SettingError, near_names
from vicinal.graphs.layers.appnp import APPNP
from vicinal.graphs.layers.dropout import Dropout
from vicinal.graphs.layers.gat import GAT
from vicinal.graphs.layers.gatv2 import GATv2
from vicinal.graphs.layers.gcn import GCN
from vicinal.graphs.layers.gcnii import GCNII
from vicinal.graphs.layers.gin import GIN
from vicinal.graphs.layers.sage import GraphSAGE
from vicinal.graphs.sparse.adjacency import Adjacency, CachedAggregation
from vicinal.graphs.sparse.sparse_features import Features, dense, listed


class NetworkConfig(NamedTuple):
    """What a network is made with."""

    features: int
    """F of the input"""

    hidden: int
    layers: int
    outputs: int
    dropout: float
    heads: int


class NodeNetwork(nn.Module):
    """Embeds the nodes of a graph, and scores the embedding with one dense layer."""

    def __init__(self, shape: NetworkConfig) -> None:
        super().__init__()
        self.shape = shape
        self.dropout = Dropout(shape.dropout)
        self.head = nn.Linear(shape.hidden, shape.outputs)

    name = ""
    """its row in the table; `build` sets it"""

    layer_decay = 1.0
    """how many times as much the weights of its layers are penalised as others"""

    reads_words = False
    """whether its first layer takes features as `words.SparseFeatures` as well"""

    @property
    def description(self) -> dict[str, Any]:
        """What `build` makes it of."""
        return {"name": self.name, **self.shape._asdict()}

    @property
    def hops(self) -> int:
        """How far it looks."""
        return self.shape.layers

    def embed(self, x: Any, graph: Adjacency, weight: Tensor | None) -> Tensor:
        """[N, F] to [N, hidden]."""
        raise NotImplementedError

    def forward(self, x: Any, graph: Adjacency, weight: Tensor | None = None) -> Tensor:
        """[N, F] to logits [N, K]. weight: [E], of the edges as they are listed."""
        return self.head(self.dropout(self.embed(x, graph, weight)))


class LayeredNetwork(NodeNetwork):
    """Layers one after the other."""

    def __init__(
        self,
        shape: NetworkConfig,
        layer: Callable[[int, int], nn.Module],
        *,
        norm: bool = False,
        weighted: bool = True,
        activation: Callable[[Tensor], Tensor] = torch.relu_,
    ) -> None:
        super().__init__(shape)
        wide = [shape.features] + [shape.hidden] * (shape.layers - 1)
        self.layers = nn.ModuleList(layer(width, shape.hidden) for width in wide)
        norms = (nn.BatchNorm1d(shape.hidden) if norm else nn.Identity() for _ in wide)
        self.norms = nn.ModuleList(norms)
        self.weighted, self.activation = weighted, activation

    def embed(self, x: Tensor, graph: Adjacency, weight: Tensor | None) -> Tensor:
        for k in range(len(self.layers)):
            x = self.step(k, x, graph, weight)
        return x

    def step(
        self, k: int, x: Tensor, graph: Adjacency, weight: Tensor | None
    ) -> Tensor:
        """Layer k, counted from 0, with what stands around it: [S, F] to [N, hidden].

        graph: of the whole, or the block of that layer.
        """
        more = (weight,) if self.weighted else ()
        h = self.layers[k](self.dropout(x), graph, *more)
        return self.activation(self.norms[k](h))


class APPNPNetwork(NodeNetwork):
    """APPNP: what a dense layer says, spread."""

    reads_words = True

    def __init__(self, shape: NetworkConfig) -> None:
        super().__init__(shape)
        self.dense = nn.Linear(shape.features, shape.hidden)
        self.spread = APPNP(shape.layers)

    def embed(self, x: Features, graph: Adjacency, weight: Tensor | None) -> Tensor:
        h = F.relu(dense(self.dense, x, self.dropout))
        return self.spread(self.dropout(h), graph, weight)


class GCNIINetwork(NodeNetwork):
    """GCNII: many layers, each of which sees the first.

    Their weights are penalised 20 times as much, as its authors do on Cora:
    what they are to learn is a small change.
    """

    layer_decay = 20.0
    reads_words = True

    def __init__(self, shape: NetworkConfig) -> None:
        super().__init__(shape)
        self.dense = nn.Linear(shape.features, shape.hidden)
        numbers = range(1, shape.layers + 1)
        self.layers = nn.ModuleList(GCNII(shape.hidden, k) for k in numbers)

    def embed(self, x: Features, graph: Adjacency, weight: Tensor | None) -> Tensor:
        first = h = F.relu(dense(self.dense, x, self.dropout))
        for layer in self.layers:
            h = F.relu(layer(self.dropout(h), first, graph, weight))
        return h


def _gin(width: int, hidden: int) -> GIN:
    act = nn.ReLU(inplace=True)
    dense = nn.Linear(width, hidden), act, nn.Linear(hidden, hidden)
    return GIN(nn.Sequential(*dense), learn_eps=True)


def _attention(kind: type[GAT] | type[GATv2], shape: NetworkConfig) -> LayeredNetwork:
    if shape.hidden % shape.heads:
        raise SettingError(
            f"hidden must be a multiple of heads. Got {shape.hidden} and {shape.heads}."
        )
    each = shape.hidden // shape.heads
    return LayeredNetwork(
        shape,
        lambda width, _: kind(width, each, shape.heads, dropout=shape.dropout),
        weighted=False,
        activation=F.elu,
    )


class Architecture(NamedTuple):
    """One row of the table above."""

    make: Callable[[NetworkConfig], NodeNetwork]
    layers: int
    paper: str
    weighted: bool = True
    stacked: bool = True
    """whether its layers come one after the other, each with weights of its own: such
    a network can learn from parts of a graph"""


NETWORKS: dict[str, Architecture] = {
    "gcn": Architecture(
        lambda shape: LayeredNetwork(shape, GCN), 2, "Kipf and Welling 2017"
    ),
    "sage": Architecture(
        lambda shape: LayeredNetwork(shape, GraphSAGE), 2, "Hamilton et al. 2017"
    ),
    "gin": Architecture(
        lambda shape: LayeredNetwork(shape, _gin, norm=True), 2, "Xu et al. 2019"
    ),
    "gat": Architecture(
        lambda shape: _attention(GAT, shape), 2, "Velickovic et al. 2018", False
    ),
    "gatv2": Architecture(
        lambda shape: _attention(GATv2, shape), 2, "Brody et al. 2022", False
    ),
    "appnp": Architecture(APPNPNetwork, 10, "Klicpera et al. 2019", stacked=False),
    "gcnii": Architecture(GCNIINetwork, 24, "Chen et al. 2020", stacked=False),
}


def build(name: str, shape: NetworkConfig) -> NodeNetwork:
    """The network of a name; SettingError for one that is unknown."""
    if name not in NETWORKS:
        raise SettingError(
            f"There is no network {name!r} for nodes. {near_names(name, NETWORKS)}"
        )
    network = NETWORKS[name].make(shape)
    network.name = name
    return network


def penalties(model: Any, decay: float) -> dict[str, float]:
    """L2 penalty of each weight of `model.network`, by name in the model; biases and
    norms have none."""
    found = {}
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            inside = name.startswith("network.layers.")
            found[name] = decay * (model.network.layer_decay if inside else 1.0)
    return found


class OnGraph(nn.Module):
    """A network on one graph: rows of nodes [B] to their logits [B, K].

    The whole graph is computed each time. It is what the training loop trains, whose
    batches are rows.
    """

    def __init__(
        self,
        network: NodeNetwork,
        x: Tensor,
        graph: Adjacency,
        weight: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.x = listed(x.float()) if network.reads_words else x
        self.graph, self.weight = graph, weight
        if isinstance(self.x, Tensor):
            self.graph = CachedAggregation.with_features(graph, self.x)

    def forward(self, rows: Tensor) -> Tensor:
        return self.network(self.x, self.graph, self.weight).index_select(0, rows)

    def penalties(self, decay: float) -> dict[str, float]:
        """L2 penalty of each weight, by name."""
        return penalties(self, decay)

    @torch.no_grad()
    def logits(self) -> Tensor:
        """[N, K] of all nodes, as the network answers."""
        self.network.eval()
        x = self.x.float() if isinstance(self.x, Tensor) else self.x
        return self.network(x, self.graph, self.weight)
