"""Contributions of layers, readouts and nodes add up to the score of a graph."""

import networkx as nx
import numpy as np
import pytest
import torch

from vicinal.graphs.graph_level.graph_features import BatchedGraphs
from vicinal.graphs.graph_level.networks import GraphLevelConfig, GraphLevelNetwork
from vicinal.graphs.inspect.readout import decompose_graph, decompose_layers
from vicinal.graphs.sparse.adjacency import Adjacency


def random_graph(seed: int = 0, nodes: int = 7) -> BatchedGraphs:
    g = torch.Generator().manual_seed(seed)
    edges = np.array(nx.gnm_random_graph(nodes, 2 * nodes, seed=seed).edges).T
    both = torch.from_numpy(np.concatenate([edges, edges[::-1]], axis=1).copy())
    x = torch.randn(nodes, 3, generator=g)
    member = torch.zeros(nodes, dtype=torch.int64)
    return BatchedGraphs(x, Adjacency.from_edge_index(both, nodes), member, 1)


def build_network(outputs: int, seed: int = 0) -> GraphLevelNetwork:
    torch.manual_seed(seed)
    network = GraphLevelNetwork(GraphLevelConfig(3, 8, 2, outputs, 0.3))
    network.train()
    for k in range(5):  # so that the batch norms have statistics
        network(random_graph(k + 1))
    return network.eval()


@pytest.mark.parametrize("outputs", [1, 2, 5])
def test_contributions_add_up_to_the_score(outputs):
    network = build_network(outputs)
    for seed in range(4):
        graph = random_graph(seed)
        with torch.no_grad():
            logits = network(graph)[0]
        expected = logits - logits.mean() if outputs > 1 else logits
        for k in range(outputs):
            breakdown = decompose_graph(network, graph, k)
            assert breakdown.score == pytest.approx(float(expected[k]), abs=1e-5)
            assert breakdown.max_error < 1e-4
            assert breakdown.readouts.sum() == pytest.approx(
                breakdown.nodes.sum(), abs=1e-4
            )
            assert breakdown.nodes.shape == (2, 7) and breakdown.readouts.shape == (
                2,
                3,
            )


def test_readout_contribution_is_the_score_without_all_other_readouts():
    network, graph = build_network(1), random_graph()
    breakdown = decompose_graph(network, graph, 0)
    with torch.no_grad():
        all_weights, hidden = network.head.weight.clone(), 8
        for number in range(6):
            network.head.weight.zero_()
            columns = slice(number * hidden, (number + 1) * hidden)
            network.head.weight[:, columns] = all_weights[:, columns]
            alone = float(network(graph)) - float(network.head.bias)
            assert breakdown.readouts[divmod(number, 3)] == pytest.approx(
                alone, abs=1e-4
            )


def test_equal_nodes_share_the_sums_and_the_first_takes_the_maximum():
    network = build_network(1)
    edges = torch.tensor([[0, 1], [1, 0]])
    twins = BatchedGraphs(
        torch.ones(2, 3),
        Adjacency.from_edge_index(edges, 2),
        torch.zeros(2, dtype=torch.int64),
        1,
    )
    with torch.no_grad():
        network.head.weight.view(2, 3, 8)[:, 1] = 0  # no maxima
    breakdown = decompose_graph(network, twins, 0)
    np.testing.assert_allclose(breakdown.nodes[:, 0], breakdown.nodes[:, 1], atol=1e-6)
    with torch.no_grad():
        network.head.weight.view(2, 3, 8)[:, 1] = 1
        network.head.weight.view(2, 3, 8)[:, ::2] = 0
    breakdown = decompose_graph(network, twins, 0)
    np.testing.assert_allclose(breakdown.nodes[:, 1], 0, atol=1e-6)
    assert breakdown.max_error < 1e-4


def test_messages_add_up_to_the_output_of_each_layer():
    network, graph = build_network(2), random_graph(3)
    for node in range(7):
        layers = list(decompose_layers(network, graph, node))
        assert [layer.layer for layer in layers] == ["layers.0", "layers.1"]
        incoming = graph.adjacency.incoming
        edges = slice(int(incoming.indptr[node]), int(incoming.indptr[node + 1]))
        for layer in layers:
            assert layer.max_error < 1e-4
            sources = [m.source for m in layer.messages]
            assert sources == incoming.indices[edges].tolist()
