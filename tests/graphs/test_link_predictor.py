"""LinkPredictor: no held-out edge leaks; scores, decoders and invalid data."""

from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.io import mmwrite

import vicinal
from vicinal.core.compute.runtime import seed_for
from vicinal.core.training.trainer import TrainingInterrupted
from vicinal.errors import DataError, NoDataError, ResumeError
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.link_predictor import LinkPredictor
from vicinal.graphs.links import fitted_model, linear_model
from vicinal.graphs.links.features import pair_features
from vicinal.graphs.links.networks import (
    LinkNetwork,
    LinkNetworkConfig,
    PairNetwork,
)
from vicinal.graphs.links.split import (
    sample_negative_edges,
    split_links,
    unique_edges,
)


def edge_set(pairs: np.ndarray) -> set[tuple[int, int]]:
    """Return undirected edges, as pairs in ascending order."""
    return {(int(min(p)), int(max(p))) for p in pairs}


@pytest.fixture
def friends() -> GraphTable:
    """Groups of friends: 8 groups of 15 people, of whom about half know each other."""
    sizes, inside = [15] * 8, 0.5
    p = [[inside if a == b else 0.01 for b in range(8)] for a in range(8)]
    return read_graph(nx.Graph(nx.stochastic_block_model(sizes, p, seed=3).edges))


@pytest.mark.parametrize("form", ["networkx", "scipy", "graphml", "mtx", "relations"])
def test_a_random_directed_graph_cannot_be_predicted(form, tmp_path):
    """An edge and its reverse stay in one split, so that neither leaks."""
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
        data = pd.DataFrame(list(graph.edges), columns=["u", "v"]).assign(
            relation="knows"
        )
        settings = {"relation_column": "relation"}
    model = LinkPredictor(**settings).fit(data)
    split = model.split_
    num_edges = graph.to_undirected().number_of_edges()
    pairs = [rows[:, :2] for rows in (split.train, split.val, split.test)]
    edges = [edge_set(rows) for rows in pairs]
    assert len(set.union(*edges)) == sum(map(len, edges)) == num_edges
    assert sum(map(len, pairs)) == num_edges
    negatives = edge_set(split.test_negatives[:, :2]) | edge_set(
        split.val_negatives[:, :2]
    )
    assert not negatives & set.union(*edges)
    assert model.evaluate().score.value < 0.75
    assert "edges are read as undirected" in model.graph_.notes


def test_messages_exclude_held_out_and_target_edges(friends):
    model = LinkPredictor(random_state=2).fit(friends)
    split = model.split_
    network = LinkNetwork(LinkNetworkConfig(len(friends), 3, 8, 2, 0.0, False, "dot"))
    x = torch.ones(len(friends), 3)
    pair_network = PairNetwork(network, x, split.train, len(friends))
    rows = pair_network.adjacency.incoming
    messages = torch.stack([rows.indices, rows.row_indices], 1)
    assert edge_set(messages.numpy()) == edge_set(split.train)
    pairs = torch.from_numpy(split.train[:7][:, ::-1].copy())  # reversed
    remaining = pair_network.edges_without(pairs)
    assert edge_set(remaining.numpy()) == edge_set(split.train[7:])


