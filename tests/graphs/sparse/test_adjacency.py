"""Sums over neighbours are those of `ops.aggregation`, forward and back."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vicinal.errors import DataError
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.nodes.networks import NetworkConfig, OnGraph, build
from vicinal.graphs.sparse import adjacency, edge_functions
from vicinal.graphs.sparse.adjacency import (
    Adjacency,
    CachedAggregation,
    aggregate,
    aggregate_with_self,
)
from vicinal.graphs.sparse.edge_functions import edge_by_edge, of_ends
from vicinal.ops import aggregation


@st.composite
def graphs(draw: Any) -> tuple[Tensor, int]:
    """Edges with loops and repeats, some nodes without any."""
    n = draw(st.integers(1, 12))
    ends = st.lists(st.integers(0, n - 1), min_size=0, max_size=40)
    source = draw(ends)
    target = draw(
        st.lists(st.integers(0, n - 1), min_size=len(source), max_size=len(source))
    )
    return torch.tensor([source, target], dtype=torch.long).reshape(2, -1), n


def plain(
    x: Tensor, edge_index: Tensor, n: int, reduce: str, weight: Tensor | None
) -> Tensor:
    messages = aggregation.gather(x, edge_index)
    return aggregation.aggregate(messages, edge_index[1], n, reduce, weight)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduce", ["sum", "mean", "max"])
@given(graphs(), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_it_is_the_readable_aggregation(reduce, weighted, graph, seed):
    if reduce == "max" and weighted:
        return
    (edge_index, n), g = graph, torch.Generator().manual_seed(seed)
    adjacency = Adjacency.of(edge_index, n)
    x, wanted_x = (
        torch.randn(
            n, 5, generator=torch.Generator().manual_seed(seed)
        ).requires_grad_()
        for _ in "ab"
    )
    weight = torch.rand(edge_index.shape[1], generator=g) if weighted else None
    w, wanted_w = (
        None if weight is None else weight.clone().requires_grad_() for _ in "ab"
    )
    found = aggregate(x, adjacency, reduce, w)
    wanted = plain(wanted_x, edge_index, n, reduce, wanted_w)
    torch.testing.assert_close(found, wanted)
    out = torch.randn(n, 5, generator=g)
    found.backward(out)
    wanted.backward(out)
    torch.testing.assert_close(x.grad, wanted_x.grad)
    if w is not None and wanted_w is not None and w.numel():
        torch.testing.assert_close(w.grad, wanted_w.grad)


def test_slopes_in_double_precision():
    g = torch.Generator().manual_seed(0)
    edge_index = torch.randint(0, 6, (2, 20), generator=g)
    adjacency = Adjacency.of(edge_index, 6)
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
def test_weights_have_slopes_also_where_edges_are_more_than_pairs(nodes, edges):
    g = torch.Generator().manual_seed(0)
    edge_index = torch.randint(0, nodes, (2, edges), generator=g)
    adjacency = Adjacency.of(edge_index, nodes)
    x, out = torch.randn(nodes, 2, generator=g), torch.randn(nodes, 2, generator=g)
    w = torch.rand(edges, generator=g).requires_grad_()
    aggregate(x, adjacency, "sum", w).backward(out)
    wanted = (x[edge_index[0]] * out[edge_index[1]]).sum(1)
    torch.testing.assert_close(w.grad, wanted)


def test_numbers_of_edges_and_their_slopes(monkeypatch):
    monkeypatch.setattr(edge_functions, "EDGES", 7)  # in many parts
    g = torch.Generator().manual_seed(0)
    edge_index = torch.randint(0, 9, (2, 40), generator=g)
    graph = Adjacency.of(edge_index, 9)
    rows = graph.incoming
    ends = rows.sources.long(), rows.targets.long()

    def double(*shape: int) -> Tensor:
        made = torch.randn(*shape, generator=g, dtype=torch.float64)
        return made.requires_grad_()

    def rule(u: Tensor, v: Tensor, a: Tensor) -> Tensor:
        return ((u + 2 * v).tanh() * a).sum(-1)

    sent, heard, a = double(9, 3, 2), double(9, 3, 2), double(3, 2)
    found = edge_by_edge(rule, sent, heard, graph, a)
    wanted = rule(sent[ends[0]], heard[ends[1]], a)
    torch.testing.assert_close(found, wanted)
    back = torch.randn(found.shape, generator=g, dtype=torch.float64)
    given = sent, heard, a
    ours = torch.autograd.grad(found, given, back)
    torch.testing.assert_close(ours, torch.autograd.grad(wanted, given, back))
    sent, heard = double(9, 3), double(9, 3)
    found = of_ends(sent, heard, graph)
    wanted = sent[ends[0]] + heard[ends[1]]
    torch.testing.assert_close(found, wanted)
    ours = torch.autograd.grad(found, (sent, heard), back)
    torch.testing.assert_close(ours, torch.autograd.grad(wanted, (sent, heard), back))
    none = Adjacency.of(edge_index[:, :0], 9)
    assert edge_by_edge(rule, *given[:2], none, a).shape == (0, 3)
    total = of_ends(sent, heard, none).sum()
    assert not any(s.any() for s in torch.autograd.grad(total, (sent, heard)))


def test_the_same_again_to_the_last_bit():
    g = torch.Generator().manual_seed(0)
    adjacency = Adjacency.of(torch.randint(0, 300, (2, 9000), generator=g), 300)
    x = torch.randn(300, 16, generator=g)
    assert aggregate(x, adjacency).equal(aggregate(x, adjacency))


def test_edges_keep_their_places():
    adjacency = Adjacency.of(torch.tensor([[3, 0, 3, 1], [1, 1, 0, 1]]), 4)
    assert adjacency.num_nodes == 4 and adjacency.num_edges == 4
    incoming, outgoing = adjacency.incoming, adjacency.outgoing
    assert incoming.offsets.tolist() == [0, 1, 4, 4, 4]
    assert incoming.sources.tolist() == [3, 3, 0, 1]
    assert incoming.edges.tolist() == [2, 0, 1, 3]
    assert incoming.targets.tolist() == [0, 1, 1, 1]
    assert outgoing.offsets.tolist() == [0, 1, 2, 2, 4]
    assert outgoing.sources.tolist() == [1, 1, 0, 1]
    assert incoming.sources.dtype == incoming.offsets.dtype == torch.int32


def test_what_does_not_fit_is_refused():
    edge_index = torch.tensor([[0, 1], [1, 2]])
    with pytest.raises(DataError, match=r"from 0 to 1. Got 2"):
        Adjacency.of(edge_index, 2)
    with pytest.raises(DataError, match="Got -1"):
        Adjacency.of(edge_index - 1, 3)
    adjacency, x = Adjacency.of(edge_index, 3), torch.ones(3, 2)
    with pytest.raises(ValueError, match="'median'"):
        aggregate(x, adjacency, "median")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="each of 3 nodes"):
        aggregate(x[:2], adjacency)
    with pytest.raises(ValueError, match="each of 2 edges"):
        aggregate(x, adjacency, "sum", torch.ones(3))
    with pytest.raises(ValueError, match="no weights"):
        aggregate(x, adjacency, "max", torch.ones(2))


@pytest.mark.parametrize("at_a_time", [1, 7, 1 << 24])
@given(graphs())
@settings(max_examples=40, deadline=None)
def test_on_disk_it_is_the_same(at_a_time, graph):
    edge_index, n = graph
    wanted = Adjacency.of(edge_index, n)
    plain = [wanted.without_self_loop, wanted.add_self_loops.without_self_loop]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vicinal.graphs.sparse.adjacency.SORTED", at_a_time)
        found = Adjacency.between(edge_index[0], edge_index[1], n, max_bytes=0)
        kinds = (found, wanted), (found.add_self_loops, wanted.add_self_loops)
        for (one, other), without_self_loop in zip(kinds, plain, strict=True):
            for side in ("incoming", "outgoing"):
                for name in ("offsets", "sources", "edges"):
                    a, b = (getattr(getattr(g, side), name) for g in (one, other))
                    assert torch.equal(a, b)
            assert torch.equal(one.without_self_loop, without_self_loop)
    loops = edge_index[0][edge_index[0] == edge_index[1]].tolist()
    assert plain[0][:, 0].tolist() == [float(k not in loops) for k in range(n)]


@pytest.mark.parametrize("reduce", ["sum", "mean", "max"])
def test_sums_of_features_that_do_not_change_are_made_once(reduce):
    graph = Adjacency.of(torch.randint(0, 30, (2, 200)), 30)
    x = torch.randn(30, 4)
    known = CachedAggregation.with_features(graph, x)
    found = aggregate(x, known, reduce)
    torch.testing.assert_close(found, aggregate(x, graph, reduce), rtol=0, atol=0)
    assert aggregate(x, known, reduce) is found
    for more in ("sum", "mean", "max"):
        found = aggregate(x, known, more)
        torch.testing.assert_close(found, aggregate(x, graph, more), rtol=0, atol=0)
    other = torch.randn(30, 4, requires_grad=True)
    said = aggregate(other, known, reduce)
    wanted_said = aggregate(other, graph, reduce)
    torch.testing.assert_close(said, wanted_said, rtol=0, atol=0)
    assert said.requires_grad
    slopes = [torch.autograd.grad(k.sum(), other)[0] for k in (said, wanted_said)]
    assert torch.equal(*slopes)
    assert torch.equal(known.without_self_loop, graph.without_self_loop)
    learned = torch.randn(30, 4, requires_grad=True)
    known = CachedAggregation.with_features(graph, learned)
    with torch.no_grad():
        aggregate(learned, known, reduce)
    assert aggregate(learned, known, reduce).requires_grad  # its slope is not lost
    known = CachedAggregation.with_features(graph, x)
    with torch.inference_mode():
        aggregate(x, known, reduce)
    assert not aggregate(x, known, reduce).is_inference()
    weight = torch.rand(200)
    if reduce != "max":
        wanted = aggregate(x, graph, reduce, weight)
        torch.testing.assert_close(aggregate(x, known, reduce, weight), wanted)


@pytest.mark.parametrize("low", [False, True])
@pytest.mark.parametrize("name", ["gcn", "sage", "gin", "gat"])
def test_learning_does_not_tell_a_sum_that_was_kept(name, low):
    """Three steps with the features as they are, and with a copy made at each."""
    graph = Adjacency.of(torch.randint(0, 40, (2, 300)), 40)
    rows, y = torch.arange(0, 40, 2), torch.randint(0, 3, (20,))
    x = torch.randn(40, 6, dtype=torch.bfloat16 if low else torch.float32)

    def learned(copied: bool) -> Tensor:
        torch.manual_seed(1)
        model = OnGraph(build(name, NetworkConfig(6, 8, 2, 3, 0.0, 2)), x, graph)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            model.x = x.clone() if copied else x
            with torch.autocast("cpu", torch.bfloat16, low):
                loss = torch.nn.functional.cross_entropy(model(rows).float(), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    torch.testing.assert_close(learned(False), learned(True), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["sage", "gin"])
def test_a_network_on_a_graph_sums_its_features_once(name, monkeypatch):
    graph = Adjacency.of(torch.randint(0, 40, (2, 300)), 40)
    model = OnGraph(
        build(name, NetworkConfig(6, 8, 2, 3, 0.0, 2)), torch.randn(40, 6), graph
    )
    asked: list[int] = []
    plain = adjacency.sum_rows

    def counted(x: Tensor, rows: adjacency.CSR, *rest: Any) -> Tensor:
        if rows is graph.incoming:  # and not the way back
            asked.append(x.shape[1])
        return plain(x, rows, *rest)

    monkeypatch.setattr(adjacency, "sum_rows", counted)
    for _ in range(3):
        model(torch.arange(40)).sum().backward()
    assert asked == [6, 8, 8, 8]  # the features, and each step what layer 1 gives


@pytest.mark.parametrize("directed", [False, True])
def test_a_table_s_edges_lead_both_ways_or_one(directed):
    """By hand: a - b, b - c, and c to itself."""
    ids = np.array(["a", "b", "c"], dtype=object)
    weight = np.array([1.0, 2.0, 4.0], np.float32)
    source, target = np.array([0, 1, 2]), np.array([1, 2, 2])
    table = GraphTable(ids, source, target, directed, weight=weight)
    rows = table.adjacency.incoming
    edges = zip(rows.sources.tolist(), rows.targets.tolist(), strict=True)
    assert table.edge_weight is not None
    found = dict(zip(edges, table.edge_weight[rows.edges].tolist(), strict=True))
    one_way = {(0, 1): 1.0, (1, 2): 2.0, (2, 2): 4.0}
    back = {} if directed else {(1, 0): 1.0, (2, 1): 2.0}
    assert found == one_way | back
    on_disk = table.having(max_bytes=0).adjacency.incoming
    for name in ("offsets", "sources", "edges"):
        assert torch.equal(getattr(on_disk, name), getattr(rows, name))


@pytest.mark.parametrize("nodes", [4, 2**31])
def test_more_than_int32_counts_is_refused(nodes):
    ends = torch.zeros(1, dtype=torch.int32).expand(2**31 if nodes == 4 else 1)
    with pytest.raises(DataError, match="fewer than 2\\^31 nodes and edges"):
        Adjacency.between(ends, ends, nodes)


@pytest.mark.parametrize("rows", [3, 5])
def test_a_sum_wants_a_row_for_each_node(rows):
    graph = Adjacency.of(torch.tensor([[0, 1], [1, 2]]), 4)
    with pytest.raises(ValueError, match="a row for each of 4 nodes"):
        aggregate_with_self(torch.ones(rows, 2), graph, torch.tensor(1.0))


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_sum_and_a_node_s_own_part_have_the_slopes_of_both(dtype, kept):
    torch.manual_seed(0)
    ends = torch.randint(0, 40, (2, 300))
    ends[1] %= 25  # edges lead to 25 of 40 nodes
    graph = replace(Adjacency.between(ends[0], ends[1], 25), num_sources=40)
    x = torch.randn(40, 8).to(dtype)
    share = torch.tensor(1.3, requires_grad=True)
    if kept:
        graph = CachedAggregation.with_features(graph, x)
    else:
        x.requires_grad_()
    found = aggregate_with_self(x, graph, share)
    wanted = share * x[:25] + aggregate(x, graph, "sum")
    loose: dict[str, Any] = {}
    if dtype == torch.bfloat16:
        loose = {"atol": 0.1, "rtol": 0.02}
    torch.testing.assert_close(found, wanted.to(dtype), **loose)
    g = torch.randn(25, 8).to(dtype)
    given = (share,) if kept else (share, x)
    ours = torch.autograd.grad(found, given, g)
    theirs = torch.autograd.grad(wanted, given, g.to(wanted.dtype))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other.to(one.dtype), **loose)
    if isinstance(graph, CachedAggregation):
        assert torch.equal(graph.sums["sum"], aggregate(x, graph.whole, "sum"))
