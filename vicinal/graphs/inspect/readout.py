"""A whole graph's answer, opened: what each layer, each readout and each node adds.

The head is one dense layer on the readouts of all layers, so its score is a sum::

    score = b + sum over layers l, readouts r of  w_lr . r(h_l)

    mean      1/n sum_v h_v               node v adds  w . h_v / n
    max       h of the largest node       that node adds the channel, w_c h_vc
    log sum   log(1 + S), S = sum_v h_v   node v adds  w_c log(1 + S_c) h_vc / S_c

What a node adds to the last is its share of the sum (h is 0 or more). So the nodes'
parts, and b, add up to the score. Of several classes a score is told as how far it is
above the mean of all: that alone changes the probabilities.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vicinal.graphs.graph_level.graph_features import Graphs
from vicinal.graphs.graph_level.networks import GraphLevelNetwork
from vicinal.graphs.inspect.messages import LayerBreakdown, opened_layer

READOUTS = ("mean", "max", "log sum")


@dataclass(frozen=True)
class OpenedGraph:
    """What one score of one graph adds up to."""

    readouts: np.ndarray
    """[L, 3] what each readout of each layer adds"""

    nodes: np.ndarray
    """[L, N] what each node adds by each layer"""

    base: float
    """what is there without any"""

    computed: float
    """what the network computed"""

    @property
    def off(self) -> float:
        """How far the nodes' parts together are from what was computed."""
        return abs(self.base + float(self.nodes.sum()) - self.computed)


@torch.no_grad()
def open_graph(network: GraphLevelNetwork, graphs: Graphs, k: int) -> OpenedGraph:
    """The score of class k (0 for a number) of the one graph of `graphs`."""
    network.eval()
    x, hidden = graphs.x, network.shape.hidden
    weight, bias = network.head.weight, network.head.bias
    if len(weight) > 1:
        weight, bias = weight - weight.mean(dim=0), bias - bias.mean()
    of_each = weight[k].view(network.shape.layers, len(READOUTS), hidden)
    readouts, nodes = [], []
    for h, w in zip(layers_of(network, graphs), of_each, strict=True):
        parts = [
            h / len(x),
            _largest(h),
            h * (h.sum(dim=0).log1p() / h.sum(dim=0).clamp(min=1e-30)),
        ]
        adds = torch.stack([part @ own for part, own in zip(parts, w, strict=True)])
        readouts.append(adds.sum(dim=1).numpy())
        nodes.append(adds.sum(dim=0).numpy())
    logits = network(graphs)[0]
    score = logits[k] - logits.mean() if len(logits) > 1 else logits[k]
    return OpenedGraph(
        np.stack(readouts), np.stack(nodes), float(bias[k]), float(score)
    )


def layers_of(network: GraphLevelNetwork, graphs: Graphs) -> Iterator[Tensor]:
    """What each layer gives, [N, hidden], 0 or more."""
    x = graphs.x
    for layer, norm in zip(network.layers, network.norms, strict=True):
        x = F.relu(norm(layer(x, graphs.graph)))
        yield x


def _largest(h: Tensor) -> Tensor:
    """[N, D]: h where a node has the largest of a channel, the first of equal ones,
    else 0."""
    most, rows = h.max(dim=0)
    return torch.zeros_like(h).scatter_(0, rows[None], most[None])


@torch.no_grad()
def messages(
    network: GraphLevelNetwork, graphs: Graphs, node: int
) -> Iterator[LayerBreakdown]:
    """Each layer at one node, before its norm: every message, and the sums."""
    network.eval()
    x = graphs.x
    for k, h in enumerate(layers_of(network, graphs)):
        yield opened_layer(f"layers.{k}", network.layers[k], x, graphs.graph, node)
        x = h
