"""Bipartite graphs: sides are found, and all pairs are of opposite sides."""

from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest

import vicinal
from vicinal.errors import DataError
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.link_predictor import LinkPredictor
from vicinal.graphs.links import candidates
from vicinal.graphs.links.bipartite import read_links, two_coloring, with_sides
from vicinal.graphs.links.metrics import auroc
from vicinal.graphs.links.split import sample_negative_edges, split_links


def ratings(users: int = 40, items: int = 30, seed: int = 0) -> list[tuple[str, str]]:
    """Return edges of users to items: nine of ten are of the same of two groups."""
    rng = np.random.default_rng(seed)
    u, i = np.nonzero(np.ones((users, items)))
    chosen = rng.random(len(u)) < np.where(u % 2 == i % 2, 0.36, 0.04)
    return [(f"u{a}", f"i{b}") for a, b in zip(u[chosen], i[chosen], strict=True)]


def side_of(name: str) -> str:
    return name[0]


def test_two_colors_are_those_of_networkx():
    graph = nx.bipartite.random_graph(20, 15, 0.15, seed=1)
    edges = np.array(graph.edges)
    sides, num_components = two_coloring(35, edges)
    assert sides is not None
    assert (sides[edges] == [0, 1]).all()  # all edges lead from the first 20 nodes
    graph.remove_nodes_from([*nx.isolates(graph)])
    assert num_components == nx.number_connected_components(graph)
    assert {*np.flatnonzero(sides >= 0).tolist()} == set(graph.nodes)
    turned = np.where(np.arange(len(edges))[:, None] < 5, edges[:, ::-1], edges)
    again, _ = two_coloring(35, turned)
    assert again is not None and (again[edges[:, 0]] != again[edges[:, 1]]).all()
    assert two_coloring(3, np.array([[0, 1], [1, 2], [0, 2]])) == (None, 0)


@pytest.mark.parametrize(
    ("graph", "bipartite", "found"),
    [
        (nx.Graph(ratings()), "auto", True),
        (nx.Graph(ratings()), "no", False),
        (nx.random_labeled_tree(60, seed=0), "auto", False),
        (nx.random_labeled_tree(60, seed=0), "yes", True),
        (nx.star_graph(60), "auto", False),
        (nx.grid_2d_graph(8, 8), "auto", True),
        (nx.complete_bipartite_graph(9, 9), "auto", False),  # without negatives
        (nx.gnm_random_graph(60, 200, seed=0), "auto", False),
    ],
)
def test_sides_are_found_where_cycles_prove_them(graph, bipartite, found):
    table = with_sides(read_graph(graph), bipartite)
    assert (table.sides is not None) is found
    assert any("bipartite graph: " in note for note in table.notes) is found


def test_side_0_is_that_of_the_first_column():
    edges = pd.DataFrame(ratings(), columns=["source", "target"])
    table = read_links(edges, None, "auto")  # most items are found before users
    names = {f"{side_of(name)}{side}" for name, side in zip(*both(table), strict=True)}
    assert names == {"u0", "i1"}
    assert "bipartite graph: 40 nodes in source, 30 in target" in table.notes[-1]


def both(table: GraphTable) -> tuple[Any, Any]:
    assert table.sides is not None
    return table.ids, table.sides


def test_a_graph_with_an_odd_cycle_has_no_sides():
    with pytest.raises(DataError, match=r"bipartite must be auto or no.*odd cycle"):
        with_sides(read_graph(nx.cycle_graph(5)), "yes")


@pytest.mark.parametrize("relations", [False, True])
def test_all_negatives_are_pairs_of_opposite_sides(relations):
    rng, sides = np.random.default_rng(0), np.array([0, 1, 0, 1, 1, 0, -1], np.int8)
    edges = np.array([[0, 1], [2, 3], [1, 5], [4, 5]])
    if relations:
        edges = np.column_stack([edges, [1, 1, 1, 1]])
    found = sample_negative_edges(7, edges, 5, False, rng, sides)  # all that there are
    expected = [(0, 3), (0, 4), (1, 2), (2, 4), (3, 5)]
    assert sorted(map(tuple, found[:, :2].tolist())) == expected
    with pytest.raises(DataError, match="pair of nodes of opposite sides has an edge"):
        sample_negative_edges(7, edges, 6, False, rng, sides)


def numbers() -> pd.DataFrame:
    """Return the ratings with the same numbers for users and items."""
    frame = pd.DataFrame(ratings(), columns=["source", "target"])
    return pd.DataFrame({k: frame[k].str[1:].astype(int) for k in frame.columns})


def test_columns_with_the_same_numbers_are_kept_apart_if_asked_for():
    frame = numbers()
    merged = read_links(frame, None, "auto")
    assert len(merged) == 40 and merged.sides is None
    assert any("use --bipartite yes" in note for note in merged.notes)
    table = read_links(frame, None, "yes")
    assert len(table) == 70 and table.num_edges == len(frame) and not table.directed
    names = {f"source:{k}" for k in range(40)} | {f"target:{k}" for k in range(30)}
    assert set(table.ids) == names
    assert "bipartite graph: 40 nodes in source, 30 in target" in table.notes[-1]
    split = split_links(table)
    pairs = np.concatenate([split.val_negatives, split.test_negatives])
    assert (table.sides is not None) and (table.sides[pairs].sum(axis=1) == 1).all()
    assert any("have 30 names in common" in note for note in table.notes)
    again = with_sides(table, "no")
    assert not any("in common" in note for note in again.notes)
    assert set(again.ids) == set(merged.ids) and again.num_edges == merged.num_edges


