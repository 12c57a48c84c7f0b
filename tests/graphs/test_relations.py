"""Edges of several relations: each is held out, drawn against and predicted alone."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import vicinal
from vicinal.cli.app import main
from vicinal.errors import DataError, NoDataError, SettingError
from vicinal.graphs import link_predictor as links
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.explain.pair_contributions import PairExplanation
from vicinal.graphs.link_predictor import LinkPredictor
from vicinal.graphs.links.features import (
    NAMES,
    NAMES_OF_RELATIONS,
    between,
    between_relations,
)
from vicinal.graphs.links.networks import LinkNetwork, OnLinks
from vicinal.graphs.links.split import (
    among,
    pairs_of,
    sample_negative_edges,
    split_links,
)

GROUPS, SIZE = 6, 12
"""of people who know each other within a group, and work with the group next to it"""


def keys(pairs: np.ndarray) -> set[tuple[int, ...]]:
    return {(*sorted(map(int, p[:2])), int(p[2])) for p in pairs}


def people() -> pd.DataFrame:
    rng, rows = np.random.default_rng(0), []
    for a in range(GROUPS * SIZE):
        for b in range(a):
            apart = (a // SIZE - b // SIZE) % GROUPS
            for name, wanted in (("knows", 0), ("works_with", 1)):
                if rng.random() < (0.6 if apart == wanted else 0.01):
                    rows.append((f"p{a}", f"p{b}", name))
    return pd.DataFrame(rows, columns=["source", "target", "how"])


@pytest.fixture(scope="module")
def table() -> GraphTable:
    return read_graph(people(), relation="how")


@pytest.fixture(scope="module")
def model(table) -> LinkPredictor:
    return LinkPredictor(relation_column="how").fit(people())


# --- reading -------------------------------------------------------------------------


def test_two_nodes_may_be_joined_by_each():
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
    found = read_graph(frame, relation="kind")
    assert found.relations == ("knows", "likes")
    assert found.relation is not None and found.weight is not None
    assert found.relation.tolist() == [1, 0, 1]
    assert found.weight.tolist() == [3, 4, 8]
    (aside,) = found.set_aside
    assert aside.name == "b - c" and "its kind is empty" in aside.reason
    assert read_graph(frame).num_edges == 3  # a - b, b - c, c - a
    with pytest.raises(SettingError, match=r"no column 'sort'.*Known: Kind"):
        read_graph(frame, relation="sort")
    with pytest.raises(SettingError, match="one of a table of edges"):
        import networkx as nx

        read_graph(nx.path_graph(4), relation="kind")


@pytest.mark.parametrize(
    ("cells", "told"),
    [(["a", "b"], True), (["undirected", "undirected"], False)],
)
def test_a_column_of_relations_that_is_not_used_is_told_of(cells, told):
    frame = pd.DataFrame({"source": [1, 2], "target": [2, 3], "type": cells})
    notes = " ".join(read_graph(frame).notes)
    assert ("--relation-column type" in notes) is told


# --- the parts -----------------------------------------------------------------------


def test_what_is_held_out_is_nowhere_else(table):
    split = split_links(table, 0.1, 0.2, seed=3)
    every = keys(pairs_of(table))
    parts = [keys(part) for part in (split.train, split.val, split.test)]
    assert set().union(*parts) == every and sum(map(len, parts)) == len(every)
    nones = np.concatenate([split.val_negatives, split.test_negatives])
    assert len(keys(nones)) == len(nones) == len(split.val) + len(split.test)
    assert not keys(nones) & every
    shares = [np.bincount(p[:, 2]) / len(p) for p in (nones, pairs_of(table))]
    assert abs(shares[0] - shares[1]).max() < 0.12  # 4 of 0.03


def test_pairs_of_a_relation_may_be_joined_by_another():
    # 0 - 1 and 1 - 2 by the first; of three pairs one is left for it
    edges = np.array([[0, 1, 0], [1, 2, 0], [0, 2, 1]])
    drawn = sample_negative_edges(3, edges[:2], 1, False, np.random.default_rng(0))
    assert drawn.tolist() == [[0, 2, 0]]
    with pytest.raises(DataError, match="without an edge were wanted"):
        sample_negative_edges(3, edges[:2], 2, False, np.random.default_rng(0))
    asked = np.array([[0, 1, 0], [0, 1, 1], [0, 2, 1], [0, 2, 0]])
    assert among(asked, edges, 3).tolist() == [True, False, True, False]


def test_numbers_of_a_training_edge_are_of_a_graph_without_it(monkeypatch):
    asked: list[tuple[set, set]] = []

    def noted(nodes: int, edges: np.ndarray, pairs: np.ndarray, known: Any) -> Any:
        asked.append((keys(edges), keys(pairs)))
        return between_relations(nodes, edges, pairs, known)

    monkeypatch.setattr(links, "between_relations", noted)
    model = LinkPredictor(relation_column="how", val_fraction=0.0).fit(people())
    held = keys(model.split_.test)
    assert len(asked) == links.FOLDS
    for edges, pairs in asked:
        assert not edges & pairs and not edges & held


def test_numbers_by_hand():
    # by the first a path 0 - 1 - 2; by the second 0 - 2 and 1 - 2
    edges = np.array([[0, 1, 0], [1, 2, 0], [0, 2, 1], [1, 2, 1]])
    pairs = np.array([[0, 2, 0], [1, 2, 0], [1, 2, 1], [0, 1, 1]])
    found = between_relations(4, edges, pairs).features
    whole = between(4, np.array([[0, 1], [0, 2], [1, 2]]), pairs[:, :2]).features
    # the triangle's eigenvectors may be turned: its low ranks are not one number
    same = [k for k, name in enumerate(NAMES[:-1]) if "low rank" not in name]
    np.testing.assert_allclose(found[:, same], whole[:, same])
    own = found[:, whole.shape[1] :]
    assert own.shape[1] == len(NAMES_OF_RELATIONS)
    # 0 - 2 are joined by the second; 1 - 2 by the other; 0 - 1 by the first
    np.testing.assert_allclose(own[:, 0], np.log1p([1, 1, 1, 1]))
    first = between(4, edges[:2, :2], pairs[:2, :2], ranks=False).features
    second = between(4, edges[2:, :2], pairs[2:, :2], ranks=False).features
    np.testing.assert_allclose(own[:, 1:], np.concatenate([first, second]))
    # common neighbours of 0 and 2 by the first: 1; of 0 and 1 by the second: 2
    common = NAMES_OF_RELATIONS.index("common neighbours, of this relation")
    np.testing.assert_allclose(own[[0, 3], common], np.log1p([1, 1]))


def test_random_edges_of_random_relations_cannot_be_predicted():
    scores = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        ends = rng.integers(0, 60, (1200, 2))
        frame = pd.DataFrame(ends, columns=["source", "target"])
        frame["how"] = rng.choice(["a", "b", "c"], len(frame))
        model = LinkPredictor(
            random_state=seed, relation_column="how", test_fraction=0.3
        )
        scores.append(model.fit(frame).evaluate().score.value)
    assert abs(np.mean(scores) - 0.5) < 0.06


# --- learning ------------------------------------------------------------------------


def test_each_relation_is_learned(model):
    found = model.evaluate()
    assert found.score.value > 0.85
    assert set(found.predictions["relation"]) == {"knows", "works_with"}
    for name, apart in (("knows", 0), ("works_with", 1)):
        best = model.most_likely(15, name)
        assert set(best["relation"]) == {name}
        groups = best[["source", "target"]].map(lambda p: int(p[1:]) // SIZE)
        off = (groups["source"] - groups["target"]) % GROUPS
        assert np.isin(off, [apart, -apart % GROUPS]).mean() >= 0.8
    both = model.most_likely(20)
    assert both["chance"].is_monotonic_decreasing and len(both) == 20
    asked = both[["source", "relation", "target"]].to_numpy().tolist()
    chance = model.predict_proba(asked)
    np.testing.assert_allclose(chance, both["chance"], atol=1e-4)
    np.testing.assert_allclose(model.predict_proba([a[::-1] for a in asked]), chance)
    listed = read_graph(people(), relation="how")
    there = {
        (listed.ids[a], listed.ids[b], listed.relations[r])
        for a, b, r in pairs_of(listed)
    }
    assert not {(a, b, r) for a, r, b in asked} & there


def test_parts_add_up_to_the_chance(model):
    found = model.explain("p1", "p2", "knows").found
    assert isinstance(found, PairExplanation)
    assert found.off < 1e-6
    assert any(part.name.endswith("of this relation") for part in found.parts)
    assert found.chance == pytest.approx(
        model.predict_proba([("p1", "knows", "p2")])[0], abs=1e-6
    )


@pytest.mark.parametrize(
    ("decoder", "embeddings"),
    [("dot", "layers"), ("bilinear", "layers"), ("mlp", "layers"), ("dot", "free")],
)
def test_every_decoder_learns(decoder, embeddings, tmp_path):
    model = LinkPredictor(
        relation_column="how",
        decoder=decoder,
        embeddings=embeddings,
        epochs=15,
        hidden=16,
        minutes=None,
    ).fit(people())
    losses = [epoch.train_loss for epoch in model.history_]
    assert min(losses[-3:]) < losses[0] and model.comparison_ is not None
    torch.manual_seed(0)
    network = LinkNetwork(model._shape()).eval()
    for parameter in network.parameters():  # of relations that differ
        torch.nn.init.normal_(parameter)
    model.network_ = network
    assert ("relational GCN" in model.delivered) is (embeddings == "layers")
    asked = [("p0", "knows", "p1"), ("p1", "knows", "p0"), ("p0", "works_with", "p1")]
    said = model._logits(model._rows(asked))[:, 1]
    assert said[0] == pytest.approx(float(said[1]), rel=1e-5)
    assert abs(said[0] - said[2]) > 1e-3
    model.save(tmp_path / "m")
    again = vicinal.load(tmp_path / "m")
    assert np.array_equal(again.predict_proba(asked), model.predict_proba(asked))
    assert np.array_equal(again.transform(), model.transform())
    assert again.evaluate().score == model.evaluate().score


def test_a_decoder_of_each_relation_by_hand(model):
    shape = model._shape()._replace(hidden=3, free=True, decoder="bilinear")
    network = LinkNetwork(shape)
    z, pairs = torch.randn(5, 3), torch.tensor([[0, 1, 0], [2, 4, 1], [3, 1, 1]])
    torch.nn.init.normal_(network.weight)
    network.eval().requires_grad_(False)
    wanted = []
    for u, v, r in pairs.tolist():
        w: Any = network.weight[r]
        wanted.append(float(z[u] @ w @ z[v] + z[v] @ w @ z[u]) / 2)
    found = network.scores(z, pairs)
    np.testing.assert_allclose(found.detach(), wanted, atol=1e-5)
    dot = LinkNetwork(shape._replace(decoder="dot")).eval().requires_grad_(False)
    assert dot.of_relation is not None
    r = dot.of_relation
    wanted = [float((z[u] * r[k] * z[v]).sum()) for u, v, k in pairs.tolist()]
    np.testing.assert_allclose(dot.scores(z, pairs).detach(), wanted, atol=1e-5)


def test_messages_are_of_the_relation_that_is_asked_for_no_more(model):
    split = model.split_
    network = LinkNetwork(model._shape()._replace(decoder="dot", free=False))
    on_links = OnLinks(network, model._x(), split.train, len(model.graph_))
    first = torch.from_numpy(split.train[:1].copy())
    other = first.clone()
    other[0, 2] = 1 - other[0, 2]
    gone = set(keys(split.train)) - keys(on_links.without(first[:, [1, 0, 2]]).numpy())
    assert gone == keys(first.numpy())
    kept = keys(on_links.without(other).numpy())
    assert keys(first.numpy()) <= kept
    assert len(on_links.whole) == 2


def test_what_is_asked_wrongly(model):
    with pytest.raises(DataError, match=r"\(source, relation, target\)"):
        model.predict_proba([("p0", "p1")])
    with pytest.raises(
        SettingError, match=r"no relation 'know'\. Did you mean 'knows'"
    ):
        model.predict_proba([("p0", "know", "p1")])
    with pytest.raises(NoDataError, match="no node 'p999'"):
        model.predict_proba([("p0", "knows", "p999")])
    plain = LinkPredictor().fit(people())
    with pytest.raises(SettingError, match="have no relations"):
        plain.most_likely(3, "knows")


# --- the command line ----------------------------------------------------------------


def test_the_verbs(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    people().to_csv("edges.csv", index=False)

    def said(*words: str) -> Any:
        main([*words, "--json"])
        return json.loads(capsys.readouterr().out)

    words = "train", "edges.csv", "--task", "links", "--relation-column", "how"
    run = said(*words, "--out", "run")
    assert run["score"]["value"] > 0.85
    page = (tmp_path / "run" / "report.txt").read_text()
    assert "works_with" in page and "edges held out" in page
    splits = pd.read_csv("run/data/splits.csv")
    assert set(splits["relation"]) == {"knows", "works_with"}
    each = said("predict", "run", "p0", "p1")["predictions"]
    assert [row["relation"] for row in each] == ["knows", "works_with"]
    assert each[0]["chance"] > each[1]["chance"]
    one = said("predict", "run", "p0", "p1", "--relation", "works_with")
    assert one["predictions"] == each[1:]
    pd.DataFrame(
        [("p0", "p1", "works_with")], columns=["source", "target", "how"]
    ).to_csv("asked.csv", index=False)
    assert said("predict", "run", "asked.csv")["predictions"] == each[1:]
    found = said("explain", "run", "p0", "p1", "--relation", "knows")
    assert found["chance"] == pytest.approx(each[0]["chance"], abs=1e-4)
    best = said("predict", "run", "--top", "3", "--relation", "knows")["predictions"]
    assert len(best) == 3
    for words in (
        ["explain", "run", "p0", "p1"],
        ["predict", "run", "p0", "p1", "--relation", "hates"],
    ):
        assert main(words) == 2
        assert "elation" in capsys.readouterr().err
