"""Edges: nothing of what is held out leaks, scores are what they are called."""

from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import mmwrite
from sklearn.metrics import average_precision_score, roc_auc_score

import vicinal
from vicinal.errors import DataError, NoDataError
from vicinal.graphs import link_predictor as links
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.link_predictor import LinkPredictor
from vicinal.graphs.links.features import adjacency_of, between
from vicinal.graphs.links.metrics import auroc, average_precision, hits, reciprocal_rank
from vicinal.graphs.links.networks import LinkNetwork, LinkShape, OnLinks, PairLoader
from vicinal.graphs.links.split import pairs_of, sample_negative_edges, split_links


def keys(pairs: np.ndarray) -> set[tuple[int, int]]:
    return {(int(min(p)), int(max(p))) for p in pairs}


@pytest.fixture
def friends() -> GraphTable:
    """Groups of friends: 8 groups of 15 people, of whom about half know each other."""
    sizes, inside = [15] * 8, 0.5
    p = [[inside if a == b else 0.01 for b in range(8)] for a in range(8)]
    return read_graph(nx.Graph(nx.stochastic_block_model(sizes, p, seed=3).edges))


def test_held_out_edges_are_nowhere_else(friends):
    split = split_links(friends, 0.1, 0.2, seed=1)
    train, val, test = keys(split.train), keys(split.val), keys(split.test)
    every = keys(pairs_of(friends))
    assert train | val | test == every and len(train) + len(val) + len(test) == len(
        every
    )
    assert len(test) == round(0.2 * len(every)) == len(split.test_negatives)
    nones = keys(split.val_negatives) | keys(split.test_negatives)
    assert not nones & every  # a pair that is held out is no "no edge"
    assert not keys(split.val_negatives) & keys(split.test_negatives)
    assert len(nones) == len(split.val) + len(split.test)


def test_neither_direction_stays_where_both_are_listed():
    """PyG #6946, #9152: an edge listed both ways is one edge."""
    rng = np.random.default_rng(0)
    ends = rng.integers(0, 40, (200, 2))
    frame = pd.DataFrame(np.concatenate([ends, ends[:, ::-1]]), columns=["u", "v"])
    split = split_links(read_graph(frame), 0.1, 0.2)
    held = keys(split.val) | keys(split.test)
    assert not held & keys(split.train)
    assert len(keys(split.train)) == len(split.train)


@pytest.mark.parametrize("form", ["networkx", "scipy", "graphml", "mtx", "relations"])
def test_a_directed_graph_of_chance_cannot_be_predicted(form, tmp_path):
    """Most edges are listed both ways: one of them must not give the other away."""
    graph = nx.DiGraph(nx.gnp_random_graph(80, 0.1, seed=1))
    graph.remove_edge(*next(iter(graph.edges)))
    data: Any = graph
    if form == "scipy":
        data = nx.to_scipy_sparse_array(graph, format="coo")
    elif form == "graphml":
        data = tmp_path / "g.graphml"
        nx.write_graphml(graph, data)
    elif form == "mtx":
        data = tmp_path / "g.mtx"
        mmwrite(data, nx.to_scipy_sparse_array(graph, format="coo"))
    settings: dict[str, Any] = {}
    if form == "relations":
        data = pd.DataFrame(list(graph.edges), columns=["u", "v"]).assign(how="knows")
        settings = {"relation_column": "how"}
    model = LinkPredictor(**settings).fit(data)
    split = model.split_
    every = graph.to_undirected().number_of_edges()
    listed = [part[:, :2] for part in (split.train, split.val, split.test)]
    parts = [keys(part) for part in listed]
    assert len(set.union(*parts)) == sum(map(len, parts)) == every
    assert sum(map(len, listed)) == every
    nones = keys(split.test_negatives[:, :2]) | keys(split.val_negatives[:, :2])
    assert not nones & set.union(*parts)
    assert model.evaluate().score.value < 0.75
    assert "edges are taken without their direction" in model.graph_.notes


def test_messages_hold_no_held_out_edge_and_none_that_is_asked_for(friends):
    model = LinkPredictor(random_state=2).fit(friends)
    split = model.split_
    network = LinkNetwork(LinkShape(len(friends), 3, 8, 2, 0.0, False, "dot"))
    on_links = OnLinks(network, torch.ones(len(friends), 3), split.train, len(friends))
    rows = on_links.whole.incoming
    there = keys(torch.stack([rows.sources, rows.targets], 1).numpy())
    assert there == keys(split.train)
    pairs = torch.from_numpy(split.train[:7][:, ::-1].copy())  # asked the other way
    left = keys(on_links.without(pairs).numpy())
    assert left == keys(split.train[7:])


