"""Nodes: what is told of them, by what, and that nothing changes it but what may."""

from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch

import vicinal
from vicinal.core.evaluation.significance import PairedComparison
from vicinal.core.objective import SingleLabel
from vicinal.errors import (
    ClassError,
    DataError,
    NoDataError,
    NotFittedError,
    QuarantineWarning,
    SettingError,
)
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.link_predictor import LinkPredictor
from vicinal.graphs.node_estimators import NodeClassifier, NodeRegressor
from vicinal.graphs.nodes.ensemble import together
from vicinal.graphs.nodes.networks import NETWORKS
from vicinal.graphs.nodes.propagated_features import VIEWS

quick: dict[str, Any] = {"network": "none"}


def test_the_first_answer_beats_features_alone(block_graph):
    model = NodeClassifier(**quick).fit(block_graph)
    alone, best = model.linear_candidates_[0], model.linear_
    assert alone.view == "features" and {
        a.view for a in model.linear_candidates_
    } == set(VIEWS)
    assert best.loss <= alone.loss
    found = model.evaluate()
    assert found.score.value > 0.75 and found.score.n == (model.split_ == "test").sum()
    for name in ("most frequent class", "features alone"):
        assert found.against[name].better
    assert model.networks_ is None and model.comparison_ is None
    assert model.classes_.tolist() == ["k0", "k1", "k2"]


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (PairedComparison("Brier score", 0.26, 0.27, 0.01, 12, 10, 500), True),
        (
            PairedComparison("Brier score", 0.26, 0.27, 0.01, 10, 11, 500),
            True,
        ),  # as a coin has it
        (
            PairedComparison("Brier score", 0.26, 0.27, 0.01, 8, 14, 500),
            False,
        ),  # 6 > sqrt(22)
        (PairedComparison("Brier score", 0.26, 0.27, 0.06, 12, 10, 500), False),
        (PairedComparison("Brier score", 0.26, 0.2605, 0.01, 12, 10, 500), False),
    ],
)
def test_when_networks_are_shown_to_be_better(block_graph, found, shown):
    model = NodeClassifier(**quick).fit(block_graph)
    assert model._shown(found) is shown


def test_a_model_is_held_against_the_same_baselines_once_it_is_read_again(
    block_graph, tmp_path
):
    model = NodeClassifier(**quick).fit(block_graph)
    model.save(tmp_path / "m")
    found, again = model.evaluate(), vicinal.load(tmp_path / "m").evaluate()
    assert set(found.baselines) == {
        "most frequent class",
        "features alone",
        "neighbours' labels alone",
    }
    assert again.baselines == found.baselines and again.verdict == found.verdict
    other = model.evaluate(block_graph)  # of another graph no label is known
    assert set(other.baselines) == {"most frequent class", "features alone"}


def test_labels_of_held_out_nodes_are_not_looked_at(block_graph):
    labels: Any = block_graph.labels.copy()
    model = NodeClassifier(**quick).fit(block_graph)
    tested = model.split_ == "test"
    labels[tested] = "k0"
    split = model.split_.copy()
    same = block_graph.having(split=split)
    turned = block_graph.having(split=split, labels=labels)
    wanted = NodeClassifier(**quick).fit(same).predict_proba()
    found = NodeClassifier(**quick).fit(turned).predict_proba()
    assert np.array_equal(found, wanted)


def test_the_same_seed_gives_the_same_answer(block_graph):
    settings: dict[str, Any] = {
        "network": "gcn",
        "epochs": 5,
        "members": 2,
        "minutes": None,
    }
    first, again, other = (
        NodeClassifier(**settings, random_state=seed).fit(block_graph)
        for seed in (0, 0, 1)
    )
    assert np.array_equal(first.predict_proba(), again.predict_proba())
    assert not np.array_equal(first.split_, other.split_)


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_learns(network, block_graph):
    model = NodeClassifier(
        network=network,
        epochs=60,
        members=1,
        hidden=16,
        minutes=None,
        dropout=0.1,
        lr=0.03,
    )
    model.fit(block_graph)
    losses = [epoch.train_loss for epoch in model.history_]
    assert len(losses) == 60 and np.mean(losses[-5:]) < 0.8 * losses[0]
    assert model.comparison_ is not None


