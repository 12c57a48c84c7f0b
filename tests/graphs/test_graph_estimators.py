"""Whole graphs: told apart where they differ, of any size, numbered in any way."""

from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

from vicinal.core.objective import SingleLabel
from vicinal.errors import ClassError, DataError, NoDataError
from vicinal.graphs.data.graph_collection import GraphCollection, read_graphs
from vicinal.graphs.graph_estimators import GraphClassifier, GraphLoader, GraphRegressor
from vicinal.graphs.graph_level.graph_features import VIEWS, Graphs, view
from vicinal.graphs.graph_level.networks import (
    GraphLevelConfig,
    GraphLevelNetwork,
    OnGraphs,
    some_of,
)
from vicinal.graphs.sparse.adjacency import Adjacency

quick: dict[str, Any] = {"network": "none"}


def rings_and_stars(count: int = 60, seed: int = 0) -> tuple[list[Any], list[str]]:
    """Graphs of 5 to 12 nodes: a ring, or a star of as many."""
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


def random_graphs(seed: int = 0) -> Graphs:
    """Three graphs of 3, 4 and 2 nodes."""
    g = torch.Generator().manual_seed(seed)
    ends = torch.tensor([[0, 1, 3, 4, 5, 7], [1, 2, 4, 5, 6, 8]])
    both = torch.cat([ends, ends.flip(0)], dim=1)
    member = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, 2])
    x = torch.randn(9, 3, generator=g)
    return Graphs(x, Adjacency.of(both, 9), member, 3)


def test_the_first_answer_sees_edges_where_they_tell(shapes):
    model = GraphClassifier(**quick).fit(shapes)
    assert model.linear_.view != "parts" and model.linear_candidates_[0].view == "parts"
    found = model.evaluate()
    assert found.score.value == 1.0
    assert found.baselines["answer without edges"].value < 0.9
    assert model.predict([nx.cycle_graph(40)]).tolist() == ["ring"]
    assert model.predict_proba([nx.star_graph(3)]).shape == (1, 2)


def test_the_network_learns(shapes):
    model = GraphClassifier(epochs=25, hidden=16, minutes=None).fit(shapes)
    losses = [epoch.train_loss for epoch in model.history_]
    assert len(losses) == 25 and losses[-1] < 0.3 * losses[0]
    assert model.comparison_ is not None
    assert model.evaluate().score.value == 1.0


@pytest.mark.parametrize("name", VIEWS)
def test_views_do_not_care_how_nodes_are_numbered(name):
    graphs = random_graphs()
    order = torch.tensor([2, 0, 1, 6, 4, 3, 5, 8, 7])
    place = torch.argsort(order)
    ends = torch.stack([graphs.graph.incoming.sources, graphs.graph.incoming.targets])
    turned = Graphs(
        graphs.x[order], Adjacency.of(place[ends.long()], 9), graphs.member, 3
    )
    np.testing.assert_allclose(view(name, graphs), view(name, turned), atol=1e-5)


def test_a_graph_is_told_alike_alone_and_among_others():
    graphs = random_graphs()
    torch.manual_seed(0)
    network = GraphLevelNetwork(GraphLevelConfig(3, 8, 2, 2, 0.0)).eval()
    on_graphs = OnGraphs(network, graphs)
    whole = on_graphs.logits()
    for row in range(3):
        alone = on_graphs.logits(torch.tensor([row]))
        torch.testing.assert_close(alone[0], whole[row])
        seen = some_of(graphs, torch.tensor([row]))
        for name in VIEWS:
            np.testing.assert_allclose(
                view(name, seen)[0], view(name, graphs)[row], atol=1e-6
            )
    turned = on_graphs.logits(torch.tensor([2, 0]))
    torch.testing.assert_close(turned, whole[[2, 0]])


