"""Layout of a plot, and selection of what it shows."""

import networkx as nx
import numpy as np
import pytest
import torch

from vicinal.core.text import class_label
from vicinal.graphs.explain.graph_plot import free_position, layout_nodes
from vicinal.graphs.explain.plot_selection import add_shortest_paths
from vicinal.graphs.sparse.adjacency import Adjacency


def test_path_is_laid_out_with_equal_distances():
    edges = np.array([[0, 1], [1, 2], [2, 3], [3, 4]])
    positions = layout_nodes(5, edges)
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    steps = np.abs(np.arange(5)[:, None] - np.arange(5))
    assert distances == pytest.approx(steps * distances[0, 1], rel=0.05)
    assert np.array_equal(positions, layout_nodes(5, edges))


def test_components_are_apart_but_not_far():
    positions = layout_nodes(4, np.array([[0, 1], [2, 3]]))
    near = np.linalg.norm(positions[0] - positions[1])
    far = np.linalg.norm(positions[0] - positions[2])
    assert near < far < 5 * near
    assert layout_nodes(1, np.zeros((0, 2), int)).shape == (1, 2)


@pytest.mark.parametrize("count", range(1, 8))
@pytest.mark.parametrize("kind", [nx.path_graph, nx.cycle_graph, nx.complete_graph])
def test_small_and_dense_graphs_have_distinct_positions(kind, count):
    edges = [(a, b) for a, b in kind(count).edges if a != b]
    positions = layout_nodes(count, np.array(edges, int).reshape(-1, 2))
    assert positions.shape == (count, 2)
    assert len(np.unique(positions.round(6), axis=0)) == count


def test_selected_nodes_are_connected_by_shortest_paths():
    ends = torch.tensor([[0, 1, 2, 0, 5, 3], [1, 2, 3, 5, 3, 4]])
    edge_index = torch.cat([ends, ends.flip(0)], dim=1)
    graph = Adjacency.from_edge_index(edge_index, 8)
    nodes, parents = add_shortest_paths(graph, 0, [4, 7])
    assert nodes[0] == 0 and nodes[-1] == 7  # 7 is unreachable
    assert set(nodes) == {0, 5, 3, 4, 7} and parents[4] == 3 and parents[3] == 5
    assert 7 not in parents


def test_edge_labels_avoid_what_is_already_there():
    a, b = np.zeros(2), np.array([1.0, 0.0])
    position = free_position(a, b, np.array([[0.5, 0.0], a, b]))
    assert position[1] == 0 and 0.2 <= min(position[0], 1 - position[0]) <= 0.3


@pytest.mark.parametrize("name", ["2", "2.5", "-1", "1e3", "7a", "x.1", "nan", "²"])
def test_class_named_by_a_number_is_called_a_class(name):
    is_number = name in ("2", "2.5", "-1", "1e3")
    assert class_label(name) == (f"class {name}" if is_number else name)