def test_training_pairs_are_drawn_without_sight_of_what_is_held_out(monkeypatch):
    """PyG #10707, DGL #5536: some of them are held-out edges, as chance has it."""
    graph = nx.complete_graph(12)
    graph.remove_edges_from([(0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (10, 11)] * 1)
    table = read_graph(graph)
    seen: list[np.ndarray] = []

    def noted(nodes: int, edges: np.ndarray, *rest: Any) -> np.ndarray:
        seen.append(edges)
        return sample_negative_edges(nodes, edges, *rest)

    monkeypatch.setattr(links, "no_edges", noted)
    model = LinkPredictor(val_fraction=0.0, test_fraction=0.09)
    with pytest.raises(DataError, match="without an edge were wanted"):
        model.fit(table)  # the graph is too full; what was asked for is what counts
    (asked,) = seen
    assert keys(asked) == keys(model.split_.train)
    drawn = sample_negative_edges(
        40, np.array([[0, 1]]), 700, False, np.random.default_rng(0)
    )
    assert len(keys(drawn)) == 700 and (0, 1) not in keys(drawn)


def test_numbers_of_a_training_edge_are_of_a_graph_without_it(friends, monkeypatch):
    asked: list[tuple[set, set]] = []

    def noted(nodes: int, edges: np.ndarray, pairs: np.ndarray, known: Any) -> Any:
        asked.append((keys(edges), keys(pairs)))
        return between(nodes, edges, pairs, known)

    monkeypatch.setattr(links, "between", noted)
    model = LinkPredictor(val_fraction=0.0).fit(friends)
    held = keys(model.split_.test)
    assert len(asked) == links.FOLDS
    for edges, pairs in asked:
        assert not edges & pairs and not edges & held
    assert set().union(*(pairs for _, pairs in asked)) >= keys(model.split_.train)


def test_shuffled_edges_cannot_be_predicted():
    """Where nothing is to be learned, nothing is: an edge that leaked would show."""
    scores = []
    for seed in range(4):
        graph = nx.gnm_random_graph(150, 900, seed=seed)
        model = LinkPredictor(random_state=seed, test_fraction=0.3)
        scores.append(model.fit(graph).evaluate().score.value)
    assert abs(np.mean(scores) - 0.5) < 0.06


def test_the_same_is_said_each_time():
    """In parts that no edge joins, and stars, many eigenvalues are equal."""
    graph = nx.disjoint_union_all([nx.star_graph(6) for _ in range(12)])
    graph.add_edges_from(nx.gnm_random_graph(60, 90, seed=1).edges)
    model = LinkPredictor().fit(graph)
    rows = model.split_.test
    first = [model._chances(rows) for _ in range(3)]
    assert np.array_equal(first[0], first[1]) and np.array_equal(first[0], first[2])
    wanted, again = model.most_likely(30), model.most_likely(30)
    assert wanted.equals(again)
    assert wanted["log_odds"].is_monotonic_decreasing


def test_what_is_an_edge_already_is_known(friends):
    model = LinkPredictor().fit(friends)
    edges = pairs_of(friends)
    assert model.listed(edges[:5, ::-1]).all()
    assert not model.listed(model.split_.test_negatives).any()
    assert model.listed(model.split_.test).all()  # held out, and listed


def test_it_finds_friends_of_friends(friends):
    model = LinkPredictor().fit(friends)
    found = model.evaluate()
    assert found.score.metric == "auroc" and found.score.value > 0.8
    assert set(found.baselines) == {"common neighbours", "Adamic-Adar", "Katz"}
    names = [score.metric for score in found.scores]
    assert names == ["average_precision", "hits@20", "mrr"]
    nones = len(model.split_.test_negatives)
    wanted = f"hits@50 would want more than the {nones} pairs here that are no edges"
    assert nones < 50 and found.notes == [wanted]
    best = model.most_likely(10)
    group = {name: int(name) // 15 for name in friends.ids}
    same = [
        group[a] == group[b]
        for a, b in zip(best["source"], best["target"], strict=True)
    ]
    assert np.mean(same) >= 0.9
    assert best["chance"].is_monotonic_decreasing
    pair = best.loc[0, ["source", "target"]].tolist()
    chance = model.predict_proba([pair, pair[::-1]])
    assert chance[0] == chance[1] == pytest.approx(best.loc[0, "chance"], abs=1e-4)
    assert model.predict([pair]).tolist() == [True]


@pytest.mark.parametrize("embeddings", ["layers", "free"])
@pytest.mark.parametrize("decoder", ["dot", "bilinear", "mlp"])
def test_every_decoder_learns(friends, decoder, embeddings, tmp_path):
    model = LinkPredictor(
        decoder=decoder, embeddings=embeddings, epochs=25, hidden=16, minutes=None
    ).fit(friends)
    losses = [epoch.train_loss for epoch in model.history_]
    assert len(losses) == 25 and min(losses[-3:]) < losses[0]
    assert model.comparison_ is not None
    torch.manual_seed(0)
    model.network_ = LinkNetwork(model._shape()).eval()
    pairs = [("0", "1"), ("1", "0"), ("3", "99")]
    said = model.predict_proba(pairs)
    assert said[0] == pytest.approx(said[1], abs=1e-6)
    model.save(tmp_path / "m")
    again = vicinal.load(tmp_path / "m")
    assert np.array_equal(again.predict_proba(pairs), said)
    assert np.array_equal(again.transform(), model.transform())
    assert again.evaluate().score == model.evaluate().score


def test_the_first_answer_is_kept_and_read_again(tmp_path, block_tables):
    nodes, edges = block_tables(nodes=200)
    model = LinkPredictor().fit(nodes.drop(columns="label"), edges=edges)
    model.save(tmp_path / "m")
    again = vicinal.load(tmp_path / "m")
    pairs = [("n1", "n2"), ("n3", "n150")]
    assert np.array_equal(again.predict_proba(pairs), model.predict_proba(pairs))
    again.save(tmp_path / "twice")
    twice = vicinal.load(tmp_path / "twice")
    assert np.array_equal(twice.predict_proba(pairs), model.predict_proba(pairs))
    assert again.transform().shape == (200, 32)


def test_batches_hold_each_edge_once_and_as_many_others():
    edges = np.array([[k, k + 1] for k in range(22)])
    loader = PairLoader(edges, 23, 5)
    batches = list(loader.batches(3, 0))
    assert len(batches) == loader.steps == 5
    for_it = np.concatenate([x[y == 1].numpy() for x, y in batches])
    against = np.concatenate([x[y == 0].numpy() for x, y in batches])
    assert keys(for_it) == keys(edges) and len(for_it) == 22 == len(against)
    assert not keys(against) & keys(edges)
    later = list(loader.batches(3, 2))
    assert all(a.equal(b) for (a, _), (b, _) in zip(later, batches[2:], strict=True))
    other = np.concatenate([x[y == 0].numpy() for x, y in loader.batches(4, 0)])
    assert keys(other) != keys(against)


def test_what_is_between_a_pair_by_hand():
    # a square 0-1-2-3 with a tail 3-4
    edges = np.array([[0, 1], [1, 2], [2, 3], [0, 3], [3, 4]])
    pairs = np.array([[0, 2], [1, 3], [0, 4], [1, 4]])
    found = between(5, edges, pairs)
    assert found.heuristics["common neighbours"].tolist() == [2, 2, 1, 0]
    adamic = [1 / np.log(2) + 1 / np.log(3), 2 / np.log(2), 1 / np.log(3), 0]
    np.testing.assert_allclose(found.heuristics["Adamic-Adar"], adamic)
    a = adjacency_of(5, edges).toarray()
    b = links_katz(a)
    wanted = [b[u, v] for u, v in pairs]
    np.testing.assert_allclose(found.heuristics["Katz"], wanted, atol=1e-9)


def links_katz(a: np.ndarray) -> np.ndarray:
    """The first four terms of Katz's series."""
    power, total = np.eye(len(a)), np.zeros_like(a)
    for k in range(1, 5):
        power = power @ a
        total += 0.005**k * power
    return total


def test_rows_in_parts_are_rows(monkeypatch):
    from vicinal.graphs.links import features as link_features

    graph = nx.gnm_random_graph(60, 200, seed=0)
    edges = np.array(graph.edges)
    pairs = np.array(
        [[u, v] for u in range(0, 60, 3) for v in range(1, 60, 7) if u != v]
    )
    whole = between(60, edges, pairs)
    monkeypatch.setattr(link_features, "BLOCK", 4)
    parts = between(60, edges, pairs)
    np.testing.assert_allclose(parts.features, whole.features, atol=1e-9)


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40
    ).filter(lambda rows: len({y for y, _ in rows}) == 2)
)
@settings(max_examples=80, deadline=None)
def test_scores_are_scikit_learns(rows):
    y = np.array([int(label) for label, _ in rows])
    said = np.array([float(value) for _, value in rows])
    assert auroc(y, said) == pytest.approx(roc_auc_score(y, said))
    assert average_precision(y, said) == pytest.approx(average_precision_score(y, said))


