"""Aggregation: against plain Python, its laws, and convolution as a special case."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.ops.aggregation import REDUCE, aggregate, gather, grid_edges
from vicinal.ops.convolution import convolve
from vicinal.ops.pooling import global_average_pool

sweep = settings(max_examples=60, deadline=None, database=None)
reduces = st.sampled_from(sorted(REDUCE))


@st.composite
def graphs(draw):
    """Draw a graph: x [N, F] and edge_index [2, E], loops and doubles included."""
    num_nodes, features = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    node = st.integers(0, num_nodes - 1)
    edges = draw(st.lists(st.tuples(node, node), max_size=12))
    edge_index = torch.tensor(edges, dtype=torch.long).reshape(-1, 2).T
    return torch.randn(num_nodes, features, dtype=torch.float64), edge_index


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def in_plain_python(messages, target, num_nodes, reduce):
    """Say the same with lists and loops."""
    combine = {"sum": sum, "mean": lambda v: sum(v) / len(v), "max": max}[reduce]
    rows = []
    for node in range(num_nodes):
        got = [m for m, t in zip(messages, target, strict=True) if t == node]
        columns = zip(*got, strict=True) if got else [[0.0]] * len(messages[0])
        rows.append([combine(list(column)) for column in columns])
    return rows


@sweep
@given(graphs().filter(lambda graph: graph[1].numel()), reduces)
def test_equals_plain_python(graph, reduce):
    x, edge_index = graph
    messages, target = gather(x, edge_index), edge_index[1]
    rows = in_plain_python(messages.tolist(), target.tolist(), len(x), reduce)
    expected = torch.tensor(rows, dtype=torch.float64)
    close(aggregate(messages, target, len(x), reduce), expected)


def test_by_hand():
    # Edges 0 -> 2, 1 -> 2 and 2 -> 0; nobody talks to 1.
    x = torch.tensor([[1.0, -5], [2, -7], [3, -9]])
    edge_index = torch.tensor([[0, 1, 2], [2, 2, 0]])
    messages, target = gather(x, edge_index), edge_index[1]
    assert messages.tolist() == [[1, -5], [2, -7], [3, -9]]
    y = {reduce: aggregate(messages, target, 3, reduce).tolist() for reduce in REDUCE}
    assert y["sum"] == [[3, -9], [0, 0], [3, -12]]
    assert y["mean"] == [[3, -9], [0, 0], [1.5, -6]]
    # Below zero the maximum is still a neighbour's, not the zero of the empty node.
    assert y["max"] == [[3, -9], [0, 0], [2, -5]]


@sweep
@given(graphs(), reduces, st.randoms())
def test_aggregation_is_equivariant_to_node_permutations(graph, reduce, random):
    x, edge_index = graph
    new = torch.tensor(random.sample(range(len(x)), len(x)))  # new[i]: number of node i
    renumbered = torch.empty_like(x)
    renumbered[new] = x
    y = aggregate(gather(x, edge_index), edge_index[1], len(x), reduce)
    z = aggregate(
        gather(renumbered, new[edge_index]), new[edge_index[1]], len(x), reduce
    )
    close(z[new], y)


@sweep
@given(graphs(), reduces, st.randoms())
def test_aggregation_is_invariant_to_edge_order(graph, reduce, random):
    x, edge_index = graph
    edges = edge_index.shape[1]
    shuffled = edge_index[:, torch.tensor(random.sample(range(edges), edges)).long()]
    y, z = (
        aggregate(gather(x, e), e[1], len(x), reduce) for e in (edge_index, shuffled)
    )
    close(y, z)


@sweep
@given(graphs())
def test_mean_times_count_is_sum(graph):
    x, edge_index = graph
    messages, target = gather(x, edge_index), edge_index[1]
    count = torch.bincount(target, minlength=len(x))[:, None]
    mean = aggregate(messages, target, len(x), "mean")
    close(mean * count, aggregate(messages, target, len(x), "sum"))


@sweep
@given(graphs(), reduces)
def test_a_weight_multiplies_its_message(graph, reduce):
    x, edge_index = graph
    messages, target = gather(x, edge_index), edge_index[1]
    weight = torch.randn(len(target), dtype=torch.float64)
    weighted = aggregate(messages, target, len(x), reduce, weight)
    close(weighted, aggregate(messages * weight[:, None], target, len(x), reduce))


@pytest.mark.parametrize("reduce", REDUCE)
def test_messages_can_have_heads(reduce):
    messages, target = torch.randn(5, 2, 3), torch.tensor([0, 2, 2, 0, 2])
    weight = torch.rand(5)
    y = aggregate(messages, target, 3, reduce, weight)  # [3, 2, 3]
    head = aggregate(messages[:, 1], target, 3, reduce, weight)
    assert torch.equal(y[:, 1], head)


@pytest.mark.parametrize("reduce", REDUCE)
def test_gradients_equal_finite_differences(reduce):
    messages = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(6, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0, 0, 2, 2, 2, 3])
    assert torch.autograd.gradcheck(
        lambda m, w: aggregate(m, target, 5, reduce, w), (messages, weight)
    )


def test_graph_pooling_is_aggregation_by_batch():
    # Two graphs of the same size, so that each is also an image of 1 x 4 pixels.
    x, batch = torch.randn(8, 3), torch.arange(2).repeat_interleave(4)
    images = x.reshape(2, 1, 4, 3).permute(0, 3, 1, 2)  # [N, C, H, W]
    pooled = aggregate(x, batch, 2, "mean")
    torch.testing.assert_close(pooled, global_average_pool(images))


small = st.integers(1, 4)


@sweep
@given(st.tuples(small, small), st.tuples(small, small), small, st.booleans())
def test_a_convolution_is_aggregation_on_a_grid(size, kernel, dilation, wrap):
    """One weight matrix per relative position, the messages summed: that is all."""
    (height, width), (kh, kw) = size, kernel
    height, width = height + 6, width + 6  # circular padding may not wrap twice
    x = torch.randn(1, 2, height, width, dtype=torch.float64)
    weight = torch.randn(3, 2, kh, kw, dtype=torch.float64)

    edge_index, relation = grid_edges(
        height, width, kernel, dilation=dilation, wrap=wrap
    )
    nodes = x[0].flatten(1).T  # [H * W, C_in]
    matrices = weight.flatten(2)[..., relation]  # [C_out, C_in, E]
    messages = torch.einsum("oce,ec->eo", matrices, gather(nodes, edge_index))
    y = aggregate(messages, edge_index[1], len(nodes))  # [H * W, C_out]

    mode = "circular" if wrap else "zeros"
    expected = convolve(x, weight, padding="same", dilation=dilation, padding_mode=mode)
    close(y.T.reshape(expected.shape), expected)


def test_grid_edges_by_hand():
    # Two pixels side by side, kernel 1 x 3: each sees itself (1), the left one sees
    # its neighbour on the right (2), the right one its neighbour on the left (0).
    edge_index, relation = grid_edges(1, 2, (1, 3))
    edges = {*zip(*edge_index.tolist(), relation.tolist(), strict=True)}
    assert edges == {(0, 0, 1), (1, 1, 1), (1, 0, 2), (0, 1, 0)}


def test_error_messages():
    messages, target = torch.ones(3, 2), torch.tensor([0, 1, 1])
    with pytest.raises(ValueError, match=r"reduce must be one of 'sum', .*'median'"):
        aggregate(messages, target, 2, "median")
    with pytest.raises(ValueError, match=r"target must have one .*\[3\]\. Got \[2\]"):
        aggregate(messages, target[:2], 2)
    with pytest.raises(ValueError, match=r"weight must have one .*Got \[3, 1\]"):
        aggregate(messages, target, 2, weight=torch.ones(3, 1))
    for reduce in REDUCE:
        with pytest.raises((IndexError, RuntimeError), match="index"):
            aggregate(messages, target, 1, reduce)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_a_mean_of_many_small_numbers_in_half_precision(kind):
    messages = torch.full((4000, 2), 0.01, dtype=kind)
    target = torch.zeros(4000, dtype=torch.long)
    mean = aggregate(messages, target, 2, "mean")
    assert mean.dtype == kind
    torch.testing.assert_close(mean[0], messages[0], rtol=0.01, atol=0)
    assert mean[1].tolist() == [0, 0]
