"""Node estimators: the linear baseline, networks, new nodes and invalid data."""

from collections.abc import Iterator
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch

import vicinal
from vicinal.core.evaluation.significance import PairedComparison
from vicinal.core.objective import SingleLabel
from vicinal.core.training.trainer import Epoch, TrainingInterrupted
from vicinal.errors import (
    ClassError,
    DataError,
    NoDataError,
    NotFittedError,
    QuarantineWarning,
    ResumeError,
    SettingError,
)
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.link_predictor import LinkPredictor
from vicinal.graphs.node_estimators import NodeClassifier, NodeRegressor
from vicinal.graphs.nodes.ensemble import ensemble_logits
from vicinal.graphs.nodes.networks import (
    NETWORKS,
    NetworkConfig,
    NodeNetwork,
    build_network,
)
from vicinal.graphs.nodes.propagated_features import FEATURE_SETS
from vicinal.graphs.nodes.receptive_field import extract_receptive_field

BASELINE_ONLY: dict[str, Any] = {"network": "none"}


def test_weight_decay_makes_weights_smaller(block_graph):
    options: dict[str, Any] = {"network": "gcn", "ensemble_size": 1, "epochs": 20}

    def norm(weight_decay: float) -> float:
        model = NodeClassifier(keep="network", weight_decay=weight_decay, **options)
        networks = model.fit(block_graph).networks_
        assert networks is not None
        return sum(float(p.detach().square().sum()) for p in networks[0].parameters())

    assert norm(1.0) < 0.9 * norm(0.0)


def test_propagated_features_beat_features_without_edges(block_graph):
    model = NodeClassifier(**BASELINE_ONLY).fit(block_graph)
    without_edges, best = model.linear_candidates_[0], model.linear_
    feature_sets = {candidate.feature_set for candidate in model.linear_candidates_}
    assert without_edges.feature_set == "features"
    assert feature_sets == set(FEATURE_SETS)
    assert best.loss <= without_edges.loss
    evaluation = model.evaluate()
    assert evaluation.score.value > 0.75
    assert evaluation.score.n == (model.split_ == "test").sum()
    for name in ("most frequent class", "linear model without edges"):
        assert evaluation.comparisons[name].better
    assert model.networks_ is None and model.comparison_ is None
    assert model.classes_.tolist() == ["k0", "k1", "k2"]


@pytest.fixture(scope="module")
def baseline(block_tables) -> NodeClassifier:
    """The fitted linear baseline."""
    nodes, edges = block_tables()
    return NodeClassifier(**BASELINE_ONLY).fit(nodes, edges=edges)


@pytest.mark.parametrize(
    ("network_loss", "linear_loss", "p", "wins", "losses", "expected"),
    [
        (0.26, 0.27, 0.01, 12, 10, True),
        (0.26, 0.27, 0.01, 10, 11, True),  # one more loss than wins is noise
        (0.26, 0.27, 0.01, 8, 14, False),  # 6 > sqrt(22)
        (0.26, 0.27, 0.06, 12, 10, False),
        (0.26, 0.2605, 0.01, 12, 10, False),
    ],
)
def test_when_a_network_is_an_improvement(
    baseline, network_loss, linear_loss, p, wins, losses, expected
):
    comparison = PairedComparison(
        "Brier score", network_loss, linear_loss, p, wins, losses, 500
    )
    assert baseline.is_improvement(comparison) is expected


def test_a_loaded_model_has_the_same_baselines(block_graph, tmp_path):
    model = NodeClassifier(**BASELINE_ONLY).fit(block_graph)
    model.save(tmp_path / "m", overwrite=True)
    expected = model.evaluate()
    actual = vicinal.load(tmp_path / "m").evaluate()
    assert set(expected.baselines) == {
        "most frequent class",
        "linear model without edges",
        "label propagation",
    }
    assert actual.baselines == expected.baselines
    assert actual.verdict == expected.verdict
    other = model.evaluate(block_graph)  # label propagation needs labels
    assert set(other.baselines) == {"most frequent class", "linear model without edges"}


def test_labels_of_test_nodes_do_not_change_predictions(block_graph):
    labels: Any = block_graph.labels.copy()
    model = NodeClassifier(**BASELINE_ONLY).fit(block_graph)
    labels[model.split_ == "test"] = "k0"
    split = model.split_.copy()
    same = block_graph.replace(split=split)
    changed = block_graph.replace(split=split, labels=labels)
    expected = NodeClassifier(**BASELINE_ONLY).fit(same).predict_proba()
    actual = NodeClassifier(**BASELINE_ONLY).fit(changed).predict_proba()
    assert np.array_equal(actual, expected)


