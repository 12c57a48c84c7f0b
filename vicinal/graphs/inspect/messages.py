"""The computational graph of one node: every message, its coefficient, and the sums.

Each layer makes a node's numbers of what its neighbours send and of what does not come
from them,

    s_v = sum over neighbours u of  c_uv m_u  +  r_v,      z_v = f(s_v)

and this room says what c, m, r and f are for each kind of layer:

=======  ==============================  ===========================  ==============
layer    message c m                     rest r                       f
=======  ==============================  ===========================  ==============
GCN      P_uv W x_u                      b                            as it is
SAGE     W_1 x_u / degree                b + W_2 x_v                  as it is
GIN      x_u                             (1 + eps) x_v                the dense layers
GAT      share_uv W x_u, head by head    b                            as it is
GATv2    share_uv W_1 x_u                b                            as it is
RGCN     W_r x_u / c_v,r, by relation r  b + W_0 x_v                  as it is
GCNII    (1 - alpha) P_uv M h_u          alpha M h_0                  as it is
APPNP    K steps at once: C_uv h_u       0                            as it is
=======  ==============================  ===========================  ==============

with M = (1 - beta) I + beta W, and C what K steps of spreading make of P. A node is its
own neighbour where the layer gives it a loop. The parts are held against what the
network computed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.errors import SettingError
from vicinal.graphs.layers.appnp import APPNP
from vicinal.graphs.layers.gat import GAT
from vicinal.graphs.layers.gatv2 import GATv2
from vicinal.graphs.layers.gcn import GCN, smoothed
from vicinal.graphs.layers.gcnii import GCNII
from vicinal.graphs.layers.gin import GIN
from vicinal.graphs.layers.relational import RelationalGCN
from vicinal.graphs.layers.sage import GraphSAGE
from vicinal.graphs.nodes.labelled_graph import LabelledGraph
from vicinal.graphs.nodes.networks import (
    APPNPNetwork,
    GCNIINetwork,
    LayeredNetwork,
    NodeNetwork,
)
from vicinal.graphs.nodes.propagation import spread
from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.graphs.sparse.edge_functions import edge_softmax


class Message(NamedTuple):
    """What one neighbour sends."""

    source: int
    """row of the neighbour"""

    coefficient: float
    """what its vector counts: of several heads their mean"""

    vector: np.ndarray
    """[D] its part of the sum, the coefficient in it"""


@dataclass(frozen=True)
class LayerBreakdown:
    """One node at one layer."""

    node: int
    layer: str
    kind: str
    messages: list[Message]
    rest: np.ndarray
    """[D] of the sum, what no neighbour sent"""

    computed: np.ndarray
    """[D'] what the parts make, after what is done to their sum"""

    given: np.ndarray
    """[D'] what the network computed"""

    @property
    def off(self) -> float:
        """The largest difference between the two."""
        return float(np.abs(self.computed - self.given).max(initial=0.0))


class _Parts(NamedTuple):
    """What a layer's sum is made of at one node."""

    sources: Tensor
    """[U]"""
    coefficients: Tensor
    """[U]"""
    vectors: Tensor
    """[U, D]"""
    rest: Tensor
    """[D]"""
    then: Callable[[Tensor], Tensor] = lambda s: s


@torch.no_grad()
def tree(
    network: NodeNetwork, known: LabelledGraph, node: int
) -> Iterator[LayerBreakdown]:
    """The layers of a network at one node, the first one first; the head comes last.

    SettingError for a network of a kind that is unknown here.
    """
    network.eval()
    x, graph, weight = known.x, known.graph, known.weight
    if isinstance(network, LayeredNetwork):
        for k in range(len(network.layers)):
            yield open_at(network, k, x, known, node)
            x = network.step(k, x, graph, weight)
    elif isinstance(network, APPNPNetwork):
        h = F.relu(network.dense(x))
        yield open_spread(network, h, known, node)
        x = network.spread(h, graph, weight)
    elif isinstance(network, GCNIINetwork):
        first = h = F.relu(network.dense(x))
        for k, layer in enumerate(network.layers):
            yield open_deep(network, k, h, first, known, node)
            h = F.relu(layer(h, first, graph, weight))
        x = h
    else:
        raise SettingError(f"A {type(network).__name__} cannot be opened here.")
    logits = network(known.x, graph, weight)[node]
    nothing = torch.empty(0, len(logits))
    head = _Parts(torch.empty(0), torch.empty(0), nothing, network.head(x[node]))
    yield _told("head", network.head, node, head, logits)


def open_at(
    network: LayeredNetwork, k: int, x: Tensor, known: LabelledGraph, node: int
) -> LayerBreakdown:
    """Layer k of a stack, counted from 0, at one node; x: [N, F] that it is given."""
    layer, graph, weight = network.layers[k], known.graph, known.weight
    more = (weight,) if network.weighted else ()
    given = layer(x, graph, *more)[node]
    parts = _opener(layer)(layer, x, graph, weight, node)
    return _told(f"layers.{k}", layer, node, parts, given)


def open_deep(
    network: GCNIINetwork,
    k: int,
    h: Tensor,
    first: Tensor,
    known: LabelledGraph,
    node: int,
) -> LayerBreakdown:
    """Layer k of a GCNII, counted from 0, at one node, before it is cut at 0; h, first:
    [N, D] that it is given, and what the dense layer made."""
    layer, graph, weight = network.layers[k], known.graph, known.weight
    assert isinstance(layer, GCNII)
    parts = _gcnii(layer, h, first, graph, weight, node)
    given = layer(h, first, graph, weight)[node]
    return _told(f"layers.{k}", layer, node, parts, given)


def open_spread(
    network: APPNPNetwork, h: Tensor, known: LabelledGraph, node: int
) -> LayerBreakdown:
    """All steps of an APPNP at once, at one node; h: [N, D] that is spread."""
    parts = _spread(network.spread, h, known.graph, known.weight, node)
    given = network.spread(h, known.graph, known.weight)[node]
    return _told("spread", network.spread, node, parts, given)


def opened_layer(
    name: str, layer: nn.Module, x: Tensor, graph: Adjacency, node: int
) -> LayerBreakdown:
    """A layer of those in the table at one node; x: [N, F] that it is given."""
    parts = _opener(layer)(layer, x, graph, None, node)
    return _told(name, layer, node, parts, layer(x, graph)[node])


def opened_relation(
    name: str, layer: RelationalGCN, x: Tensor, graphs: list[Adjacency], node: int
) -> LayerBreakdown:
    """A relational GCN at one node: W_r x_u / c_v,r of each relation; graphs: of each.

    A neighbour by several relations sends a message by each, in their order.
    """
    sources, shares, vectors = [], [], []
    for w, graph in zip(layer.weights(), graphs, strict=True):
        rows = graph.incoming.sources[_arriving(graph, node)].long()
        c = torch.full((len(rows),), 1 / max(len(rows), 1))
        sources.append(rows)
        shares.append(c)
        vectors.append(c[:, None] * (x[rows] @ w))
    joined = torch.cat(sources), torch.cat(shares), torch.cat(vectors)
    parts = _Parts(*joined, layer.root(x[node][None])[0])
    return _told(name, layer, node, parts, layer(x, graphs)[node])


def _told(
    name: str, layer: nn.Module, node: int, parts: _Parts, given: Tensor
) -> LayerBreakdown:
    total = parts.vectors.sum(dim=0) + parts.rest
    computed = parts.then(total[None])[0]
    both = zip(
        parts.sources.tolist(),
        parts.coefficients.tolist(),
        parts.vectors.numpy(),
        strict=True,
    )
    messages = [Message(int(u), float(c), vector) for u, c, vector in both]
    return LayerBreakdown(
        node,
        name,
        type(layer).__name__,
        messages,
        parts.rest.numpy(),
        computed.numpy(),
        given.numpy(),
    )


def _arriving(graph: Adjacency, node: int) -> slice:
    """The places of a node's edges among the arriving ones."""
    offsets = graph.incoming.offsets
    return slice(int(offsets[node]), int(offsets[node + 1]))


def _row_of_p(
    graph: Adjacency, weight: Tensor | None, node: int
) -> tuple[Tensor, Tensor]:
    """Neighbours and coefficients of a node's row of D^-1/2 (A + I) D^-1/2."""
    return row_of(lambda z: smoothed(z, graph, weight), graph, node)


def row_of(
    linear: Callable[[Tensor], Tensor], graph: Adjacency, node: int
) -> tuple[Tensor, Tensor]:
    """What a linear map of [N, 1] takes for one node: rows and coefficients.

    They are its slopes, which for a linear map are the map.
    """
    with torch.enable_grad():
        z = torch.zeros(graph.num_nodes, 1, requires_grad=True)
        (slopes,) = torch.autograd.grad(linear(z)[node, 0], z)
    rows = slopes[:, 0].nonzero()[:, 0]
    return rows, slopes[rows, 0]


Opener = Callable[[Any, Tensor, Adjacency, Tensor | None, int], _Parts]


def _opener(layer: nn.Module) -> Opener:
    for kind, opener in OPENERS.items():
        if isinstance(layer, kind):
            return opener
    raise SettingError(f"A {type(layer).__name__} cannot be opened here.")


def _gcn(
    layer: GCN, x: Tensor, graph: Adjacency, weight: Tensor | None, node: int
) -> _Parts:
    rows, c = _row_of_p(graph, weight, node)
    rest = torch.zeros(layer.linear.out_features) if layer.bias is None else layer.bias
    return _Parts(rows, c, c[:, None] * layer.linear(x[rows]), rest.detach())


def _sage(
    layer: GraphSAGE, x: Tensor, graph: Adjacency, weight: Tensor | None, node: int
) -> _Parts:
    own = _arriving(graph, node)
    rows = graph.incoming.sources[own].long()
    c = torch.ones(len(rows)) / max(len(rows), 1)
    if weight is not None:
        c = c * weight[graph.incoming.edges[own]]
    vectors = c[:, None] * F.linear(x[rows], layer.neighbours.weight)
    rest = layer.itself(x[node][None])[0]
    if layer.neighbours.bias is not None:
        rest = rest + layer.neighbours.bias
    return _Parts(rows, c, vectors, rest.detach())


def _gin(
    layer: GIN, x: Tensor, graph: Adjacency, weight: Tensor | None, node: int
) -> _Parts:
    own = _arriving(graph, node)
    rows = graph.incoming.sources[own].long()
    c = torch.ones(len(rows))
    if weight is not None:
        c = weight[graph.incoming.edges[own]]
    rest = (1 + layer.eps) * x[node]
    return _Parts(rows, c, c[:, None] * x[rows], rest.detach(), layer.mlp)


def _attention(
    share: Tensor, sent: Tensor, bias: Tensor, graph: Adjacency, node: int, mean: bool
) -> _Parts:
    """share: [E, K] of all arriving edges; sent: [N, K, F]."""
    own = _arriving(graph, node)
    rows = graph.incoming.sources[own].long()
    vectors = share[own][:, :, None] * sent[rows]  # [U, K, F]
    flat = vectors.mean(dim=1) if mean else vectors.flatten(1)
    return _Parts(rows, share[own].mean(dim=1), flat, bias.detach())


def _gat(
    layer: GAT, x: Tensor, graph: Adjacency, weight: Tensor | None, node: int
) -> _Parts:
    graph = graph.add_self_loops
    h = layer.linear(x).unflatten(1, (layer.heads, -1))
    share = layer.shares(h, graph)
    return _attention(share, h, layer.bias, graph, node, layer.average)


def _gatv2(
    layer: GATv2, x: Tensor, graph: Adjacency, weight: Tensor | None, node: int
) -> _Parts:
    graph = graph.add_self_loops
    sent = layer.sender(x).unflatten(1, (layer.heads, -1))
    heard = layer.receiver(x).unflatten(1, (layer.heads, -1))
    share = edge_softmax(layer.scores(sent, heard, graph), graph)
    return _attention(share, sent, layer.bias, graph, node, layer.average)


def _gcnii(
    layer: GCNII,
    h: Tensor,
    first: Tensor,
    graph: Adjacency,
    weight: Tensor | None,
    node: int,
) -> _Parts:
    rows, c = _row_of_p(graph, weight, node)
    c = (1 - layer.alpha) * c

    def mixed(z: Tensor) -> Tensor:
        return (1 - layer.beta) * z + layer.beta * (z @ layer.weight)

    rest = mixed(layer.alpha * first[node][None])[0]
    return _Parts(rows, c, mixed(c[:, None] * h[rows]), rest.detach())


def _spread(
    layer: APPNP, h: Tensor, graph: Adjacency, weight: Tensor | None, node: int
) -> _Parts:
    def steps(z: Tensor) -> Tensor:
        return spread(z, graph, layer.alpha, layer.steps, weight)

    rows, c = row_of(steps, graph, node)
    return _Parts(rows, c, c[:, None] * h[rows], torch.zeros(h.shape[1]))


OPENERS: dict[type[nn.Module], Opener] = {
    GCN: _gcn,
    GraphSAGE: _sage,
    GIN: _gin,
    GAT: _gat,
    GATv2: _gatv2,
}