def test_networks_are_kept_only_where_they_are_better(block_graph, monkeypatch):
    settings: dict[str, Any] = {
        "network": "gcn",
        "epochs": 2,
        "members": 1,
        "minutes": None,
    }
    model = NodeClassifier(**settings).fit(block_graph)  # too short to learn anything
    assert model.comparison_ is not None
    assert model.networks_ is None and "not kept" in model.against_the_first
    before = model.predict_proba()
    first = NodeClassifier(**quick).fit(block_graph)
    assert np.allclose(before, first.predict_proba())


def test_a_network_is_kept_where_only_it_can_see_what_matters():
    """A label that is the product of a node's own sign and that of its neighbours'
    mean: no layer on means gives it, and two layers with a bend between do."""
    rng, nodes = np.random.default_rng(0), 800
    above = np.triu(rng.random((nodes, nodes)) < 6 / nodes, 1)
    sign = rng.choice([-1.0, 1.0], nodes)
    labels = np.where(sign * ((above + above.T) @ sign + 0.5) > 0, "alike", "unlike")
    table = pd.DataFrame({"id": np.arange(nodes), "sign": sign, "label": labels})
    source, target = np.nonzero(above)
    edges = pd.DataFrame({"source": source, "target": target})
    settings: Any = {"members": 1, "epochs": 150, "minutes": None}
    model = NodeClassifier(network="sage", **settings).fit(table, edges=edges)
    assert model.networks_ is not None and "kept" in model.against_the_first
    held, known = model.held_out, model.known_
    first = model.linear_.logits(known).argmax(dim=1).numpy()
    right = float((first == known.y)[held].mean())
    assert right < 0.7 and model.score() > right + 0.1


def test_networks_may_be_taken_as_they_are_or_with_the_first_answer(block_graph):
    settings: Any = {"network": "gcn", "epochs": 40, "members": 1, "minutes": None}
    alone = NodeClassifier(**settings, deliver="networks").fit(block_graph)
    assert alone.networks_ is not None and alone.mixture_temperatures_ is None
    assert alone.delivered == "gcn"
    model = NodeClassifier(**settings).fit(block_graph)
    model.networks_, model.mixture_temperatures_ = alone.networks_, (2.0, 0.5)
    model._said = None
    first = (model.linear_.logits(model.known_) / 2.0).softmax(dim=1)
    network = model.networks_[0]
    known = model.known_
    other = (network(known.x, known.graph, known.weight) / 0.5).softmax(dim=1)
    said = model.logits().softmax(dim=1)
    torch.testing.assert_close(said, (first + other).detach() / 2)
    assert model.delivered == "gcn, with the first answer"
    assert model.hops == max(network.hops, model.linear_.hops)


def test_a_mean_of_both_is_kept_and_read_again(tmp_path, block_graph):
    settings: Any = {"network": "gcn", "epochs": 5, "members": 1, "minutes": None}
    model = NodeClassifier(**settings, deliver="networks").fit(block_graph)
    model.mixture_temperatures_, model._said = (1.5, 0.7), None
    model.save(tmp_path / "m")
    again = vicinal.load(tmp_path / "m")
    assert again.mixture_temperatures_ == (1.5, 0.7)
    assert np.array_equal(again.predict_proba(), model.predict_proba())


def test_more_than_one_network_is_a_mean(block_graph):
    settings: dict[str, Any] = {
        "network": "sage",
        "epochs": 30,
        "members": 3,
        "minutes": None,
        "deliver": "networks",
    }
    model = NodeClassifier(**settings).fit(block_graph)
    assert len(model.history_) == 90
    known, nets = model.known_, model.networks_ or []
    assert len(nets) == 3
    objective = SingleLabel(model.objective_.classes)
    said = together(nets, known, objective, model.settings).exp()
    each = [n(known.x, known.graph, known.weight).softmax(1) for n in nets]
    torch.testing.assert_close(said, torch.stack(each).mean(0))