def test_the_same_seed_gives_the_same_predictions(block_graph):
    settings: dict[str, Any] = {
        "network": "gcn",
        "epochs": 5,
        "ensemble_size": 2,
        "minutes": None,
    }
    first, again, other = (
        NodeClassifier(**settings, random_state=seed).fit(block_graph)
        for seed in (0, 0, 1)
    )
    assert np.array_equal(first.predict_proba(), again.predict_proba())
    assert not np.array_equal(first.split_, other.split_)


@pytest.mark.parametrize(
    "network",
    [
        pytest.param(name, marks=pytest.mark.slow if name in ("gatv2", "gcnii") else ())
        for name in NETWORKS
    ],
)
def test_every_network_learns(network, block_graph):
    model = NodeClassifier(
        network=network,
        epochs=60,
        ensemble_size=1,
        hidden=16,
        minutes=None,
        dropout=0.1,
        lr=0.03,
    )
    model.fit(block_graph)
    losses = [epoch.train_loss for epoch in model.history_]
    assert len(losses) == 60 and np.mean(losses[-5:]) < 0.8 * losses[0]
    assert model.comparison_ is not None


def test_a_run_resumes_only_with_its_own_data(block_tables, tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    nodes, edges = block_tables()

    def fit_epochs(
        nodes: Any, edges: Any, **stop: Any
    ) -> tuple[NodeClassifier, Iterator[Epoch]]:
        settings: dict[str, Any] = {"network": "gcn", "hidden": 8, "epochs": 3}
        model = NodeClassifier(**settings, ensemble_size=2, minutes=None)
        epochs = model.fit_epochs(nodes, edges=edges, checkpoint=checkpoint, **stop)
        return model, epochs

    stops = iter([False, True])
    first, epochs = fit_epochs(nodes, edges, stop_requested=lambda: next(stops))
    with pytest.raises(TrainingInterrupted):
        first.train_to_end(epochs)
    labelled = nodes.copy()
    labelled["label"] = np.roll(labelled["label"], 1)
    split = nodes.assign(split=first.split_)
    moved = np.flatnonzero(first.split_ == "test")[:1]
    split.loc[split.index[moved], "split"] = "train"
    for data in (
        (labelled, edges),
        (nodes.drop(columns=nodes.columns[1]), edges),
        (split, edges),
        (nodes, edges.iloc[1:]),
    ):
        with pytest.raises(ResumeError, match="made from other data"):
            next(fit_epochs(*data)[1])
    resumed, epochs = fit_epochs(nodes, edges)
    resumed.train_to_end(epochs)
    assert [epoch.epoch for epoch in resumed.history_] == [1, 2, 3, 1, 2, 3]
    with pytest.raises(ResumeError, match=r"network-0.*made from other data"):
        next(fit_epochs(nodes, edges.iloc[1:])[1])


def test_an_undertrained_network_does_not_replace_the_baseline(block_graph):
    settings: dict[str, Any] = {
        "network": "gcn",
        "epochs": 2,
        "ensemble_size": 1,
        "minutes": None,
    }
    model = NodeClassifier(**settings).fit(block_graph)  # too short to learn anything
    assert model.comparison_ is not None
    assert model.networks_ is None and "not kept" in model.comparison_text
    linear = NodeClassifier(**BASELINE_ONLY).fit(block_graph)
    assert np.allclose(model.predict_proba(), linear.predict_proba())


def test_a_network_is_kept_where_the_baseline_cannot_fit():
    """The label is the product of a node's sign and the sign of its neighbours' mean.

    No linear model on propagated features can fit it; a network of two layers can.
    """
    rng, nodes = np.random.default_rng(0), 800
    adjacency = np.triu(rng.random((nodes, nodes)) < 6 / nodes, 1)
    sign = rng.choice([-1.0, 1.0], nodes)
    labels = np.where(
        sign * ((adjacency + adjacency.T) @ sign + 0.5) > 0, "equal", "opposite"
    )
    table = pd.DataFrame({"id": np.arange(nodes), "sign": sign, "label": labels})
    source, target = np.nonzero(adjacency)
    edges = pd.DataFrame({"source": source, "target": target})
    settings: Any = {"ensemble_size": 1, "epochs": 150, "minutes": None}
    model = NodeClassifier(network="sage", **settings).fit(table, edges=edges)
    assert model.networks_ is not None and "kept" in model.comparison_text
    graph = model.labelled_graph_
    linear = model.linear_.logits(graph).argmax(dim=1).numpy()
    accuracy = float((linear == graph.y)[model.test_mask].mean())
    assert accuracy < 0.7 and model.score() > accuracy + 0.1


def test_networks_alone_or_averaged_with_the_linear_baseline(block_graph):
    settings: Any = {
        "network": "gcn",
        "epochs": 40,
        "ensemble_size": 1,
        "minutes": None,
    }
    alone = NodeClassifier(**settings, keep="network").fit(block_graph)
    assert alone.networks_ is not None and alone.mixture_temperatures_ is None
    assert alone.model_description == "gcn"
    model = NodeClassifier(**settings).fit(block_graph)
    model.update(networks=alone.networks_, mixture_temperatures=(2.0, 0.5))
    graph, (network,) = model.labelled_graph_, model.networks_ or []
    linear_p = (model.linear_.logits(graph) / 2.0).softmax(dim=1)
    z = network(graph.x, graph.adjacency, graph.edge_weight)
    network_p = (z / 0.5).softmax(dim=1)
    actual = model.logits().softmax(dim=1)
    torch.testing.assert_close(actual, (linear_p + network_p).detach() / 2)
    assert model.model_description == "gcn, averaged with the linear baseline"
    assert model.hops == max(network.hops, model.linear_.hops)


def test_a_mixture_with_the_baseline_survives_saving(tmp_path, block_graph):
    settings: Any = {"network": "gcn", "epochs": 5, "ensemble_size": 1, "minutes": None}
    model = NodeClassifier(**settings, keep="network").fit(block_graph)
    model.update(mixture_temperatures=(1.5, 0.7))
    model.save(tmp_path / "m", overwrite=True)
    again = vicinal.load(tmp_path / "m")
    assert again.mixture_temperatures_ == (1.5, 0.7)
    assert np.array_equal(again.predict_proba(), model.predict_proba())


def test_an_ensemble_averages_probabilities(block_graph):
    settings: dict[str, Any] = {
        "network": "sage",
        "epochs": 30,
        "ensemble_size": 3,
        "minutes": None,
        "keep": "network",
    }
    model = NodeClassifier(**settings).fit(block_graph)
    assert len(model.history_) == 90
    graph, networks = model.labelled_graph_, model.networks_ or []
    assert len(networks) == 3
    objective = SingleLabel(model.objective_.classes)
    actual = ensemble_logits(networks, graph, objective, model.settings_).exp()
    each = [
        network(graph.x, graph.adjacency, graph.edge_weight).softmax(1)
        for network in networks
    ]
    torch.testing.assert_close(actual, torch.stack(each).mean(0))


@pytest.mark.parametrize(
    "settings",
    [
        BASELINE_ONLY,
        {"network": "gcn", "epochs": 3, "minutes": None, "keep": "network"},
        pytest.param(
            {"network": "gcn", "epochs": 60, "minutes": None}, marks=pytest.mark.slow
        ),
    ],
)
def test_a_loaded_model_predicts_the_same(settings, tmp_path, block_graph):
    model = NodeClassifier(**settings).fit(block_graph)
    model.save(tmp_path / "m")
    again = vicinal.load(tmp_path / "m")
    assert np.array_equal(again.predict_proba(), model.predict_proba())
    assert np.array_equal(again.transform(), model.transform())
    assert again.predict(["n3", "n7"]).tolist() == model.predict(["n3", "n7"]).tolist()
    assert again.evaluate().score == model.evaluate().score
    assert again.get_params() == model.get_params()
    nodes = pd.DataFrame([["new", 0, 0, 1, 0]], columns=["id", *"abcd"])
    edges = pd.DataFrame({"source": ["new"], "target": ["n3"]})
    new = {"new_nodes": nodes, "new_edges": edges}
    assert np.array_equal(again.predict_proba(**new), model.predict_proba(**new))


@pytest.mark.parametrize(
    "network",
    [
        *("none", "sage"),
        *(
            pytest.param(k, marks=pytest.mark.slow)
            for k in ("gat", "gcn", "gin", "appnp")
        ),
    ],
)
@pytest.mark.parametrize(
    "weighted", [True, pytest.param(False, marks=pytest.mark.slow)]
)
def test_new_nodes_are_predicted_as_in_the_whole_graph(network, weighted, block_tables):
    """Their receptive field gives the logits of the extended graph, 20 times."""
    rng = np.random.default_rng(0)
    nodes, edges = block_tables(nodes=400)
    if weighted:
        edges["weight"] = rng.random(len(edges)) + 0.1
    model = NodeClassifier(
        network=network, epochs=3, ensemble_size=1, minutes=None, hidden=16
    ).fit(read_graph(nodes, edges=edges))
    if network != "none":
        model.update(networks=[random_network(network)])
    elif weighted:
        model.update(linear=model.linear_candidates_[1])
    for number in range(20):
        count = int(rng.integers(1, 4))
        new_nodes = pd.DataFrame(rng.normal(size=(count, 4)), columns=list("abcd"))
        new_nodes.insert(0, "id", [f"new{k}" for k in range(count)])
        names = [*nodes["id"], *new_nodes["id"]]
        links = [
            (f"new{k}", names[int(rng.integers(len(names)))], float(rng.random()))
            for k in range(count)
            for _ in range(int(rng.integers(0, 4)))
        ]
        new_edges = pd.DataFrame(links, columns=["source", "target", "weight"])
        if not weighted:
            new_edges = new_edges.drop(columns="weight")
        actual = model.predict_proba(new_nodes=new_nodes, new_edges=new_edges)
        extended = model.add_new_nodes(new_nodes, new_edges)
        logits = model.logits(extended.labelled_graph)[extended.new_rows]
        expected = model.predict_from_logits(logits)
        np.testing.assert_allclose(actual, expected, atol=1e-5, err_msg=str(number))


def random_network(name: str) -> NodeNetwork:
    """Return a network with random weights for 4 features and 3 classes."""
    torch.manual_seed(1)
    config = NetworkConfig(4, 16, NETWORKS[name].layers, 3, 0.0, 8)
    return build_network(name, config).eval()


def test_repeated_edges_of_new_nodes_count_once(block_tables):
    nodes, edges = block_tables()
    model = NodeClassifier(**BASELINE_ONLY).fit(read_graph(nodes, edges=edges))
    model.update(networks=[random_network("gcn")])
    new_nodes = pd.DataFrame([["new", 0, 0, 1, 0]], columns=["id", *"abcd"])
    edge = edges.iloc[0]
    once = [("new", edge["source"])]
    repeated = [*once, tuple(edge), tuple(edge)[::-1]]
    expected, actual = (
        model.predict_nodes(
            new_nodes=new_nodes,
            new_edges=pd.DataFrame(pairs, columns=["source", "target"]),
        )
        for pairs in (once, repeated)
    )
    assert np.array_equal(actual.predicted, expected.predicted)
    assert "1 duplicate edge merged; each counts once" in actual.notes


def test_quarantined_rows_raise_a_warning(block_tables):
    nodes, edges = block_tables()
    nodes.loc[len(nodes)] = nodes.iloc[0]
    message = "1 row quarantined, for example n0: line 150: duplicate"
    with pytest.warns(QuarantineWarning, match=message) as warned:
        model = NodeClassifier(**BASELINE_ONLY).fit(nodes, edges=edges)
    assert warned[0].filename == __file__  # the line that called fit
    assert [q.name for q in model.quarantine_] == ["n0"]
    invalid = pd.DataFrame({"source": ["n1", "", "n2"], "target": ["n2", "n3", ""]})
    more = pd.concat([edges, invalid])
    with pytest.warns(QuarantineWarning, match="2 rows quarantined") as warned:
        links = LinkPredictor().fit(more)
    assert len(links.quarantine_) == 2
    assert warned[0].filename == __file__  # the line that called fit


def test_new_nodes_need_only_their_receptive_field(block_tables):
    nodes, edges = block_tables(nodes=400)
    model = NodeClassifier(**BASELINE_ONLY).fit(read_graph(nodes, edges=edges))
    new_nodes = pd.DataFrame([["new", 0, 0, 1, 0]], columns=["id", *"abcd"])
    links = pd.DataFrame({"source": ["new"], "target": ["n3"]})
    extended = model.add_new_nodes(new_nodes, links)
    rows = extended.new_rows
    field = extract_receptive_field(extended.labelled_graph, rows, 1)
    assert 1 < len(field.nodes) < 60
    isolated = model.predict_nodes(new_nodes=new_nodes)
    assert isolated.isolated.tolist() == [True] and isolated.ids.tolist() == ["new"]
    connected = model.predict_nodes(new_nodes=new_nodes, new_edges=links)
    assert connected.isolated.tolist() == [False]


def test_invalid_new_nodes_raise(block_graph):
    model = NodeClassifier(**BASELINE_ONLY).fit(block_graph)
    new_nodes = pd.DataFrame([["n3", 0, 0, 1, 0]], columns=["id", *"abcd"])
    with pytest.raises(DataError, match="'n3' is in the graph already"):
        model.predict(new_nodes=new_nodes)
    with pytest.raises(DataError, match="New nodes must be listed in a table"):
        model.predict(new_edges=pd.DataFrame({"source": ["n1"], "target": ["n2"]}))
    incomplete = pd.DataFrame({"id": ["new"], "a": [1]})
    with pytest.raises(DataError, match="must have the column 'b'"):
        model.predict(new_nodes=incomplete)


def test_two_labelled_nodes_are_enough_for_label_propagation():
    """Zachary's karate club with the labels of its two leaders (Kipf and Welling)."""
    graph = nx.karate_club_graph()
    club = [graph.nodes[k]["club"] for k in graph]
    table = read_graph(graph, target="club")
    split = np.where(np.isin(table.ids, ["0", "33"]), "train", "test")
    model = NodeClassifier(**BASELINE_ONLY, val_fraction=0.0).fit(
        table.replace(split=split)
    )
    assert model.linear_.feature_set == "label_propagation"
    correct = model.predict() == np.array(club)
    assert correct.sum() >= 31
    assert model.evaluate().score.n == 32


def test_nodes_are_predicted_by_name(block_graph):
    model = NodeClassifier(**BASELINE_ONLY).fit(block_graph)
    predicted = dict(zip(block_graph.ids, model.predict(), strict=True))
    by_name = model.predict(["n9", "n0"])
    assert by_name.tolist() == [predicted["n9"], predicted["n0"]]
    with pytest.raises(NoDataError, match="no node 'n999'"):
        model.predict(["n999"])


def test_another_graph_is_evaluated(block_tables):
    nodes, edges = block_tables(seed=0)
    others, links = block_tables(seed=1)
    model = NodeClassifier(**BASELINE_ONLY).fit(read_graph(nodes, edges=edges))
    other = read_graph(others, edges=links)
    evaluation = model.evaluate(other)
    assert evaluation.score.value > 0.6 and evaluation.score.n == len(other)
    unknown = other.replace(labels=np.array(["z"] * len(other), dtype=object))
    with pytest.raises(ClassError, match="No node is of a class"):
        model.evaluate(unknown)
    labels: Any = other.labels.copy()  # pyright: ignore[reportOptionalMemberAccess]
    labels[:5] = "z"
    notes = model.evaluate(other.replace(labels=labels)).notes
    assert notes[0] == "5 nodes of unknown classes left out"
    assert "103 of these 145 nodes have the name of a training node" in notes[1]


def test_integer_labels_are_integer_classes(block_graph):
    y = [
        None if k % 5 == 0 else int(str(v)[1]) for k, v in enumerate(block_graph.labels)
    ]
    unlabelled = block_graph.replace(labels=None, kind="none")
    model = NodeClassifier(**BASELINE_ONLY).fit(unlabelled, y)
    assert model.classes_.dtype == np.int64 and set(model.predict()) <= {0, 1, 2}
    assert not model.split_[::5].any()


def test_regression_beats_the_baselines(block_tables):
    nodes, edges = block_tables(nodes=300)
    amount = nodes["label"].str[1].astype(float) * 10 + np.random.default_rng(0).normal(
        size=300
    )
    nodes = nodes.drop(columns="label").assign(amount=amount)
    table = read_graph(nodes, edges=edges, target="amount")
    assert table.kind == "numeric"
    model = NodeRegressor(**BASELINE_ONLY).fit(table)
    assert model.evaluate().beats_baselines and model.score() > 0.5
    assert model.predict(["n1"]).shape == (1,)
    with pytest.raises(DataError, match="Labels must be numbers"):
        NodeRegressor(**BASELINE_ONLY).fit(
            nodes.assign(label="x"), edges=edges, target="label"
        )


def test_multi_label_nodes(block_tables):
    nodes, edges = block_tables(nodes=300)
    nodes["label"] = [f"{k}|odd" if i % 2 else k for i, k in enumerate(nodes["label"])]
    model = NodeClassifier(**BASELINE_ONLY).fit(read_graph(nodes, edges=edges))
    assert model.objective_.kind == "multi_label"
    assert model.predict(["n1", "n2"]).shape == (2, 4)
    assert model.evaluate().score.metric == "f1_micro"


def test_a_graph_without_features():
    graph = nx.karate_club_graph()
    model = NodeClassifier(**BASELINE_ONLY).fit(graph, target="club")
    assert set(model.predict()) == {"Mr. Hi", "Officer"}


def test_split_by_time_and_by_group(block_tables):
    nodes, edges = block_tables()
    nodes["date"] = [f"2020-01-{1 + k % 28:02d}" for k in range(len(nodes))]
    model = NodeClassifier(**BASELINE_ONLY, time_column="date")
    model.fit(read_graph(nodes, edges=edges))
    days = nodes["date"].to_numpy()
    train, val, test = (days[model.split_ == k] for k in ("train", "val", "test"))
    assert train.max() < val.min() and val.max() < test.min()
    nodes["house"] = [k // 10 for k in range(len(nodes))]
    model = NodeClassifier(**BASELINE_ONLY, group_column="house").fit(
        nodes, edges=edges
    )
    for house in nodes["house"].unique():
        assert len(set(model.split_[nodes["house"] == house])) == 1
    message = "There is no column 'year' in the table of nodes"
    with pytest.raises(DataError, match=message):
        NodeClassifier(**BASELINE_ONLY, time_column="year").fit(nodes, edges=edges)


def test_invalid_data_and_settings_raise(block_graph):
    unlabelled = np.full(len(block_graph), None, dtype=object)
    with pytest.raises(DataError, match="No node has a label"):
        NodeClassifier().fit(block_graph.replace(labels=unlabelled, kind="none"))
    one_class = np.full(len(block_graph), "x", dtype=object)
    with pytest.raises(DataError, match="one class"):
        NodeClassifier().fit(block_graph.replace(labels=one_class))
    split = np.full(len(block_graph), "test")
    with pytest.raises(NoDataError, match="No labelled node is in the train split"):
        NodeClassifier().fit(block_graph.replace(split=split))
    with pytest.raises(NotFittedError):
        NodeClassifier().predict()
    with pytest.raises(SettingError, match="multiple of heads"):
        NodeClassifier(network="gat", hidden=10, epochs=1).fit(block_graph)
    with pytest.raises(SettingError, match=r"network must be one of .*Got 'gnn'"):
        NodeClassifier(network="gnn").fit(block_graph)


def test_isolated_nodes_are_predicted_from_their_features(tmp_path):
    (tmp_path / "nodes.csv").write_text(
        "id,label,f\n" + "".join(f"n{k},{'xy'[k % 2]},{k % 2}\n" for k in range(30))
    )
    (tmp_path / "edges.csv").write_text("source,target\nn0,n2\n")
    model = NodeClassifier(**BASELINE_ONLY).fit(tmp_path)
    assert model.evaluate().score.value == 1.0
    assert model.predict_nodes().isolated.sum() == 28


@pytest.mark.parametrize(
    "network",
    ["sage", *(pytest.param(n, marks=pytest.mark.slow) for n in ("gat", "gcnii"))],
)
def test_bfloat16_trains_as_well_as_float32(network, block_graph):
    settings: dict[str, Any] = {
        "network": network,
        "epochs": 60,
        "ensemble_size": 1,
        "hidden": 16,
        "minutes": None,
        "dropout": 0.1,
        "lr": 0.03,
        "keep": "network",
    }
    full, half = (
        NodeClassifier(precision=precision, **settings).fit(block_graph)
        for precision in ("float32", "bfloat16")
    )
    losses = [model.history_[-1].train_loss for model in (full, half)]
    assert losses[1] == pytest.approx(losses[0], abs=0.1)
    assert half.history_[0].train_loss != full.history_[0].train_loss
    assert abs(half.score() - full.score()) <= 0.1
