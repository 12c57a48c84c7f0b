"""Features and networks of whole graphs ignore node order and the other graphs."""

import numpy as np
import pytest
import torch

from vicinal.graphs.graph_level.graph_features import (
    FEATURE_SETS,
    BatchedGraphs,
    graph_features,
)
from vicinal.graphs.graph_level.labelled_graphs import graph_loader
from vicinal.graphs.graph_level.networks import (
    GraphBatchNetwork,
    GraphLevelConfig,
    GraphLevelNetwork,
    select_graphs,
)
from vicinal.graphs.sparse.adjacency import Adjacency


@pytest.fixture
def graphs() -> BatchedGraphs:
    """Three graphs of 3, 4 and 2 nodes."""
    edges = torch.tensor([[0, 1, 3, 4, 5, 7], [1, 2, 4, 5, 6, 8]])
    adjacency = Adjacency.from_edge_index(torch.cat([edges, edges.flip(0)], dim=1), 9)
    batch = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, 2])
    x = torch.randn(9, 3, generator=torch.Generator().manual_seed(0))
    return BatchedGraphs(x, adjacency, batch, 3)


@pytest.mark.parametrize("name", FEATURE_SETS)
def test_features_do_not_depend_on_the_order_of_nodes(name, graphs):
    order = torch.tensor([2, 0, 1, 6, 4, 3, 5, 8, 7])
    incoming, new_row = graphs.adjacency.incoming, torch.argsort(order)
    edges = torch.stack([incoming.indices, incoming.row_indices]).long()
    permuted = graphs._replace(
        x=graphs.x[order], adjacency=Adjacency.from_edge_index(new_row[edges], 9)
    )
    np.testing.assert_allclose(
        graph_features(name, graphs), graph_features(name, permuted), atol=1e-5
    )


def test_features_by_hand(graphs):
    path = graph_features("counts", graphs)[0]  # 0 - 1 - 2
    log_n, mean = path[0], path[1:4]
    assert log_n == pytest.approx(np.log(3))
    np.testing.assert_allclose(mean, graphs.x[:3].mean(dim=0), rtol=1e-5)
    log_m, mean_degree, shares = path[7], path[8], path[9:]
    assert log_m == pytest.approx(np.log1p(2)) and mean_degree == pytest.approx(4 / 3)
    np.testing.assert_allclose(shares, np.array([0, 2, 1, 0, 0, 0, 0, 0, 0]) / 3)


def test_features_are_propagated_as_means_of_neighbours(graphs):
    path = graph_features("neighborhoods", graphs)[0]  # 0 - 1 - 2
    x = torch.cat([graphs.x[:3], torch.tensor([[1.0], [2.0], [1.0]]).log1p()], dim=1)
    means = torch.tensor([[0, 1, 0], [0.5, 0, 0.5], [0, 1, 0]])
    expected = []
    for _ in range(3):
        x = means @ x
        expected.append(x.mean(dim=0))
    np.testing.assert_allclose(path[-12:], torch.cat(expected), rtol=1e-5, atol=1e-6)


def test_a_graph_gets_the_same_result_alone_and_among_others(graphs):
    torch.manual_seed(0)
    network = GraphLevelNetwork(GraphLevelConfig(3, 8, 2, 2, 0.0)).eval()
    bound = GraphBatchNetwork(network, graphs)
    logits = network(graphs)
    for row in range(3):
        alone = bound(torch.tensor([row]))
        torch.testing.assert_close(alone[0], logits[row])
        selected = select_graphs(graphs, torch.tensor([row]))
        for name in FEATURE_SETS:
            np.testing.assert_allclose(
                graph_features(name, selected)[0],
                graph_features(name, graphs)[row],
                atol=1e-6,
            )
    torch.testing.assert_close(bound(torch.tensor([2, 0])), logits[[2, 0]])


def test_batches_have_about_as_many_edges_as_asked_for():
    edges = np.random.default_rng(0).integers(1, 200, 300)
    loader = graph_loader(np.arange(300), torch.zeros(300), edges, 3000, 0)
    batches = [rows.numpy() for rows, _ in loader.batches(0, 0)]
    assert len(batches) == loader.steps == round(edges.sum() / 3000)
    sums = [edges[rows].sum() for rows in batches]
    assert max(sums) < 3000 + 2 * 200 and min(sums) > 3000 - 3 * 200


def test_graphs_without_edges_are_in_the_batches():
    edges = np.zeros(5, int)
    loader = graph_loader(np.arange(5), torch.zeros(5), edges, 3000, 0)
    ((rows, _),) = loader.batches(0, 0)
    assert sorted(rows.tolist()) == list(range(5))
