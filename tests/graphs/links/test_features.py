"""Pair features equal numbers computed by hand."""

import networkx as nx
import numpy as np

from vicinal.graphs.links import features
from vicinal.graphs.links.features import (
    FEATURE_NAMES,
    RELATION_FEATURE_NAMES,
    adjacency_matrix,
    pair_features,
    relation_pair_features,
)


def test_heuristics_by_hand():
    # a square 0-1-2-3 with a tail 3-4
    edges = np.array([[0, 1], [1, 2], [2, 3], [0, 3], [3, 4]])
    pairs = np.array([[0, 2], [1, 3], [0, 4], [1, 4]])
    scores = pair_features(5, edges, pairs).heuristics
    assert scores["common neighbours"].tolist() == [2, 2, 1, 0]
    adamic_adar = [1 / np.log(2) + 1 / np.log(3), 2 / np.log(2), 1 / np.log(3), 0]
    np.testing.assert_allclose(scores["Adamic-Adar"], adamic_adar)
    a = adjacency_matrix(5, edges).toarray()
    powers = [0.005**k * np.linalg.matrix_power(a, k) for k in range(1, 5)]
    katz = np.sum(powers, axis=0)
    expected = [katz[u, v] for u, v in pairs]
    np.testing.assert_allclose(scores["Katz"], expected, atol=1e-9)


def test_blocks_of_rows_do_not_change_the_features(monkeypatch):
    edges = np.array(nx.gnm_random_graph(60, 200, seed=0).edges)
    pairs = np.array(
        [[u, v] for u in range(0, 60, 3) for v in range(1, 60, 7) if u != v]
    )
    whole = pair_features(60, edges, pairs)
    monkeypatch.setattr(features, "ROWS_PER_BLOCK", 4)
    blocks = pair_features(60, edges, pairs)
    np.testing.assert_allclose(blocks.features, whole.features, atol=1e-9)


def test_relation_features_by_hand():
    # by the first relation a path 0 - 1 - 2; by the second 0 - 2 and 1 - 2
    edges = np.array([[0, 1, 0], [1, 2, 0], [0, 2, 1], [1, 2, 1]])
    pairs = np.array([[0, 2, 0], [1, 2, 0], [1, 2, 1], [0, 1, 1]])
    found = relation_pair_features(4, edges, pairs).features
    triangle = np.array([[0, 1], [0, 2], [1, 2]])
    whole = pair_features(4, triangle, pairs[:, :2]).features
    # the triangle has equal eigenvalues: its low-rank entries are not unique
    unique = [k for k, name in enumerate(FEATURE_NAMES[:-1]) if "low rank" not in name]
    np.testing.assert_allclose(found[:, unique], whole[:, unique])
    own = found[:, whole.shape[1] :]
    assert own.shape[1] == len(RELATION_FEATURE_NAMES)
    # each pair has one edge of the other relation
    np.testing.assert_allclose(own[:, 0], np.log1p([1, 1, 1, 1]))
    first = pair_features(4, edges[:2, :2], pairs[:2, :2], low_rank=False).features
    second = pair_features(4, edges[2:, :2], pairs[2:, :2], low_rank=False).features
    np.testing.assert_allclose(own[:, 1:], np.concatenate([first, second]))
    # 0 and 2 have a common neighbour by the first relation, 0 and 1 by the second
    common = RELATION_FEATURE_NAMES.index("common neighbours, of this relation")
    np.testing.assert_allclose(own[[0, 3], common], np.log1p([1, 1]))
