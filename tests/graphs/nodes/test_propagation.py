"""What spreads along edges: matrices by hand, and laws."""

from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.graphs.layers.gcn import smoothed
from vicinal.graphs.nodes.propagation import correct, smooth, spread, spread_labels
from vicinal.graphs.sparse.adjacency import Adjacency

PATH = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])


def dense(edge_index: torch.Tensor, n: int) -> torch.Tensor:
    """D^-1/2 (A + I) D^-1/2 as a matrix."""
    a = torch.eye(n, dtype=torch.float64)
    a[edge_index[1], edge_index[0]] = 1
    root = a.sum(dim=1).rsqrt()
    return root[:, None] * a * root


SINGLE: Any = {"rtol": 1e-5, "atol": 1e-6}
"""weights of edges are kept with single precision"""


def drawn() -> torch.Tensor:
    g = torch.Generator().manual_seed(0)
    return torch.randn(3, 2, dtype=torch.float64, generator=g)


def test_spreading_is_a_power_of_the_matrix():
    p, x = dense(PATH, 3), drawn()
    graph = Adjacency.of(PATH, 3)
    torch.testing.assert_close(spread(x, graph, 0.0, 3), p @ p @ p @ x, **SINGLE)
    z = x
    for _ in range(4):
        z = 0.7 * p @ z + 0.3 * x
    torch.testing.assert_close(spread(x, graph, 0.3, 4), z, **SINGLE)
    assert spread(x, graph, 0.5, 0).equal(x)


def test_after_many_steps_it_is_personalised_pagerank():
    p, x = dense(PATH, 3), drawn()
    found = spread(x, Adjacency.of(PATH, 3), 0.2, 400)
    wanted = 0.2 * torch.linalg.solve(torch.eye(3, dtype=torch.float64) - 0.8 * p, x)
    torch.testing.assert_close(found, wanted, **SINGLE)


@given(st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_labels_are_shares_and_stay_where_no_edge_leads(seed):
    g = torch.Generator().manual_seed(seed)
    ends = torch.randint(0, 6, (2, 9), generator=g)
    edge_index = torch.cat([ends, ends.flip(0)], dim=1)
    known, train_mask = torch.zeros(8, 3), torch.zeros(8, dtype=torch.bool)
    known[0, 1] = known[6, 2] = 1  # nodes 6 and 7 have no edge
    train_mask[[0, 6]] = True
    found = spread_labels(known, train_mask, Adjacency.of(edge_index, 8))
    torch.testing.assert_close(found.sum(dim=1), torch.ones(8))
    assert found[6].tolist() == [0, 0, 1]
    torch.testing.assert_close(found[7], torch.tensor([0, 0.5, 0.5]))  # of all known
    assert found[0].tolist() == [0, 1, 0]


def test_evening_out_keeps_constants_among_equals():
    ring = torch.arange(6)
    edge_index = torch.stack(
        [torch.cat([ring, (ring + 1) % 6]), torch.cat([(ring + 1) % 6, ring])]
    )
    graph, said = Adjacency.of(edge_index, 6), torch.full((6, 2), 0.5)
    nobody = torch.zeros(6, dtype=torch.bool)
    torch.testing.assert_close(smooth(said, said, nobody, graph, 0.9), said)
    assert smooth(said, said, nobody, graph, 0.0).equal(said)


def test_errors_of_known_nodes_are_handed_on():
    graph, said = Adjacency.of(PATH, 3), torch.zeros(3, 1)
    known, train_mask = (
        torch.tensor([[2.0], [0], [0]]),
        torch.tensor([True, False, False]),
    )
    found = correct(said, known, train_mask, graph, 0.5)
    assert found[0] > found[1] > found[2] > 0
    p, e = dense(PATH, 3).numpy(), np.array([[2.0], [0], [0]])
    z = e
    for _ in range(20):
        z = 0.5 * p @ z + 0.5 * e
    np.testing.assert_allclose(found.numpy(), z, rtol=1e-5)


def test_many_edges_are_smoothed_the_same_without_weights_of_them(monkeypatch):
    g = torch.Generator().manual_seed(0)
    graph = Adjacency.of(torch.randint(0, 40, (2, 150), generator=g), 45)
    x = torch.randn(45, 3)
    wanted = smoothed(x, graph)
    monkeypatch.setattr("vicinal.graphs.layers.gcn.MANY", 10)
    graph.forget()
    torch.testing.assert_close(smoothed(x, graph), wanted)
    assert "normalised" not in vars(graph) and "add_self_loops" not in vars(graph)
