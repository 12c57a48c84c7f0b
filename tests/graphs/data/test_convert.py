"""Graph objects of NetworkX, PyG and tensors."""

from types import SimpleNamespace
from typing import Any

import networkx as nx
import pandas as pd
import pytest
import torch
from scipy import sparse

from vicinal.errors import DataError, IgnoredDataWarning, NoDataError
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.data.tensors import Graph


def test_networkx_keeps_direction_and_attributes(edge_names):
    graph: Any = nx.DiGraph([("a", "b"), ("b", "a"), ("c", "c")])
    nx.set_node_attributes(graph, {"a": 1, "b": 2}, "size")
    table = read_graph(graph)
    assert table.directed and edge_names(table) == {("a", "b"), ("b", "a"), ("c", "c")}
    assert table.features["size"].tolist()[:2] == [1, 2]


def test_unusable_networkx_graphs_are_rejected():
    with pytest.raises(DataError, match="Got '1' twice"):
        read_graph(nx.Graph([(1, 2), ("1", 2)]))
    with pytest.raises(NoDataError, match="no nodes"):
        read_graph(nx.Graph())
    with pytest.raises(
        DataError, match=r"'weight' must be a number, 0 or more\. Got -1"
    ):
        read_graph(nx.Graph([("a", "b", {"weight": -1})]))


@pytest.mark.parametrize("weight", [1e-50, 2e-38 / 2, 1e39, 10**400])
def test_weights_that_float32_cannot_hold_are_rejected(weight):
    """They became 0, so that the edge had no effect."""
    with pytest.raises(DataError, match="float32 holds 0 and numbers from"):
        read_graph(nx.Graph([("a", "b", {"weight": weight}), ("b", "c")]))
    if isinstance(weight, int):  # no matrix holds it
        return
    matrix = sparse.coo_array(([weight, weight], ([0, 1], [1, 0])), shape=(2, 2))
    with pytest.raises(DataError, match="float32 holds 0 and numbers from"):
        read_graph(matrix)


def test_pyg_data_and_our_own_graph():
    edge_index = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    mask = torch.tensor([True, False, False])
    parts = {"train_mask": mask, "val_mask": mask.roll(1), "test_mask": mask.roll(2)}
    graph = Graph(torch.eye(3), edge_index, y=torch.tensor([0, 1, -1]), **parts)
    data = SimpleNamespace(num_nodes=3, **graph._asdict())
    for given in (graph, data):
        table = read_graph(given)
        assert not table.directed and table.num_edges == 2
        assert table.edge_index.sort(dim=1)[0].tolist() == [[0, 1, 1, 2], [0, 1, 1, 2]]
        assert table.labels is not None and table.labels.tolist() == ["0", "1", None]
        assert table.split is not None
        assert table.split.tolist() == ["train", "val", "test"]
        assert table.features.tolist() == torch.eye(3).tolist()
        assert table.whole_numbers


def test_data_of_pyg(edge_names):
    data = pytest.importorskip("torch_geometric.data")
    edge_index = torch.tensor([[0, 1], [1, 2]])
    graph = data.Data(x=torch.ones(3, 2), edge_index=edge_index)
    table = read_graph(graph)
    assert table.directed and edge_names(table) == {("0", "1"), ("1", "2")}


def test_tensors_of_a_wrong_shape_are_rejected(tmp_path):
    edges = torch.tensor([[0, 1, 2], [1, 2, 3]])

    def data(**more: Any) -> SimpleNamespace:
        return SimpleNamespace(**{"edge_index": edges, "num_nodes": 4} | more)

    for bad, message in (
        ({"train_mask": torch.ones(3)}, r"train_mask must have shape \[4\]. Got \[3\]"),
        ({"edge_index": edges.T}, r"must have shape \[2, E\]"),
        ({"edge_index": edges + 0.4}, "integers"),
        ({"edge_weight": torch.ones(2)}, "a weight for each of 3 edges. Got 2"),
        ({"y": torch.eye(4)}, r"\[4\]. Got \[4, 4\]"),
    ):
        with pytest.raises(DataError, match=message):
            read_graph(data(**bad))
    note = "edge_attr is ignored; edge weights are read from edge_weight"
    with pytest.warns(IgnoredDataWarning, match=note):
        table = read_graph(data(edge_attr=torch.ones(3, 2)))
    assert note in table.notes


@pytest.mark.parametrize("duplicate", [False, True])
def test_an_attribute_called_id_does_not_reorder_nodes(duplicate):
    graph = nx.path_graph(12)
    nx.set_node_attributes(
        graph, {k: 0 if duplicate and k == 1 else k for k in graph}, "id"
    )
    nx.set_node_attributes(graph, {k: "ab"[k % 2] for k in graph}, "label")
    nx.set_node_attributes(graph, {k: 10.0 * k for k in graph}, "f")
    table = read_graph(graph)
    assert table.labels is not None and table.labels.tolist() == [*"ab"] * 6
    assert table.features["f"].tolist() == [10.0 * k for k in range(12)]
    message = "the attribute 'id' identifies nodes and is ignored"
    assert (message in table.notes) != duplicate and (
        "id" in table.features
    ) == duplicate
    for name in ("node_id", "node", "name", "nodeid"):
        nx.set_node_attributes(graph, dict.fromkeys(graph, "same"), name)
    table = read_graph(graph)
    assert table.labels is not None and table.labels.tolist() == [*"ab"] * 6


