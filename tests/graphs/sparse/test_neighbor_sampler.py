"""Neighbour sampling is unbiased, and exact where no neighbour is left out."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vicinal.graphs.layers.gcn import gcn_aggregate
from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.graphs.sparse.aggregation import aggregate
from vicinal.graphs.sparse.neighbor_sampler import (
    NeighborSampler,
    sample_without_replacement,
)


def random_graph(
    seed: int = 0, nodes: int = 60, edges: int = 400
) -> tuple[Adjacency, Tensor]:
    """Return a graph with self-loops, duplicates, isolated nodes; and edge weights."""
    g = torch.Generator().manual_seed(seed)
    ends = torch.randint(0, nodes - 3, (2, edges), generator=g)
    weight = torch.rand(edges, generator=g) + 0.1
    return Adjacency.from_edge_index(ends, nodes), weight


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=30),
    st.integers(1, 12),
    st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_samples_are_distinct_and_in_range(degrees, count, seed):
    torch.manual_seed(seed)
    drawn = sample_without_replacement(torch.tensor(degrees), count)
    assert drawn.shape == (len(degrees), count)
    for degree, row in zip(degrees, drawn.tolist(), strict=True):
        if degree <= count:
            assert row == list(range(count))
        else:
            assert len(set(row)) == count and 0 <= min(row) and max(row) < degree


def test_every_subset_is_equally_likely():
    torch.manual_seed(0)
    draws = 60_000
    drawn = sample_without_replacement(torch.full((draws,), 6), 3).sort(dim=1).values
    sets, counts = np.unique(drawn.numpy(), axis=0, return_counts=True)
    assert len(sets) == 20  # 6 choose 3
    expected = draws / 20
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert (
        chi_square < 43.8
    )  # the 0.1 % tail of the distribution with 19 degrees of freedom


def test_a_block_holds_edges_of_the_graph_and_no_others():
    graph, weight = random_graph()
    sampler, rows = NeighborSampler(graph, weight), torch.tensor([7, 3, 58, 40])
    torch.manual_seed(0)
    block = sampler.sample_block(rows, 4)
    assert block.nodes[:4].tolist() == rows.tolist()
    assert len(block.nodes.unique()) == len(block.nodes) == block.num_sources
    assert block.incoming.degrees.max() == 4 and block.incoming.degrees[2] == 0
    positions = block.edge_positions
    assert len(positions.unique()) == len(positions)
    sampled, whole = block.incoming, graph.incoming
    sources = block.nodes[sampled.indices.long()]
    assert torch.equal(sources, whole.indices[positions].long())
    targets = block.nodes[sampled.row_indices.long()]
    assert torch.equal(targets, whole.row_indices[positions].long())
    edge_ids = whole.edge_ids[positions].long()
    assert block.edge_weight is not None
    assert torch.equal(block.edge_weight, weight[edge_ids])


def test_a_seed_repeats_a_sample_and_another_does_not():
    sampler, rows = NeighborSampler(random_graph()[0]), torch.arange(20)

    def positions(seed: int) -> list[list[int]]:
        torch.manual_seed(seed)
        blocks = sampler.sample_blocks(rows, (3, 2))
        return [block.edge_positions.tolist() for block in blocks]

    assert positions(1) == positions(1) != positions(2)


def test_each_block_ends_where_the_next_begins():
    sampler, rows = NeighborSampler(random_graph()[0]), torch.tensor([5, 9])
    first, second = sampler.sample_blocks(rows, (3, 2))
    assert second.nodes[:2].tolist() == rows.tolist()
    assert torch.equal(first.nodes[: len(second.nodes)], second.nodes)
    assert first.num_nodes == second.num_sources


@pytest.mark.parametrize("weighted", [False, True])
def test_aggregations_of_samples_are_unbiased(weighted):
    graph, weight = random_graph(nodes=20, edges=200)
    edge_weight, x = weight if weighted else None, torch.randn(20, 2)
    sampler, rows = NeighborSampler(graph, edge_weight), torch.arange(20)
    draws = 1000
    functions = {
        "sum": lambda x, g, w: aggregate(x, g, "sum", w),
        "mean": lambda x, g, w: aggregate(x, g, "mean", w),
        "gcn": gcn_aggregate,
    }
    torch.manual_seed(0)
    samples: dict[str, list[Tensor]] = {name: [] for name in functions}
    for _ in range(draws):
        block = sampler.sample_block(rows, 3)
        for name, function in functions.items():
            samples[name].append(function(x[block.nodes], block, block.edge_weight))
    for name, function in functions.items():
        values = torch.stack(samples[name])
        error = (values.mean(dim=0) - function(x, graph, edge_weight)).abs()
        standard_error = values.std(dim=0) / draws**0.5
        assert (error <= 5 * standard_error + 1e-5).all(), name
        assert standard_error.max() > 0.001, name  # the samples did differ


def test_gradients_of_sums_over_a_block():
    graph, weight = random_graph()
    block = NeighborSampler(graph, weight).sample_block(torch.arange(10), 3)
    x = torch.randn(block.num_sources, 4, dtype=torch.float64, requires_grad=True)
    w = torch.rand(block.num_edges, dtype=torch.float64, requires_grad=True)

    def total(x: Tensor, w: Tensor) -> Tensor:
        return aggregate(x, block, "sum", w)

    assert torch.autograd.gradcheck(total, (x, w))
