"""Graph networks for nodes, listed in one table.

==========  ======================================================  ========  =======
name        from features x to embeddings                           layers    weights
==========  ======================================================  ========  =======
gcn         (GCN, ReLU) for each layer                              2         used
sage        (GraphSAGE, ReLU)                                       2         used
gin         (GIN with two dense layers, batch norm, ReLU)           2         used
gat, gatv2  (multi-head attention, ELU)                             2         not used
appnp       dense, ReLU, then personalised PageRank propagation     10 steps  used
gcnii       dense, ReLU, then (GCNII, ReLU)                         24        used
==========  ======================================================  ========  =======

Dropout precedes each layer; one dense layer, the head, maps the embedding to logits.
`weights` are edge weights.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.core.storage.schema import Integer, Number
from vicinal.errors import SettingError, suggest_names
from vicinal.graphs.layers.appnp import APPNP
from vicinal.graphs.layers.dropout import Dropout
from vicinal.graphs.layers.gat import GAT
from vicinal.graphs.layers.gatv2 import GATv2
from vicinal.graphs.layers.gcn import GCN
from vicinal.graphs.layers.gcnii import GCNII
from vicinal.graphs.layers.gin import GIN
from vicinal.graphs.layers.sage import GraphSAGE
from vicinal.graphs.settings import MAX_LAYERS
from vicinal.graphs.sparse.adjacency import Adjacency, CachedAggregation
from vicinal.graphs.sparse.sparse_features import (
    Features,
    apply_linear,
    to_sparse_if_faster,
)


class NetworkConfig(NamedTuple):
    """Sizes of a node network."""

    features: int
    """F of the input"""

    hidden: int
    layers: int
    outputs: int
    dropout: float
    heads: int


CONFIG = {
    "features": Integer(1),
    "hidden": Integer(1),
    "layers": Integer(1, MAX_LAYERS),
    "outputs": Integer(1),
    "dropout": Number(0, 1),
}
"""schema of the sizes of a network in a model file; `load_network` checks them"""


class NodeNetwork(nn.Module):
    """Embed the nodes of a graph, and map embeddings to logits with a dense layer."""

    name = ""
    """its name in `NETWORKS`, set by `build_network`"""

    layer_decay = 1.0
    """factor of the L2 penalty for the weights of `layers`"""

    takes_sparse_features = False
    """True if the first layer takes `SparseFeatures` as well as a matrix"""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.dropout = Dropout(config.dropout)
        self.head = nn.Linear(config.hidden, config.outputs)

    @property
    def description(self) -> dict[str, Any]:
        """The arguments that `build_network` rebuilds it from."""
        return {"name": self.name, **self.config._asdict()}

    @property
    def hops(self) -> int:
        """The radius of the neighbourhood that an embedding depends on."""
        return self.config.layers

    def embed(
        self, x: Any, graph: Adjacency, edge_weight: Tensor | None = None
    ) -> Tensor:
        """[N, F] to embeddings [N, hidden]; edge_weight: [E], in the order of edges."""
        raise NotImplementedError

    def forward(
        self, x: Any, graph: Adjacency, edge_weight: Tensor | None = None
    ) -> Tensor:
        """[N, F] to logits [N, K]."""
        return self.head(self.dropout(self.embed(x, graph, edge_weight)))


class LayeredNetwork(NodeNetwork):
    """A stack of layers, each with its own weights."""

    def __init__(
        self,
        config: NetworkConfig,
        layer: Callable[[int, int], nn.Module],
        *,
        norm: bool = False,
        weighted: bool = True,
        activation: Callable[[Tensor], Tensor] = torch.relu_,
    ) -> None:
        super().__init__(config)
        widths = [config.features] + [config.hidden] * (config.layers - 1)
        self.layers = nn.ModuleList(layer(width, config.hidden) for width in widths)
        norms = (
            nn.BatchNorm1d(config.hidden) if norm else nn.Identity() for _ in widths
        )
        self.norms = nn.ModuleList(norms)
        self.weighted, self.activation = weighted, activation

    def embed(
        self, x: Tensor, graph: Adjacency, edge_weight: Tensor | None = None
    ) -> Tensor:
        for k in range(len(self.layers)):
            x = self.apply_layer(k, x, graph, edge_weight)
        return x

    def apply_layer(
        self, k: int, x: Tensor, graph: Adjacency, edge_weight: Tensor | None
    ) -> Tensor:
        """Apply layer k with its dropout, norm and activation: [S, F] to [N, hidden].

        graph: the whole graph, or a sampled block with S sources and N targets.
        """
        weights = (edge_weight,) if self.weighted else ()
        h = self.layers[k](self.dropout(x), graph, *weights)
        return self.activation(self.norms[k](h))


class APPNPNetwork(NodeNetwork):
    """APPNP: propagate the output of a dense layer by personalised PageRank."""

    takes_sparse_features = True

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        self.dense = nn.Linear(config.features, config.hidden)
        self.propagation = APPNP(config.layers)

    def embed(
        self, x: Features, graph: Adjacency, edge_weight: Tensor | None = None
    ) -> Tensor:
        h = F.relu(apply_linear(self.dense, x, self.dropout))
        return self.propagation(self.dropout(h), graph, edge_weight)


class GCNIINetwork(NodeNetwork):
    """GCNII: many layers with a residual connection to the first representation.

    The weights of its layers get 20 times the L2 penalty, as in the authors' settings
    for Cora: each layer is close to the identity.
    """

    layer_decay = 20.0
    takes_sparse_features = True

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        self.dense = nn.Linear(config.features, config.hidden)
        numbers = range(1, config.layers + 1)
        self.layers = nn.ModuleList(GCNII(config.hidden, k) for k in numbers)

    def embed(
        self, x: Features, graph: Adjacency, edge_weight: Tensor | None = None
    ) -> Tensor:
        h_0 = h = F.relu(apply_linear(self.dense, x, self.dropout))
        for layer in self.layers:
            h = F.relu(layer(self.dropout(h), h_0, graph, edge_weight))
        return h


def _gin(width: int, hidden: int) -> GIN:
    act = nn.ReLU(inplace=True)
    mlp = nn.Linear(width, hidden), act, nn.Linear(hidden, hidden)
    return GIN(nn.Sequential(*mlp), learn_eps=True)


def _attention(layer: type[GAT] | type[GATv2], config: NetworkConfig) -> LayeredNetwork:
    if config.hidden % config.heads:
        raise SettingError(
            "hidden must be a multiple of heads. "
            f"Got hidden={config.hidden} and heads={config.heads} instead."
        )
    per_head = config.hidden // config.heads
    return LayeredNetwork(
        config,
        lambda width, _: layer(width, per_head, config.heads, dropout=config.dropout),
        weighted=False,
        activation=F.elu,
    )


class Architecture(NamedTuple):
    """One row of the table in the module docstring."""

    make: Callable[[NetworkConfig], NodeNetwork]
    layers: int
    paper: str
    weighted: bool = True
    is_layered: bool = True
    """True for a stack of layers, each with its own weights, which can be trained on
    sampled neighbourhoods"""


NETWORKS: dict[str, Architecture] = {
    "gcn": Architecture(
        lambda config: LayeredNetwork(config, GCN), 2, "Kipf and Welling 2017"
    ),
    "sage": Architecture(
        lambda config: LayeredNetwork(config, GraphSAGE), 2, "Hamilton et al. 2017"
    ),
    "gin": Architecture(
        lambda config: LayeredNetwork(config, _gin, norm=True), 2, "Xu et al. 2019"
    ),
    "gat": Architecture(
        lambda config: _attention(GAT, config), 2, "Velickovic et al. 2018", False
    ),
    "gatv2": Architecture(
        lambda config: _attention(GATv2, config), 2, "Brody et al. 2022", False
    ),
    "appnp": Architecture(APPNPNetwork, 10, "Klicpera et al. 2019", is_layered=False),
    "gcnii": Architecture(GCNIINetwork, 24, "Chen et al. 2020", is_layered=False),
}


def build_network(name: str, config: NetworkConfig) -> NodeNetwork:
    """Return the untrained network of a name; SettingError if the name is unknown."""
    if name not in NETWORKS:
        raise SettingError(
            f"There is no network {name!r} for nodes. {suggest_names(name, NETWORKS)}"
        )
    network = NETWORKS[name].make(config)
    network.name = name
    return network


def l2_penalties(model: Any, decay: float) -> dict[str, float]:
    """Return the L2 penalty of each weight matrix of `model.network`, by name.

    Biases and norms have none.
    """
    penalties = {}
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            in_layers = name.startswith("network.layers.")
            factor = model.network.layer_decay if in_layers else 1.0
            penalties[name] = decay * factor
    return penalties


class FullGraphNetwork(nn.Module):
    """A network bound to its graph: rows of nodes [B] to their logits [B, K].

    The training loop's batches are rows; each forward pass computes the whole graph.
    """

    def __init__(
        self,
        network: NodeNetwork,
        x: Tensor,
        graph: Adjacency,
        edge_weight: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        takes_sparse = network.takes_sparse_features
        self.x = to_sparse_if_faster(x.float()) if takes_sparse else x
        self.graph, self.edge_weight = graph, edge_weight
        if isinstance(self.x, Tensor):
            self.graph = CachedAggregation.with_features(graph, self.x)

    def forward(self, rows: Tensor) -> Tensor:
        logits = self.network(self.x, self.graph, self.edge_weight)
        return logits.index_select(0, rows)

    def logits(self) -> Tensor:
        """Return the logits [N, K] of all nodes, from features in float32."""
        x = self.x.float() if isinstance(self.x, Tensor) else self.x
        return self.network(x, self.graph, self.edge_weight)
