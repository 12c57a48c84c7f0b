"""The computational graph of one node, unrolled: a tree of who is heard by whom.

The root is the node after the last layer. Its children are those that the last layer
hears, as the layer before made them; theirs are whom that layer hears; and so on down
to what is known of the nodes. One node may stand in it at many places: a network of L
layers sees a graph as such trees (K. Xu et al., ICLR 2019, section 2).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.errors import SettingError
from vicinal.graphs.inspect.messages import (
    LayerBreakdown,
    open_at,
    open_deep,
    open_spread,
)
from vicinal.graphs.nodes.labelled_graph import LabelledGraph
from vicinal.graphs.nodes.networks import (
    APPNPNetwork,
    GCNIINetwork,
    LayeredNetwork,
    NodeNetwork,
)

SHARE = 1e-3
"""of the longest message, below which one is left out of a tree"""


class HeadSum(NamedTuple):
    """How the head makes the scores of the root: value W' + bias."""

    value: np.ndarray
    """[D] what the last layer gives"""

    weights: np.ndarray
    """[K, D]"""

    bias: np.ndarray
    """[K]"""


@dataclass
class TreeNode:
    """One node in the tree."""

    node: int
    layer: int
    """layers that have made it; 0: what the first layer is given"""

    stage: str = ""
    """the same in words"""

    coefficient: float = 1.0
    """what it counts for the one above"""

    message: np.ndarray | None = None
    """[D] that it sends to the one above, the coefficient in it; None of the root"""

    children: list["TreeNode"] = field(default_factory=list)
    left_out: int = 0
    """messages that are not shown"""

    opened: LayerBreakdown | None = None
    """the sum that makes it; None where it is not opened"""

    scores: np.ndarray | None = None
    """[K] of the root: what the head makes of it, logits or the number in spreads"""

    head: HeadSum | None = None
    """of the root: how"""

    off: float = 0.0
    """largest difference between what the parts make and what the network computed"""

    @property
    def length(self) -> float:
        """Of its message to the one above."""
        return 0.0 if self.message is None else float(np.linalg.norm(self.message))

    @property
    def own(self) -> float:
        """Length of what no neighbour sent: the node itself, and the bias."""
        return 0.0 if self.opened is None else float(np.linalg.norm(self.opened.rest))

    def walk(self) -> Iterator["TreeNode"]:
        """Itself and all below."""
        yield self
        for child in self.children:
            yield from child.walk()


class _Layers(NamedTuple):
    """A network as layers, one after the other."""

    states: list[Tensor]
    """[N, D] what the first layer is given, and what each makes"""

    open: Callable[[int, int], LayerBreakdown]
    """the sum of layer k, counted from 0, at a node"""

    stages: list[str]
    """what the states are"""


@torch.no_grad()
def unrolled(
    network: NodeNetwork,
    known: LabelledGraph,
    node: int,
    most: tuple[int, ...] = (8, 4, 2),
) -> TreeNode:
    """The tree of a node. most: children of the root that are shown, of each of those,
    and so on: those with the longest messages; deeper ones have none, so that of a deep
    network the last layers are drawn.

    SettingError for a network of a kind that is unknown here.
    """
    network.eval()
    layers = _layers(network, known)
    root = TreeNode(node, len(layers.states) - 1, layers.stages[-1])
    _open(root, layers, most)
    value, head = layers.states[-1][node], network.head
    assert isinstance(head, nn.Linear)
    root.scores = network(known.x, known.graph, known.weight)[node].numpy()
    root.head = HeadSum(
        value.numpy(), head.weight.detach().numpy(), head.bias.detach().numpy()
    )
    made = root.head.weights @ root.head.value + root.head.bias
    root.off = max(root.off, float(np.abs(made - root.scores).max()))
    return root


def _layers(network: NodeNetwork, known: LabelledGraph) -> _Layers:
    for kind, layers in KINDS.items():
        if isinstance(network, kind):
            return layers(network, known)
    raise SettingError(f"A {type(network).__name__} cannot be opened here.")


def _of_stack(network: LayeredNetwork, known: LabelledGraph) -> _Layers:
    states = [known.x]
    for k in range(len(network.layers)):
        states.append(network.step(k, states[-1], known.graph, known.weight))

    def opened(k: int, node: int) -> LayerBreakdown:
        return open_at(network, k, states[k], known, node)

    return _Layers(states, opened, _stages("what is known", len(network.layers)))


def _of_deep(network: GCNIINetwork, known: LabelledGraph) -> _Layers:
    first = F.relu(network.dense(known.x))
    states = [first]
    for layer in network.layers:
        states.append(F.relu(layer(states[-1], first, known.graph, known.weight)))

    def opened(k: int, node: int) -> LayerBreakdown:
        return open_deep(network, k, states[k], first, known, node)

    stages = _stages("after the dense layer", len(network.layers))
    return _Layers(states, opened, stages)


def _of_spread(network: APPNPNetwork, known: LabelledGraph) -> _Layers:
    h = F.relu(network.dense(known.x))

    def opened(k: int, node: int) -> LayerBreakdown:
        return open_spread(network, h, known, node)

    states = [h, network.spread(h, known.graph, known.weight)]
    return _Layers(states, opened, ["after the dense layer", "once it is spread"])


def _stages(first: str, layers: int) -> list[str]:
    return [first, *(f"after layer {k}" for k in range(1, layers + 1))]


KINDS: dict[type[NodeNetwork], Callable[[Any, LabelledGraph], _Layers]] = {
    LayeredNetwork: _of_stack,
    GCNIINetwork: _of_deep,
    APPNPNetwork: _of_spread,
}


def _open(at: TreeNode, layers: _Layers, most: tuple[int, ...]) -> None:
    if not at.layer or not most:
        return
    opened = at.opened = layers.open(at.layer - 1, at.node)
    at.off = opened.off
    lengths = [float(np.linalg.norm(m.vector)) for m in opened.messages]
    order = np.argsort([-length for length in lengths], kind="stable")
    longest = max(lengths, default=0.0)
    shown = [k for k in order if lengths[k] > SHARE * longest][: most[0]]
    at.left_out = len(opened.messages) - len(shown)
    for k in shown:
        message = opened.messages[int(k)]
        stage, count = layers.stages[at.layer - 1], message.coefficient
        child = TreeNode(message.source, at.layer - 1, stage, count, message.vector)
        at.children.append(child)
        _open(child, layers, most[1:])