def test_kept_and_read_again(tmp_path, block_graph):
    for settings in (quick, {"network": "gcn", "epochs": 60, "minutes": None}):
        model = NodeClassifier(**settings).fit(block_graph)
        model.save(tmp_path / "m")
        again = vicinal.load(tmp_path / "m")
        assert np.array_equal(again.predict_proba(), model.predict_proba())
        assert np.array_equal(again.transform(), model.transform())
        assert (
            again.predict(["n3", "n7"]).tolist() == model.predict(["n3", "n7"]).tolist()
        )
        assert again.evaluate().score == model.evaluate().score
        assert again.get_params() == model.get_params()
        nodes = pd.DataFrame([["new", 0, 0, 1, 0]], columns=["id", *"abcd"])
        edges = pd.DataFrame({"source": ["new"], "target": ["n3"]})
        came = {"new_nodes": nodes, "new_edges": edges}
        assert np.array_equal(again.predict_proba(**came), model.predict_proba(**came))


@pytest.mark.parametrize("network", ["none", "gcn", "sage", "gat", "gin", "appnp"])
@pytest.mark.parametrize("weighted", [False, True])
def test_newcomers_are_as_if_all_were_computed_anew(network, weighted, block_tables):
    """Equal to the whole graph with them in it, for 20 insertions of each kind."""
    rng = np.random.default_rng(0)
    nodes, edges = block_tables(nodes=400)
    if weighted:
        edges["weight"] = rng.random(len(edges)) + 0.1
    model = NodeClassifier(
        network=network, epochs=3, members=1, minutes=None, hidden=16
    ).fit(read_graph(nodes, edges=edges))
    if network != "none":
        model.networks_ = [model_network(model, network)]
    elif weighted:
        model.linear_ = model.linear_candidates_[1]
    for number in range(20):
        count = int(rng.integers(1, 4))
        came = pd.DataFrame(rng.normal(size=(count, 4)), columns=list("abcd"))
        came.insert(0, "id", [f"new{k}" for k in range(count)])
        names = [*nodes["id"], *came["id"]]
        links = [
            (f"new{k}", names[int(rng.integers(len(names)))], float(rng.random()))
            for k in range(count)
            for _ in range(int(rng.integers(0, 4)))
        ]
        new_edges = pd.DataFrame(links, columns=["source", "target", "weight"])
        if not weighted:
            new_edges = new_edges.drop(columns="weight")
        found = model.predict_proba(new_nodes=came, new_edges=new_edges)
        whole = model.joined(came, new_edges)
        wanted = model._predict(model._logits(whole.known)[whole.new])
        np.testing.assert_allclose(found, wanted, atol=1e-5, err_msg=str(number))


def model_network(model, name):
    """A network of random weights, of the shape that the model would train."""
    from vicinal.graphs.nodes.networks import NetworkConfig, build

    torch.manual_seed(1)
    return build(name, NetworkConfig(4, 16, NETWORKS[name].layers, 3, 0.0, 8)).eval()


def test_an_edge_that_newcomers_bring_again_is_one(block_tables):
    nodes, edges = block_tables()
    model = NodeClassifier(**quick).fit(read_graph(nodes, edges=edges))
    model.networks_ = [model_network(model, "gcn")]
    came = pd.DataFrame([["new", 0, 0, 1, 0]], columns=["id", *"abcd"])
    there = edges.iloc[0]
    links = [("new", there["source"])]
    again = [*links, tuple(there), tuple(there)[::-1]]
    found, other = (
        model.answers(
            new_nodes=came,
            new_edges=pd.DataFrame(pairs, columns=["source", "target"]),
        )
        for pairs in (links, again)
    )
    assert np.array_equal(found.predicted, other.predicted)
    assert "2 edges repeat others; they count once" in other.notes or (
        "1 edge repeat others; they count once" in other.notes
    )


def test_what_is_set_aside_is_warned_of(block_tables):
    nodes, edges = block_tables()
    nodes.loc[len(nodes)] = nodes.iloc[0]
    with pytest.warns(QuarantineWarning, match="1 row set aside, n0: line 150: this"):
        model = NodeClassifier(**quick).fit(nodes, edges=edges)
    assert [q.name for q in model.quarantine_] == ["n0"]
    lost = pd.DataFrame({"source": ["n1", "", "n2"], "target": ["n2", "n3", ""]})
    more = pd.concat([edges, lost])
    with pytest.warns(QuarantineWarning, match="2 rows set aside") as warned:
        found = LinkPredictor().fit(more)
    assert len(found.quarantine_) == 2
    assert warned[0].filename == __file__  # it points at the user's own line


