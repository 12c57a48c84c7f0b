"""Explanations for pairs: contributions of features, and common neighbours."""

from typing import Any

import networkx as nx
import numpy as np
import pytest

from vicinal.graphs.explain.graph_plot import MAX_NODES
from vicinal.graphs.explain.pair_contributions import (
    HELD_OUT_EDGE,
    NO_EDGE,
    OTHER_RELATION,
    TRAINING_EDGE,
    Pair,
    PairExplanation,
    plot_pair,
)
from vicinal.graphs.link_predictor import LinkPredictor


def make_pair(
    graph: nx.Graph,
    ends: tuple[int, int],
    is_edge: bool = False,
    is_training_edge: bool = False,
) -> Pair:
    ids = np.array([f"n{k}" for k in range(len(graph))], dtype=object)
    edges = np.array(graph.edges)
    return Pair(ends, None, is_edge, is_training_edge, ids, edges)


def test_plot_shows_the_common_neighbors():
    graph = nx.Graph([(0, 2), (1, 2), (0, 3), (1, 3), (3, 4), (3, 5), (0, 6), (2, 3)])
    plot = plot_pair(make_pair(graph, (0, 1)))
    assert plot.names == ["n0", "n1", "n2", "n3"] and plot.highlighted == (0, 1)
    adamic_adar = 1 / np.log([3, 5])  # their degrees
    assert plot.node_sizes[2:] == pytest.approx(adamic_adar / adamic_adar[0])
    drawn = {frozenset(edge) for edge in plot.edges.tolist()}
    expected = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    assert drawn == set(map(frozenset, expected))
    assert plot.legend == [NO_EDGE] and plot.edge_styles[0] == NO_EDGE.style


def test_legend_says_what_the_edge_is():
    graph = nx.Graph([(0, 2), (1, 2), (0, 1)])
    assert plot_pair(make_pair(graph, (0, 1), True, True)).legend == [TRAINING_EDGE]
    assert plot_pair(make_pair(graph, (0, 1), True)).legend == [HELD_OUT_EDGE]
    assert plot_pair(make_pair(graph, (0, 1))).legend == [OTHER_RELATION]
    graph.remove_edge(0, 1)
    assert plot_pair(make_pair(graph, (1, 0), True)).legend == [HELD_OUT_EDGE]


def test_plot_without_common_neighbors_shows_a_shortest_path():
    graph = nx.path_graph(5)
    graph.add_nodes_from([5, 6])
    plot = plot_pair(make_pair(graph, (4, 0)))
    assert plot.names == ["n4", "n0", "n3", "n2", "n1"]
    assert "a shortest path" in plot.caption and len(plot.edges) == 5
    plot = plot_pair(make_pair(graph, (0, 6)))
    assert plot.names == ["n0", "n6"] and "no path connects" in plot.caption
    plot = plot_pair(make_pair(graph, (0, 1), True, True))
    assert plot.names == ["n0", "n1"] and plot.caption == "no common neighbours"


def test_long_shortest_path_is_not_drawn():
    plot = plot_pair(make_pair(nx.path_graph(400), (0, 399)))
    assert plot.names == ["n0", "n399"] and "has 399 steps" in plot.caption


def test_plot_shows_at_most_max_nodes_common_neighbors():
    count = MAX_NODES + 5
    edges = [(end, node) for node in range(2, 2 + count) for end in (0, 1)]
    plot = plot_pair(make_pair(nx.Graph(edges), (0, 1)))
    assert len(plot.names) == 2 + MAX_NODES == len(plot.node_sizes)
    assert "5 smaller neighbours not drawn" in plot.caption


def test_probability_of_an_edge_is_explained(block_tables):
    nodes, edges = block_tables()
    model = LinkPredictor().fit(nodes, edges=edges)
    source, target = edges.iloc[0, :2].astype(str)
    explanation = model.explain(source, target)
    result = explanation.result
    assert isinstance(result, PairExplanation)
    percent = f"{100 * explanation.score:.1f} %"
    title = f"{source} - {target}: {percent} probability of an edge (already an edge)"
    assert explanation.title.startswith(title)
    probability = 1 / (1 + np.exp(-result.log_odds))
    predicted = model.predict_proba([(source, target)])[0]
    assert probability == pytest.approx(predicted, abs=1e-5)
    text = repr(explanation)
    assert f"{result.log_odds:+.3f}" in text and "np.float" not in text
    figure: Any = explanation.draw()
    assert {source, target} <= {text.get_text() for text in figure.axes[0].texts}
    page = explanation.html()
    assert "<svg" in page and all(c.name in page for c in result.contributions)
