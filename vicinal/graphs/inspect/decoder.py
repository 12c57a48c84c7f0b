"""A pair's answer by a network, opened: the decoder's sum, and the messages of both.

::

    dot        z_u . z_v           number i adds  z_ui z_vi (times r_i of the relation)
    bilinear   z_u W z_v           number i adds  (z_ui (W z_v)_i + z_vi (W z_u)_i) / 2
    mlp        w . relu(V p + c)   unit i adds    w_i relu(V p + c)_i,  p = z_u * z_v

and b is the rest. The parts, and b, add up to the score log(p / (1 - p)), before it is
calibrated.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.graphs.inspect.messages import (
    LayerBreakdown,
    opened_layer,
    opened_relation,
)
from vicinal.graphs.layers.relational import RelationalGCN
from vicinal.graphs.links.networks import LinkNetwork, OnLinks


@dataclass(frozen=True)
class OpenedPair:
    """What the score of one pair adds up to."""

    ends: np.ndarray
    """[2, hidden] the embeddings of both"""

    parts: np.ndarray
    """[hidden] what each number, or unit, adds"""

    base: float
    computed: float
    """what the network computed"""

    @property
    def off(self) -> float:
        """How far the parts together are from what was computed."""
        return abs(self.base + float(self.parts.sum()) - self.computed)


@torch.no_grad()
def open_pair(on_links: OnLinks, pair: Tensor) -> OpenedPair:
    """pair: [2] rows of nodes, or [3] with the row of the relation."""
    network, z = on_links.network, on_links.embeddings()
    u, v = z[pair[0]], z[pair[1]]
    relation = int(pair[2]) if len(pair) == 3 else 0
    base = float(network.bias[relation])
    if network.shape.decoder == "bilinear":
        w = network.weight[relation]
        parts = (u * (w @ v) + v * (w @ u)) / 2
    else:
        parts = u * v
        if network.of_relation is not None:
            parts = parts * network.of_relation[relation]
        if network.shape.decoder == "mlp":
            assert isinstance(network.decoder, nn.Sequential)
            *first, last = network.decoder
            assert isinstance(last, nn.Linear)
            parts = last.weight[0] * nn.Sequential(*first)(parts)
            base += float(last.bias[0])
    score = float(on_links.logits(pair[None])[0, 1])
    return OpenedPair(torch.stack([u, v]).numpy(), parts.numpy(), base, score)


@torch.no_grad()
def messages(on_links: OnLinks, node: int) -> Iterator[LayerBreakdown]:
    """Each layer at one node: every message, and the sums; of free embeddings none."""
    on_links.eval()
    network: LinkNetwork = on_links.network
    x, graph = on_links.x, on_links.whole
    for k, layer in enumerate(network.layers):
        name = f"layers.{k}"
        if isinstance(layer, RelationalGCN):
            yield opened_relation(name, layer, x, graph, node)
        else:
            yield opened_layer(name, layer, x, graph, node)
        x = layer(x, graph)
        x = F.relu(x) if k + 1 < len(network.layers) else x