def test_newcomers_need_less_than_the_whole_graph(block_tables):
    from vicinal.graphs.nodes.receptive_field import field_of

    nodes, edges = block_tables(nodes=400)
    model = NodeClassifier(**quick).fit(read_graph(nodes, edges=edges))
    came = pd.DataFrame([["new", 0, 0, 1, 0]], columns=["id", *"abcd"])
    links = pd.DataFrame({"source": ["new"], "target": ["n3"]})
    whole = model.joined(came, links)
    near = field_of(whole.known, whole.new, 1)
    assert 1 < len(near.nodes) < 60
    alone = model.answers(new_nodes=came)
    assert alone.alone.tolist() == [True] and alone.ids.tolist() == ["new"]
    assert model.answers(new_nodes=came, new_edges=links).alone.tolist() == [False]


def test_newcomers_that_cannot_join(block_graph):
    model = NodeClassifier(**quick).fit(block_graph)
    came = pd.DataFrame([["n3", 0, 0, 1, 0]], columns=["id", *"abcd"])
    with pytest.raises(DataError, match="'n3' is in the graph already"):
        model.predict(new_nodes=came)
    with pytest.raises(DataError, match="listed in a table"):
        model.predict(new_edges=pd.DataFrame({"source": ["n1"], "target": ["n2"]}))
    bare = pd.DataFrame({"id": ["new"], "a": [1]})
    with pytest.raises(DataError, match="column 'b', which is not there"):
        model.predict(new_nodes=bare)


def test_two_labels_are_enough_to_say_what_is_around_them():
    """Zachary's club, of which the two leaders alone are known (Kipf and Welling)."""
    graph = nx.karate_club_graph()
    club = [graph.nodes[k]["club"] for k in graph]
    table = read_graph(graph, target="club")
    split = np.where(np.isin(table.ids, ["0", "33"]), "train", "test")
    model = NodeClassifier(**quick, val_fraction=0.0).fit(table.having(split=split))
    assert model.linear_.view == "labels"
    right = model.predict() == np.array(club)
    assert right.sum() >= 31
    assert model.evaluate().score.n == 32


def test_some_nodes_by_name(block_graph):
    model = NodeClassifier(**quick).fit(block_graph)
    every = model.predict()
    place = {name: k for k, name in enumerate(block_graph.ids)}
    some = model.predict(["n9", "n0"])
    assert some.tolist() == [every[place["n9"]], every[place["n0"]]]
    with pytest.raises(NoDataError, match="no node 'n999'"):
        model.predict(["n999"])


def test_another_graph(block_tables):
    nodes, edges = block_tables(seed=0)
    others, links = block_tables(seed=1)
    model = NodeClassifier(**quick).fit(read_graph(nodes, edges=edges))
    other = read_graph(others, edges=links)
    found = model.evaluate(other)
    assert found.score.value > 0.6 and found.score.n == len(other)
    strange = other.having(labels=np.array(["z"] * len(other), dtype=object))
    with pytest.raises(ClassError, match="No node is of a class"):
        model.evaluate(strange)
    few: Any = other.labels.copy()  # pyright: ignore[reportOptionalMemberAccess]
    few[:5] = "z"
    notes = model.evaluate(other.having(labels=few)).notes
    assert notes[0] == "5 nodes of classes that the model does not know left out"
    assert "103 of these 145 nodes have the names" in notes[1]


def test_whole_numbers_are_classes_and_come_back(block_graph):
    y = [
        None if k % 5 == 0 else int(str(v)[1]) for k, v in enumerate(block_graph.labels)
    ]
    model = NodeClassifier(**quick).fit(block_graph.having(labels=None, kind="none"), y)
    assert model.classes_.dtype == np.int64 and set(model.predict()) <= {0, 1, 2}
    assert not model.split_[::5].any()


def test_numbers(block_tables):
    nodes, edges = block_tables(nodes=300)
    amount = nodes["label"].str[1].astype(float) * 10 + np.random.default_rng(0).normal(
        size=300
    )
    nodes = nodes.drop(columns="label").assign(amount=amount)
    table = read_graph(nodes, edges=edges, target="amount")
    assert table.kind == "numeric"
    model = NodeRegressor(**quick).fit(table)
    found = model.evaluate()
    assert found.beats_baselines and model.score() > 0.5
    assert model.predict(["n1"]).shape == (1,)
    with pytest.raises(DataError, match="Numbers were wanted as labels"):
        NodeRegressor(**quick).fit(nodes.assign(label="x"), edges=edges, target="label")


