"""The computational graph of one node, unrolled: a tree of who is heard by whom.

The root is the node after the last layer. Its children are those that the last layer
hears, as the layer before made them; theirs are whom that layer hears; and so on down
to what is known of the nodes. One node may stand in it at many places: a network of L
layers sees a graph as such trees (K. Xu et al., ICLR 2019, section 2).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from vicinal.errors import SettingError
from vicinal.graphs.first_answer import Known
from vicinal.graphs.inside.computation_tree import open_at
from vicinal.graphs.networks import NodeNetwork, Stack

SHARE = 1e-3
"""of the longest message, below which one is left out of a tree"""


@dataclass
class Heard:
    """One node in the tree."""

    node: int
    layer: int
    """layers that have made it; 0: what is known of the node"""

    coefficient: float = 1.0
    """what it counts for the one above"""

    length: float = 0.0
    """of its message to the one above"""

    children: list["Heard"] = field(default_factory=list)
    left_out: int = 0
    """messages that are not shown"""

    own: float = 0.0
    """length of what no neighbour sent: the node itself, and the bias"""

    scores: np.ndarray | None = None
    """[K] of the root: what the head makes of it, logits or the number in spreads"""

    off: float = 0.0
    """largest difference between what the parts make and what the network computed"""

    def walk(self) -> Iterator["Heard"]:
        """Itself and all below."""
        yield self
        for child in self.children:
            yield from child.walk()


@torch.no_grad()
def unrolled(
    network: NodeNetwork, known: Known, node: int, most: tuple[int, ...] = (8, 4, 2)
) -> Heard:
    """The tree of a node. most: children of the root that are shown, of each of those,
    and so on: those with the longest messages; deeper ones have none.

    SettingError for a network that is no stack of layers.
    """
    if not isinstance(network, Stack):
        raise SettingError(
            f"The tree is drawn of layers that come one after the other; "
            f"{network.name} is none of them. Without --output it is told layer by "
            "layer."
        )
    network.eval()
    states = [known.x]
    for k in range(len(network.layers)):
        states.append(network.step(k, states[-1], known.graph, known.weight))
    root = Heard(node, len(network.layers))
    _open(root, network, known, states, most)
    made = network.head(states[-1][node]).numpy()
    root.scores = network(known.x, known.graph, known.weight)[node].numpy()
    root.off = max(root.off, float(np.abs(made - root.scores).max()))
    return root


def _open(
    at: Heard,
    network: Stack,
    known: Known,
    states: list[Tensor],
    most: tuple[int, ...],
) -> None:
    if not at.layer or not most:
        return
    opened = open_at(network, at.layer - 1, states[at.layer - 1], known, at.node)
    at.off, at.own = opened.off, float(np.linalg.norm(opened.rest))
    lengths = [float(np.linalg.norm(m.vector)) for m in opened.messages]
    order = np.argsort([-length for length in lengths], kind="stable")
    longest = max(lengths, default=0.0)
    shown = [k for k in order if lengths[k] > SHARE * longest][: most[0]]
    at.left_out = len(opened.messages) - len(shown)
    for k in shown:
        message = opened.messages[int(k)]
        child = Heard(
            message.source, at.layer - 1, message.coefficient, lengths[int(k)]
        )
        at.children.append(child)
        _open(child, network, known, states, most[1:])
