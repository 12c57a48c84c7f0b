"""Explanations for nodes: text, plot and page show what the model computed."""

import io
from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest

from vicinal.errors import ClassError, NoDataError, SettingError
from vicinal.graphs.explain.contributions import Contributions
from vicinal.graphs.explain.edge_deletion import EdgeExplanation
from vicinal.graphs.explain.graph_plot import (
    CONNECTING,
    MAX_NODES,
    OPPOSING,
    SUPPORTING,
)
from vicinal.graphs.explain.plot_selection import BLUE, MAX_EDGES, ORANGE
from vicinal.graphs.explain.ranked_table import RankedTable
from vicinal.graphs.inspect.computation_tree import build_tree
from vicinal.graphs.inspect.plot_style import class_color, plain_text
from vicinal.graphs.inspect.tree_plot import draw_tree
from vicinal.graphs.node_estimators import NodeRegressor


def test_linear_baseline_is_plotted_by_contribution(model):
    explanation = model.explain("n7")
    plot, ids, table = explanation.plot, model.graph_.ids, model.graph_
    assert [plot.names[k] for k in plot.highlighted] == ["n7"]
    contributions = {ids[node.node]: node for node in explanation.result.nodes}
    sizes = dict(zip(plot.names, plot.node_sizes, strict=True))
    colors = dict(zip(plot.names, plot.node_colors, strict=True))
    top = [ids[node.node] for node in explanation.result.nodes[:MAX_NODES]]
    assert set(top) <= set(sizes)
    largest = max(node.share for node in contributions.values())
    for name in top:
        node = contributions[name]
        assert sizes[name] == pytest.approx(node.share / largest)
        assert colors[name] == class_color(int(node.values.argmax()))
    assert len(set(colors.values())) > 1
    drawn = nx.Graph(plot.edges.tolist())
    assert nx.is_connected(drawn) and len(drawn) == len(plot.names)
    for a, b in plot.edges:  # all are edges of the graph
        row_a, row_b = (np.flatnonzero(ids == plot.names[k])[0] for k in (a, b))
        forward = (table.source == row_a) & (table.target == row_b)
        backward = (table.source == row_b) & (table.target == row_a)
        assert forward.any() or backward.any()


def test_network_is_plotted_by_edge_effect(model, add_network):
    add_network(model)
    explanation = model.explain("n7")
    assert isinstance(explanation.result, EdgeExplanation)
    plot, ids, edges = explanation.plot, model.graph_.ids, explanation.result.edges
    effects = {
        frozenset((ids[edge.source], ids[edge.target])): edge.effect
        for edge in edges[:MAX_EDGES]
    }
    largest = max(abs(effect) for effect in effects.values())
    drawn = set()
    for edge, style, width in zip(
        plot.edges, plot.edge_styles, plot.edge_widths, strict=True
    ):
        ends = frozenset(plot.names[k] for k in edge)
        if ends in effects:
            drawn.add(ends)
            assert style == (SUPPORTING if effects[ends] >= 0 else OPPOSING)
            assert width == pytest.approx(abs(effects[ends]) / largest)
        else:
            assert style == CONNECTING and width == 0
    assert drawn == set(effects)
    predicted = model.predict_values().argmax(axis=1)
    rows = {name: row for row, name in enumerate(ids)}
    classes = [int(predicted[rows[name]]) for name in plot.names]
    assert plot.node_colors == [class_color(k) for k in classes]
    assert len(set(classes)) > 1


def test_drawing_shows_names_effects_and_legend(model, add_network):
    add_network(model)
    explanation = model.explain("n7")
    plot, figure = explanation.plot, explanation.draw()
    axes: Any = figure.axes[0]
    texts = {text.get_text() for text in axes.texts}
    assert set(plot.names) <= texts
    assert f"{explanation.result.edges[0].effect:+.2g}" in texts
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    signs = [f"{verb} {explanation.target}" for verb in ("supports", "opposes")]
    is_drawn = [style in plot.edge_styles for style in (SUPPORTING, OPPOSING)]
    assert [sign in legend for sign in signs] == is_drawn and any(is_drawn)
    assert ("connecting edge" in legend) is (CONNECTING in plot.edge_styles)
    assert len(legend) == len(set(legend)) >= 3
    assert figure.get_suptitle() == explanation.title
    assert explanation.score == explanation.data["score"]
    assert explanation.verdict in repr(explanation)


