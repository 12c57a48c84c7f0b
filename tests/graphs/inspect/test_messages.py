"""The messages of every layer add up to what the network computed."""

import numpy as np
import pytest
import torch

from vicinal.graphs.data.read import read_graph
from vicinal.graphs.inspect.messages import decompose_network
from vicinal.graphs.nodes.labelled_graph import LabelledGraph
from vicinal.graphs.nodes.networks import NETWORKS, NetworkConfig, build_network
from vicinal.graphs.nodes.receptive_field import extract_receptive_field
from vicinal.graphs.sparse.adjacency import Adjacency


@pytest.fixture
def labelled(block_tables) -> LabelledGraph:
    nodes, edges = block_tables(nodes=60)
    table = read_graph(nodes, edges=edges)
    x = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
    none = np.zeros(60, np.int64)
    return LabelledGraph(x, table.adjacency, None, none, none.astype(bool))


def make_network(name: str, heads: int = 2):
    torch.manual_seed(0)
    layers = 4 if name == "gcnii" else NETWORKS[name].layers
    network = build_network(name, NetworkConfig(5, 8, layers, 3, 0.5, heads)).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return network


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_terms_of_every_layer_add_up_to_its_output(name, weighted, labelled):
    network = make_network(name)
    if weighted:
        count = labelled.adjacency.num_edges
        weight = torch.rand(count, generator=torch.Generator().manual_seed(1)) + 0.1
        labelled = labelled._replace(edge_weight=weight)
    logits = network(labelled.x, labelled.adjacency, labelled.edge_weight)
    for node in (0, 7, 33):
        layers = list(decompose_network(network, labelled, node))
        assert layers[-1].layer == "head"
        np.testing.assert_allclose(
            layers[-1].computed, logits[node].detach(), rtol=1e-4
        )
        for layer in layers:
            largest = float(np.abs(layer.output).max()) + 1e-6
            assert layer.max_error <= 1e-5 * largest + 1e-6, (layer.layer, layer.kind)
        assert all(layer.messages for layer in layers[:-1])


def test_messages_come_from_the_neighbors(labelled):
    rows = labelled.adjacency.incoming
    sources, targets = rows.indices.numpy(), rows.row_indices.numpy()
    for name, loop in (("sage", False), ("gin", False), ("gcn", True), ("gat", True)):
        first = next(decompose_network(make_network(name), labelled, 12))
        neighbors = set(sources[targets == 12].tolist()) | ({12} if loop else set())
        assert {message.source for message in first.messages} == neighbors
    attention = next(decompose_network(make_network("gat"), labelled, 12))
    total = sum(message.coefficient for message in attention.messages)
    assert total == pytest.approx(1, abs=1e-5)


def test_gcn_coefficient_equals_one_computed_by_hand(labelled):
    degree = labelled.adjacency.incoming.degrees.numpy()
    first = next(decompose_network(make_network("gcn"), labelled, 5))
    for message in first.messages:
        u = message.source
        # with a self-loop at both ends
        expected = 1 / np.sqrt((degree[5] + 1) * (degree[u] + 1))
        assert message.coefficient == pytest.approx(expected, rel=1e-5)


def test_breakdown_follows_a_change_of_the_weights(labelled):
    network = make_network("gcn")
    layers = list(decompose_network(network, labelled, 3))
    with torch.no_grad():
        dict(network.named_parameters())["layers.0.linear.weight"][0] += 1
    (before, *_), (after, *_) = layers, list(decompose_network(network, labelled, 3))
    assert np.abs(before.output - after.output).max() > 1e-3
    assert after.max_error < 1e-5


@pytest.mark.parametrize("name", NETWORKS)
def test_receptive_field_gives_the_same_messages_as_the_whole_graph(name, labelled):
    ends = torch.stack([torch.arange(59), torch.arange(1, 60)])
    path = Adjacency.from_edge_index(torch.cat([ends, ends.flip(0)], dim=1), 60)
    labelled, network = labelled._replace(adjacency=path), make_network(name)
    near = extract_receptive_field(labelled, np.array([30]), network.hops)
    assert len(near.nodes) < 30
    whole = decompose_network(network, labelled, 30)
    part = decompose_network(network, near.labelled_graph, int(near.rows[0]))
    for expected, layer in zip(whole, part, strict=True):
        np.testing.assert_allclose(layer.output, expected.output, rtol=1e-4, atol=1e-5)
        vectors = {int(near.nodes[m.source]): m.vector for m in layer.messages}
        assert set(vectors) == {m.source for m in expected.messages}
        for m in expected.messages:
            np.testing.assert_allclose(
                vectors[m.source], m.vector, rtol=1e-4, atol=1e-5
            )