def test_ranks_by_hand():
    y = np.array([1, 1, 1, 0, 0, 0])
    said = np.array([0.9, 0.5, 0.1, 0.8, 0.5, 0.2])
    assert hits(1, y, said) == pytest.approx(1 / 3)
    assert hits(2, y, said) == pytest.approx(1 / 3)  # 0.5 is level with the second
    assert hits(3, y, said) == pytest.approx(2 / 3)
    # ranks 1, 2.5 and 4
    assert reciprocal_rank(y, said) == pytest.approx((1 + 1 / 2.5 + 1 / 4) / 3)
    assert np.isnan(hits(4, y, said))


def test_what_cannot_be_learned_from(friends):
    with pytest.raises(DataError, match="3 edges are too few"):
        LinkPredictor().fit(nx.path_graph(4))
    model = LinkPredictor().fit(friends)
    with pytest.raises(NoDataError, match="no node 'x'"):
        model.predict_proba([("x", "1")])
    with pytest.raises(DataError, match="pair of names"):
        model.predict_proba([("1", "2", "3")])  # pyright: ignore[reportArgumentType]
    none = LinkPredictor(test_fraction=0.0).fit(friends)
    with pytest.raises(NoDataError, match="No edge was held out"):
        none.evaluate()
    told = LinkPredictor().fit(nx.DiGraph([(k, (k * 7) % 31) for k in range(31)]))
    assert "edges are taken without their direction" in told.graph_.notes
