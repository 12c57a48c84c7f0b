"""What an answer rests on, told and drawn: the figures are those of the model."""

import io
from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

from vicinal.core.text import class_or_number
from vicinal.errors import DataError, NoDataError, SettingError
from vicinal.graphs.explain.contributions import Contributions
from vicinal.graphs.explain.edge_deletion import EdgeExplanation, odds
from vicinal.graphs.explain.explanation import Listing
from vicinal.graphs.explain.graph_plot import (
    AGAINST,
    BLUE,
    FOR,
    LEADS,
    MOST_EDGES,
    MOST_NODES,
    ORANGE,
    _free_place,
    _led,
    positions,
)
from vicinal.graphs.explain.node_deletion import left_out, without
from vicinal.graphs.explain.pair_contributions import (
    ASKED,
    HELD_OUT,
    KNOWN,
    OTHER,
    Pair,
    PairExplanation,
    of_pair,
)
from vicinal.graphs.explain.random_control import (
    RANDOM,
    RandomControl,
    compare_to_random,
)
from vicinal.graphs.graph_estimators import GraphClassifier, GraphRegressor
from vicinal.graphs.inspect.computation_tree import unrolled
from vicinal.graphs.inspect.plot_style import colour_of, plain
from vicinal.graphs.inspect.tree_plot import draw_tree
from vicinal.graphs.link_predictor import LinkPredictor
from vicinal.graphs.node_estimators import NodeClassifier, NodeRegressor
from vicinal.graphs.nodes.networks import NetworkConfig, build
from vicinal.graphs.sparse.adjacency import Adjacency


@pytest.fixture
def model(block_graph) -> NodeClassifier:
    return NodeClassifier(network="none").fit(block_graph)


def having_gcn(model: NodeClassifier) -> NodeClassifier:
    torch.manual_seed(0)
    width = model.known_.x.shape[1]
    model.networks_ = [build("gcn", NetworkConfig(width, 16, 2, 3, 0.0, 2)).eval()]
    model._said = None
    return model


@pytest.fixture
def rings() -> GraphClassifier:
    graphs, y = [], []
    for k in range(40):
        graph = nx.cycle_graph(5 + k % 5)
        if k % 2:
            graph.add_edge(0, 2)
        graphs.append(graph)
        y.append("chord" if k % 2 else "ring")
    return GraphClassifier(network="none").fit(graphs, y)


# --- where nodes stand ------------------------------------------------------------


def test_a_path_is_laid_out_as_one():
    at = positions(5, np.array([[0, 1], [1, 2], [2, 3], [3, 4]]))
    apart = np.linalg.norm(at[:, None] - at[None], axis=2)
    steps = np.abs(np.arange(5)[:, None] - np.arange(5))
    assert apart == pytest.approx(steps * apart[0, 1], rel=0.05)
    assert np.array_equal(at, positions(5, np.array([[0, 1], [1, 2], [2, 3], [3, 4]])))


def test_what_no_edge_joins_stands_apart_and_not_far_off():
    at = positions(4, np.array([[0, 1], [2, 3]]))
    near, far = np.linalg.norm(at[0] - at[1]), np.linalg.norm(at[0] - at[2])
    assert near < far < 5 * near
    assert positions(1, np.zeros((0, 2), int)).shape == (1, 2)


def test_the_way_to_what_counts_is_a_shortest_one():
    ends = torch.tensor([[0, 1, 2, 0, 5, 3], [1, 2, 3, 5, 3, 4]])
    both = torch.cat([ends, ends.flip(0)], dim=1)
    nodes, parent = _led(Adjacency.of(both, 8), 0, [4, 7])
    assert nodes[0] == 0 and nodes[-1] == 7  # which nothing leads to
    assert set(nodes) == {0, 5, 3, 4, 7} and parent[4] == 3 and parent[3] == 5
    assert 7 not in parent


