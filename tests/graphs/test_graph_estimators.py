"""Graph estimators: the linear baseline, the network and invalid data."""

from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

import vicinal
from vicinal.core.objective import SingleLabel
from vicinal.core.training.trainer import TrainingInterrupted
from vicinal.errors import ClassError, DataError, NoDataError, ResumeError
from vicinal.graphs.data.graph_collection import GraphCollection
from vicinal.graphs.data.read_collection import read_graphs
from vicinal.graphs.graph_estimators import GraphClassifier, GraphRegressor
from vicinal.graphs.graph_level.networks import (
    GraphLevelConfig,
    GraphLevelNetwork,
)

BASELINE_ONLY: dict[str, Any] = {"network": "none"}


def rings_and_stars(count: int = 60, seed: int = 0) -> tuple[list[Any], list[str]]:
    """Return rings and stars of 5 to 12 nodes, and their labels."""
    rng = np.random.default_rng(seed)
    graphs, labels = [], []
    for k in range(count):
        n = int(rng.integers(5, 13))
        graphs.append(nx.cycle_graph(n) if k % 2 else nx.star_graph(n - 1))
        labels.append("ring" if k % 2 else "star")
    return graphs, labels


@pytest.fixture
def shapes() -> GraphCollection:
    return read_graphs(*rings_and_stars())


def test_the_linear_baseline_uses_edges_where_they_matter(shapes):
    model = GraphClassifier(**BASELINE_ONLY).fit(shapes)
    assert model.linear_.feature_set != "nodes"
    assert model.linear_candidates_[0].feature_set == "nodes"
    evaluation = model.evaluate()
    assert evaluation.score.value == 1.0
    assert evaluation.baselines["linear model without edges"].value < 0.9
    assert model.predict([nx.cycle_graph(40)]).tolist() == ["ring"]
    assert model.predict_proba([nx.star_graph(3)]).shape == (1, 2)


def test_the_network_learns(shapes):
    model = GraphClassifier(epochs=25, hidden=16, minutes=None).fit(shapes)
    losses = [epoch.train_loss for epoch in model.history_]
    assert len(losses) == 25 and losses[-1] < 0.3 * losses[0]
    assert model.comparison_ is not None
    assert model.evaluate().score.value == 1.0


def test_without_a_validation_split_the_network_is_kept(shapes):
    settings: dict[str, Any] = {"epochs": 2, "hidden": 8, "minutes": None}
    model = GraphClassifier(**settings, val_fraction=0.0).fit(shapes)
    assert model.network_ is not None and model.model_description == "gin"
    assert model.comparison_ is None and model.temperature_ == 1.0
    assert np.isnan([epoch.val_loss for epoch in model.history_]).all()
    assert "the network is kept" in model.comparison_text


