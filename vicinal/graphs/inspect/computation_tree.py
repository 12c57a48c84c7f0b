"""The computation tree of one node: who sends messages to whom, layer by layer.

The root is the node after the last layer. Its children are the neighbours whose
messages the last layer sums, as the layer before left them, and so on down to the input
features. One node can appear several times: an L-layer network computes on such trees
(K. Xu et al., ICLR 2019, section 2).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.graphs.inspect.messages import (
    LayerBreakdown,
    decompose_appnp,
    decompose_gcnii,
    decompose_layer_at,
    unsupported,
)
from vicinal.graphs.nodes.labelled_graph import LabelledGraph
from vicinal.graphs.nodes.networks import (
    APPNPNetwork,
    GCNIINetwork,
    LayeredNetwork,
    NodeNetwork,
)

MIN_MESSAGE_SHARE = 1e-3
"""messages shorter than this share of the longest are not part of a tree"""


class HeadTerms(NamedTuple):
    """The terms of the head's scores: W z + b."""

    embedding: np.ndarray
    """[D] output z of the last layer"""

    weights: np.ndarray
    """[K, D]"""

    bias: np.ndarray
    """[K]"""


@dataclass
class TreeNode:
    """One node of the tree: a node of the graph after some layer."""

    node: int
    layer: int
    """number of layers applied; 0 is the input of the first layer"""

    stage: str = ""
    """the same in words"""

    coefficient: float = 1.0
    """weight of its message in the parent's sum"""

    message: np.ndarray | None = None
    """[D] message to the parent, coefficient included; None for the root"""

    children: list["TreeNode"] = field(default_factory=list)
    num_hidden: int = 0
    """messages to this node that are not among the children"""

    breakdown: LayerBreakdown | None = None
    """the sum at this node; None for leaves"""

    scores: np.ndarray | None = None
    """[K] of the root: logits, or the standardised number"""

    head: HeadTerms | None = None
    """of the root"""

    max_error: float = 0.0
    """largest difference between the sum of the terms and the network's output"""

    @property
    def message_length(self) -> float:
        """Return the length of the message to the parent."""
        return 0.0 if self.message is None else float(np.linalg.norm(self.message))

    @property
    def own_length(self) -> float:
        """Return the length of the sum's own term (self connection and bias)."""
        if self.breakdown is None:
            return 0.0
        return float(np.linalg.norm(self.breakdown.own_term))

    def walk(self) -> Iterator["TreeNode"]:
        """Yield this node and all nodes below it."""
        yield self
        for child in self.children:
            yield from child.walk()


class _Layers(NamedTuple):
    """A network as a sequence of layers."""

    states: list[Tensor]
    """[N, D] input of the first layer, then the output of each layer"""

    decompose: Callable[[int, int], LayerBreakdown]
    """breakdown of layer k, counted from 0, at a node"""

    stages: list[str]
    """names of the states"""


@torch.no_grad()
def build_tree(
    network: NodeNetwork,
    labelled: LabelledGraph,
    node: int,
    max_children: tuple[int, ...] = (8, 4, 2),
) -> TreeNode:
    """Return the computation tree of a node.

    max_children: children kept for the root, for each of its children, and so on, by
    the length of their messages. Levels beyond it have none, so of a deep network the
    last layers are shown. Raises SettingError for an unsupported kind of network.
    """
    network.eval()
    layers = _layers_of(network, labelled)
    root = TreeNode(node, len(layers.states) - 1, layers.stages[-1])
    _add_children(root, layers, max_children)
    embedding, head = layers.states[-1][node], network.head
    assert isinstance(head, nn.Linear)
    root.scores = network(labelled.x, labelled.adjacency, labelled.edge_weight)[
        node
    ].numpy()
    root.head = HeadTerms(
        embedding.numpy(), head.weight.detach().numpy(), head.bias.detach().numpy()
    )
    computed = root.head.weights @ root.head.embedding + root.head.bias
    root.max_error = max(root.max_error, float(np.abs(computed - root.scores).max()))
    return root


def _layers_of(network: NodeNetwork, labelled: LabelledGraph) -> _Layers:
    for kind, layers in NETWORK_LAYERS.items():
        if isinstance(network, kind):
            return layers(network, labelled)
    raise unsupported(network)


def _stacked_layers(network: LayeredNetwork, labelled: LabelledGraph) -> _Layers:
    states = [labelled.x]
    for k in range(len(network.layers)):
        states.append(
            network.apply_layer(k, states[-1], labelled.adjacency, labelled.edge_weight)
        )

    def decompose(k: int, node: int) -> LayerBreakdown:
        return decompose_layer_at(network, k, states[k], labelled, node)

    return _Layers(states, decompose, _stages("input features", len(network.layers)))


def _gcnii_layers(network: GCNIINetwork, labelled: LabelledGraph) -> _Layers:
    h_0 = F.relu(network.dense(labelled.x))
    states = [h_0]
    for layer in network.layers:
        states.append(
            F.relu(layer(states[-1], h_0, labelled.adjacency, labelled.edge_weight))
        )

    def decompose(k: int, node: int) -> LayerBreakdown:
        return decompose_gcnii(network, k, states[k], h_0, labelled, node)

    stages = _stages("after the dense layer", len(network.layers))
    return _Layers(states, decompose, stages)


def _appnp_layers(network: APPNPNetwork, labelled: LabelledGraph) -> _Layers:
    h = F.relu(network.dense(labelled.x))

    def decompose(k: int, node: int) -> LayerBreakdown:
        return decompose_appnp(network, h, labelled, node)

    states = [h, network.propagation(h, labelled.adjacency, labelled.edge_weight)]
    return _Layers(states, decompose, ["after the dense layer", "after propagation"])


def _stages(first: str, num_layers: int) -> list[str]:
    return [first, *(f"after layer {k}" for k in range(1, num_layers + 1))]


NETWORK_LAYERS: dict[type[NodeNetwork], Callable[[Any, LabelledGraph], _Layers]] = {
    LayeredNetwork: _stacked_layers,
    GCNIINetwork: _gcnii_layers,
    APPNPNetwork: _appnp_layers,
}


def _add_children(
    parent: TreeNode, layers: _Layers, max_children: tuple[int, ...]
) -> None:
    if not parent.layer or not max_children:
        return
    breakdown = parent.breakdown = layers.decompose(parent.layer - 1, parent.node)
    parent.max_error = breakdown.max_error
    lengths = [float(np.linalg.norm(m.vector)) for m in breakdown.messages]
    order = np.argsort([-length for length in lengths], kind="stable")
    min_length = MIN_MESSAGE_SHARE * max(lengths, default=0.0)
    kept = [k for k in order if lengths[k] > min_length][: max_children[0]]
    parent.num_hidden = len(breakdown.messages) - len(kept)
    layer = parent.layer - 1
    for k in kept:
        source, coefficient, vector = breakdown.messages[int(k)]
        child = TreeNode(source, layer, layers.stages[layer], coefficient, vector)
        parent.children.append(child)
        _add_children(child, layers, max_children[1:])
