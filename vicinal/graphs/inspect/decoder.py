"""The breakdown of a link predictor's score into the decoder's terms.

::

    dot        z_u . z_v           dimension i adds  z_ui z_vi (times r_i if relational)
    bilinear   z_u W z_v           dimension i adds  (z_ui (W z_v)_i + z_vi (W z_u)_i)/2
    mlp        w . relu(V p + c)   unit i adds       w_i relu(V p + c)_i,  p = z_u * z_v

The terms and the bias add up to the score log(p / (1 - p)) before calibration.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.graphs.inspect.messages import (
    LayerBreakdown,
    decompose_layer,
    decompose_relational_layer,
)
from vicinal.graphs.layers.relational import RelationalGCN
from vicinal.graphs.links.networks import LinkNetwork, PairNetwork


@dataclass(frozen=True)
class PairBreakdown:
    """The terms of the score of one pair of nodes."""

    embeddings: np.ndarray
    """[2, hidden] of both nodes"""

    terms: np.ndarray
    """[hidden] of each embedding dimension, or of each hidden unit of the MLP"""

    bias: float
    score: float
    """computed by the network"""

    @property
    def max_error(self) -> float:
        """Return the difference between the sum of the terms and the score."""
        return abs(self.bias + float(self.terms.sum()) - self.score)


@torch.no_grad()
def decompose_score(on_links: PairNetwork, pair: Tensor) -> PairBreakdown:
    """Return the terms of a pair's score.

    pair: [2] rows of nodes, or [3] with the row of the relation.
    """
    network, z = on_links.network, on_links.embeddings()
    u, v = z[pair[0]], z[pair[1]]
    relation = int(pair[2]) if len(pair) == 3 else 0
    bias = float(network.bias[relation])
    if network.config.decoder == "bilinear":
        w = network.weight[relation]
        terms = (u * (w @ v) + v * (w @ u)) / 2
    else:
        terms = u * v
        if network.relation_vectors is not None:
            terms = terms * network.relation_vectors[relation]
        if network.config.decoder == "mlp":
            assert isinstance(network.decoder, nn.Sequential)
            *hidden, last = network.decoder
            assert isinstance(last, nn.Linear)
            terms = last.weight[0] * nn.Sequential(*hidden)(terms)
            bias += float(last.bias[0])
    score = float(on_links.logits(pair[None])[0, 1])
    return PairBreakdown(torch.stack([u, v]).numpy(), terms.numpy(), bias, score)


@torch.no_grad()
def decompose_layers(on_links: PairNetwork, node: int) -> Iterator[LayerBreakdown]:
    """Yield the breakdown of each layer at one node; nothing for free embeddings."""
    on_links.eval()
    network: LinkNetwork = on_links.network
    x, graph = on_links.x, on_links.adjacency
    for k, layer in enumerate(network.layers):
        name = f"layers.{k}"
        if isinstance(layer, RelationalGCN):
            yield decompose_relational_layer(name, layer, x, graph, node)
        else:
            yield decompose_layer(name, layer, x, graph, node)
        x = layer(x, graph)
        x = F.relu(x) if k + 1 < len(network.layers) else x
