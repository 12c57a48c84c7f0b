"""Every message to a node, its coefficient, and the sum, layer by layer.

A layer computes a node's output from the messages of its neighbours u and from a term
of its own (self connection and bias):

    s_v = sum over neighbours u of  c_uv m_u  +  r_v,      z_v = f(s_v)

=======  =============================  ===========================  ============
layer    message c m                    own term r                   f
=======  =============================  ===========================  ============
GCN      P_uv W x_u                     b                            identity
SAGE     W_1 x_u / degree               b + W_2 x_v                  identity
GIN      x_u                            (1 + eps) x_v                dense layers
GINE     ReLU(x_u + W e_uv + b)         (1 + eps) x_v                dense layers
GAT      a_uv W x_u for each head       b                            identity
GATv2    a_uv W_1 x_u for each head     b                            identity
RGCN     W_r x_u / c_v,r per relation   b + W_0 x_v                  identity
GCNII    (1 - alpha) P_uv M h_u         alpha M h_0                  identity
APPNP    C_uv h_u, all K steps in one   0                            identity
=======  =============================  ===========================  ============

M = (1 - beta) I + beta W, and C is the linear map of K propagation steps with P. Layers
that add self-loops have the node among its own neighbours. `max_error` compares the sum
with the output of the network.
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
from vicinal.graphs.layers.gcn import GCN, gcn_aggregate
from vicinal.graphs.layers.gcnii import GCNII
from vicinal.graphs.layers.gin import GIN
from vicinal.graphs.layers.gine import GINE
from vicinal.graphs.layers.relational import RelationalGCN
from vicinal.graphs.layers.sage import GraphSAGE
from vicinal.graphs.nodes.labelled_graph import LabelledGraph
from vicinal.graphs.nodes.networks import (
    APPNPNetwork,
    GCNIINetwork,
    LayeredNetwork,
    NodeNetwork,
)
from vicinal.graphs.nodes.propagation import propagate
from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.graphs.sparse.edge_functions import edge_softmax


class Message(NamedTuple):
    """The message of one neighbour."""

    source: int
    """row of the neighbour"""

    coefficient: float
    """weight of the neighbour in the sum; with several attention heads their mean"""

    vector: np.ndarray
    """[D] term of the sum, coefficient included"""


@dataclass(frozen=True)
class LayerBreakdown:
    """The sum that one layer computes at one node."""

    node: int
    layer: str
    kind: str
    messages: list[Message]
    own_term: np.ndarray
    """[D] term of the sum that comes from no neighbour: self connection and bias"""

    computed: np.ndarray
    """[D'] f(sum of all terms)"""

    output: np.ndarray
    """[D'] output of the layer in the network"""

    @property
    def max_error(self) -> float:
        """Return the largest absolute difference between the sum and the output."""
        return float(np.abs(self.computed - self.output).max(initial=0.0))


class _Terms(NamedTuple):
    """The terms of a layer's sum at one node, and the function of the sum."""

    sources: Tensor
    """[U]"""
    coefficients: Tensor
    """[U]"""
    vectors: Tensor
    """[U, D]"""
    own_term: Tensor
    """[D]"""
    function: Callable[[Tensor], Tensor] = lambda s: s


def unsupported(module: nn.Module) -> SettingError:
    """Return the error for a layer or network without a known breakdown."""
    return SettingError(
        f"A {type(module).__name__} cannot be broken down into messages."
    )


@torch.no_grad()
def decompose_network(
    network: NodeNetwork, labelled: LabelledGraph, node: int
) -> Iterator[LayerBreakdown]:
    """Yield the breakdown of each layer at one node, the head last.

    Raises SettingError for an unsupported kind of network.
    """
    network.eval()
    x, graph, weight = labelled.x, labelled.adjacency, labelled.edge_weight
    if isinstance(network, LayeredNetwork):
        for k in range(len(network.layers)):
            yield decompose_layer_at(network, k, x, labelled, node)
            x = network.apply_layer(k, x, graph, weight)
    elif isinstance(network, APPNPNetwork):
        h = F.relu(network.dense(x))
        yield decompose_appnp(network, h, labelled, node)
        x = network.propagation(h, graph, weight)
    elif isinstance(network, GCNIINetwork):
        h_0 = h = F.relu(network.dense(x))
        for k, layer in enumerate(network.layers):
            yield decompose_gcnii(network, k, h, h_0, labelled, node)
            h = F.relu(layer(h, h_0, graph, weight))
        x = h
    else:
        raise unsupported(network)
    logits = network(labelled.x, graph, weight)[node]
    no_messages = torch.empty(0, len(logits))
    head = _Terms(torch.empty(0), torch.empty(0), no_messages, network.head(x[node]))
    yield _breakdown("head", network.head, node, head, logits)


def decompose_layer_at(
    network: LayeredNetwork, k: int, x: Tensor, labelled: LabelledGraph, node: int
) -> LayerBreakdown:
    """Return the breakdown of layer k (from 0) of a stack of layers at one node.

    x: [N, F] input of the layer.
    """
    layer, graph, weight = network.layers[k], labelled.adjacency, labelled.edge_weight
    optional_weight = (weight,) if network.weighted else ()
    output = layer(x, graph, *optional_weight)[node]
    terms = _decomposer(layer)(layer, x, graph, weight, node)
    return _breakdown(f"layers.{k}", layer, node, terms, output)


def decompose_gcnii(
    network: GCNIINetwork,
    k: int,
    h: Tensor,
    h_0: Tensor,
    labelled: LabelledGraph,
    node: int,
) -> LayerBreakdown:
    """Return the breakdown of layer k (from 0) of a GCNII at one node, before the ReLU.

    h: [N, D] input of the layer; h_0: [N, D] output of the dense layer.
    """
    layer, graph, weight = network.layers[k], labelled.adjacency, labelled.edge_weight
    assert isinstance(layer, GCNII)
    terms = _gcnii(layer, h, h_0, graph, weight, node)
    output = layer(h, h_0, graph, weight)[node]
    return _breakdown(f"layers.{k}", layer, node, terms, output)


def decompose_appnp(
    network: APPNPNetwork, h: Tensor, labelled: LabelledGraph, node: int
) -> LayerBreakdown:
    """Return the breakdown of all steps of an APPNP, taken as one sum, at one node.

    h: [N, D] input of the propagation.
    """
    terms = _appnp(
        network.propagation, h, labelled.adjacency, labelled.edge_weight, node
    )
    output = network.propagation(h, labelled.adjacency, labelled.edge_weight)[node]
    return _breakdown("spread", network.propagation, node, terms, output)


def decompose_layer(
    name: str, layer: nn.Module, x: Tensor, graph: Adjacency, node: int
) -> LayerBreakdown:
    """Return the breakdown of one layer at one node. x: [N, F] input of the layer."""
    terms = _decomposer(layer)(layer, x, graph, None, node)
    return _breakdown(name, layer, node, terms, layer(x, graph)[node])


def decompose_gine(
    name: str, layer: GINE, x: Tensor, graph: Adjacency, edge_attr: Tensor, node: int
) -> LayerBreakdown:
    """Return the breakdown of a GINE at one node.

    edge_attr: [E, D], in the order of the edge list.
    """
    incoming = _incoming_edges(graph, node)
    rows = graph.incoming.indices[incoming].long()
    e = edge_attr[graph.incoming.edge_ids[incoming].long()]
    vectors = torch.relu(x[rows] + layer.edge_linear(e))
    own_term = (1 + layer.eps) * x[node]
    terms = _Terms(rows, torch.ones(len(rows)), vectors, own_term.detach(), layer.mlp)
    return _breakdown(name, layer, node, terms, layer(x, graph, edge_attr)[node])


def decompose_relational_layer(
    name: str, layer: RelationalGCN, x: Tensor, graphs: list[Adjacency], node: int
) -> LayerBreakdown:
    """Return the breakdown of a relational GCN at one node.

    graphs: one per relation. A neighbour by several relations sends a message for each,
    in the order of the relations.
    """
    sources, coefficients, vectors = [], [], []
    for w, graph in zip(layer.relation_weights(), graphs, strict=True):
        rows = graph.incoming.indices[_incoming_edges(graph, node)].long()
        c = torch.full((len(rows),), 1 / max(len(rows), 1))
        sources.append(rows)
        coefficients.append(c)
        vectors.append(c[:, None] * (x[rows] @ w))
    messages = torch.cat(sources), torch.cat(coefficients), torch.cat(vectors)
    terms = _Terms(*messages, layer.root(x[node][None])[0])
    return _breakdown(name, layer, node, terms, layer(x, graphs)[node])


def _breakdown(
    name: str, layer: nn.Module, node: int, terms: _Terms, output: Tensor
) -> LayerBreakdown:
    total = terms.vectors.sum(dim=0) + terms.own_term
    computed = terms.function(total[None])[0]
    rows = zip(
        terms.sources.tolist(),
        terms.coefficients.tolist(),
        terms.vectors.numpy(),
        strict=True,
    )
    messages = [Message(int(u), float(c), vector) for u, c, vector in rows]
    return LayerBreakdown(
        node,
        name,
        type(layer).__name__,
        messages,
        terms.own_term.numpy(),
        computed.numpy(),
        output.numpy(),
    )


def _incoming_edges(graph: Adjacency, node: int) -> slice:
    """Return the slice of a node's edges among all incoming edges."""
    offsets = graph.incoming.indptr
    return slice(int(offsets[node]), int(offsets[node + 1]))


def linear_coefficients(
    linear: Callable[[Tensor], Tensor], graph: Adjacency, node: int
) -> tuple[Tensor, Tensor]:
    """Return the nonzero entries of a linear map's row: node rows and coefficients.

    The gradient of a linear map of [N, 1] is the map itself.
    """
    with torch.enable_grad():
        z = torch.zeros(graph.num_nodes, 1, requires_grad=True)
        (gradient,) = torch.autograd.grad(linear(z)[node, 0], z)
    rows = gradient[:, 0].nonzero()[:, 0]
    return rows, gradient[rows, 0]


def _propagation_row(
    graph: Adjacency, weight: Tensor | None, node: int
) -> tuple[Tensor, Tensor]:
    """Return neighbours and coefficients of a node in P = D^-1/2 (A + I) D^-1/2."""
    return linear_coefficients(lambda z: gcn_aggregate(z, graph, weight), graph, node)


Decomposer = Callable[[Any, Tensor, Adjacency, Tensor | None, int], _Terms]


def _decomposer(layer: nn.Module) -> Decomposer:
    for kind, decomposer in DECOMPOSERS.items():
        if isinstance(layer, kind):
            return decomposer
    raise unsupported(layer)


def _gcn(
    layer: GCN, x: Tensor, graph: Adjacency, weight: Tensor | None, node: int
) -> _Terms:
    rows, c = _propagation_row(graph, weight, node)
    bias = torch.zeros(layer.linear.out_features) if layer.bias is None else layer.bias
    return _Terms(rows, c, c[:, None] * layer.linear(x[rows]), bias.detach())


def _sage(
    layer: GraphSAGE, x: Tensor, graph: Adjacency, weight: Tensor | None, node: int
) -> _Terms:
    incoming = _incoming_edges(graph, node)
    rows = graph.incoming.indices[incoming].long()
    c = torch.ones(len(rows)) / max(len(rows), 1)
    if weight is not None:
        c = c * weight[graph.incoming.edge_ids[incoming]]
    vectors = c[:, None] * F.linear(x[rows], layer.neighbor_linear.weight)
    own_term = layer.self_linear(x[node][None])[0]
    if layer.neighbor_linear.bias is not None:
        own_term = own_term + layer.neighbor_linear.bias
    return _Terms(rows, c, vectors, own_term.detach())


def _gin(
    layer: GIN, x: Tensor, graph: Adjacency, weight: Tensor | None, node: int
) -> _Terms:
    incoming = _incoming_edges(graph, node)
    rows = graph.incoming.indices[incoming].long()
    c = torch.ones(len(rows))
    if weight is not None:
        c = weight[graph.incoming.edge_ids[incoming]]
    own_term = (1 + layer.eps) * x[node]
    return _Terms(rows, c, c[:, None] * x[rows], own_term.detach(), layer.mlp)


def _attention(
    coefficients: Tensor,
    values: Tensor,
    bias: Tensor,
    graph: Adjacency,
    node: int,
    average: bool,
) -> _Terms:
    """coefficients: [E, heads] of all incoming edges; values: [N, heads, F]."""
    incoming = _incoming_edges(graph, node)
    rows = graph.incoming.indices[incoming].long()
    vectors = coefficients[incoming][:, :, None] * values[rows]  # [U, heads, F]
    merged = vectors.mean(dim=1) if average else vectors.flatten(1)
    return _Terms(rows, coefficients[incoming].mean(dim=1), merged, bias.detach())


def _gat(
    layer: GAT, x: Tensor, graph: Adjacency, weight: Tensor | None, node: int
) -> _Terms:
    graph = graph.with_self_loops
    h = layer.linear(x).unflatten(1, (layer.heads, -1))
    coefficients = layer.attention_weights(h, graph)
    return _attention(coefficients, h, layer.bias, graph, node, layer.average)


def _gatv2(
    layer: GATv2, x: Tensor, graph: Adjacency, weight: Tensor | None, node: int
) -> _Terms:
    graph = graph.with_self_loops
    sources = layer.source_linear(x).unflatten(1, (layer.heads, -1))
    targets = layer.target_linear(x).unflatten(1, (layer.heads, -1))
    coefficients = edge_softmax(layer.attention_scores(sources, targets, graph), graph)
    return _attention(coefficients, sources, layer.bias, graph, node, layer.average)


def _gcnii(
    layer: GCNII,
    h: Tensor,
    h_0: Tensor,
    graph: Adjacency,
    weight: Tensor | None,
    node: int,
) -> _Terms:
    rows, c = _propagation_row(graph, weight, node)
    c = (1 - layer.alpha) * c

    def apply_m(z: Tensor) -> Tensor:
        return (1 - layer.beta) * z + layer.beta * (z @ layer.weight)

    own_term = apply_m(layer.alpha * h_0[node][None])[0]
    return _Terms(rows, c, apply_m(c[:, None] * h[rows]), own_term.detach())


def _appnp(
    layer: APPNP, h: Tensor, graph: Adjacency, weight: Tensor | None, node: int
) -> _Terms:
    def apply_steps(z: Tensor) -> Tensor:
        return propagate(z, graph, layer.alpha, layer.steps, weight)

    rows, c = linear_coefficients(apply_steps, graph, node)
    return _Terms(rows, c, c[:, None] * h[rows], torch.zeros(h.shape[1]))


DECOMPOSERS: dict[type[nn.Module], Decomposer] = {
    GCN: _gcn,
    GraphSAGE: _sage,
    GIN: _gin,
    GAT: _gat,
    GATv2: _gatv2,
}
