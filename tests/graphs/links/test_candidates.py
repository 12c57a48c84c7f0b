"""The number of candidates for new edges is linear in the edges."""

import networkx as nx
import numpy as np
import pytest

from vicinal.graphs.data.read import read_graph
from vicinal.graphs.links.candidates import candidate_pairs, two_hop_pairs


def as_set(pairs: np.ndarray) -> set[tuple[int, ...]]:
    return set(map(tuple, pairs.tolist()))


def test_candidates_have_a_common_neighbour():
    graph = nx.gnm_random_graph(40, 90, seed=0)
    pairs, notes = two_hop_pairs(40, np.array(graph.edges), limit=10**6)
    expected = {
        (u, v) for u in graph for v in graph if u < v and set(graph[u]) & set(graph[v])
    }
    assert as_set(pairs) == expected and len(pairs) == len(expected) and not notes


def test_the_neighbours_of_highest_degree_of_a_hub_are_paired():
    # a hub 0 with 20 neighbours, of which 1 to 4 have a neighbour more
    edges = np.array(
        [[0, k] for k in range(1, 21)] + [[k, 20 + k] for k in range(1, 5)]
    )
    pairs, (note,) = two_hop_pairs(25, edges, limit=14)
    # 5 of them have 10 pairs, and 1 to 4 have one each: 14; with 6 there would be 19
    best = {(u, v) for u in range(1, 5) for v in range(u + 1, 6)}
    assert as_set(pairs) == best | {(0, k) for k in range(21, 25)}
    assert note.startswith("1 node with more than 5 neighbours")


@pytest.mark.parametrize("leaves", [400, 3000])
def test_a_star_has_no_more_candidates_than_a_limit(leaves):
    table = read_graph(nx.star_graph(leaves))
    edges = np.stack([table.source, table.target], axis=1)
    pairs, notes = candidate_pairs(table, edges)
    exact = leaves * (leaves - 1) // 2
    assert len(pairs) == exact if leaves == 400 else len(pairs) <= 100_000 < exact
    assert len(notes) == (leaves == 3000)