# --- nodes ------------------------------------------------------------------------


def test_the_first_answer_is_drawn_by_what_nodes_say(model):
    told = model.explain("n7")
    sketch, parts = told.sketch, {model.graph_.ids[p.node]: p for p in told.found.parts}
    assert [sketch.names[k] for k in sketch.train_mask] == ["n7"]
    drawn = dict(zip(sketch.names, sketch.sizes, strict=True))
    first = [model.graph_.ids[p.node] for p in told.found.parts[:MOST_NODES]]
    assert set(first) <= set(drawn)
    most = max(part.share for part in parts.values())
    fills = dict(zip(sketch.names, sketch.fills, strict=True))
    for name in first:
        assert drawn[name] == pytest.approx(parts[name].share / most)
        assert fills[name] == colour_of(int(parts[name].says.argmax()))
    assert len(set(fills.values())) > 1
    joined = nx.Graph(sketch.pairs.tolist())
    assert nx.is_connected(joined) and len(joined) == len(sketch.names)
    for a, b in sketch.pairs:  # edges of the graph, and no others
        ends = [np.flatnonzero(model.graph_.ids == sketch.names[k])[0] for k in (a, b)]
        table = model.graph_
        there = (table.source == ends[0]) & (table.target == ends[1])
        back = (table.source == ends[1]) & (table.target == ends[0])
        assert there.any() or back.any()


def test_networks_are_drawn_by_what_edges_move(model):
    told = having_gcn(model).explain("n7")
    assert isinstance(told.found, EdgeExplanation)
    sketch, edges = told.sketch, told.found.edges
    costs = {
        frozenset((model.graph_.ids[e.source], model.graph_.ids[e.target])): e.cost
        for e in edges[:MOST_EDGES]
    }
    most = max(abs(cost) for cost in costs.values())
    seen = set()
    drawn = zip(sketch.pairs, sketch.strokes, sketch.widths, strict=True)
    for pair, stroke, width in drawn:
        ends = frozenset(sketch.names[k] for k in pair)
        if ends in costs:
            seen.add(ends)
            assert stroke == (FOR if costs[ends] >= 0 else AGAINST)
            assert width == pytest.approx(abs(costs[ends]) / most)
        else:
            assert stroke == LEADS and width == 0
    assert seen == set(costs)
    sheet: Any = told.draw()
    texts = {text.get_text() for text in sheet.axes[0].texts}
    assert set(sketch.names) <= texts
    assert f"{edges[0].cost:+.2g}" in texts
    said = model.predicted().argmax(axis=1)
    rows = {name: row for row, name in enumerate(model.graph_.ids)}
    named = [said[rows[name]] for name in sketch.names]
    assert sketch.fills == [colour_of(int(k)) for k in named] and len(set(named)) > 1
    legend = [text.get_text() for text in sheet.axes[0].get_legend().get_texts()]
    both = [f"speaks {way} {told.target}" for way in ("for", "against")]
    there = [FOR in sketch.strokes, AGAINST in sketch.strokes]
    assert [word in legend for word in both] == there and any(there)
    assert ("only leads there" in legend) is (LEADS in sketch.strokes)
    assert len(legend) == len(set(legend)) >= 3
    assert sheet.get_suptitle() == told.title
    assert told.score == told.data["score"] and told.verdict in repr(told)


@pytest.mark.parametrize("name", ["$\\foo$", "a$b$c", "_n", "n\udc80"])
def test_names_are_drawn_as_they_stand(name, model):
    model.graph_.ids[7] = name
    model.objective_ = replace(model.objective_, classes=(name, "k1", "_k2"))
    told = having_gcn(model).explain(name, "k1")
    sheet: Any = told.draw()
    sheet.savefig(io.BytesIO())
    legend = [text.get_text() for text in sheet.axes[0].get_legend().get_texts()]
    assert any("k2" in text for text in legend)
    assert model.networks_ is not None
    root = unrolled(model.networks_[0], model.known_, 7)
    said = model.predicted().argmax(axis=1)
    tree: Any = draw_tree(root, model.graph_.ids, said, model.objective_.classes)
    tree.savefig(io.BytesIO())
    assert plain(name) in {text.get_text() for text in tree.axes[0].texts}


