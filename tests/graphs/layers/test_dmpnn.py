"""D-MPNN equals its equations, edge by edge, in any numbering."""

import pytest
import torch
from torch import Tensor

from vicinal.errors import DataError
from vicinal.graphs.layers.dmpnn import DMPNN, reverse_edges
from vicinal.graphs.sparse.adjacency import Adjacency

NODES, IN, EDGE, HIDDEN = 7, 5, 3, 4
PAIRS = [(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (5, 4)]  # node 6 is isolated


def sample() -> tuple[Tensor, Tensor, Tensor]:
    """Return x, edge_index and edge_attr of a graph in both directions."""
    torch.manual_seed(0)
    pairs = torch.tensor(PAIRS + [(v, u) for u, v in PAIRS])
    pairs = pairs[torch.randperm(len(pairs))]
    x = torch.randn(NODES, IN)
    return x, pairs.T.contiguous(), torch.randn(len(pairs), EDGE)


def by_hand(layer: DMPNN, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
    """Return the nodes [N, hidden] by the equations of the paper."""
    edges = [(int(u), int(v)) for u, v in edge_index.T]
    e = dict(zip(edges, edge_attr, strict=True))
    w_i, w_m = layer.input.weight, layer.message.weight
    first = {(v, w): w_i @ torch.cat([x[v], e[v, w]]) for v, w in edges}
    h = {edge: torch.relu(value) for edge, value in first.items()}
    zero = torch.zeros(layer.output.out_features)
    for _ in range(layer.steps):
        m = {
            (v, w): sum((h[k, u] for k, u in edges if u == v and k != w), zero)
            for v, w in edges
        }
        h = {edge: torch.relu(first[edge] + w_m @ m[edge]) for edge in edges}
    rows = []
    for v in range(len(x)):
        total = sum((h[k, u] for k, u in edges if u == v), zero)
        rows.append(torch.relu(layer.output(torch.cat([x[v], total]))))
    return torch.stack(rows)


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_it_equals_the_equations(steps):
    x, edge_index, edge_attr = sample()
    layer = DMPNN(IN, EDGE, HIDDEN, steps)
    graph = Adjacency.from_edge_index(edge_index, NODES)
    found = layer(x, graph, edge_attr)
    torch.testing.assert_close(found, by_hand(layer, x, edge_index, edge_attr))


def test_the_numbering_of_nodes_and_edges_does_not_matter():
    x, edge_index, edge_attr = sample()
    layer = DMPNN(IN, EDGE, HIDDEN)
    before = layer(x, Adjacency.from_edge_index(edge_index, NODES), edge_attr)
    nodes, edges = torch.randperm(NODES), torch.randperm(len(edge_attr))
    renamed = nodes.argsort()[edge_index][:, edges]
    graph = Adjacency.from_edge_index(renamed, NODES)
    after = layer(x[nodes], graph, edge_attr[edges])
    torch.testing.assert_close(after, before[nodes])


def test_a_message_does_not_return_by_its_edge():
    """On one edge nothing is ever received back: all steps are equal."""
    edge_index, edge_attr = torch.tensor([[0, 1], [1, 0]]), torch.randn(2, EDGE)
    x, graph = torch.randn(2, IN), Adjacency.from_edge_index(edge_index, 2)
    layer = DMPNN(IN, EDGE, HIDDEN, steps=1)
    one = layer(x, graph, edge_attr)
    layer.steps = 5
    torch.testing.assert_close(layer(x, graph, edge_attr), one)


def test_gradients_are_those_of_finite_differences():
    x, edge_index, edge_attr = sample()
    layer = DMPNN(IN, EDGE, HIDDEN).double()
    graph = Adjacency.from_edge_index(edge_index, NODES)
    inputs = tuple(t.double().requires_grad_() for t in (x, edge_attr))
    assert torch.autograd.gradcheck(lambda a, b: layer(a, graph, b), inputs)


def test_edges_need_their_reverse():
    graph = Adjacency.from_edge_index(torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), 3)
    reverse = reverse_edges(graph)
    assert torch.equal(graph.incoming.indices[reverse], graph.incoming.row_indices)
    for pairs in ([[0], [1]], [[0, 1, 0, 1], [1, 0, 1, 0]], [[0, 1, 1], [1, 0, 2]]):
        with pytest.raises(DataError, match="once in each direction"):
            reverse_edges(Adjacency.from_edge_index(torch.tensor(pairs), 3))
    empty = Adjacency.from_edge_index(torch.zeros(2, 0, dtype=torch.int64), 3)
    assert reverse_edges(empty).shape == (0,)
    assert DMPNN(IN, EDGE, HIDDEN)(
        torch.randn(3, IN), empty, torch.zeros(0, EDGE)
    ).shape