def test_several_labels(block_tables):
    nodes, edges = block_tables(nodes=300)
    nodes["label"] = [f"{k}|odd" if i % 2 else k for i, k in enumerate(nodes["label"])]
    model = NodeClassifier(**quick).fit(read_graph(nodes, edges=edges))
    assert model.objective_.kind == "multi_label"
    assert model.predict(["n1", "n2"]).shape == (2, 4)
    assert model.evaluate().score.metric == "f1_micro"


def test_no_features_at_all():
    graph = nx.karate_club_graph()
    model = NodeClassifier(**quick).fit(graph, target="club")
    assert set(model.predict()) == {"Mr. Hi", "Officer"}


def test_time_and_groups_divide(block_tables):
    nodes, edges = block_tables()
    nodes["when"] = [f"2020-01-{1 + k % 28:02d}" for k in range(len(nodes))]
    model = NodeClassifier(**quick, time_column="when")
    model.fit(read_graph(nodes, edges=edges))
    days = nodes["when"].to_numpy()
    latest = {part: days[model.split_ == part] for part in ("train", "val", "test")}
    assert latest["train"].max() < latest["val"].min()
    assert latest["val"].max() < latest["test"].min()
    nodes["house"] = [k // 10 for k in range(len(nodes))]
    model = NodeClassifier(**quick, group_column="house").fit(nodes, edges=edges)
    sides = {h: set(model.split_[nodes["house"] == h]) for h in nodes["house"]}
    assert all(len(parts) == 1 for parts in sides.values())
    with pytest.raises(DataError, match="no column 'year'"):
        NodeClassifier(**quick, time_column="year").fit(nodes, edges=edges)


def test_data_that_cannot_be_learned_from(block_graph):
    nobody = np.full(len(block_graph), None, dtype=object)
    with pytest.raises(DataError, match="No node has a label"):
        NodeClassifier().fit(block_graph.having(labels=nobody, kind="none"))
    same = np.full(len(block_graph), "x", dtype=object)
    with pytest.raises(DataError, match="one class"):
        NodeClassifier().fit(block_graph.having(labels=same))
    split = np.full(len(block_graph), "test")
    with pytest.raises(NoDataError, match="No labelled node is left"):
        NodeClassifier().fit(block_graph.having(split=split))
    with pytest.raises(NotFittedError):
        NodeClassifier().predict()
    with pytest.raises(SettingError, match="multiple of heads"):
        NodeClassifier(network="gat", hidden=10, epochs=1).fit(block_graph)
    with pytest.raises(SettingError, match="network 'gnn'"):
        NodeClassifier(network="gnn").fit(block_graph)


def test_one_node_and_isolated_nodes(tmp_path):
    (tmp_path / "nodes.csv").write_text(
        "id,label,f\n" + "".join(f"n{k},{'xy'[k % 2]},{k % 2}\n" for k in range(30))
    )
    (tmp_path / "edges.csv").write_text("source,target\nn0,n2\n")
    model = NodeClassifier(**quick).fit(tmp_path)
    assert model.evaluate().score.value == 1.0
    assert model.answers().alone.sum() == 28


@pytest.mark.parametrize("network", ["sage", "gat", "gcnii"])
def test_half_the_bits_learn_as_well(network, block_graph):
    settings: dict[str, Any] = {
        "network": network,
        "epochs": 60,
        "members": 1,
        "hidden": 16,
        "minutes": None,
        "dropout": 0.1,
        "lr": 0.03,
        "deliver": "networks",
    }
    whole, half = (
        NodeClassifier(precision=precision, **settings).fit(block_graph)
        for precision in ("float32", "bfloat16")
    )
    losses = [model.history_[-1].train_loss for model in (whole, half)]
    assert losses[1] == pytest.approx(losses[0], abs=0.1)
    assert half.history_[0].train_loss != whole.history_[0].train_loss
    assert abs(half.score() - whole.score()) <= 0.1