def test_another_seed_draws_others_and_orders_alike(model):
    having_gcn(model)
    found = [model.explain("n7", seed=seed).found for seed in (0, 1, 0)]
    assert found[0].edges == found[1].edges and found[0] == found[2]
    assert found[0].chance.at_random != found[1].chance.at_random
    assert "No seed changes it" in found[0].way


def test_it_is_told_printed_and_paged(model):
    table = model.graph_
    table.ids[7] = "n<7>"  # a name that a page must not take for its own
    told = model.explain("n<7>")
    text, page = repr(told), told.html()
    assert text.startswith(told.title) and "nodes have a say in it" in text
    assert "n&lt;7&gt;" in page and "<7>" not in page and "<svg" in page
    for part in told.found.parts[:20]:
        name = str(table.ids[part.node]).replace("<", "&lt;").replace(">", "&gt;")
        assert name in page
    assert "data:image/png" in told._repr_html_()
    for name, target, wrong, why in (
        ("nobody", None, NoDataError, "no node 'nobody'"),
        ("n8", "k9", SettingError, "no class 'k9'"),
    ):
        with pytest.raises(wrong, match=why):
            model.explain(name, target)


def test_a_number_is_drawn_by_which_way_it_is_moved(block_tables):
    nodes, edges = block_tables()
    nodes["label"] = np.arange(len(nodes)) + 0.5
    model = NodeRegressor(network="none").fit(nodes, edges=edges)
    told = model.explain("n7")
    assert told.data["target"] is None and "by the first answer" in told.title
    assert [key.what for key in told.sketch.legend] == [
        "speaks for a higher number",
        "speaks against a higher number",
    ]
    assert isinstance(told.found, Contributions)
    says = {model.graph_.ids[p.node]: p.says[0] for p in told.found.parts}
    sketch = told.sketch
    seen = set()
    for name, fill, size in zip(sketch.names, sketch.fills, sketch.sizes, strict=True):
        if size:
            seen.add(fill)
            assert fill == (BLUE if says[name] >= 0 else ORANGE)
    assert seen == {BLUE, ORANGE}
    left = len(told.found.parts) - MOST_NODES
    assert f"{left} nodes of less weight not drawn" in sketch.caption


# --- whole graphs -----------------------------------------------------------------


def test_a_node_of_a_graph_costs_what_the_model_says_without_it(rings):
    graph = rings.set_.rows(np.array([1]))  # a chord
    told = rings.explain(graph, "chord")
    whole = nx.cycle_graph(6)
    whole.add_edge(0, 2)

    def size(graph: Any) -> float:
        return odds(
            rings, rings.logits([graph])[0], rings.classes_.tolist().index("chord")
        )

    for node in whole:
        left = whole.copy()
        left.remove_node(node)
        wanted = size(whole) - size(left)
        assert told.found.costs[node] == pytest.approx(wanted, abs=1e-3)
    order = np.argsort(-np.abs(told.found.costs), kind="stable")
    chance = told.found.chance
    assert chance.taken == 1 and chance.way == np.sign(told.found.costs[order[0]])
    left = whole.copy()
    left.remove_node(int(order[0]))
    wanted = size(whole) - size(left)
    assert chance.change == pytest.approx(wanted, abs=1e-3)
    assert 1 / (RANDOM + 1) <= chance.p <= 1
    assert told.found.verdict in repr(told)
    sketch, costs = told.sketch, told.found.costs
    assert len(sketch.pairs) == 7
    names = [str(name) for name in graph.nodes.ids]
    for name, fill, drawn in zip(sketch.names, sketch.fills, sketch.sizes, strict=True):
        cost = costs[names.index(name)]
        assert fill == (BLUE if cost >= 0 else ORANGE)
        assert drawn == pytest.approx(abs(cost) / np.abs(costs).max())
    assert BLUE in sketch.fills
    assert ORANGE in rings.explain(graph, "ring").sketch.fills


