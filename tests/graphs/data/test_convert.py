"""Graph objects of NetworkX, PyG and tensors."""

from types import SimpleNamespace
from typing import Any

import networkx as nx
import pytest
import torch

from vicinal.errors import DataError, NoDataError
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
    table = read_graph(data(edge_attr=torch.ones(3, 2)))
    assert "edge_attr is ignored; edge weights are read from edge_weight" in table.notes


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
    assert "the attribute 'x' is read as 2 numbers" in table.notes
    assert table.features["x[0]"].tolist() == [0, 1, 2, None, 4]
    assert table.features["x[1]"].tolist() == [0, 2.5, 5, None, 10]
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