def test_batches_have_as_many_edges_and_all_graphs_once():
    rng = np.random.default_rng(0)
    edges = rng.integers(1, 200, 300)
    loader = GraphLoader(np.arange(300), torch.zeros(300), edges, 3000, 0)
    for epoch in range(3):
        batches = [rows.numpy() for rows, _ in loader.batches(epoch, 0)]
        assert len(batches) == loader.steps == round(edges.sum() / 3000)
        assert sorted(np.concatenate(batches)) == list(range(300))
        sums = [edges[rows].sum() for rows in batches]
        assert max(sums) < 3000 + 2 * 200 and min(sums) > 3000 - 3 * 200
        again = [rows.numpy() for rows, _ in loader.batches(epoch, 2)]
        assert all(map(np.array_equal, again, batches[2:]))
    halves = [loader.part(k, 2) for k in range(2)]
    both = zip(*(half.batches(0, 0) for half in halves), strict=True)
    first = [rows.numpy() for rows, _ in loader.batches(0, 0)]
    for (a, _), (b, _), whole in (
        (*pair, rows) for pair, rows in zip(both, first, strict=True)
    ):
        assert sorted([*a.tolist(), *b.tolist()]) == sorted(whole.tolist())


def test_labels_of_held_out_graphs_are_not_looked_at(shapes):
    model = GraphClassifier(**quick).fit(shapes)
    labels = shapes.labels.copy()
    held = model.split_ == "test"
    labels[held] = "ring"
    from dataclasses import replace

    split = model.split_.copy()
    models = [
        GraphClassifier(**quick).fit(replace(shapes, labels=some, split=split))
        for some in (shapes.labels, labels)
    ]
    first, second = (one.predict_proba(shapes) for one in models)
    assert np.array_equal(first, second)


def test_kept_and_read_again(tmp_path, shapes):
    import vicinal

    for settings in (quick, {"epochs": 15, "minutes": None}):
        model = GraphClassifier(**settings).fit(shapes)
        if settings is not quick:
            torch.manual_seed(0)
            x = model.graphs_.x.shape[1]
            model.network_ = GraphLevelNetwork(
                GraphLevelConfig(x, 16, 2, 2, 0.1)
            ).eval()
        model.save(tmp_path / "m")
        again = vicinal.load(tmp_path / "m")
        assert np.array_equal(again.predict_proba(shapes), model.predict_proba(shapes))
        assert np.array_equal(again.transform(shapes), model.transform(shapes))
        assert again.evaluate(shapes).score == model.evaluate(shapes).score


def test_numbers():
    graphs, _ = rings_and_stars(80)
    sizes = [float(len(graph)) * 2 + 1 for graph in graphs]
    model = GraphRegressor(**quick).fit(graphs, sizes)
    assert model.score() > 0.95
    assert abs(model.predict([nx.cycle_graph(9)])[0] - 19) < 3
    found = model.evaluate()
    assert found.score.metric == "mae"
    assert found.score.value < 0.2 * found.baselines["median"].value


def test_several_labels():
    graphs, labels = rings_and_stars(80)
    several = [
        f"{k}|big" if len(g) > 8 else k for k, g in zip(labels, graphs, strict=True)
    ]
    model = GraphClassifier(**quick).fit(graphs, several)
    assert model.predict(graphs[:2]).shape == (2, 3)
    assert model.evaluate().score.metric == "f1_micro"


def test_what_cannot_be_learned_from():
    graphs, labels = rings_and_stars(12)
    with pytest.raises(DataError, match="No graph has a label"):
        GraphClassifier().fit(graphs)
    with pytest.raises(DataError, match="one class"):
        GraphClassifier().fit(graphs, ["x"] * 12)
    with pytest.raises(NoDataError, match="1 labelled graph left"):
        GraphClassifier().fit(graphs, ["x"] + [None] * 11)
    with pytest.raises(DataError, match="Numbers were wanted"):
        GraphRegressor().fit(graphs, labels)
    model = GraphClassifier(**quick).fit(*rings_and_stars())
    with pytest.raises(ClassError, match="No graph is of a class"):
        model.evaluate(graphs, ["z"] * 12)
    assert isinstance(model.objective_, SingleLabel)