def test_names_that_differ_by_a_space_are_two_nodes():
    graph: Any = nx.Graph([("a", "a "), ("a ", ""), ("", "b")])
    nx.set_node_attributes(graph, {"a": 1.0, "a ": 2.0, "": 3.0, "b": 4.0}, "f")
    table = read_graph(graph)
    assert table.ids.tolist() == ["a", "a ", "", "b"]
    assert table.features["f"].tolist() == [1.0, 2.0, 3.0, 4.0]


def test_vector_attributes_become_columns():
    graph = nx.path_graph(5)
    for node in graph:
        graph.nodes[node]["x"] = [node, 2.5 * node] if node != 3 else None
        graph.nodes[node]["tags"] = ["a"] * node  # no vectors of one length
    table = read_graph(graph)
    assert "column 'x' is read as 2 numbers" in table.notes
    assert table.features["x[0]"].fillna(-1).tolist() == [0, 1, 2, -1, 4]
    assert table.features["x[1]"].fillna(-1).tolist() == [0, 2.5, 5, -1, 10]
    assert "x" not in table.features and "tags" in table.features


@pytest.mark.parametrize("name", ["y", "label", "kind"])
def test_vectors_that_may_be_labels_are_not_expanded(name):
    graph = nx.path_graph(6)
    for node in graph:
        graph.nodes[node][name] = [node % 2]
    target = name if name == "kind" else None
    table = read_graph(graph, target=target)
    assert table.labels is not None and table.labels.tolist() == ["[0]", "[1]"] * 3
    assert table.features is None


def test_attributes_of_every_type_are_read():
    graph = nx.path_graph(4)
    for node in graph:
        graph.nodes[node]["grad"] = torch.ones(2, requires_grad=True) * node
        graph.nodes[node]["half"] = torch.tensor([node, 1.0], dtype=torch.bfloat16)
        graph.nodes[node]["ragged"] = [[1, 2], [3]]
        graph.nodes[node]["x"], graph.nodes[node]["x[0]"] = [node, 1], 7
    features = read_graph(graph).features
    assert features["grad[1]"].tolist() == features["half[0]"].tolist() == [0, 1, 2, 3]
    assert "ragged" in features and features["x[0]"].tolist() == [7] * 4


def test_integer_names_of_attributes_are_texts():
    graph: Any = nx.path_graph(3)
    graph.nodes[0].update({1: 20, 2: 50})
    graph.nodes[1].update({1: 21})
    assert read_graph(graph).features["1"].tolist()[:2] == [20, 21]
    nodes = pd.DataFrame({"id": [0, 1], 7: [3, 4]})
    edges = pd.DataFrame({"source": [0], "target": [1]})
    assert read_graph(nodes, edges=edges).features["7"].tolist() == [3, 4]
    graph.nodes[2]["1"] = 3
    with pytest.raises(DataError, match=r"must be unique as text\. Got '1' twice"):
        read_graph(graph)


def test_attributes_of_edges_that_are_ignored_are_named():
    graph: Any = nx.path_graph(3)
    graph.edges[0, 1].update(weight=2, kind="a", id="e0")
    graph.edges[1, 2].update(time=5)
    expected = "attributes of edges are ignored, except weights: kind, time"
    assert read_graph(graph).notes == [expected]


EDGES = torch.tensor([[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"train_mask": torch.ones(2, 10)}, r"train_mask has 10 splits.*\[:, 0\]"),
        ({"val_mask": torch.ones(2).bool()}, "Expected train_mask beside val_mask"),
        ({"edge_index": None}, "has no edge_index"),
        ({"edge_index": EDGES + 1}, "indices 0 to 1. Got 2"),
        ({"num_nodes": 2**40}, "1,099,511,627,776 nodes, which would take"),
        ({"num_nodes": None}, "The graph has no nodes"),
        ({"x": torch.ones(2, 2).to_sparse()}, "x must be dense"),
        ({"x": torch.ones(3, 2)}, "a row for each of 2 nodes. Got 3"),
        ({"node_types": ["a", "b"], "edge_types": []}, "heterogeneous.*to_homogeneous"),
    ],
)
def test_pyg_data_of_another_form(more, message):
    data = {"edge_index": EDGES, "num_nodes": 2, "x": None, **more}
    with pytest.raises(DataError, match=message):
        read_graph(SimpleNamespace(**data))


def test_one_split_in_a_mask_with_a_column():
    mask = torch.tensor([[True], [False]])
    data = SimpleNamespace(edge_index=EDGES, num_nodes=2, train_mask=mask)
    split = read_graph(data).split
    assert split is not None and split.tolist() == ["train", ""]


@pytest.mark.parametrize("name", [float("nan"), pd.NA, pd.NaT, "nan", "<NA>", "NaT"])
def test_missing_names_are_no_node(name):
    """As `from_pandas_edgelist` makes them of empty cells."""
    frame = pd.DataFrame({"source": ["a", "b", name], "target": [name, "a", "b"]})
    table = read_graph(nx.from_pandas_edgelist(frame.astype(object)))
    assert table.ids.tolist() == ["a", "b"] and table.num_edges == 1
    reasons = {row.reason for row in table.quarantined}
    assert reasons == {"the name is missing", "one of its nodes is quarantined"}