def test_a_table_of_nodes_decides_which_nodes_there_are():
    nodes = pd.DataFrame({"id": range(40), "size": [k % 7 for k in range(40)]})
    with pytest.raises(DataError, match="odd cycle"):
        read_links(nodes, numbers(), "yes")


@pytest.fixture(scope="module")
def model() -> LinkPredictor:
    return LinkPredictor(test_fraction=0.2).fit(nx.Graph(ratings()))


def test_scores_and_proposals_are_of_opposite_sides(model):
    table = model.evaluate().predictions
    ends = zip(table["source"].map(side_of), table["target"].map(side_of), strict=True)
    assert len({*ends}) == 1  # one side is always the source
    p = model.predict_proba([*zip(table["source"], table["target"], strict=True)])
    score = model.evaluate().score.value
    assert score == pytest.approx(auroc((table["label"] == "edge").to_numpy(int), p))
    assert 0.6 < score < 0.95  # by the groups alone it is 0.75
    assert "preferential attachment" in model.evaluate().baselines
    edges = {frozenset(edge) for edge in ratings()}
    pairs = [(f"u{a}", f"i{b}") for a in range(40) for b in range(30)]
    pairs = [pair for pair in pairs if frozenset(pair) not in edges]
    best = np.sort(model.predict_proba(pairs))[::-1][:7]
    found = model.most_likely(7)
    ends = zip(found["source"].map(side_of), found["target"].map(side_of), strict=True)
    assert len({*ends}) == 1
    assert found["probability"].to_numpy() == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize("node", ["u3", "i3"])
def test_the_most_likely_pairs_of_one_node(model, node):
    letter, count = ("i", 30) if node[0] == "u" else ("u", 40)
    edges = {frozenset(edge) for edge in ratings()}
    others = [f"{letter}{k}" for k in range(count)]
    others = [name for name in others if frozenset((node, name)) not in edges]
    p = model.predict_proba([(node, name) for name in others])
    found = model.most_likely(5, node=node)
    assert (found["source"] == node).all()
    assert found["target"].tolist() == [others[k] for k in np.argsort(-p)[:5]]


def test_two_nodes_of_one_side_have_probability_0(model, tmp_path):
    assert model.predict_proba([("u1", "u2"), ("i5", "u2")])[0] == 0
    frame = model.predict_pairs([("u1", "u2"), ("i5", "u2")])
    assert frame["source"].tolist() == ["u1", "i5"]
    note = "1 pair on one side of the bipartite graph: probability 0"
    assert frame.attrs["notes"] == [note]
    with pytest.raises(DataError, match="'i1' and 'i2' are on one side"):
        model.explain("i1", "i2")
    again = vicinal.load(model.save(tmp_path / "m"))
    assert again.predict_proba([("u1", "u2")])[0] == 0
    pd.testing.assert_frame_equal(again.most_likely(9), model.most_likely(9))


def test_without_sides_any_two_nodes_are_candidates():
    model = LinkPredictor(bipartite="no").fit(nx.Graph(ratings()))
    table = model.evaluate().predictions
    sides = [[side_of(name) for name in table[k]] for k in ("source", "target")]
    assert any(a == b for a, b in zip(*sides, strict=True))
    assert model.predict_proba([("u1", "u2")])[0] > 0


def test_a_low_rank_approximation_chooses_among_many_opposite_pairs(monkeypatch):
    table = with_sides(read_graph(nx.Graph(ratings())))
    edges = np.stack([table.source, table.target], axis=1)
    monkeypatch.setattr(candidates, "MIN_LIMIT", 0)
    monkeypatch.setattr(candidates, "PAIRS_PER_EDGE", 1)
    pairs, (note,) = candidates.candidate_pairs(table, edges)
    count = len(edges) // 30
    assert len(pairs) == 30 * count and f"the {count} with the highest" in note
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    names = {frozenset(pair) for pair in table.ids[pairs].tolist()}
    assert not names & {frozenset(edge) for edge in ratings()}
    same = [int(a[1:]) % 2 == int(b[1:]) % 2 for a, b in table.ids[pairs]]
    assert np.mean(same) > 0.55  # of all pairs without an edge 0.4 are


def test_undirected_edges_of_gephi_are_not_doubled():
    frame = pd.DataFrame({"Source": [1, 1, 2], "Target": [1, 2, 1]})
    table = read_links(frame.assign(Type="Undirected"), None, "yes")
    assert table.num_edges == 3 and len(table) == 4 and not table.directed
    assert table.ids.tolist() == ["Source:1", "Source:2", "Target:1", "Target:2"]
    assert table.sides is not None and table.sides.tolist() == [0, 0, 1, 1]
