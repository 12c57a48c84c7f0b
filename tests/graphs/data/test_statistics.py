"""Statistics of a graph, computed by hand."""

import numpy as np
import pandas as pd
import pytest

from vicinal.graphs.data.read import read_graph
from vicinal.graphs.data.statistics import graph_statistics


def test_the_homophily_of_a_star_by_hand():
    """Three of six ends of edges are a, two are b, one is c; a - b is no match."""
    nodes = pd.DataFrame({"id": list("wxyz"), "label": ["a", "b", "b", "c"]})
    edges = pd.DataFrame({"source": ["w"] * 3, "target": list("xyz")})
    found = graph_statistics(read_graph(nodes, edges=edges))
    assert found.homophily == 0.0
    assert found.expected_homophily == pytest.approx((3**2 + 2**2 + 1) / 6**2)
    assert (found.num_nodes, found.num_edges, found.components) == (4, 3, 1)
    assert found.degree == (1, 1.0, 3)


def test_self_loops_and_isolated_nodes_are_counted():
    nodes = pd.DataFrame({"id": list("wxyz"), "label": ["a", "a", "b", None]})
    edges = pd.DataFrame({"source": ["w", "y"], "target": ["x", "y"]})
    found = graph_statistics(read_graph(nodes, edges=edges))
    assert (found.self_loops, found.isolated_nodes, found.components) == (1, 2, 3)
    assert (found.num_labelled, found.homophily) == (3, 1.0)
    assert found.expected_homophily == 1.0
    assert np.isclose(found.degree[1], 0.5)
