"""The breakdown of a graph's score into layers, readouts and nodes.

The head is one dense layer on the readouts of all layers, so the score is a sum::

    score = b + sum over layers l, readouts r of  w_lr . r(h_l)

    mean      1/n sum_v h_v               node v adds       w . h_v / n
    max       max over v of h_vc          the maximum adds  w_c h_vc
    log sum   log(1 + S), S = sum_v h_v   node v adds       w_c log(1 + S_c) h_vc / S_c

All h are 0 or more, so the last one splits the log sum by shares of S. With several
classes the score is relative to the mean of all classes, because only differences
between logits change the probabilities.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vicinal.graphs.graph_level.graph_features import BatchedGraphs
from vicinal.graphs.graph_level.networks import GraphLevelNetwork
from vicinal.graphs.inspect.messages import (
    LayerBreakdown,
    decompose_gine,
    decompose_layer,
)
from vicinal.graphs.layers.gine import GINE

READOUTS = ("mean", "max", "log sum")


@dataclass(frozen=True)
class GraphBreakdown:
    """The terms of one score of one graph."""

    readouts: np.ndarray
    """[L, 3] contribution of each readout of each layer"""

    nodes: np.ndarray
    """[L, N] contribution of each node through each layer"""

    bias: float
    score: float
    """computed by the network"""

    @property
    def max_error(self) -> float:
        """Return the difference between the sum over nodes and the score."""
        return abs(self.bias + float(self.nodes.sum()) - self.score)


@torch.no_grad()
def decompose_graph(
    network: GraphLevelNetwork, graphs: BatchedGraphs, k: int
) -> GraphBreakdown:
    """Return the terms of the score of class k (0 for a number) of a single graph."""
    network.eval()
    x, hidden = graphs.x, network.config.hidden
    weight, bias = network.head.weight, network.head.bias
    if len(weight) > 1:
        weight, bias = weight - weight.mean(dim=0), bias - bias.mean()
    layer_weights = weight[k].view(network.config.layers, len(READOUTS), hidden)
    readouts, nodes = [], []
    for h, w in zip(network.layer_outputs(graphs), layer_weights, strict=True):
        shares = [
            h / len(x),
            _maxima(h),
            h * (h.sum(dim=0).log1p() / h.sum(dim=0).clamp(min=1e-30)),
        ]
        terms = torch.stack([z @ w_r for z, w_r in zip(shares, w, strict=True)])
        readouts.append(terms.sum(dim=1).numpy())
        nodes.append(terms.sum(dim=0).numpy())
    logits = network(graphs)[0]
    score = logits[k] - logits.mean() if len(logits) > 1 else logits[k]
    return GraphBreakdown(
        np.stack(readouts), np.stack(nodes), float(bias[k]), float(score)
    )


def _maxima(h: Tensor) -> Tensor:
    """Return h [N, D] where a node has the first maximum of a channel, else 0."""
    values, rows = h.max(dim=0)
    return torch.zeros_like(h).scatter_(0, rows[None], values[None])


@torch.no_grad()
def decompose_layers(
    network: GraphLevelNetwork, graphs: BatchedGraphs, node: int
) -> Iterator[LayerBreakdown]:
    """Yield the breakdown of each layer at one node, before the layer's norm."""
    network.eval()
    x = graphs.x
    for k, h in enumerate(network.layer_outputs(graphs)):
        name, layer = f"layers.{k}", network.layers[k]
        if isinstance(layer, GINE):
            assert graphs.edge_attr is not None  # a GINE is built for features
            yield decompose_gine(
                name, layer, x, graphs.adjacency, graphs.edge_attr, node
            )
        else:
            yield decompose_layer(name, layer, x, graphs.adjacency, node)
        x = h