def test_where_all_cost_alike_chance_does_as_well(rings):
    told = rings.explain([nx.complete_graph(6)])
    costs = told.found.costs
    assert np.ptp(costs) < 1e-3 * np.abs(costs).max() and told.found.chance.p == 1
    assert "not shown to do better" in told.found.verdict


def test_nodes_are_left_out_together(rings):
    graph = rings.set_.rows(np.array([1]))
    found = without(graph, np.array([[0, 2], [3, 4]]))
    assert len(found) == 2 and np.bincount(found.member).tolist() == [4, 4]
    # of 0-1-2-3-4-5-0 and 0-2: 3-4-5 are left, and 5-0-1-2-0
    assert np.bincount(found.member[found.nodes.source]).tolist() == [2, 4]


def test_one_graph_at_a_time_and_one_node_has_nothing_to_leave_out(rings):
    two = [nx.path_graph(3), nx.path_graph(4)]
    with pytest.raises(DataError, match=r"One graph .* by name=\. Got 2"):
        rings.explain(two)
    with pytest.raises(NoDataError, match="no graph '7'"):
        rings.explain(two, name="7")
    assert rings.explain(two, name=1).score == rings.explain(two[1:]).score
    assert len(rings.explain(two[1]).found.costs) == 4  # one that is in no list
    several = np.empty(2, dtype=object)
    several[:] = two
    assert rings.predict(several).tolist() == rings.predict(two).tolist()
    assert rings.predict(g for g in two).tolist() == rings.predict(two).tolist()
    with pytest.raises(DataError, match=r"Graphs were wanted\. Got a NoneType"):
        rings.predict(None)
    lone = nx.Graph()
    lone.add_node(0)
    told = rings.explain([lone])
    assert told.found.costs.tolist() == [0.0] and "nothing to leave out" in repr(told)


def test_a_number_of_a_graph_is_told_in_its_unit():
    graphs = [nx.path_graph(k) for k in range(3, 33)]
    model = GraphRegressor(network="none").fit(graphs, [10.0 * len(g) for g in graphs])
    found = left_out(model, model.set_.rows(np.array([7])), 0)
    said = model.predict([graphs[7]])[0]
    shorter = nx.path_graph(9)  # without an end of ten
    assert found.answer == pytest.approx(said)
    assert found.costs[0] == pytest.approx(said - model.predict([shorter])[0], abs=0.01)
    assert "the number falls by" in found.verdict or "rises by" in found.verdict


def test_a_verdict_tells_which_way_and_where_signs_do_not_hold():
    told = RandomControl(3, 1, -1.41, 0.48, -0.4, 0.025, 15, 39).verdict(
        "edges", "log-odds"
    )
    assert "without the 3 that speak for it most the log-odds rise by 1.41" in told
    assert "without as many at random rise by 0.4 on average" in told
    assert told.startswith("What it marks") and "add up to +0.48, the other" in told
    assert "of 39 draws" in told
    told = RandomControl(3, -1, -1.41, -0.48, 0.4, 0.2, 15, 39).verdict(
        "edges", "number"
    )
    assert "speak against it most the number rises by 1.41" in told
    assert "falls by 0.4 on average" in told and "the other way" not in told
    assert told.startswith("This order is not shown") and "no order could" not in told
    told = RandomControl(1, 1, 1.41, 0.48, 0.4, 0.2, 5, 4).verdict(
        "edges near", "number"
    )
    assert "without the 1 that speaks for it" in told and "all 5 ways to take" in told
    assert "With 5 edges near no order could be." in told
    assert "moves the number" in RandomControl(1, 1, 0.0, 0.0, 0, 1, 5, 4).verdict(
        "", "number"
    )
    assert "nothing else" in RandomControl(1, 1, 2.0, 2.0, 0, 1, 1, 0).verdict(
        "", "number"
    )