def test_negative_sampling_does_not_use_held_out_edges(monkeypatch):
    """Otherwise held-out edges are never negatives, which leaks (PyG #10707)."""
    graph = nx.complete_graph(12)
    graph.remove_edges_from([(0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (10, 11)])
    table = read_graph(graph)
    calls: list[np.ndarray] = []

    def spy(nodes: int, edges: np.ndarray, *rest: Any) -> np.ndarray:
        calls.append(edges)
        return sample_negative_edges(nodes, edges, *rest)

    monkeypatch.setattr(linear_model, "sample_negative_edges", spy)
    model = LinkPredictor(val_fraction=0.0, test_fraction=0.09)
    with pytest.raises(DataError, match="pairs without an edge are needed"):
        model.fit(table)  # too dense for negative edges; only the call matters
    (edges,) = calls
    seed = seed_for(model.random_state, 3) % 2**32
    assert edge_set(edges) == edge_set(split_links(table, 0.0, 0.09, seed=seed).train)
    drawn = sample_negative_edges(
        40, np.array([[0, 1]]), 700, False, np.random.default_rng(0)
    )
    assert len(edge_set(drawn)) == 700 and (0, 1) not in edge_set(drawn)


def test_features_of_a_training_edge_come_from_a_graph_without_it(friends, monkeypatch):
    calls: list[tuple[set, set]] = []

    def spy(nodes: int, edges: np.ndarray, pairs: np.ndarray, x: Any) -> Any:
        calls.append((edge_set(edges), edge_set(pairs)))
        return pair_features(nodes, edges, pairs, x)

    monkeypatch.setattr(fitted_model, "pair_features", spy)
    model = LinkPredictor(val_fraction=0.0).fit(friends)
    held_out = edge_set(model.split_.test)
    assert len(calls) == linear_model.FOLDS
    for edges, pairs in calls:
        assert not edges & pairs and not edges & held_out
    assert set().union(*(pairs for _, pairs in calls)) >= edge_set(model.split_.train)


def test_shuffled_edges_cannot_be_predicted():
    """A leaked edge would raise the AUROC of random graphs above 0.5."""
    scores = []
    for seed in range(4):
        graph = nx.gnm_random_graph(150, 900, seed=seed)
        model = LinkPredictor(random_state=seed, test_fraction=0.3)
        scores.append(model.fit(graph).evaluate().score.value)
    assert abs(np.mean(scores) - 0.5) < 0.06


def test_predictions_are_repeatable_with_equal_eigenvalues():
    """Stars and connected components give many equal eigenvalues."""
    graph = nx.disjoint_union_all([nx.star_graph(6) for _ in range(12)])
    graph.add_edges_from(nx.gnm_random_graph(60, 90, seed=1).edges)
    model = LinkPredictor().fit(graph)
    rows = model.split_.test
    first, second, third = (model.edge_probabilities(rows) for _ in range(3))
    assert np.array_equal(first, second) and np.array_equal(first, third)
    best, again = model.most_likely(30), model.most_likely(30)
    assert best.equals(again)
    assert best["log_odds"].is_monotonic_decreasing


def test_is_edge_finds_edges_of_every_split(friends):
    model = LinkPredictor().fit(friends)
    edges = unique_edges(friends)
    assert model.is_edge(edges[:5, ::-1]).all()
    assert not model.is_edge(model.split_.test_negatives).any()
    assert model.is_edge(model.split_.test).all()  # an edge, though held out


def test_groups_of_friends_are_predicted(friends):
    model = LinkPredictor().fit(friends)
    evaluation = model.evaluate()
    assert evaluation.score.metric == "auroc" and evaluation.score.value > 0.8
    assert set(evaluation.baselines) == {"common neighbours", "Adamic-Adar", "Katz"}
    names = [score.metric for score in evaluation.scores]
    assert names == ["average_precision", "hits@20", "mrr"]
    count = len(model.split_.test_negatives)
    note = f"hits@50 not computed: only {count} negative pairs"
    assert count < 50 and evaluation.notes == [note]
    best = model.most_likely(10)
    group = {name: int(name) // 15 for name in friends.ids}
    same_group = [
        group[a] == group[b]
        for a, b in zip(best["source"], best["target"], strict=True)
    ]
    assert np.mean(same_group) >= 0.9
    assert best["probability"].is_monotonic_decreasing
    pair = best.loc[0, ["source", "target"]].tolist()
    p = model.predict_proba([pair, pair[::-1]])
    assert p[0] == p[1] == pytest.approx(best.loc[0, "probability"], abs=1e-4)
    assert model.predict([pair]).tolist() == [True]


@pytest.mark.parametrize(
    ("decoder", "embeddings"),
    [
        ("dot", "free"),
        ("mlp", "layers"),
        pytest.param("bilinear", "layers", marks=pytest.mark.slow),
        pytest.param("dot", "layers", marks=pytest.mark.slow),
        pytest.param("bilinear", "free", marks=pytest.mark.slow),
        pytest.param("mlp", "free", marks=pytest.mark.slow),
    ],
)
def test_every_decoder_learns(friends, decoder, embeddings, tmp_path):
    model = LinkPredictor(
        decoder=decoder, node_embeddings=embeddings, epochs=25, hidden=16, minutes=None
    ).fit(friends)
    losses = [epoch.train_loss for epoch in model.history_]
    assert len(losses) == 25 and min(losses[-3:]) < losses[0]
    assert model.comparison_ is not None
    torch.manual_seed(0)
    model.update(network=LinkNetwork(model.network_config()).eval())
    encoder = "GraphSAGE" if embeddings == "layers" else "free embeddings"
    assert model.model_description == f"{encoder} with {decoder} decoder"
    pairs = [("0", "1"), ("1", "0"), ("3", "99")]
    p = model.predict_proba(pairs)
    assert p[0] == pytest.approx(p[1], abs=1e-6)
    model.save(tmp_path / "m")
    again = vicinal.load(tmp_path / "m")
    assert np.array_equal(again.predict_proba(pairs), p)
    assert np.array_equal(again.transform(), model.transform())
    assert again.evaluate().score == model.evaluate().score
    assert again.model_description == model.model_description


@pytest.mark.parametrize("keep", ["auto", "network"])
def test_without_a_validation_split_the_baseline_stays(friends, keep):
    settings: dict[str, Any] = {"epochs": 2, "hidden": 8, "minutes": None}
    model = LinkPredictor(decoder="dot", keep=keep, val_fraction=0.0, **settings)
    model.fit(friends)
    assert (model.network_ is not None) is (keep == "network")
    assert len(model.history_) == 2 and model.comparison_ is None


@pytest.mark.slow
def test_a_run_resumes_only_with_its_own_data(friends, tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"

    def fit_epochs(data: GraphTable, **stop: Any) -> tuple[LinkPredictor, Any]:
        settings: dict[str, Any] = {"decoder": "dot", "hidden": 8, "epochs": 3}
        model = LinkPredictor(**settings, minutes=None)
        return model, model.fit_epochs(data, checkpoint=checkpoint, **stop)

    first, epochs = fit_epochs(friends, stop_requested=lambda: bool(first.history_))
    with pytest.raises(TrainingInterrupted):
        first.train_to_end(epochs)
    assert len(first.history_) == 1
    source, target = friends.source.copy(), friends.target.copy()
    source[0], target[0] = 0, len(friends) - 1
    other = friends.replace(source=source, target=target)
    for data in (other, friends.replace(features=np.eye(len(friends)))):
        with pytest.raises(ResumeError, match="made from other data"):
            next(fit_epochs(data)[1])
    resumed, epochs = fit_epochs(friends)
    resumed.train_to_end(epochs)
    assert [epoch.epoch for epoch in resumed.history_] == [1, 2, 3]
    again, epochs = fit_epochs(friends)  # the run is finished
    assert not list(epochs) and again.history_ == resumed.history_


def test_a_loaded_baseline_predicts_the_same(tmp_path, block_tables):
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


def test_invalid_data_and_pairs_raise(friends):
    with pytest.raises(DataError, match="Got 3 instead"):
        LinkPredictor().fit(nx.path_graph(4))
    model = LinkPredictor().fit(friends)
    with pytest.raises(NoDataError, match="no node 'x'"):
        model.predict_proba([("x", "1")])
    with pytest.raises(DataError, match="pairs of names"):
        model.predict_proba([("1", "2", "3")])  # pyright: ignore[reportArgumentType]
    untested = LinkPredictor(test_fraction=0.0).fit(friends)
    with pytest.raises(NoDataError, match="There is no test split"):
        untested.evaluate()
    directed = LinkPredictor().fit(nx.DiGraph([(k, (k * 7) % 31) for k in range(31)]))
    assert "edges are read as undirected" in directed.graph_.notes
