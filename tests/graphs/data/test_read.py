"""A graph is the same graph in whatever form it comes, and what is wrong is said."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.io import mmwrite, savemat
from scipy.sparse import csr_matrix, save_npz

from vicinal.errors import DataError, NoDataError, SettingError
from vicinal.graphs.data import edge_list
from vicinal.graphs.data.detect import is_graph
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.data.tensors import Graph, batched

NODES = "id,label,age,town\na,x,1,here\nb,y,2,there\nc,,3,here\nd,y,,there\n"
EDGES = "source,target\na,b\nb,c\nc,d\n"


def written(folder: Path, nodes: str = NODES, edges: str = EDGES) -> Path:
    (folder / "nodes.csv").write_text(nodes, encoding="utf-8")
    (folder / "edges.csv").write_text(edges, encoding="utf-8")
    return folder


def pairs(table: GraphTable) -> set[tuple[str, str]]:
    """Its edges by name, in one order where they have no direction."""
    ends = zip(table.ids[table.source], table.ids[table.target], strict=True)
    return {(u, v) if table.directed else tuple(sorted((u, v))) for u, v in ends}


def reasons(table: GraphTable) -> list[str]:
    return [q.reason for q in table.set_aside]


def test_two_tables_in_a_folder(tmp_path):
    table = read_graph(written(tmp_path))
    assert table.ids.tolist() == ["a", "b", "c", "d"]
    assert pairs(table) == {("a", "b"), ("b", "c"), ("c", "d")}
    assert table.labels is not None and table.labels.tolist() == ["x", "y", None, "y"]
    assert table.kind == "single_label" and table.classes == ("x", "y")
    assert list(table.features.columns) == ["age", "town"]
    assert table.labelled.tolist() == [True, True, False, True]
    assert not table.directed and not table.set_aside and not table.notes
    assert table.edge_index.tolist() == [[0, 1, 2, 1, 2, 3], [1, 2, 3, 0, 1, 2]]


def test_named_files_and_frames_are_the_same(tmp_path):
    folder = written(tmp_path)
    wanted = read_graph(folder)
    named = read_graph(folder / "nodes.csv", edges=folder / "edges.csv")
    frames = [pd.read_csv(folder / f"{k}.csv") for k in ("nodes", "edges")]
    for table in (named, read_graph(frames[0], edges=frames[1])):
        assert table.ids.tolist() == wanted.ids.tolist()
        assert pairs(table) == pairs(wanted)
        assert table.labels is not None and table.labels.tolist() == [
            "x",
            "y",
            None,
            "y",
        ]


@pytest.mark.parametrize(
    "text",
    [
        "a b\nb c\nc d\n",
        "# from SNAP\na\tb\nb\tc\nc\td\n",
        "source;target\na;b\nb;c\nc;d\n",
        "Head,relation,TAIL\na,r,b\nb,r,c\nc,r,d\n",
        "src_,x\n" * 0 + "from,to\na,b\nb,c\nc,d\n",
        "\ufeffu,v\na,b\nb,c\nc,d\n",
    ],
)
def test_one_list_of_edges(tmp_path, text):
    path = tmp_path / "edges.txt"
    path.write_text(text, encoding="utf-8")
    table = read_graph(path)
    assert pairs(table) == {("a", "b"), ("b", "c"), ("c", "d")}
    assert table.labels is None and table.kind == "none" and table.features is None


def test_parts_of_a_long_list_are_one_graph(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    ends = rng.integers(0, 40, (300, 2))
    path = tmp_path / "edges.csv"
    pd.DataFrame(ends, columns=["source", "target"]).to_csv(path, index=False)
    whole = read_graph(path)
    monkeypatch.setattr(edge_list, "ROWS", 7)
    again = read_graph(path)
    assert again.ids.tolist() == whole.ids.tolist()
    assert again.source.tolist() == whole.source.tolist()
    wanted = {tuple(sorted(map(str, pair))) for pair in ends.tolist()}
    assert pairs(whole) == wanted


def test_weights_of_repeats_add_up_and_are_told(tmp_path):
    edges = "source,target,weight\na,b,1\nb,a,2.5\nc,d,1\n"
    table = read_graph(written(tmp_path, edges=edges))
    assert table.weight is not None and table.weight.tolist() == [3.5, 1]
    assert table.notes == ["1 edge repeat others; weights are added up"]
    assert table.edge_weight is not None
    assert table.edge_weight.tolist() == [3.5, 1, 3.5, 1]


def test_direction_is_kept_where_it_is_asked_for(tmp_path):
    edges = "source,target\na,b\nb,a\nc,c\n"
    table = read_graph(written(tmp_path, edges=edges), directed=True)
    assert table.directed and table.num_edges == 3
    assert table.edge_index.tolist() == [[0, 1, 2], [1, 0, 2]]
    one = read_graph(written(tmp_path, edges=edges))
    assert one.num_edges == 2 and one.edge_index.tolist() == [[0, 2, 1], [1, 2, 0]]


def test_what_is_wrong_with_edges_is_set_aside_with_its_line(tmp_path):
    edges = (
        "source,target,weight\na,b,1\na,nobody,1\n,b,1\nb,c,-2\nb,c,nan\nb,c,much\n"
        "b,c,\nc,d,0\n"
    )
    table = read_graph(written(tmp_path, edges=edges))
    assert pairs(table) == {("a", "b"), ("c", "d")}
    told = reasons(table)
    assert told[0] == "line 3: there is no node 'nobody'" or len(told) == 6
    text = "\n".join(told)
    for line in ("line 3: there is no node 'nobody'", "line 4: an end is empty"):
        assert line in text
    assert "line 5: its weight -2 is below 0" in text
    for line in (6, 7, 8):
        assert f"line {line}: its weight" in text
    assert len(told) == 6


def test_what_is_wrong_with_nodes_is_set_aside(tmp_path):
    nodes = "id,label\na,x\nb,y\na,y\n,x\nc,x\nd,y\n"
    table = read_graph(written(tmp_path, nodes))
    assert table.ids.tolist() == ["a", "b", "c", "d"]
    assert reasons(table) == [
        "line 4: this node is listed before, in line 2",
        "line 5: the node has no name",
    ]


def test_names_stay_what_they_are(tmp_path):
    nodes = "id,label\n1.0,x\n1,y\n01,x\n1e3,y\n"
    edges = "source,target\n1.0,1\n01,1e3\n1000,1\n"
    table = read_graph(written(tmp_path, nodes, edges))
    assert table.ids.tolist() == ["1.0", "1", "01", "1e3"]
    assert pairs(table) == {("1", "1.0"), ("01", "1e3")}
    assert reasons(table) == ["line 4: there is no node '1000'"]
    frame = pd.DataFrame({"id": [1, 2, None], "label": ["x", "y", "x"]})
    links = pd.DataFrame({"source": [1.0, 2.0], "target": [2.0, np.nan]})
    found = read_graph(frame, edges=links)
    assert found.ids.tolist() == ["1", "2"] and pairs(found) == {("1", "2")}


def test_labels_that_are_numbers(tmp_path):
    rows = "".join(f"n{k},{k / 7}\n" for k in range(60)) + "m,many\n"
    edges = "source,target\nn1,n2\nm,n3\n"
    table = read_graph(written(tmp_path, "id,y\n" + rows, edges))
    assert table.kind == "numeric" and table.labels is not None
    assert table.labels[7] == 1.0 and table.labels[60] is None
    assert reasons(table) == ["the label 'many' is not a number: it counts as none"]


def test_parts_and_groups(tmp_path):
    nodes = "id,label,split,town\na,x,train,p\nb,y,TEST,q\nc,x,valid,p\nd,y,odd,\n"
    table = read_graph(written(tmp_path, nodes), group="town")
    assert table.split is not None and table.split.tolist() == [
        "train",
        "test",
        "val",
        "",
    ]
    assert table.groups is not None and table.groups.tolist() == [0, 1, 0, 2]
    assert "1 node of the part 'odd'" in table.notes[0]
    assert table.features is None


def karate() -> nx.Graph:
    return nx.karate_club_graph()


@pytest.mark.parametrize("ending", ["graphml", "gexf", "gml", "json"])
def test_files_of_networkx(tmp_path, ending):
    graph, path = karate(), tmp_path / f"club.{ending}"
    if ending == "json":
        path.write_text(json.dumps(nx.node_link_data(graph, edges="links")))
    else:
        getattr(nx, f"write_{ending}")(graph, path)
    table, wanted = read_graph(path, target="club"), read_graph(graph, target="club")
    assert len(table) == 34 and table.num_edges == 78 and not table.directed
    assert pairs(table) == pairs(wanted)
    assert table.labels is not None and wanted.labels is not None
    assert table.labels.tolist() == wanted.labels.tolist()
    assert table.weight is not None and wanted.weight is not None
    assert np.array_equal(np.sort(table.weight), np.sort(wanted.weight))


def test_networkx_with_directions_and_attributes():
    graph: Any = nx.DiGraph([("a", "b"), ("b", "a"), ("c", "c")])
    nx.set_node_attributes(graph, {"a": 1, "b": 2}, "size")
    table = read_graph(graph)
    assert table.directed and pairs(table) == {("a", "b"), ("b", "a"), ("c", "c")}
    assert table.features["size"].tolist()[:2] == [1, 2]


def test_objects_of_networkx_that_cannot_be_used():
    with pytest.raises(DataError, match="Two nodes are called '1'"):
        read_graph(nx.Graph([(1, 2), ("1", 2)]))
    with pytest.raises(NoDataError, match="no nodes"):
        read_graph(nx.Graph())
    with pytest.raises(DataError, match="weight is -1"):
        read_graph(nx.Graph([("a", "b", {"weight": -1})]))


def test_pyg_and_our_own_tensors():
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


def test_pygs_own_data():
    data = pytest.importorskip("torch_geometric.data")
    edge_index = torch.tensor([[0, 1], [1, 2]])
    found = data.Data(x=torch.ones(3, 2), edge_index=edge_index)
    table = read_graph(found)
    assert table.directed and pairs(table) == {("0", "1"), ("1", "2")}


def test_matrices(tmp_path):
    dense = np.array([[0, 2, 0], [2, 0, 1], [0, 1, 0]], dtype=float)
    mmwrite(tmp_path / "a.mtx", csr_matrix(dense))
    savemat(tmp_path / "a.mat", {"net": csr_matrix(dense)})
    for form in (csr_matrix(dense), tmp_path / "a.mtx", tmp_path / "a.mat"):
        table = read_graph(form)
        assert pairs(table) == {("0", "1"), ("1", "2")} and not table.directed
        assert table.weight is not None and table.weight.tolist() == [2, 1]
    upper = read_graph(csr_matrix(np.triu(dense)))
    assert upper.directed and upper.num_edges == 2


def test_npz(tmp_path):
    x = csr_matrix(np.eye(4))
    parts = {f"x_{k}": getattr(x, k) for k in ("data", "indices", "indptr")}
    edges = np.array([[0, 1], [1, 2]])
    path = tmp_path / "g.npz"
    given: Any = {
        "edges": edges,
        "y": np.array([0, 1, 0, -1]),
        "train": np.array([0, 1]),
    }
    np.savez(path, x_shape=np.array([4, 4]), **parts, **given)
    table = read_graph(path)
    assert len(table) == 4 and pairs(table) == {("0", "1"), ("1", "2")}
    assert not table.directed and table.features.shape == (4, 4)
    assert table.labels is not None and table.labels.tolist() == ["0", "1", "0", None]
    assert table.split is not None and table.split.tolist() == ["train"] * 2 + [""] * 2
    np.savez(path, y=np.array([0]))
    with pytest.raises(DataError, match="holds no edges"):
        read_graph(path)
    np.savez(path, edges=np.array([{}], dtype=object))
    with pytest.raises(DataError, match="without unpickling"):
        read_graph(path)


def test_labels_given_beside_a_graph():
    labels = ["x", "y", None] + ["x"] * 31
    table = read_graph(karate(), labels)
    assert table.labels is not None and table.labels.tolist() == labels
    with pytest.raises(DataError, match="each of 34 nodes"):
        read_graph(karate(), ["x"])


@pytest.mark.parametrize(
    "edges, error, told",
    [
        ("", NoDataError, "empty"),
        ("source,target\n", NoDataError, "no edge that could be used"),
        ("source,target\nz,y\n", NoDataError, "The first: line 2: there is no node"),
        ("one,two,three,four\na,b,c,d\n", DataError, "names no columns source"),
        ("source,target\na,b,c\n", DataError, "cannot be read as a table"),
        (
            "source,target\na,b\na,b,c\n",
            DataError,
            "line 3 has 3 cells, where .* has 2",
        ),
    ],
)
def test_lists_that_cannot_be_used(tmp_path, edges, error, told):
    with pytest.raises(error, match=told):
        read_graph(written(tmp_path, edges=edges))


def test_other_data_that_cannot_be_used(tmp_path):
    with pytest.raises(NoDataError, match="nothing at"):
        read_graph(tmp_path / "none")
    with pytest.raises(DataError, match=r"no edges.csv"):
        read_graph(tmp_path)
    folder = written(tmp_path, "name_,label\na,x\n")
    with pytest.raises(DataError, match="no column for their names"):
        read_graph(folder)
    nodes = folder / "nodes.csv"
    written(tmp_path)
    with pytest.raises(DataError, match="lists nodes"):
        read_graph(nodes)
    with pytest.raises(DataError, match="no column 'colour'"):
        read_graph(folder, target="colour")
    with pytest.raises(SettingError, match="group column"):
        read_graph(karate(), group="town")
    (tmp_path / "edges.csv").write_bytes("source,target\nä,b\n".encode("latin-1"))
    with pytest.raises(DataError, match="not written in UTF-8"):
        read_graph(folder)
    (tmp_path / "a.docx").write_text("")
    with pytest.raises(DataError, match="no graph by its ending"):
        read_graph(tmp_path / "a.docx")
    (tmp_path / "a.gml").write_text("graph [")
    with pytest.raises(DataError, match="cannot be read"):
        read_graph(tmp_path / "a.gml")
    with pytest.raises(DataError, match="A graph was wanted and int"):
        read_graph(3)


def test_graphs_side_by_side():
    a = Graph(torch.zeros(2, 3), torch.tensor([[0], [1]]), y=torch.tensor([1]))
    b = Graph(torch.ones(3, 3), torch.tensor([[0, 2], [2, 1]]), y=torch.tensor([0]))
    both = batched([a, b])
    assert both.x.shape == (5, 3) and both.num_graphs == 2
    assert both.edge_index.tolist() == [[0, 2, 4], [1, 4, 3]]
    assert both.batch.tolist() == [0, 0, 1, 1, 1]
    assert both.y is not None and both.y.tolist() == [[1], [0]]
    with pytest.raises(NoDataError, match="no graphs"):
        batched([])
    with pytest.raises(DataError, match="1 of 2 graphs have y"):
        batched([a, b._replace(y=None)])


def test_more_edges_than_there_is_memory_for(tmp_path, monkeypatch):
    path = tmp_path / "many.csv"
    path.write_text("source,target\n" + "a,b\nb,c\n" * 50_000)
    assert len(read_graph(path)) == 3
    monkeypatch.setattr("vicinal.graphs.data.edge_list.free_memory", lambda: 5e6)
    with pytest.raises(DataError, match=r"many\.csv holds about \d+,\d+ edges"):
        read_graph(path)
    pairs = np.zeros((2, 100_000), np.int64)
    np.savez(tmp_path / "many.npz", edge_index=pairs)
    with pytest.raises(DataError, match="The array of edges holds about 100,000 edges"):
        read_graph(tmp_path / "many.npz")


@pytest.mark.parametrize("write", ["gml", "gexf", "graphml"])
def test_names_of_other_programs_stay_names(tmp_path, write):
    """What is shown of a node is its name, and no class."""
    names = {k: f"p{k:02d}" for k in range(34)}
    graph = nx.relabel_nodes(nx.karate_club_graph(), names)
    path = tmp_path / f"k.{write}"
    getattr(nx, f"write_{write}")(graph, path)
    table = read_graph(path)
    assert table.ids[3] == "p03" and table.kind == "none"
    assert table.num_edges == graph.number_of_edges()


@pytest.mark.parametrize("write", ["gml", "gexf"])
def test_labels_that_repeat_are_classes(tmp_path, write):
    graph = nx.path_graph(6)
    path = tmp_path / f"k.{write}"
    getattr(nx, f"write_{write}")(graph, path)
    text = path.read_text()
    for k in range(6):  # as a program writes it whose labels are classes
        text = text.replace(f'label "{k}"', f'label "{"ab"[k % 2]}"')
        text = text.replace(f'label="{k}"', f'label="{"ab"[k % 2]}"')
    path.write_text(text)
    table = read_graph(path)
    assert table.ids.tolist() == [str(k) for k in range(6)]
    assert table.labels is not None and table.labels.tolist() == [*"ababab"]


@pytest.mark.parametrize("twice", [False, True])
def test_an_attribute_that_is_called_id_moves_nothing(twice):
    graph = nx.path_graph(12)
    nx.set_node_attributes(
        graph, {k: 0 if twice and k == 1 else k for k in graph}, "id"
    )
    nx.set_node_attributes(graph, {k: "ab"[k % 2] for k in graph}, "label")
    nx.set_node_attributes(graph, {k: 10.0 * k for k in graph}, "f")
    table = read_graph(graph)
    assert table.labels is not None and table.labels.tolist() == [*"ab"] * 6
    assert table.features["f"].tolist() == [10.0 * k for k in range(12)]
    told = "the attribute 'id' names nodes and is not used"
    assert (told in table.notes) != twice and ("id" in table.features) == twice
    for name in ("node_id", "node", "name", "nodeid"):
        nx.set_node_attributes(graph, dict.fromkeys(graph, "same"), name)
    table = read_graph(graph)
    assert table.labels is not None and table.labels.tolist() == [*"ab"] * 6


def test_names_that_differ_by_a_blank_are_two_nodes():
    graph: Any = nx.Graph([("a", "a "), ("a ", ""), ("", "b")])
    nx.set_node_attributes(graph, {"a": 1.0, "a ": 2.0, "": 3.0, "b": 4.0}, "f")
    table = read_graph(graph)
    assert table.ids.tolist() == ["a", "a ", "", "b"]
    assert table.features["f"].tolist() == [1.0, 2.0, 3.0, 4.0]


def test_labels_by_name():
    graph = nx.path_graph(4)
    table = read_graph(graph, {0: "x", 3: "y"})
    assert table.labels is not None and table.labels.tolist() == ["x", None, None, "y"]
    with pytest.raises(DataError, match="'9', and there is no such node"):
        read_graph(graph, {0: "x", 9: "y"})
    with pytest.raises(DataError, match=r"a label for each node, \[4\]. Got \[4, 2\]"):
        read_graph(graph, np.eye(2)[[0, 1, 0, 1]])


def test_arrays_say_all_that_they_can(tmp_path):
    edges = np.array([[0, 1, 2], [1, 2, 3]])
    path = tmp_path / "g.npz"
    more = {"edge_weight": [1.0, 2.0, 0.5], "ids": ["w", "x", "y", "z"]}
    np.savez(path, edge_index=edges, **more)
    table = read_graph(path)
    assert table.ids.tolist() == ["w", "x", "y", "z"]
    assert table.weight is not None and table.weight.tolist() == [1.0, 2.0, 0.5]
    matrix = nx.to_scipy_sparse_array(nx.karate_club_graph(), format="csr")
    save_npz(path, csr_matrix(matrix))
    assert read_graph(path).num_edges == 78
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"edge_index": edges + 0.5}, "whole numbers. Got 0.5"),
        ({"edge_index": np.where(edges, edges, np.nan)}, "whole numbers. Got nan"),
        ({"edge_index": edges, "edge_weight": [1, -2, 1]}, "finite and 0 or more"),
        ({"edge_index": edges, "edge_weight": [1, 2]}, "a weight for each of 3"),
        ({"edge_index": edges, "ids": [*"wxyw"]}, "different name for each of 4"),
        ({"edge_index": edges, "train_idx": [0, 9]}, "part train must be a mask of 4"),
        ({"edge_index": edges, "train_mask": [True]}, "part train must be a mask of 4"),
    ]
    for bad, told in wrong:
        np.savez(path, **bad)
        with pytest.raises(DataError, match=told):
            read_graph(path)


@pytest.mark.parametrize("name", ["a.npz", "a.mtx", "a.mat", "a.json", "a.gexf"])
def test_a_damaged_file_is_one_message(tmp_path, name):
    path = tmp_path / name
    for damaged in (b"", b"PK hello", b"{"):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="cannot be read"):
            read_graph(path)


def test_json_may_name_nodes_by_their_places(tmp_path):
    path = tmp_path / "g.json"  # as d3 has them
    nodes = [{"name": name, "group": k} for k, name in enumerate("abc")]
    links = [{"source": 0, "target": 2, "value": 3}, {"source": 1, "target": 2}]
    path.write_text(json.dumps({"nodes": nodes, "links": links}))
    table = read_graph(path)
    assert table.ids.tolist() == ["a", "b", "c"]
    assert table.source.tolist() == [0, 1] and table.target.tolist() == [2, 2]
    assert table.notes[0].startswith("edges name nodes by their places")
    path.write_text(json.dumps({"nodes": [{"x": 1}], "links": []}))
    with pytest.raises(DataError, match="has nodes without an id"):
        read_graph(path)


def test_attributes_that_are_vectors_are_a_column_for_each_number():
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
def test_vectors_that_may_be_labels_stay_as_they_are(name):
    graph = nx.path_graph(6)
    for node in graph:
        graph.nodes[node][name] = [node % 2]
    target = name if name == "kind" else None
    table = read_graph(graph, target=target)
    assert table.labels is not None and table.labels.tolist() == ["[0]", "[1]"] * 3
    assert table.features is None


def test_attributes_of_every_sort_are_read():
    graph = nx.path_graph(4)
    for node in graph:
        graph.nodes[node]["slope"] = torch.ones(2, requires_grad=True) * node
        graph.nodes[node]["half"] = torch.tensor([node, 1.0], dtype=torch.bfloat16)
        graph.nodes[node]["ragged"] = [[1, 2], [3]]
        graph.nodes[node]["x"], graph.nodes[node]["x[0]"] = [node, 1], 7
    features = read_graph(graph).features
    assert features["slope[1]"].tolist() == features["half[0]"].tolist() == [0, 1, 2, 3]
    assert "ragged" in features and features["x[0]"].tolist() == [7] * 4


def test_labels_that_may_be_names_or_amounts_are_told():
    frame = pd.DataFrame({"id": [f"n{k}" for k in range(40)]})
    names = frame["id"].tolist()
    edges = pd.DataFrame({"source": names[:-1], "target": names[1:]})
    frame["label"] = [f"name {k // 1.5}" for k in range(40)]
    (note,) = read_graph(frame, edges=edges).notes
    wanted = "40 labels are 27 different ones, such as 'name 0.0': are they names?"
    assert note.startswith(wanted)
    frame["label"] = [str(1990 + k % 20) for k in range(40)]
    (note,) = read_graph(frame, edges=edges).notes
    assert "20 different whole numbers and are taken as classes" in note
    assert not read_graph(frame, edges=edges, task="classification").notes
    frame["label"] = [str(k % 3) for k in range(40)]
    assert not read_graph(frame, edges=edges).notes


def test_json_names_nodes_that_are_there(tmp_path):
    path = tmp_path / "g.json"
    for nodes, links, told in (
        ("ab", [("a", "zzz")], "an edge of 'zzz', which is no node"),
        ("aba", [("a", "b")], "lists the node 'a' twice"),
        ("ab", [(0, 2)], "an edge of 0, which is no node"),
        ([1, 2, 3, 4], [(1, 2), (2, 3), (0, 1)], "an edge of 0, which is no node"),
    ):
        data = {
            "nodes": [{"id": name} for name in nodes],
            "links": [{"source": a, "target": b} for a, b in links],
        }
        path.write_text(json.dumps(data))
        with pytest.raises(DataError, match=told):
            read_graph(path)


@pytest.mark.parametrize(
    "head",
    ["node1,node2", "id_1,id_2", "start,end", "i,j", "from_node,to_node", "Src,Dst"],
)
def test_a_list_of_edges_is_known_by_its_columns(tmp_path, head):
    path = tmp_path / "list.csv"
    path.write_text(f"{head}\na,b\nb,c\n")
    assert is_graph(path)
    assert read_graph(path).ids.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("mark", ["\t", " ", ","])
def test_facts_without_a_first_line_that_names_columns(mark, tmp_path):
    rows = [("a", "likes", "b"), ("b", "likes", "c"), ("c", "knows", "a")]
    path = tmp_path / "facts.tsv"
    path.write_text("# a comment\n" + "".join(f"{mark.join(r)}\n" for r in rows))
    table = read_graph(path, relation="relation")
    assert table.relation is not None
    found = zip(table.source, table.relation, table.target, strict=True)
    told = [(table.ids[s], table.relations[r], table.ids[t]) for s, r, t in found]
    assert told == rows
    plain = read_graph(path)
    assert plain.ids.tolist() == ["a", "b", "c"] and plain.num_edges == 3
    assert any("--relation-column relation" in note for note in plain.notes)
    for rows in (  # few, and one of them of a year
        [("a", "likes", "b"), ("b", "likes", "c")],
        [("a", "wrote", "1984"), ("b", "wrote", "a"), ("a", "knows", "b")],
    ):
        path.write_text("\n".join(mark.join(row) for row in rows))
        found = read_graph(path, relation="relation")
        assert found.num_edges == len(rows) and found.set_aside == []
    if mark == ",":
        path.write_text('a,likes,"b"\nb,likes,"c"\n')
        assert read_graph(path).ids.tolist() == ["a", "b", "c"]
    path.write_text("# much is said before\n" * 4000 + f"a{mark}b{mark}2\n")
    assert read_graph(path).num_edges == 1
    path.write_text(f"a{mark}b{mark}red\nb{mark}c{mark}blue\n")  # what is the third?
    with pytest.raises(NoDataError, match="its weight 'red' is none"):
        read_graph(path)


def test_lists_of_networkx_and_konect(tmp_path):
    path = tmp_path / "x.edgelist"
    graph = nx.Graph([("a", "b", {"weight": 2.5}), ("b", "c", {"weight": 1.0})])
    nx.write_edgelist(graph, path)
    table = read_graph(path)
    assert table.ids.tolist() == ["a", "b", "c"]
    assert table.weight is not None and table.weight.tolist() == [2.5, 1.0]
    path.write_text("% sym weighted\n1 2 3 1082040961\n2 3 1 1082155839\n")
    table = read_graph(path)
    assert table.ids.tolist() == ["1", "2", "3"]
    assert table.weight is not None and table.weight.tolist() == [3.0, 1.0]


def test_tensors_that_do_not_fit(tmp_path):
    edges = torch.tensor([[0, 1, 2], [1, 2, 3]])

    def data(**more: Any) -> SimpleNamespace:
        return SimpleNamespace(**{"edge_index": edges, "num_nodes": 4} | more)

    for bad, told in (
        ({"train_mask": torch.ones(3)}, r"train_mask must be \[4\]. Got \[3\]"),
        ({"edge_index": edges.T}, r"must be \[2, E\]"),
        ({"edge_index": edges + 0.4}, "whole numbers"),
        ({"edge_weight": torch.ones(2)}, "a weight for each of 3 edges. Got 2"),
        ({"y": torch.eye(4)}, r"\[4\]. Got \[4, 4\]"),
    ):
        with pytest.raises(DataError, match=told):
            read_graph(data(**bad))
    table = read_graph(data(edge_attr=torch.ones(3, 2)))
    assert "edge_attr is not used; weights of edges are edge_weight" in table.notes


def test_which_column_has_the_labels_is_said(tmp_path):
    nodes = "id,class,label,f\na,p,x,1\nb,q,y,2\nc,p,x,3\nd,q,y,4\n"
    table = read_graph(written(tmp_path, nodes))
    assert table.classes == ("x", "y") and "class" in table.features
    assert any("'class' is read as a feature" in note for note in table.notes)
    table = read_graph(tmp_path, target="class")
    assert table.classes == ("p", "q")
    assert not any("read as a feature" in note for note in table.notes)