def test_those_that_speak_one_way_are_held_against_chance():
    costs = np.array([0.5, -3.0, 2.0, -1.0, 0.1, 1.0, 0.2, -0.4, 0.3, 2.5])
    asked = []

    def lost(sets: np.ndarray) -> np.ndarray:  # as if none depended on another
        asked.append(sets)
        return costs[sets].sum(axis=1)

    found = compare_to_random(costs, lost, 0)
    (sets,) = asked
    assert sets.shape == (RANDOM + 1, 2) and sets[0].tolist() == [1, 3]
    assert (found.taken, found.way, found.among) == (2, -1, 10)
    assert found.change == found.listed == pytest.approx(-4.0)
    draws = costs[sets[1:]].sum(axis=1)
    assert found.at_random == pytest.approx(draws.mean())
    as_low = (draws <= -4.0 + 1e-9).sum()
    assert found.p == pytest.approx((1 + as_low) / (RANDOM + 1))
    found = compare_to_random(-costs, lambda sets: -lost(sets), 0)
    assert found.way == 1 and found.change == pytest.approx(4.0)
    assert compare_to_random(np.ones(3), lambda sets: np.ones(len(sets)), 0).p == 1
    assert compare_to_random(np.zeros(3), lambda sets: np.zeros(len(sets)), 0).p == 1
    assert compare_to_random(np.zeros(0), lost, 0).p == 1
    few = np.array([4.0, -1.0, 0.5, 0.2, -0.1])  # each of five is tried, whatever seed
    found = [
        compare_to_random(few, lambda sets: few[sets[:, 0]], seed) for seed in (0, 1)
    ]
    assert found[0] == found[1] and found[0].p == 0.2 and found[0].tried == 4
    assert found[0].at_random == pytest.approx((few.sum() - 4) / 4)


# --- pairs ------------------------------------------------------------------------


def pair_of(
    graph: Any, ends: tuple[int, int], listed: bool, learned: bool = False
) -> Pair:
    ids = np.array([f"n{k}" for k in range(len(graph))], dtype=object)
    return Pair(ends, None, listed, learned, ids, np.array(graph.edges))


