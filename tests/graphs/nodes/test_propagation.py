"""Propagation equals matrix products by hand, and keeps its laws."""

from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.graphs.layers.gcn import gcn_aggregate
from vicinal.graphs.nodes.propagation import (
    correct,
    propagate,
    propagate_labels,
    smooth,
)
from vicinal.graphs.sparse.adjacency import Adjacency

PATH = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])

SINGLE: Any = {"rtol": 1e-5, "atol": 1e-6}
"""edge weights are stored in single precision"""


def normalized_matrix(edge_index: torch.Tensor, n: int) -> torch.Tensor:
    """Return P = D^-1/2 (A + I) D^-1/2 as a dense matrix."""
    a = torch.eye(n, dtype=torch.float64)
    a[edge_index[1], edge_index[0]] = 1
    root = a.sum(dim=1).rsqrt()
    return root[:, None] * a * root


def random_features() -> torch.Tensor:
    g = torch.Generator().manual_seed(0)
    return torch.randn(3, 2, dtype=torch.float64, generator=g)


def test_propagation_is_a_power_of_the_matrix():
    p, x = normalized_matrix(PATH, 3), random_features()
    graph = Adjacency.from_edge_index(PATH, 3)
    torch.testing.assert_close(propagate(x, graph, 0.0, 3), p @ p @ p @ x, **SINGLE)
    z = x
    for _ in range(4):
        z = 0.7 * p @ z + 0.3 * x
    torch.testing.assert_close(propagate(x, graph, 0.3, 4), z, **SINGLE)
    assert propagate(x, graph, 0.5, 0).equal(x)


def test_many_steps_give_personalised_pagerank():
    p, x = normalized_matrix(PATH, 3), random_features()
    z = propagate(x, Adjacency.from_edge_index(PATH, 3), 0.2, 400)
    eye = torch.eye(3, dtype=torch.float64)
    expected = 0.2 * torch.linalg.solve(eye - 0.8 * p, x)
    torch.testing.assert_close(z, expected, **SINGLE)


@given(st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_propagated_labels_are_shares_and_stay_within_components(seed):
    g = torch.Generator().manual_seed(seed)
    edges = torch.randint(0, 6, (2, 9), generator=g)
    edge_index = torch.cat([edges, edges.flip(0)], dim=1)
    targets, train_mask = torch.zeros(8, 3), torch.zeros(8, dtype=torch.bool)
    targets[0, 1] = targets[6, 2] = 1  # nodes 6 and 7 are isolated
    train_mask[[0, 6]] = True
    graph = Adjacency.from_edge_index(edge_index, 8)
    shares = propagate_labels(targets, train_mask, graph)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(8))
    assert shares[6].tolist() == [0, 0, 1]
    torch.testing.assert_close(shares[7], torch.tensor([0, 0.5, 0.5]))  # mean of all
    assert shares[0].tolist() == [0, 1, 0]


def test_smoothing_keeps_constants_on_a_regular_graph():
    ring, following = torch.arange(6), (torch.arange(6) + 1) % 6
    edge_index = torch.stack(
        [torch.cat([ring, following]), torch.cat([following, ring])]
    )
    graph = Adjacency.from_edge_index(edge_index, 6)
    p, no_node = torch.full((6, 2), 0.5), torch.zeros(6, dtype=torch.bool)
    torch.testing.assert_close(smooth(p, p, no_node, graph, 0.9), p)
    assert smooth(p, p, no_node, graph, 0.0).equal(p)


def test_correction_propagates_the_residuals_of_training_nodes():
    graph, predicted = Adjacency.from_edge_index(PATH, 3), torch.zeros(3, 1)
    targets = torch.tensor([[2.0], [0], [0]])
    train_mask = torch.tensor([True, False, False])
    corrected = correct(predicted, targets, train_mask, graph, 0.5)
    assert corrected[0] > corrected[1] > corrected[2] > 0
    p, residual = normalized_matrix(PATH, 3).numpy(), targets.double().numpy()
    z = residual
    for _ in range(20):
        z = 0.5 * p @ z + 0.5 * residual
    np.testing.assert_allclose(corrected.numpy(), z, rtol=1e-5)


def test_large_graphs_are_aggregated_the_same_without_cached_weights(monkeypatch):
    g = torch.Generator().manual_seed(0)
    graph = Adjacency.from_edge_index(torch.randint(0, 40, (2, 150), generator=g), 45)
    x = torch.randn(45, 3)
    expected = gcn_aggregate(x, graph)
    monkeypatch.setattr("vicinal.graphs.layers.gcn.MAX_CACHED_EDGES", 10)
    graph.clear_cache()
    torch.testing.assert_close(gcn_aggregate(x, graph), expected)
    assert "normalized" not in vars(graph) and "with_self_loops" not in vars(graph)
