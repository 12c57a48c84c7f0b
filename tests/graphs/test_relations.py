"""Edges of several relations: each relation is split, sampled and predicted alone."""

import json
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch

import vicinal
from vicinal.cli.app import main
from vicinal.errors import DataError, NoDataError, SettingError
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.explain.pair_contributions import PairExplanation
from vicinal.graphs.link_predictor import LinkPredictor
from vicinal.graphs.links import fitted_model, linear_model
from vicinal.graphs.links.features import relation_pair_features
from vicinal.graphs.links.networks import LinkNetwork
from vicinal.graphs.links.split import unique_edges

pytestmark = pytest.mark.usefixtures("without_plots")

NUM_GROUPS, GROUP_SIZE = 6, 12


def as_set(pairs: np.ndarray) -> set[tuple[int, ...]]:
    """Return undirected edges (source, target, relation)."""
    return {(*sorted(map(int, p[:2])), int(p[2])) for p in pairs}


def people(group_size: int = GROUP_SIZE) -> pd.DataFrame:
    """Return edges: people know others of their group, and work with the next one."""
    rng, rows = np.random.default_rng(0), []
    for a in range(NUM_GROUPS * group_size):
        for b in range(a):
            distance = (a // group_size - b // group_size) % NUM_GROUPS
            for name, usual in (("knows", 0), ("works_with", 1)):
                if rng.random() < (0.6 if distance == usual else 0.01):
                    rows.append((f"p{a}", f"p{b}", name))
    return pd.DataFrame(rows, columns=["source", "target", "kind"])


@pytest.fixture(scope="module")
def model() -> LinkPredictor:
    return LinkPredictor(relation_column="kind").fit(people())


# --- reading -------------------------------------------------------------------------


def test_two_nodes_may_have_an_edge_of_each_relation():
    frame = pd.DataFrame(
        [
            ("a", "b", "likes", 1),
            ("b", "a", "likes", 2),  # the same edge again
            ("a", "b", "knows", 4),
            ("b", "c", "", 1),
            ("c", "a", "likes", 8),
        ],
        columns=["source", "target", "Kind", "weight"],
    )
    graph = read_graph(frame, relation_column="kind")
    assert graph.relations == ("knows", "likes")
    assert graph.relation is not None and graph.weight is not None
    assert graph.relation.tolist() == [1, 0, 1]
    assert graph.weight.tolist() == [3, 4, 8]
    (row,) = graph.quarantined
    assert row.name == "b - c" and "kind is empty" in row.reason
    assert read_graph(frame).num_edges == 3  # a - b, b - c, c - a
    with pytest.raises(
        DataError, match=r"no column 'sort' in the table of edges.*Known: Kind"
    ):
        read_graph(frame, relation_column="sort")
    with pytest.raises(SettingError, match="needs a table of edges"):
        read_graph(nx.path_graph(4), relation_column="kind")


@pytest.mark.parametrize(
    ("cells", "noted"),
    [(["a", "b"], True), (["undirected", "undirected"], False)],
)
def test_an_unused_column_of_relations_is_noted(cells, noted):
    frame = pd.DataFrame({"source": [1, 2], "target": [2, 3], "type": cells})
    notes = " ".join(read_graph(frame).notes)
    assert ("--relation-column type" in notes) is noted


# --- training ------------------------------------------------------------------------


def test_features_of_a_training_edge_come_from_a_graph_without_it(monkeypatch):
    calls: list[tuple[set, set]] = []

    def spy(nodes: int, edges: np.ndarray, pairs: np.ndarray, x: Any) -> Any:
        calls.append((as_set(edges), as_set(pairs)))
        return relation_pair_features(nodes, edges, pairs, x)

    monkeypatch.setattr(fitted_model, "relation_pair_features", spy)
    model = LinkPredictor(relation_column="kind", val_fraction=0.0).fit(people())
    held_out = as_set(model.split_.test)
    assert len(calls) == linear_model.FOLDS
    for edges, pairs in calls:
        assert not edges & pairs and not edges & held_out


@pytest.mark.slow
def test_random_edges_of_random_relations_cannot_be_predicted():
    scores = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        ends = rng.integers(0, 60, (800, 2))
        frame = pd.DataFrame(ends, columns=["source", "target"])
        frame["kind"] = rng.choice(["a", "b", "c"], len(frame))
        model = LinkPredictor(
            random_state=seed, relation_column="kind", test_fraction=0.3
        )
        scores.append(model.fit(frame).evaluate().score.value)
    assert abs(np.mean(scores) - 0.5) < 0.06


def test_each_relation_is_predicted(model):
    evaluation = model.evaluate()
    assert evaluation.score.value > 0.85
    assert set(evaluation.predictions["relation"]) == {"knows", "works_with"}
    for name, usual in (("knows", 0), ("works_with", 1)):
        best = model.most_likely(15, name)
        assert set(best["relation"]) == {name}
        groups = best[["source", "target"]].map(lambda p: int(p[1:]) // GROUP_SIZE)
        distance = (groups["source"] - groups["target"]) % NUM_GROUPS
        assert np.isin(distance, [usual, -usual % NUM_GROUPS]).mean() >= 0.8
    best = model.most_likely(20)
    assert best["probability"].is_monotonic_decreasing and len(best) == 20
    triples = best[["source", "relation", "target"]].to_numpy().tolist()
    p = model.predict_proba(triples)
    np.testing.assert_allclose(p, best["probability"], atol=1e-4)
    np.testing.assert_allclose(model.predict_proba([t[::-1] for t in triples]), p)
    graph = read_graph(people(), relation_column="kind")
    edges = {
        (graph.ids[a], graph.ids[b], graph.relations[r])
        for a, b, r in unique_edges(graph)
    }
    assert not {(a, b, r) for a, r, b in triples} & edges


def test_contributions_sum_to_the_probability(model):
    result = model.explain("p1", "p2", "knows").result
    assert isinstance(result, PairExplanation)
    assert result.max_error < 1e-6
    names = [contribution.name for contribution in result.contributions]
    assert any(name.endswith("of this relation") for name in names)
    (p,) = model.predict_proba([("p1", "knows", "p2")])
    assert result.probability == pytest.approx(p, abs=1e-6)


@pytest.mark.parametrize(
    ("decoder", "embeddings"),
    [
        ("bilinear", "layers"),
        pytest.param("dot", "free", marks=pytest.mark.slow),
        *(pytest.param(k, "layers", marks=pytest.mark.slow) for k in ("dot", "mlp")),
    ],
)
def test_every_decoder_is_trained_and_survives_saving(decoder, embeddings, tmp_path):
    model = LinkPredictor(
        relation_column="kind",
        decoder=decoder,
        node_embeddings=embeddings,
        epochs=15,
        hidden=16,
        minutes=None,
    ).fit(people(group_size=6))
    losses = [epoch.train_loss for epoch in model.history_]
    assert min(losses[-3:]) < losses[0] and model.comparison_ is not None
    torch.manual_seed(0)
    network = LinkNetwork(model.network_config()).eval()
    for parameter in network.parameters():  # so that relations differ
        torch.nn.init.normal_(parameter)
    model.update(network=network)
    assert ("relational GCN" in model.model_description) is (embeddings == "layers")
    triples = [("p0", "knows", "p1"), ("p1", "knows", "p0"), ("p0", "works_with", "p1")]
    logits = model.logits(model.row_indices(triples))[:, 1]
    assert logits[0] == pytest.approx(float(logits[1]), rel=1e-5)
    assert abs(logits[0] - logits[2]) > 1e-3
    model.save(tmp_path / "m")
    loaded = vicinal.load(tmp_path / "m")
    assert np.array_equal(loaded.predict_proba(triples), model.predict_proba(triples))
    assert np.array_equal(loaded.transform(), model.transform())
    assert loaded.evaluate().score == model.evaluate().score


def test_invalid_pairs_are_refused(model):
    with pytest.raises(DataError, match=r"\(source, relation, target\)"):
        model.predict_proba([("p0", "p1")])
    with pytest.raises(
        SettingError, match=r"no relation 'know'\. Did you mean 'knows'"
    ):
        model.predict_proba([("p0", "know", "p1")])
    with pytest.raises(NoDataError, match="no node 'p999'"):
        model.predict_proba([("p0", "knows", "p999")])
    no_relations = LinkPredictor().fit(people())
    with pytest.raises(SettingError, match="have no relations"):
        no_relations.most_likely(3, "knows")


# --- the command line ----------------------------------------------------------------


def test_commands_with_relations(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    people().to_csv("edges.csv", index=False)

    def output(*arguments: str) -> Any:
        main([*arguments, "--json"])
        return json.loads(capsys.readouterr().out)

    train = "train", "edges.csv", "--domain", "links", "--relation-column", "kind"
    run = output(*train, "--out", "run")
    assert run["score"]["value"] > 0.85
    report = (tmp_path / "run" / "report.txt").read_text()
    assert "works_with" in report and "test edges" in report
    splits = pd.read_csv("run/data/splits.csv")
    assert set(splits["relation"]) == {"knows", "works_with"}
    both = output("predict", "run", "p0", "p1")["predictions"]
    assert [row["relation"] for row in both] == ["knows", "works_with"]
    assert both[0]["probability"] > both[1]["probability"]
    one = output("predict", "run", "p0", "p1", "--relation", "works_with")
    assert one["predictions"] == both[1:]
    pairs = pd.DataFrame(
        [("p0", "p1", "works_with")], columns=["source", "target", "kind"]
    )
    pairs.to_csv("pairs.csv", index=False)
    assert output("predict", "run", "pairs.csv")["predictions"] == both[1:]
    explained = output("explain", "run", "p0", "p1", "--relation", "knows")
    assert explained["probability"] == pytest.approx(both[0]["probability"], abs=1e-4)
    best = output("predict", "run", "--top", "3", "--relation", "knows")["predictions"]
    assert len(best) == 3
    for arguments in (
        ["explain", "run", "p0", "p1"],
        ["predict", "run", "p0", "p1", "--relation", "hates"],
    ):
        assert main(arguments) == 2
        assert "elation" in capsys.readouterr().err
