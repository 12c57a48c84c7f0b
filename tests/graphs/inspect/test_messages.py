"""What is drawn of a node's sums is what the network computed."""

import numpy as np
import pytest
import torch

from vicinal.graphs.data.read import read_graph
from vicinal.graphs.inspect.messages import tree
from vicinal.graphs.nodes.labelled_graph import LabelledGraph
from vicinal.graphs.nodes.networks import NETWORKS, NetworkConfig, build
from vicinal.graphs.nodes.receptive_field import field_of
from vicinal.graphs.sparse.adjacency import Adjacency


@pytest.fixture
def known(block_tables) -> LabelledGraph:
    nodes, edges = block_tables(nodes=60)
    table = read_graph(nodes, edges=edges)
    x = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
    none = np.zeros(60, np.int64)
    return LabelledGraph(x, table.adjacency, None, none, none.astype(bool))


def network_of(name: str, heads: int = 2):
    torch.manual_seed(0)
    layers = 4 if name == "gcnii" else NETWORKS[name].layers
    network = build(name, NetworkConfig(5, 8, layers, 3, 0.5, heads)).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return network


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_parts_of_every_layer_sum_to_what_it_gave(name, weighted, known):
    network = network_of(name)
    if weighted:
        count = known.graph.num_edges
        weight = torch.rand(count, generator=torch.Generator().manual_seed(1)) + 0.1
        known = known._replace(weight=weight)
    logits = network(known.x, known.graph, known.weight)
    for node in (0, 7, 33):
        opened = list(tree(network, known, node))
        assert opened[-1].layer == "head"
        np.testing.assert_allclose(
            opened[-1].computed, logits[node].detach(), rtol=1e-4
        )
        for one in opened:
            largest = float(np.abs(one.given).max()) + 1e-6
            assert one.off <= 1e-5 * largest + 1e-6, (one.layer, one.kind)
        assert all(one.messages for one in opened[:-1])


def test_who_sends_is_who_has_an_edge(known):
    rows = known.graph.incoming
    sources, targets = rows.sources.numpy(), rows.targets.numpy()
    for name, loop in (("sage", False), ("gin", False), ("gcn", True), ("gat", True)):
        first = next(tree(network_of(name), known, 12))
        own = set(sources[targets == 12].tolist()) | ({12} if loop else set())
        assert {message.source for message in first.messages} == own
    shares = [m.coefficient for m in next(tree(network_of("gat"), known, 12)).messages]
    assert sum(shares) == pytest.approx(1, abs=1e-5)


def test_a_coefficient_by_hand(known):
    """GCN's: 1 over the root of both degrees, each with its loop."""
    degree = known.graph.incoming.degrees.numpy()
    first = next(tree(network_of("gcn"), known, 5))
    for message in first.messages:
        u = message.source
        wanted = 1 / np.sqrt((degree[5] + 1) * (degree[u] + 1))
        assert message.coefficient == pytest.approx(wanted, rel=1e-5)


def test_a_tampered_layer_is_seen(known):
    network = network_of("gcn")
    opened = list(tree(network, known, 3))
    with torch.no_grad():
        dict(network.named_parameters())["layers.0.linear.weight"][0] += 1
    (before, *_), (after, *_) = opened, list(tree(network, known, 3))
    assert np.abs(before.given - after.given).max() > 1e-3
    assert after.off < 1e-5


@pytest.mark.parametrize("name", NETWORKS)
def test_what_lies_around_a_node_is_all_that_is_opened(name, known):
    ends = torch.stack([torch.arange(59), torch.arange(1, 60)])
    path = Adjacency.of(torch.cat([ends, ends.flip(0)], dim=1), 60)
    known, network = known._replace(graph=path), network_of(name)
    near = field_of(known, np.array([30]), network.hops)
    assert len(near.nodes) < 30
    whole = tree(network, known, 30)
    part = tree(network, near.known, int(near.rows[0]))
    for wanted, found in zip(whole, part, strict=True):
        np.testing.assert_allclose(found.given, wanted.given, rtol=1e-4, atol=1e-5)
        sent = {int(near.nodes[m.source]): m.vector for m in found.messages}
        assert set(sent) == {m.source for m in wanted.messages}
        for m in wanted.messages:
            np.testing.assert_allclose(sent[m.source], m.vector, rtol=1e-4, atol=1e-5)