@pytest.mark.parametrize(
    "name",
    [
        "$\\foo$",
        *(pytest.param(k, marks=pytest.mark.slow) for k in ("a$b$c", "_n")),
        "n\udc80",
    ],
)
def test_unusual_names_are_drawn(name, model, add_network):
    model.graph_.ids[7] = name
    model.update(objective=replace(model.objective_, classes=(name, "k1", "_k2")))
    network = add_network(model)
    figure: Any = model.explain(name, "k1").draw()
    figure.savefig(io.BytesIO(), dpi=30)
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert any("k2" in text for text in legend)
    root = build_tree(network, model.labelled_graph_, 7)
    predicted = model.predict_values().argmax(axis=1)
    tree: Any = draw_tree(root, model.graph_.ids, predicted, model.objective_.classes)
    tree.savefig(io.BytesIO(), dpi=30)
    assert plain_text(name) in {text.get_text() for text in tree.axes[0].texts}


def test_seed_changes_the_random_control_and_not_the_ranking(model, add_network):
    add_network(model)
    first, other, again = (model.explain("n7", seed=s).result for s in (0, 1, 0))
    assert first.edges == other.edges and first == again
    assert first.random_control.random_change != other.random_control.random_change
    assert "does not depend on the seed" in first.method_description


def test_text_and_page_show_the_contributions(model):
    ids = model.graph_.ids
    ids[7] = "n<7>"  # must be escaped
    explanation = model.explain("n<7>")
    text, page = repr(explanation), explanation.html()
    assert text.startswith(explanation.title) and "nodes contribute to the" in text
    assert "n&lt;7&gt;" in page and "<7>" not in page and "<svg" in page
    for node in explanation.result.nodes[:20]:
        name = str(ids[node.node]).replace("<", "&lt;").replace(">", "&gt;")
        assert name in page
    assert "data:image/png" in explanation._repr_html_()


def test_unknown_node_class_and_negative_seed_are_refused(model):
    with pytest.raises(NoDataError, match="no node 'nobody'"):
        model.explain("nobody")
    with pytest.raises(ClassError, match="There is no class 'k9'"):
        model.explain("n8", "k9")
    with pytest.raises(SettingError, match="0 or more"):
        model.explain("n7", seed=-1)


def test_number_is_plotted_by_the_sign_of_contributions(block_tables):
    nodes, edges = block_tables()
    nodes["label"] = np.arange(len(nodes)) + 0.5
    model = NodeRegressor(network="none").fit(nodes, edges=edges)
    explanation = model.explain("n7")
    assert explanation.data["target"] is None
    assert "predicted by the linear baseline" in explanation.title
    plot, result = explanation.plot, explanation.result
    labels = [entry.label for entry in plot.legend]
    assert labels == ["supports a higher number", "opposes a higher number"]
    assert isinstance(result, Contributions)
    values = {model.graph_.ids[node.node]: node.values[0] for node in result.nodes}
    rows = zip(plot.names, plot.node_colors, plot.node_sizes, strict=True)
    colors = set()
    for name, color, size in rows:
        if size:
            colors.add(color)
            assert color == (BLUE if values[name] >= 0 else ORANGE)
    assert colors == {BLUE, ORANGE}
    num_hidden = len(result.nodes) - MAX_NODES
    assert f"{num_hidden} smaller contributions not drawn" in plot.caption


def test_long_table_says_how_many_rows_are_hidden():
    rows = [(f"n{k}", f"{k:+d}") for k in range(300)]
    table = RankedTable("many", ("node", "effect"), rows, ("sum", "+7"))
    lines = list(table.lines())
    assert lines[0] == "many:" and lines[-2].strip() == "... and 288 more"
    assert "sum" in lines[-1]
    page_table = table.table()
    assert len(page_table.rows) == 200 and page_table.totals == [["sum", "+7"]]
    assert page_table.caption == "100 more not listed."
    counted = table._replace(rows=rows[:200], footer=(), total_rows=1300)
    assert list(counted.lines())[-1].strip() == "... and 1,288 more"
    assert counted.table().caption == "1,100 more not listed."
