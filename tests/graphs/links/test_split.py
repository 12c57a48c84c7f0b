"""Held-out edges leak nowhere, and negatives are no edges."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from vicinal.errors import DataError
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.links.split import (
    is_edge,
    sample_negative_edges,
    split_links,
    unique_edges,
)


def as_set(pairs: np.ndarray) -> set[tuple[int, ...]]:
    """Return pairs as a set, the smaller row first, with the relation if any."""
    return {(*sorted(map(int, p[:2])), *map(int, p[2:])) for p in pairs}


def with_relations() -> GraphTable:
    """Return 60 nodes with edges of two relations."""
    ends = np.random.default_rng(0).integers(0, 60, (500, 3))
    frame = pd.DataFrame(ends, columns=["u", "v", "kind"])
    frame["kind"] = np.where(frame["kind"] % 3 == 0, "knows", "works_with")
    return read_graph(frame, relation_column="kind")


@pytest.mark.parametrize("relations", [False, True])
def test_splits_are_disjoint_and_negatives_are_no_edges(relations):
    graph = nx.stochastic_block_model([15] * 8, 0.5 * np.eye(8) + 0.01, seed=3)
    table = with_relations() if relations else read_graph(nx.Graph(graph.edges))
    split = split_links(table, 0.1, 0.2, seed=1)
    edges = as_set(unique_edges(table))
    parts = [as_set(part) for part in (split.train, split.val, split.test)]
    assert set.union(*parts) == edges and sum(map(len, parts)) == len(edges)
    assert len(split.test) == round(0.2 * len(edges)) == len(split.test_negatives)
    assert len(split.val) == round(0.1 * len(edges)) == len(split.val_negatives)
    negatives = np.concatenate([split.val_negatives, split.test_negatives])
    assert len(as_set(negatives)) == len(negatives)  # in one of the splits each
    assert not as_set(negatives) & edges


def test_negatives_have_the_relations_of_the_edges():
    table = with_relations()
    split = split_links(table, 0.1, 0.2, seed=3)
    negatives = np.concatenate([split.val_negatives, split.test_negatives])
    ours, edges = (
        np.bincount(p[:, 2]) / len(p) for p in (negatives, unique_edges(table))
    )
    assert abs(ours - edges).max() < 0.16  # 4 standard errors


def test_an_edge_listed_in_both_directions_is_in_one_split():
    """PyG #6946, #9152."""
    rng = np.random.default_rng(0)
    ends = rng.integers(0, 40, (200, 2))
    frame = pd.DataFrame(np.concatenate([ends, ends[:, ::-1]]), columns=["u", "v"])
    split = split_links(read_graph(frame), 0.1, 0.2)
    held_out = as_set(split.val) | as_set(split.test)
    assert not held_out & as_set(split.train)
    assert len(as_set(split.train)) == len(split.train)


def test_negatives_are_distinct_pairs_without_an_edge():
    rng = np.random.default_rng(0)
    pairs = sample_negative_edges(40, np.array([[0, 1]]), 700, False, rng)
    assert len(as_set(pairs)) == 700 and (0, 1) not in as_set(pairs)


def test_another_relation_does_not_make_a_pair_an_edge():
    # relation 0 has the edges 0 - 1 and 1 - 2: of three pairs one is left
    edges, rng = np.array([[0, 1, 0], [1, 2, 0], [0, 2, 1]]), np.random.default_rng(0)
    pairs = sample_negative_edges(3, edges[:2], 1, False, rng)
    assert pairs.tolist() == [[0, 2, 0]]
    with pytest.raises(DataError, match="pairs without an edge are needed"):
        sample_negative_edges(3, edges[:2], 2, False, rng)
    pairs = np.array([[0, 1, 0], [0, 1, 1], [0, 2, 1], [0, 2, 0]])
    assert is_edge(pairs, edges, 3).tolist() == [True, False, True, False]
