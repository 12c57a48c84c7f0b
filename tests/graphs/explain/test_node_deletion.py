"""Node deletion: the effect of a node is the change of the prediction without it."""

from typing import Any

import networkx as nx
import numpy as np
import pytest

from vicinal import load
from vicinal.errors import DataError, NoDataError
from vicinal.graphs.explain.edge_deletion import log_odds
from vicinal.graphs.explain.node_deletion import explain_nodes, remove_nodes
from vicinal.graphs.explain.plot_selection import BLUE, ORANGE
from vicinal.graphs.explain.random_control import NUM_DRAWS
from vicinal.graphs.graph_estimators import GraphClassifier, GraphRegressor


@pytest.fixture(scope="module")
def rings() -> GraphClassifier:
    """The linear baseline on rings, half of them with a chord."""
    graphs, labels = [], []
    for k in range(40):
        graph = nx.cycle_graph(5 + k % 5)
        if k % 2:
            graph.add_edge(0, 2)
        graphs.append(graph)
        labels.append("chord" if k % 2 else "ring")
    return GraphClassifier(network="none").fit(graphs, labels)


@pytest.fixture
def chord(rings) -> Any:
    """The first graph with a chord: a ring of six nodes with the edge 0-2."""
    return rings.data_.select(np.array([1]))


def without_node(graph: nx.Graph, node: int) -> nx.Graph:
    smaller = graph.copy()
    smaller.remove_node(node)
    return smaller


def test_effect_is_the_change_of_the_log_odds(rings, chord):
    result = rings.explain(chord, "chord").result
    k = rings.classes_.tolist().index("chord")
    whole = nx.cycle_graph(6)
    whole.add_edge(0, 2)

    def compute_log_odds(graph: nx.Graph) -> float:
        return log_odds(rings, rings.logits([graph])[0], k)

    expected = [
        compute_log_odds(whole) - compute_log_odds(without_node(whole, node))
        for node in whole
    ]
    assert result.effects == pytest.approx(expected, abs=1e-3)
    top = int(np.abs(result.effects).argmax())
    control = result.random_control
    assert control.num_removed == 1 and control.sign == np.sign(result.effects[top])
    assert control.change == pytest.approx(expected[top], abs=1e-3)
    assert 1 / (NUM_DRAWS + 1) <= control.p <= 1


def test_plot_shows_sign_and_size_of_each_effect(rings, chord):
    explanation = rings.explain(chord, "chord")
    plot, effects = explanation.plot, explanation.result.effects
    assert explanation.verdict in repr(explanation)
    assert len(plot.edges) == 7
    names = [str(name) for name in chord.nodes.ids]
    rows = zip(plot.names, plot.node_colors, plot.node_sizes, strict=True)
    for name, color, size in rows:
        effect = effects[names.index(name)]
        assert color == (BLUE if effect >= 0 else ORANGE)
        assert size == pytest.approx(abs(effect) / np.abs(effects).max())
    assert BLUE in plot.node_colors
    assert ORANGE in rings.explain(chord, "ring").plot.node_colors


def test_equal_effects_are_not_better_than_random(rings):
    result = rings.explain([nx.complete_graph(6)]).result
    effects = result.effects
    assert np.ptp(effects) < 1e-3 * np.abs(effects).max()
    assert result.random_control.p == 1
    assert "not shown to be better than random" in result.verdict


def test_nodes_are_removed_together(chord):
    graphs = remove_nodes(chord, np.array([[0, 2], [3, 4]]))
    assert len(graphs) == 2 and np.bincount(graphs.batch).tolist() == [4, 4]
    # the path 3-4-5 remains of the first, the cycle 5-0-1-2-0 of the second
    assert np.bincount(graphs.batch[graphs.nodes.source]).tolist() == [2, 4]


def test_one_graph_is_explained_at_a_time(rings):
    two = [nx.path_graph(3), nx.path_graph(4)]
    with pytest.raises(DataError, match=r"name=.* Got 2"):
        rings.explain(two)
    with pytest.raises(NoDataError, match="no graph '7'"):
        rings.explain(two, name="7")
    assert rings.explain(two, name=1).score == rings.explain(two[1:]).score
    assert len(rings.explain(two[1]).result.effects) == 4  # not in a list


def test_graphs_are_read_from_arrays_and_iterators(rings):
    two = [nx.path_graph(3), nx.path_graph(4)]
    array = np.empty(2, dtype=object)
    array[:] = two
    expected = rings.predict(two).tolist()
    assert rings.predict(array).tolist() == expected
    assert rings.predict(graph for graph in two).tolist() == expected
    with pytest.raises(DataError, match="NoneType"):
        rings.predict(None)


def test_graph_of_one_node_has_nothing_to_remove(rings):
    explanation = rings.explain([nx.empty_graph(1)])
    assert explanation.result.effects.tolist() == [0.0]
    assert "nothing to remove" in repr(explanation)


def test_effects_on_a_number_are_in_its_unit():
    graphs = [nx.path_graph(k) for k in range(3, 33)]
    model = GraphRegressor(network="none").fit(graphs, [10.0 * len(g) for g in graphs])
    assert model.data_ is not None
    result = explain_nodes(model, model.data_.select(np.array([7])), 0)
    predicted = model.predict([graphs[7]])[0]
    assert result.prediction == pytest.approx(predicted)
    shorter = model.predict([nx.path_graph(9)])[0]  # an end of ten nodes is removed
    assert result.effects[0] == pytest.approx(predicted - shorter, abs=0.01)
    assert "the predicted number by" in result.verdict


def test_embeddings_of_the_training_graphs_need_no_data(rings, tmp_path):
    embeddings = rings.transform()
    assert np.array_equal(embeddings, rings.transform(rings.data_))
    rings.save(tmp_path / "model")
    with pytest.raises(NoDataError, match="graphs"):
        load(tmp_path / "model").transform()
