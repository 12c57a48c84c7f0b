"""A whole graph's score is what its layers, readouts and nodes add."""

import networkx as nx
import numpy as np
import pytest
import torch

from vicinal.graphs.graph_level.graph_features import Graphs
from vicinal.graphs.graph_level.networks import GraphLevelConfig, GraphLevelNetwork
from vicinal.graphs.inspect.readout import messages, open_graph
from vicinal.graphs.sparse.adjacency import Adjacency


def graph_of(seed: int = 0, nodes: int = 7) -> Graphs:
    g = torch.Generator().manual_seed(seed)
    edges = np.array(nx.gnm_random_graph(nodes, 2 * nodes, seed=seed).edges).T
    both = torch.from_numpy(np.concatenate([edges, edges[::-1]], axis=1).copy())
    x = torch.randn(nodes, 3, generator=g)
    member = torch.zeros(nodes, dtype=torch.int64)
    return Graphs(x, Adjacency.of(both, nodes), member, 1)


def network_of(outputs: int, seed: int = 0) -> GraphLevelNetwork:
    torch.manual_seed(seed)
    network = GraphLevelNetwork(GraphLevelConfig(3, 8, 2, outputs, 0.3))
    network.train()
    for k in range(5):  # so that its norms have seen something
        network(graph_of(k + 1))
    return network.eval()


@pytest.mark.parametrize("outputs", [1, 2, 5])
def test_the_parts_add_up(outputs):
    network = network_of(outputs)
    for seed in range(4):
        graph = graph_of(seed)
        with torch.no_grad():
            logits = network(graph)[0]
        centred = logits - logits.mean() if outputs > 1 else logits
        for k in range(outputs):
            found = open_graph(network, graph, k)
            assert found.computed == pytest.approx(float(centred[k]), abs=1e-5)
            assert found.off < 1e-4
            assert found.readouts.sum() == pytest.approx(found.nodes.sum(), abs=1e-4)
            assert found.nodes.shape == (2, 7) and found.readouts.shape == (2, 3)


def test_the_parts_are_those_of_the_readouts():
    """Against the network's own readouts, weights of all others set to nothing."""
    network, graph = network_of(1), graph_of()
    found = open_graph(network, graph, 0)
    with torch.no_grad():
        whole, hidden = network.head.weight.clone(), 8
        for number in range(6):
            network.head.weight.zero_()
            own = slice(number * hidden, (number + 1) * hidden)
            network.head.weight[:, own] = whole[:, own]
            alone = float(network(graph)) - float(network.head.bias)
            assert found.readouts[divmod(number, 3)] == pytest.approx(alone, abs=1e-4)


def test_of_equal_nodes_the_sums_are_shared_and_the_maximum_is_of_one():
    network = network_of(1)
    edges = torch.tensor([[0, 1], [1, 0]])
    twins = Graphs(
        torch.ones(2, 3), Adjacency.of(edges, 2), torch.zeros(2, dtype=torch.int64), 1
    )
    with torch.no_grad():
        network.head.weight.view(2, 3, 8)[:, 1] = 0  # no maxima
    found = open_graph(network, twins, 0)
    np.testing.assert_allclose(found.nodes[:, 0], found.nodes[:, 1], atol=1e-6)
    with torch.no_grad():
        network.head.weight.view(2, 3, 8)[:, 1] = 1
        network.head.weight.view(2, 3, 8)[:, ::2] = 0
    found = open_graph(network, twins, 0)
    np.testing.assert_allclose(found.nodes[:, 1], 0, atol=1e-6)
    assert found.off < 1e-4


def test_messages_of_a_node_make_what_its_layers_computed():
    network, graph = network_of(2), graph_of(3)
    for node in range(7):
        layers = list(messages(network, graph, node))
        assert [one.layer for one in layers] == ["layers.0", "layers.1"]
        incoming = graph.graph.incoming
        own = slice(int(incoming.offsets[node]), int(incoming.offsets[node + 1]))
        for one in layers:
            assert one.off < 1e-4
            assert [m.source for m in one.messages] == incoming.sources[own].tolist()
