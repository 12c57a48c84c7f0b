"""Fast aggregation equals `ops.aggregation`, in values and gradients."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vicinal.graphs.nodes.networks import (
    FullGraphNetwork,
    NetworkConfig,
    build_network,
)
from vicinal.graphs.sparse import aggregation
from vicinal.graphs.sparse.adjacency import CSR, Adjacency, CachedAggregation
from vicinal.graphs.sparse.aggregation import aggregate, aggregate_with_self
from vicinal.ops import aggregation as reference


@st.composite
def graphs(draw: Any) -> tuple[Tensor, int]:
    """Random edges with self-loops, duplicates and isolated nodes."""
    n = draw(st.integers(1, 12))
    ends = st.lists(st.integers(0, n - 1), min_size=0, max_size=40)
    source = draw(ends)
    target = draw(
        st.lists(st.integers(0, n - 1), min_size=len(source), max_size=len(source))
    )
    return torch.tensor([source, target], dtype=torch.long).reshape(2, -1), n


def reference_aggregate(
    x: Tensor, edge_index: Tensor, n: int, reduce: str, weight: Tensor | None
) -> Tensor:
    messages = reference.gather(x, edge_index)
    return reference.aggregate(messages, edge_index[1], n, reduce, weight)


@pytest.mark.parametrize(
    ("reduce", "weighted"),
    [("sum", False), ("sum", True), ("mean", False), ("mean", True), ("max", False)],
)
@given(graphs(), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_values_and_gradients_equal_the_reference(reduce, weighted, graph, seed):
    (edge_index, n), g = graph, torch.Generator().manual_seed(seed)
    adjacency = Adjacency.from_edge_index(edge_index, n)
    x, expected_x = (
        torch.randn(
            n, 5, generator=torch.Generator().manual_seed(seed)
        ).requires_grad_()
        for _ in "ab"
    )
    weight = torch.rand(edge_index.shape[1], generator=g) if weighted else None
    w, expected_w = (
        None if weight is None else weight.clone().requires_grad_() for _ in "ab"
    )
    actual = aggregate(x, adjacency, reduce, w)
    expected = reference_aggregate(expected_x, edge_index, n, reduce, expected_w)
    torch.testing.assert_close(actual, expected)
    grad = torch.randn(n, 5, generator=g)
    actual.backward(grad)
    expected.backward(grad)
    torch.testing.assert_close(x.grad, expected_x.grad)
    if w is not None and expected_w is not None and w.numel():
        torch.testing.assert_close(w.grad, expected_w.grad)


def test_gradients_in_double_precision():
    g = torch.Generator().manual_seed(0)
    edge_index = torch.randint(0, 6, (2, 20), generator=g)
    adjacency = Adjacency.from_edge_index(edge_index, 6)
    x = torch.randn(6, 3, dtype=torch.float64, generator=g).requires_grad_()
    w = torch.rand(20, dtype=torch.float64, generator=g).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda a, b: aggregate(a, adjacency, "sum", b), (x, w)
    )
    reduces: tuple[Any, ...] = ("sum", "mean", "max")
    for reduce in reduces:
        assert torch.autograd.gradcheck(
            lambda a, r=reduce: aggregate(a, adjacency, r), (x,)
        )


@pytest.mark.parametrize("nodes", [50, 51, 300])
@pytest.mark.parametrize("edges", [2500, 2501, 70_000])
def test_weight_gradients_also_with_more_edges_than_node_pairs(nodes, edges):
    g = torch.Generator().manual_seed(0)
    edge_index = torch.randint(0, nodes, (2, edges), generator=g)
    adjacency = Adjacency.from_edge_index(edge_index, nodes)
    x, grad = torch.randn(nodes, 2, generator=g), torch.randn(nodes, 2, generator=g)
    w = torch.rand(edges, generator=g).requires_grad_()
    aggregate(x, adjacency, "sum", w).backward(grad)
    expected = (x[edge_index[0]] * grad[edge_index[1]]).sum(1)
    torch.testing.assert_close(w.grad, expected)


def test_results_are_reproducible_to_the_last_bit():
    g = torch.Generator().manual_seed(0)
    adjacency = Adjacency.from_edge_index(
        torch.randint(0, 300, (2, 9000), generator=g), 300
    )
    x = torch.randn(300, 16, generator=g)
    assert aggregate(x, adjacency).equal(aggregate(x, adjacency))


def test_invalid_arguments_are_rejected():
    adjacency = Adjacency.from_edge_index(torch.tensor([[0, 1], [1, 2]]), 3)
    x = torch.ones(3, 2)
    with pytest.raises(ValueError, match="'median'"):
        aggregate(x, adjacency, "median")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="each of 3 nodes"):
        aggregate(x[:2], adjacency)
    with pytest.raises(ValueError, match="each of 2 edges"):
        aggregate(x, adjacency, "sum", torch.ones(3))
    with pytest.raises(ValueError, match="must be None with reduce='max'"):
        aggregate(x, adjacency, "max", torch.ones(2))


@pytest.mark.parametrize("reduce", ["sum", "mean", "max"])
def test_aggregations_of_constant_features_are_cached(reduce):
    graph = Adjacency.from_edge_index(torch.randint(0, 30, (2, 200)), 30)
    x = torch.randn(30, 4)
    cached = CachedAggregation.with_features(graph, x)
    actual = aggregate(x, cached, reduce)
    torch.testing.assert_close(actual, aggregate(x, graph, reduce), rtol=0, atol=0)
    assert aggregate(x, cached, reduce) is actual
    for other_reduce in ("sum", "mean", "max"):
        actual = aggregate(x, cached, other_reduce)
        torch.testing.assert_close(
            actual, aggregate(x, graph, other_reduce), rtol=0, atol=0
        )
    other = torch.randn(30, 4, requires_grad=True)
    output = aggregate(other, cached, reduce)
    expected = aggregate(other, graph, reduce)
    torch.testing.assert_close(output, expected, rtol=0, atol=0)
    assert output.requires_grad
    gradients = [torch.autograd.grad(y.sum(), other)[0] for y in (output, expected)]
    assert torch.equal(*gradients)
    assert torch.equal(cached.lacks_self_loop, graph.lacks_self_loop)
    learned = torch.randn(30, 4, requires_grad=True)
    cached = CachedAggregation.with_features(graph, learned)
    with torch.no_grad():
        aggregate(learned, cached, reduce)
    assert aggregate(learned, cached, reduce).requires_grad  # its gradient is not lost
    cached = CachedAggregation.with_features(graph, x)
    with torch.inference_mode():
        aggregate(x, cached, reduce)
    assert not aggregate(x, cached, reduce).is_inference()
    weight = torch.rand(200)
    if reduce != "max":
        weighted = aggregate(x, graph, reduce, weight)
        torch.testing.assert_close(aggregate(x, cached, reduce, weight), weighted)


@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize("name", ["gcn", "sage", "gin", "gat"])
def test_caching_does_not_change_training(name, bfloat16):
    """Three steps with constant features, and with a fresh copy at each step."""
    graph = Adjacency.from_edge_index(torch.randint(0, 40, (2, 300)), 40)
    rows, y = torch.arange(0, 40, 2), torch.randint(0, 3, (20,))
    x = torch.randn(40, 6, dtype=torch.bfloat16 if bfloat16 else torch.float32)

    def train(copied: bool) -> Tensor:
        torch.manual_seed(1)
        model = FullGraphNetwork(
            build_network(name, NetworkConfig(6, 8, 2, 3, 0.0, 2)), x, graph
        )
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            model.x = x.clone() if copied else x
            with torch.autocast("cpu", torch.bfloat16, bfloat16):
                loss = torch.nn.functional.cross_entropy(model(rows).float(), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    torch.testing.assert_close(train(False), train(True), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["sage", "gin"])
def test_a_network_aggregates_its_input_features_once(name, monkeypatch):
    graph = Adjacency.from_edge_index(torch.randint(0, 40, (2, 300)), 40)
    model = FullGraphNetwork(
        build_network(name, NetworkConfig(6, 8, 2, 3, 0.0, 2)),
        torch.randn(40, 6),
        graph,
    )
    widths: list[int] = []
    sum_rows = aggregation.sum_rows

    def record_width(x: Tensor, rows: CSR, *rest: Any) -> Tensor:
        if rows is graph.incoming:  # forward, not backward
            widths.append(x.shape[1])
        return sum_rows(x, rows, *rest)

    monkeypatch.setattr(aggregation, "sum_rows", record_width)
    for _ in range(3):
        model(torch.arange(40)).sum().backward()
    assert widths == [6, 8, 8, 8]  # the input once, the output of layer 1 at each step


@pytest.mark.parametrize("rows", [3, 5])
def test_x_must_have_a_row_for_each_node(rows):
    graph = Adjacency.from_edge_index(torch.tensor([[0, 1], [1, 2]]), 4)
    with pytest.raises(ValueError, match="a row for each of 4 nodes"):
        aggregate_with_self(torch.ones(rows, 2), graph, torch.tensor(1.0))


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_sum_with_self_equals_its_two_parts(dtype, cached):
    torch.manual_seed(0)
    ends = torch.randint(0, 40, (2, 300))
    ends[1] %= 25  # edges lead to 25 of 40 nodes
    graph = replace(Adjacency.from_coo(ends[0], ends[1], 25), num_sources=40)
    x = torch.randn(40, 8).to(dtype)
    self_weight = torch.tensor(1.3, requires_grad=True)
    if cached:
        graph = CachedAggregation.with_features(graph, x)
    else:
        x.requires_grad_()
    actual = aggregate_with_self(x, graph, self_weight)
    expected = self_weight * x[:25] + aggregate(x, graph, "sum")
    tolerance: dict[str, Any] = {}
    if dtype == torch.bfloat16:
        tolerance = {"atol": 0.1, "rtol": 0.02}
    torch.testing.assert_close(actual, expected.to(dtype), **tolerance)
    g = torch.randn(25, 8).to(dtype)
    inputs = (self_weight,) if cached else (self_weight, x)
    gradients = torch.autograd.grad(actual, inputs, g)
    expected_gradients = torch.autograd.grad(expected, inputs, g.to(expected.dtype))
    for gradient, other in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, other.to(gradient.dtype), **tolerance)
    if isinstance(graph, CachedAggregation):
        assert torch.equal(graph.cache["sum"], aggregate(x, graph.graph, "sum"))