def test_a_pair_is_drawn_with_the_neighbours_of_both():
    graph = nx.Graph([(0, 2), (1, 2), (0, 3), (1, 3), (3, 4), (3, 5), (0, 6), (2, 3)])
    sketch = of_pair(pair_of(graph, (0, 1), False))
    assert sketch.names == ["n0", "n1", "n2", "n3"] and sketch.train_mask == (0, 1)
    adar = 1 / np.log([3, 5])  # their degrees
    assert sketch.sizes[2:] == pytest.approx(adar / adar[0])
    drawn = {frozenset(pair) for pair in sketch.pairs.tolist()}
    joined = [(0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    assert drawn == set(map(frozenset, [(0, 1), *joined]))
    assert sketch.legend == [ASKED] and sketch.strokes[0] == ASKED.look
    graph.add_edge(0, 1)
    assert of_pair(pair_of(graph, (0, 1), True, True)).legend == [KNOWN]
    assert of_pair(pair_of(graph, (0, 1), True)).legend == [HELD_OUT]
    assert of_pair(pair_of(graph, (0, 1), False)).legend == [OTHER]
    graph.remove_edge(0, 1)
    assert of_pair(pair_of(graph, (1, 0), True)).legend == [HELD_OUT]


def test_a_pair_without_a_neighbour_in_common_is_drawn_with_a_way():
    graph = nx.path_graph(5)
    graph.add_nodes_from([5, 6])
    sketch = of_pair(pair_of(graph, (4, 0), False))
    assert sketch.names == ["n4", "n0", "n3", "n2", "n1"]
    assert "a shortest way" in sketch.caption and len(sketch.pairs) == 5
    sketch = of_pair(pair_of(graph, (0, 6), False))
    assert sketch.names == ["n0", "n6"] and "no way leads" in sketch.caption
    sketch = of_pair(pair_of(graph, (0, 1), True, True))
    assert sketch.names == ["n0", "n1"] and "no neighbour in common" in sketch.caption
    sketch = of_pair(pair_of(nx.path_graph(400), (0, 399), False))
    assert sketch.names == ["n0", "n399"] and "has 399 steps" in sketch.caption


def test_the_chance_of_a_pair_is_told_drawn_and_paged(block_tables):
    nodes, edges = block_tables()
    model = LinkPredictor().fit(nodes, edges=edges)
    source, target = edges.iloc[0, :2].astype(str)
    told = model.explain(source, target)
    assert f"{100 * told.score:.1f} % likely joined (an edge already)" in told.title
    assert isinstance(told.found, PairExplanation)
    chance = 1 / (1 + np.exp(-told.found.log_odds))
    assert chance == pytest.approx(model.predict_proba([(source, target)])[0], abs=1e-5)
    assert f"{told.found.log_odds:+.3f}" in repr(told) and "np.float" not in repr(told)
    sheet: Any = told.draw()
    assert {source, target} <= {text.get_text() for text in sheet.axes[0].texts}
    page = told.html()
    assert "<svg" in page and all(part.name in page for part in told.found.parts)


def test_figures_of_edges_keep_away_from_what_is_there():
    a, b = np.zeros(2), np.array([1.0, 0.0])
    at = _free_place(a, b, np.array([[0.5, 0.0], a, b]))
    assert at[1] == 0 and 0.2 <= min(at[0], 1 - at[0]) <= 0.3


@pytest.mark.parametrize("name", ["2", "2.5", "-1", "1e3", "7a", "x.1", "nan", "²"])
def test_a_class_whose_name_is_a_number_is_called_a_class(name):
    number = name in ("2", "2.5", "-1", "1e3")
    assert class_or_number(name) == (f"class {name}" if number else name)


def test_a_seed_below_0_is_refused(model):
    with pytest.raises(SettingError, match="0 or more"):
        model.explain("n7", seed=-1)


def test_a_list_that_is_long_says_so():
    rows = [(f"n{k}", f"{k:+d}") for k in range(300)]
    listing = Listing("many", ("node", "cost"), rows, ("the rest", "+7"))
    lines = list(listing.lines())
    assert lines[0] == "many:" and lines[-2].strip() == "... and 288 more"
    assert "the rest" in lines[-1] and len(listing.table().rows) == 201
    assert listing.table().caption == "100 more are not listed."
    whole = listing._replace(rows=rows[:200], last=(), total=1300)
    assert list(whole.lines())[-1].strip() == "... and 1,288 more"
    assert whole.table().caption == "1,100 more are not listed."


def test_embeddings_of_what_was_learned_need_no_data(rings, tmp_path):
    from vicinal import load

    own = rings.transform()
    assert np.array_equal(own, rings.transform(rings.set_))
    rings.save(tmp_path / "model")
    with pytest.raises(NoDataError, match="does not keep the graphs"):
        load(tmp_path / "model").transform()


@pytest.mark.parametrize("count", range(1, 8))
@pytest.mark.parametrize("kind", [nx.path_graph, nx.cycle_graph, nx.complete_graph])
def test_small_and_dense_graphs_are_laid_out(kind, count):
    ends = [(a, b) for a, b in kind(count).edges if a != b]
    at = positions(count, np.array(ends, int).reshape(-1, 2))
    assert at.shape == (count, 2) and len(np.unique(at.round(6), axis=0)) == count
