"""Functions of edges equal plain indexing, in values and gradients."""

import pytest
import torch
from torch import Tensor

from vicinal.graphs.sparse import edge_functions
from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.graphs.sparse.edge_functions import add_endpoints, apply_to_edges

NODES, EDGES = 9, 40


@pytest.fixture(autouse=True)
def many_chunks(monkeypatch):
    monkeypatch.setattr(edge_functions, "EDGES_PER_CHUNK", 7)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def graph(generator) -> Adjacency:
    edge_index = torch.randint(0, NODES, (2, EDGES), generator=generator)
    return Adjacency.from_edge_index(edge_index, NODES)


def leaf(generator: torch.Generator, *shape: int) -> Tensor:
    values = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return values.requires_grad_()


def assert_same_gradients(
    actual: Tensor, expected: Tensor, inputs: tuple[Tensor, ...]
) -> None:
    torch.testing.assert_close(actual, expected)
    grad = torch.randn(actual.shape, dtype=torch.float64)
    ours = torch.autograd.grad(actual, inputs, grad)
    torch.testing.assert_close(ours, torch.autograd.grad(expected, inputs, grad))


def function(u: Tensor, v: Tensor, a: Tensor) -> Tensor:
    return ((u + 2 * v).tanh() * a).sum(-1)


def test_functions_of_both_endpoints(graph, generator):
    source, target = leaf(generator, NODES, 3, 2), leaf(generator, NODES, 3, 2)
    a = leaf(generator, 3, 2)
    rows = graph.incoming
    u, v = source[rows.indices.long()], target[rows.row_indices.long()]
    actual = apply_to_edges(function, source, target, graph, a)
    assert_same_gradients(actual, function(u, v, a), (source, target, a))


def test_sums_of_endpoints(graph, generator):
    source, target = leaf(generator, NODES, 3), leaf(generator, NODES, 3)
    rows = graph.incoming
    expected = source[rows.indices.long()] + target[rows.row_indices.long()]
    actual = add_endpoints(source, target, graph)
    assert_same_gradients(actual, expected, (source, target))


def test_a_graph_without_edges(generator):
    empty = Adjacency.from_edge_index(torch.empty(2, 0, dtype=torch.long), NODES)
    source, target = leaf(generator, NODES, 3, 2), leaf(generator, NODES, 3, 2)
    a = leaf(generator, 3, 2)
    assert apply_to_edges(function, source, target, empty, a).shape == (0, 3)
    source, target = leaf(generator, NODES, 3), leaf(generator, NODES, 3)
    total = add_endpoints(source, target, empty).sum()
    gradients = torch.autograd.grad(total, (source, target))
    assert not any(gradient.any() for gradient in gradients)
