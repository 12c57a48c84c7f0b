"""Relational graph convolutions against their formula, written out edge by edge."""

from itertools import islice

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vicinal.knowledge.models.relational_network import (
    NUM_BASES,
    Composition,
    RelationalLayer,
    RelationalNetwork,
    RelationalOptions,
    directions,
    train_relational_network,
)
from vicinal.knowledge.triple_graph import TripleGraph

TRIPLES = np.array([(0, 0, 1), (0, 0, 2), (3, 0, 1), (1, 1, 2), (2, 1, 0), (3, 1, 3)])


def message(layer: RelationalLayer, k: int, x: Tensor, z: Tensor) -> Tensor:
    """Return the message W_k phi(x, z) of an edge."""
    linear = layer.directed[k]
    assert isinstance(linear, nn.Linear)
    weight = linear.weight
    if layer.composition == "product":
        return weight @ (x * z)
    if layer.composition == "difference":
        return weight @ (x - z)
    bases = torch.stack(weight.chunk(NUM_BASES, dim=1))
    return torch.einsum("b,bij,j->i", z[:NUM_BASES], bases, x)  # W_r x, eq. 3


@pytest.mark.parametrize("composition", ["product", "difference", "bases"])
def test_a_layer_equals_the_formula(composition: Composition):
    torch.manual_seed(0)
    graph, layer = TripleGraph(TRIPLES, 4, 2), RelationalLayer(6, composition)
    x, z = torch.randn(4, 6), torch.randn(4, 6)
    expected = torch.empty(4, 6)
    for v in range(4):
        total = layer.loop.weight @ x[v] + layer.loop.bias
        for k in (0, 1):
            messages = [
                message(layer, k, x[u], z[r])
                for u, r, end in graph.directed.tolist()
                if end == v and r // 2 == k
            ]
            if messages:
                total = total + torch.stack(messages).mean(dim=0)
        expected[v] = torch.tanh(total)
    found, relations = layer(x, z, directions(graph))
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(relations, z @ layer.relation.weight.T)


def test_without_layers_it_is_complex():
    graph = TripleGraph(TRIPLES, 4, 2)
    network = RelationalNetwork(graph, RelationalOptions(dim=3, num_layers=0))
    network.reset_parameters(torch.Generator().manual_seed(0))
    torch.testing.assert_close(network.embedding().entities, network.entities.detach())


@pytest.mark.parametrize("composition", ["product", "difference", "bases"])
def test_training_learns_the_triples(composition: Composition):
    graph = TripleGraph(TRIPLES, 4, 2)
    options = RelationalOptions(composition, dim=8, lr=0.03)
    *_, last = islice(train_relational_network(graph, options, 1e9, 0), 100)
    model = last.model.embedding()
    heads, relations, tails = map(torch.from_numpy, graph.directed.astype(int).T)
    best = model(heads, relations).detach()
    for row, (h, r) in enumerate(zip(heads.tolist(), relations.tolist(), strict=True)):
        is_known = graph.known_answers(np.array([h]), r)[0]
        assert best[row, tails[row]] > best[row, torch.from_numpy(~is_known)].max()
