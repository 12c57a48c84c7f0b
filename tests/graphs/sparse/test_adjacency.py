"""Adjacency: the order of edges, self-loops, storage on disk, invalid edges."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vicinal.errors import DataError
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.sparse.adjacency import Adjacency


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


def test_edge_ids_point_to_the_original_order():
    adjacency = Adjacency.from_edge_index(torch.tensor([[3, 0, 3, 1], [1, 1, 0, 1]]), 4)
    assert adjacency.num_nodes == 4 and adjacency.num_edges == 4
    incoming, outgoing = adjacency.incoming, adjacency.outgoing
    assert incoming.indptr.tolist() == [0, 1, 4, 4, 4]
    assert incoming.indices.tolist() == [3, 3, 0, 1]
    assert incoming.edge_ids.tolist() == [2, 0, 1, 3]
    assert incoming.row_indices.tolist() == [0, 1, 1, 1]
    assert outgoing.indptr.tolist() == [0, 1, 2, 2, 4]
    assert outgoing.indices.tolist() == [1, 1, 0, 1]
    assert incoming.indices.dtype == incoming.indptr.dtype == torch.int32


def test_edges_of_unknown_nodes_are_rejected():
    edge_index = torch.tensor([[0, 1], [1, 2]])
    with pytest.raises(DataError, match=r"from 0 to 1. Got 2"):
        Adjacency.from_edge_index(edge_index, 2)
    with pytest.raises(DataError, match="Got -1"):
        Adjacency.from_edge_index(edge_index - 1, 3)


@pytest.mark.parametrize("edges_per_sort", [1, 7, 1 << 24])
@given(graphs())
@settings(max_examples=40, deadline=None)
def test_storage_on_disk_gives_the_same_adjacency(edges_per_sort, graph):
    edge_index, n = graph
    expected = Adjacency.from_edge_index(edge_index, n)
    lacking = [expected.lacks_self_loop, expected.with_self_loops.lacks_self_loop]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vicinal.graphs.sparse.adjacency.EDGES_PER_SORT", edges_per_sort)
        actual = Adjacency.from_coo(edge_index[0], edge_index[1], n, max_bytes=0)
        pairs = (actual, expected), (actual.with_self_loops, expected.with_self_loops)
        for (one, other), lacks_self_loop in zip(pairs, lacking, strict=True):
            for side in ("incoming", "outgoing"):
                for name in ("indptr", "indices", "edge_ids"):
                    a, b = (getattr(getattr(g, side), name) for g in (one, other))
                    assert torch.equal(a, b)
            assert torch.equal(one.lacks_self_loop, lacks_self_loop)
    loops = edge_index[0][edge_index[0] == edge_index[1]].tolist()
    assert lacking[0][:, 0].tolist() == [float(k not in loops) for k in range(n)]


@pytest.mark.parametrize("directed", [False, True])
def test_undirected_edges_of_a_table_lead_both_ways(directed):
    """By hand: a - b, b - c, and a self-loop at c."""
    ids = np.array(["a", "b", "c"], dtype=object)
    weight = np.array([1.0, 2.0, 4.0], np.float32)
    source, target = np.array([0, 1, 2]), np.array([1, 2, 2])
    table = GraphTable(ids, source, target, directed, weight=weight)
    rows = table.adjacency.incoming
    edges = zip(rows.indices.tolist(), rows.row_indices.tolist(), strict=True)
    assert table.edge_weight is not None
    weights = table.edge_weight[rows.edge_ids].tolist()
    forward = {(0, 1): 1.0, (1, 2): 2.0, (2, 2): 4.0}
    backward = {} if directed else {(1, 0): 1.0, (2, 1): 2.0}
    assert dict(zip(edges, weights, strict=True)) == forward | backward
    on_disk = table.replace(max_bytes=0).adjacency.incoming
    for name in ("indptr", "indices", "edge_ids"):
        assert torch.equal(getattr(on_disk, name), getattr(rows, name))


@pytest.mark.parametrize("nodes", [4, 2**31])
def test_more_nodes_or_edges_than_int32_are_rejected(nodes):
    ends = torch.zeros(1, dtype=torch.int32).expand(2**31 if nodes == 4 else 1)
    with pytest.raises(DataError, match="fewer than 2\\^31 nodes and edges"):
        Adjacency.from_coo(ends, ends, nodes)
