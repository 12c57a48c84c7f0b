"""Features of edges: read from every source, encoded, used by baseline and network."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch

import vicinal
from vicinal.errors import DataError, SettingError
from vicinal.graphs.data.edge_features import fit_edge_encoder
from vicinal.graphs.data.graph_collection import GraphCollection
from vicinal.graphs.data.read_collection import read_graphs
from vicinal.graphs.explain.edge_deletion import log_odds
from vicinal.graphs.explain.node_deletion import NodeDeletion, remove_nodes
from vicinal.graphs.graph_estimators import GraphClassifier
from vicinal.graphs.inspect.readout import decompose_layers

BONDS = ("single", "double")


def bonded_rings(count: int = 60, seed: int = 0) -> tuple[list[Any], list[str]]:
    """Return rings of equal nodes, whose class is the more frequent kind of bond."""
    rng = np.random.default_rng(seed)
    graphs, labels = [], []
    for k in range(count):
        n = int(rng.integers(5, 12))
        graph, share = nx.cycle_graph(n), 0.25 if k % 2 else 0.75
        doubles = rng.permutation(n) < share * n
        for edge, double in zip(list(graph.edges), doubles, strict=True):
            graph.edges[edge].update(bond=BONDS[int(double)], length=1.0 + rng.random())
        graphs.append(graph)
        labels.append("s" if k % 2 else "d")
    return graphs, labels


def as_pyg(graph: Any, order: np.ndarray | None = None) -> SimpleNamespace:
    """Return a graph with edge_attr, its edges in some order, both directions."""
    edges = list(graph.edges(data=True))
    ends = np.array([(u, v) for u, v, _ in edges])
    values = np.array([[d["bond"] == "double", d["length"]] for *_, d in edges], float)
    ends, values = np.concatenate([ends, ends[:, ::-1]]), np.concatenate([values] * 2)
    order = np.arange(len(ends)) if order is None else order
    return SimpleNamespace(
        edge_index=torch.from_numpy(ends[order].T.copy()),
        edge_attr=torch.from_numpy(values[order]),
        num_nodes=len(graph),
    )


def test_attributes_of_edges_of_networkx():
    graph = nx.Graph([(0, 1, {"bond": "x", "weight": 2.0}), (1, 2, {"bond": "y"})])
    found = read_graphs([graph])
    frame = found.nodes.edge_features
    assert frame["bond"].tolist() == ["x", "y"]
    assert frame["weight"].tolist()[0] == 2.0 and np.isnan(frame["weight"].tolist()[1])
    encoder, _ = fit_edge_encoder(found)
    assert encoder.feature_names() == [
        "bond=x",
        "bond=y",
        "weight",
        "weight is missing",
    ]


def test_edge_attr_of_pyg_is_that_of_the_first_direction():
    edges = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    values = {"edge_index": edges, "num_nodes": 3}
    one = SimpleNamespace(
        **values,
        edge_attr=torch.tensor([[1.0], [1.0], [3.0], [4.0]]),
        edge_weight=torch.tensor([0.5, 0.5, 1.0, 1.0]),
    )
    found = read_graphs([one, one])
    expected = [[1, 0.5], [3, 1], [1, 0.5], [3, 1]]
    assert found.nodes.edge_features.tolist() == expected
    assert found.notes == [
        "2 edges listed again with other features: the first ones are used"
    ]
    both = found.nodes.in_both_directions(found.nodes.edge_features)
    assert both.tolist() == expected * 2  # as edge_index lists them
    assert read_graphs([one]).select(np.array([0])).nodes.edge_features.shape == (2, 2)
    one.edge_attr = torch.ones(3, 1)
    with pytest.raises(
        DataError, match=r"edge_attr must hold numbers of the shape \[4"
    ):
        read_graphs([one])


def test_some_graphs_without_features_of_edges():
    one = as_pyg(bonded_rings(1)[0][0])
    other = SimpleNamespace(edge_index=one.edge_index, num_nodes=one.num_nodes)
    empty = SimpleNamespace(edge_index=torch.zeros(2, 0).long(), num_nodes=2)
    found = read_graphs([one, other])
    assert found.nodes.edge_features is None
    assert "features of edges are ignored: some graphs have none" in found.notes
    found = read_graphs([empty, one])  # without an edge there is nothing to miss
    assert len(found.nodes.edge_features) == found.nodes.num_edges
    narrow = SimpleNamespace(**{**vars(one), "edge_attr": one.edge_attr[:, :1]})
    with pytest.raises(DataError, match=r"the same features\. Got 1 and 2 columns"):
        read_graphs([one, narrow])
    with pytest.raises(DataError, match=r"Got attributes and arrays"):
        read_graphs([one, bonded_rings(1)[0][0]])


def test_weights_of_matrices_are_features():
    matrix = nx.to_scipy_sparse_array(nx.cycle_graph(4)) * 2.5
    assert read_graphs([matrix]).nodes.edge_features.tolist() == [[2.5]] * 4
    assert read_graphs([matrix / 2.5]).nodes.edge_features is None


def test_files_of_a_tu_data_set(tmp_path):
    files = {
        "graph_indicator": "1\n1\n1\n2\n2\n",
        "A": "1, 2\n2, 1\n2, 3\n3, 2\n4, 5\n5, 4\n",
        "edge_labels": "7\n7\n8\n8\n7\n7\n",
        "edge_attributes": "0.5\n0.5\n1\n1\n2\n2\n",
    }
    for part, text in files.items():
        (tmp_path / f"TOY_{part}.txt").write_text(text)
    found = read_graphs(tmp_path)
    assert found.nodes.edge_features["tag"].tolist() == ["t7", "t8", "t7"]
    assert found.nodes.edge_features["a0"].tolist() == [0.5, 1, 2]
    (tmp_path / "TOY_edge_labels.txt").unlink()
    assert list(read_graphs(tmp_path).nodes.edge_features) == ["a0"]
    (tmp_path / "TOY_edge_attributes.txt").write_text("1\n")
    with pytest.raises(DataError, match=r"a line for each of 6 edges\. Got 1"):
        read_graphs(tmp_path)


TABLE = "graph_id,source,target,label,bond,weight,batch,edge_id\n"


def write_table(path: Path, graphs: list[Any], labels: list[str]) -> Path:
    lines, number = [TABLE], 0
    for k, (graph, label) in enumerate(zip(graphs, labels, strict=True)):
        for u, v, data in graph.edges(data=True):
            cells = k, u, v, label, data["bond"], data["length"], f"b{k}", 1000 - number
            lines.append(",".join(map(str, cells)) + "\n")
            number += 1
    path.write_text("".join(lines))
    return path


def test_columns_of_a_table_of_edges(tmp_path):
    """A column with one value in each graph is of the graph, and may give it away."""
    found = read_graphs(write_table(tmp_path / "edges.csv", *bonded_rings(6)))
    assert list(found.nodes.edge_features) == ["bond", "weight", "batch", "edge_id"]
    encoder, notes = fit_edge_encoder(found)
    assert [column.name for column in encoder.columns] == ["bond", "weight"]
    assert notes == [
        "columns that identify edges are ignored: 'edge_id'",
        "columns of edges with one value in each graph, but different ones, are "
        "ignored: 'batch'",
    ]


def test_rows_that_are_no_edges_have_no_features(tmp_path):
    (tmp_path / "nodes.csv").write_text("graph_id,id,tag\ng,a,1\ng,b,2\n")
    edges = "graph_id,source,target,bond\ng,a,c,1\ng,b,a,2\n"
    (tmp_path / "edges.csv").write_text(edges)
    found = read_graphs(tmp_path)
    assert found.nodes.edge_features["bond"].tolist() == ["2"] and found.quarantined


@pytest.fixture(scope="module")
def rings() -> GraphCollection:
    return read_graphs(*bonded_rings(80))


@pytest.fixture(scope="module")
def network(rings) -> GraphClassifier:
    settings: dict[str, Any] = {"hidden": 16, "epochs": 20, "minutes": None}
    model = GraphClassifier(keep="network", **settings).fit(rings)
    assert model.network_ is not None and model.network_name == "gine"
    return model


def test_only_features_of_edges_tell_these_graphs_apart(rings, network):
    linear = GraphClassifier(network="none").fit(rings)
    assert linear.linear_.feature_set != "nodes"
    evaluation = linear.evaluate()
    assert evaluation.score.value == 1.0
    assert evaluation.baselines["linear model without edges"].value < 0.8
    assert network.evaluate().score.value > 0.9
    blind = GraphClassifier(network="gin", keep="network", hidden=8, epochs=2)
    assert blind.fit(rings).network_name == "gin"


def test_predictions_do_not_depend_on_the_order_of_edges():
    graphs, labels = bonded_rings(40, seed=1)
    settings: dict[str, Any] = {"hidden": 8, "epochs": 3, "minutes": None}
    model = GraphClassifier(keep="network", **settings)
    model.fit([as_pyg(graph) for graph in graphs], labels)
    rng = np.random.default_rng(0)
    shuffled = [as_pyg(g, rng.permutation(2 * g.number_of_edges())) for g in graphs]
    expected = model.predict_proba([as_pyg(graph) for graph in graphs])
    np.testing.assert_allclose(model.predict_proba(shuffled), expected, atol=1e-5)
    alone = np.concatenate([model.predict_proba([graph]) for graph in shuffled[:5]])
    np.testing.assert_allclose(alone, expected[:5], atol=1e-5)
    swapped = as_pyg(graphs[0])
    swapped.edge_attr = 1 - swapped.edge_attr
    assert abs(model.predict_proba([swapped]) - expected[0]).max() > 1e-3


def test_a_saved_model_keeps_the_features_of_edges(rings, network, tmp_path):
    network.save(tmp_path / "model")
    loaded = vicinal.load(tmp_path / "model")
    np.testing.assert_allclose(
        loaded.predict_proba(rings), network.predict_proba(rings), atol=1e-6
    )
    assert loaded.evaluate().score.value == network.evaluate().score.value
    assert loaded.edge_encoder_ == network.edge_encoder_
    bare, _ = bonded_rings(1)
    for *_, data in bare[0].edges(data=True):
        data.clear()
    with pytest.raises(DataError, match="The edges must have the column 'bond'"):
        loaded.predict(bare)


def test_explain_and_inspect_follow_the_features_of_edges(rings, network):
    graph = rings.select(np.array([0]))
    found, size = network.explain(graph).result, len(graph.nodes)
    assert isinstance(found, NodeDeletion)
    logits = network.logits(graph)[0]
    without = remove_nodes(graph, np.array([[3]]))
    bonds = graph.nodes.edge_features["bond"][
        (graph.nodes.source != 3) & (graph.nodes.target != 3)
    ]
    assert without.nodes.edge_features["bond"].tolist() == bonds.tolist()
    k = network.classes_.tolist().index(network.predict(graph)[0])
    change = log_odds(network, logits, k) - log_odds(
        network, network.logits(without)[0], k
    )
    assert found.effects[3] == pytest.approx(change, abs=1e-4) and size == len(
        found.effects
    )
    tensors = network.to_tensors(graph)
    assert network.network_ is not None
    for layer in decompose_layers(network.network_, tensors, 2):
        assert layer.kind == "GINE" and len(layer.messages) == 2
        assert layer.max_error < 1e-5


def test_gine_needs_features_of_edges():
    graphs = [nx.cycle_graph(n) for n in range(4, 24)]
    model = GraphClassifier(network="gine", minutes=None)
    with pytest.raises(SettingError, match="gine needs features of edges"):
        model.fit(graphs, ["x", "y"] * 10)


def test_features_that_the_training_graphs_lacked_are_named(rings):
    bare = [nx.cycle_graph(n) for n in range(4, 24)]
    model = GraphClassifier(network="none").fit(bare, ["x", "y"] * 10)
    model.predict(rings)
    assert "features of edges are not used, as in training" in rings.notes


def test_the_command_check_shows_the_encoding(rings):
    assert isinstance(rings.nodes.edge_features, pd.DataFrame)
    encoder, _ = fit_edge_encoder(rings)
    assert str(encoder).startswith("2 columns, 3 features (bond")