@pytest.mark.slow
def test_a_run_resumes_only_with_its_own_data(shapes, tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"

    def fit_epochs(data: GraphCollection, **stop: Any) -> tuple[GraphClassifier, Any]:
        model = GraphClassifier(epochs=3, hidden=8, minutes=None)
        return model, model.fit_epochs(data, checkpoint=checkpoint, **stop)

    stops = iter([False, True])
    first, epochs = fit_epochs(shapes, stop_requested=lambda: next(stops))
    with pytest.raises(TrainingInterrupted):
        first.train_to_end(epochs)
    assert len(first.history_) == 1
    labels, split = shapes.labels.copy(), first.split_.copy()
    labels[[0, 1]] = labels[[1, 0]]
    split[[*np.flatnonzero(split == "test")[:1]]] = "train"
    changed = (
        replace(shapes, labels=labels, split=first.split_.copy()),
        replace(shapes, split=split),
        read_graphs([*rings_and_stars()[0][:-1], nx.path_graph(9)], shapes.labels),
    )
    for data in changed:
        with pytest.raises(ResumeError, match="made from other data"):
            next(fit_epochs(data)[1])
    resumed, epochs = fit_epochs(replace(shapes, split=first.split_.copy()))
    resumed.train_to_end(epochs)
    assert [epoch.epoch for epoch in resumed.history_] == [1, 2, 3]
    again, epochs = fit_epochs(shapes)  # the run is finished
    assert not list(epochs) and again.history_ == resumed.history_
    assert np.array_equal(again.predict_proba(shapes), resumed.predict_proba(shapes))


def test_labels_of_test_graphs_do_not_change_predictions(shapes):
    model = GraphClassifier(**BASELINE_ONLY).fit(shapes)
    labels = shapes.labels.copy()
    labels[model.split_ == "test"] = "ring"
    split = model.split_.copy()
    expected, actual = (
        GraphClassifier(**BASELINE_ONLY)
        .fit(replace(shapes, labels=y, split=split))
        .predict_proba(shapes)
        for y in (shapes.labels, labels)
    )
    assert np.array_equal(actual, expected)


def test_classes_without_a_training_graph_are_named(shapes):
    split = np.resize(["train", "val", "test"], len(shapes)).astype(object)
    labels: Any = shapes.labels.copy()
    labels[split == "test"] = "only in test"
    data = replace(shapes, labels=labels, split=split)
    model = GraphClassifier(**BASELINE_ONLY).fit(data)
    assert model.classes_.tolist() == ["ring", "star"]
    note = "classes without a training graph, left out: only in test"
    assert note in data.notes
    assert set(model.split_[labels == "only in test"]) == {""}


def test_other_graphs_are_scored_on_their_test_split_and_known_classes(shapes):
    model = GraphClassifier(**BASELINE_ONLY).fit(shapes)
    other = read_graphs(*rings_and_stars(30, seed=1))
    assert model.evaluate(other).score.n == 30 and not model.evaluate(other).notes
    labels: Any = np.array(other.labels)
    labels[:4] = "wheel"
    split = np.resize(["train", "test"], 30).astype(object)
    found = model.evaluate(replace(other, labels=labels, split=split))
    assert found.score.n == 13  # 15 of the test split, 2 of them wheels
    assert found.notes == [
        "only graphs of the test split are scored",
        "2 graphs of unknown classes left out",
    ]


@pytest.mark.slow
def test_a_loaded_model_predicts_the_same(tmp_path, shapes):
    for settings in (BASELINE_ONLY, {"epochs": 15, "minutes": None}):
        model = GraphClassifier(**settings).fit(shapes)
        if settings is not BASELINE_ONLY:
            torch.manual_seed(0)
            assert model.graphs_ is not None
            width = model.graphs_.x.shape[1]
            config = GraphLevelConfig(width, 16, 2, 2, 0.1)
            model.update(network=GraphLevelNetwork(config).eval())
        model.save(tmp_path / "m", overwrite=True)
        again = vicinal.load(tmp_path / "m")
        assert np.array_equal(again.predict_proba(shapes), model.predict_proba(shapes))
        assert np.array_equal(again.transform(shapes), model.transform(shapes))
        assert again.evaluate(shapes).score == model.evaluate(shapes).score


def test_regression_beats_the_median():
    graphs, _ = rings_and_stars(80)
    sizes = [float(len(graph)) * 2 + 1 for graph in graphs]
    model = GraphRegressor(**BASELINE_ONLY).fit(graphs, sizes)
    assert model.score() > 0.95
    assert abs(model.predict([nx.cycle_graph(9)])[0] - 19) < 3
    evaluation = model.evaluate()
    assert evaluation.score.metric == "mae"
    assert evaluation.score.value < 0.2 * evaluation.baselines["median"].value


def test_multi_label_graphs():
    graphs, labels = rings_and_stars(80)
    marks = [
        f"{k}|big" if len(g) > 8 else k for k, g in zip(labels, graphs, strict=True)
    ]
    model = GraphClassifier(**BASELINE_ONLY).fit(graphs, marks)
    assert model.predict(graphs[:2]).shape == (2, 3)
    assert model.evaluate().score.metric == "f1_micro"


def test_invalid_data_raise():
    graphs, labels = rings_and_stars(12)
    with pytest.raises(DataError, match="No graph has a label"):
        GraphClassifier().fit(graphs)
    with pytest.raises(DataError, match="one class"):
        GraphClassifier().fit(graphs, ["x"] * 12)
    with pytest.raises(NoDataError, match="1 labelled graph in the train split"):
        GraphClassifier().fit(graphs, ["x"] + [None] * 11)
    with pytest.raises(DataError, match="Labels must be numbers"):
        GraphRegressor().fit(graphs, labels)
    model = GraphClassifier(**BASELINE_ONLY).fit(*rings_and_stars())
    with pytest.raises(ClassError, match="No graph is of a class"):
        model.evaluate(graphs, ["z"] * 12)
    assert isinstance(model.objective_, SingleLabel)
