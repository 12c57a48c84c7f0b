"""The same graph collection from every source; invalid files and rows."""

from types import SimpleNamespace
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch

from vicinal.errors import DataError, NoDataError
from vicinal.graphs.data.detect import is_graph_collection
from vicinal.graphs.data.read_collection import read_graphs


@pytest.mark.parametrize("source", ["gin_file", "tu_directory", "collection_tables"])
def test_every_format_gives_the_same_graphs(source, request, summarize):
    path = request.getfixturevalue(source)
    assert is_graph_collection(path)
    graphs = read_graphs(path)
    assert summarize(graphs) == [
        ("7", 3, ["t0", "t1", "t1"], 3),
        ("9", 1, ["t0", "t2"], 2),
    ]
    assert graphs.kind == "single_label" and graphs.classes == ("7", "9")
    assert not graphs.nodes.directed
    source_graph, target_graph = (
        graphs.batch[ends] for ends in (graphs.nodes.source, graphs.nodes.target)
    )
    assert np.array_equal(source_graph, target_graph)


def test_networkx_graphs():
    triangle, path = nx.complete_graph(3), nx.path_graph(2)
    triangle.graph["label"], path.graph["label"] = "x", "y"
    graphs = read_graphs([triangle, path])
    assert graphs.labels is not None and graphs.labels.tolist() == ["x", "y"]
    assert graphs.sizes.tolist() == [3, 2] and graphs.edge_counts.tolist() == [3, 1]
    assert read_graphs([triangle, path], ["p", "q"]).classes == ("p", "q")


def test_pyg_graphs():
    data = [
        SimpleNamespace(
            x=torch.ones(n, 2),
            edge_index=torch.tensor([[0, 1], [1, 0]]),
            y=torch.tensor([label]),
            num_nodes=n,
        )
        for n, label in ((2, 0), (3, 1))
    ]
    graphs = read_graphs(data)
    assert graphs.sizes.tolist() == [2, 3] and graphs.edge_counts.tolist() == [1, 1]
    assert graphs.labels is not None and graphs.labels.tolist() == ["0", "1"]
    assert graphs.nodes.features.shape == (5, 2)


def test_unusable_sources_are_rejected(tmp_path, tu_directory):
    with pytest.raises(NoDataError, match="nothing at"):
        read_graphs(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no graphs"):
        read_graphs(tmp_path / "empty")
    with pytest.raises(NoDataError, match="no graphs"):
        read_graphs([])
    with pytest.raises(DataError, match="Got a int"):
        read_graphs([3])
    with pytest.raises(DataError, match="each of 2 graphs"):
        read_graphs(tu_directory, ["x"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "1\n2 0\n0 1 5\n0 0\n",
            r"node 0 of graph 1 must have 1 neighbours from 0 to 1. Got \[5\]",
        ),
        ("2\n1 0\n0 0\n", "ends where a graph was expected"),
    ],
)
def test_damaged_gin_files_are_rejected(gin_file, text, message):
    gin_file.write_text(text)
    with pytest.raises(DataError, match=message):
        read_graphs(gin_file)


def test_an_edge_of_an_unknown_node_is_quarantined(collection_tables):
    with (collection_tables / "edges.csv").open("a") as file:
        file.write("h,a,nobody\n")
    graphs = read_graphs(collection_tables)
    assert [row.reason for row in graphs.quarantined] == [
        "line 6: graph 'h' has no node 'nobody'"
    ]


def test_invalid_rows_of_tables_are_quarantined(tmp_path):
    edges = "graph_id,source,target,weight\ng,a,b,1\ng,a,zz,1\nh,,b,1\nh,a,b,1\n"
    tables = {
        "nodes.csv": "graph_id,id,f\ng,a,1\ng,b,2\ng,a,9\n,c,3\nh,a,4\nh,b,5\n",
        "edges.csv": edges,
        "graphs.csv": "graph_id,label\ng,x\nh,y\nnone,x\n",
    }
    for name, text in tables.items():
        (tmp_path / name).write_text(text)
    graphs = read_graphs(tmp_path)
    assert graphs.nodes.features["f"].tolist() == [*"1245"]
    assert graphs.edge_counts.tolist() == [1, 1]
    assert [f"{row.name}: {row.reason}" for row in graphs.quarantined] == [
        "a: line 4: duplicate of line 2 in graph 'g'",
        "c: line 5: the id or graph_id is empty",
        "a - zz: line 3: graph 'g' has no node 'zz'",
        " - b: line 4: the graph_id, source or target is empty",
        "none: there is a label, but no such graph",
    ]
    assert graphs.nodes.edge_features["weight"].tolist() == ["1", "1"]


@pytest.mark.parametrize(
    ("part", "text", "message"),
    [
        ("A", "1,x\n", "T_A.txt, line 1: expected numbers. Got '1,x'"),
        ("A", "1,2\n1,2,3\n", "T_A.txt, line 2: expected 2 numbers"),
        ("graph_indicator", "1\nx\n", "T_graph_indicator.txt, line 2: expected num"),
        ("graph_indicator", "0\n0\n", "must number graphs from 1"),
        ("graph_indicator", "\n", "graph_indicator.txt is empty"),
        ("node_labels", "1\n", "a line for each of 2 nodes. Got 1"),
        ("node_attributes", "1\n", "a line for each of 2 nodes. Got 1"),
        ("graph_labels", "1\n2\n", "a label for each of 1 graph. Got 2"),
    ],
)
def test_damaged_files_of_a_tu_data_set_are_rejected(tmp_path, part, text, message):
    files = {"A": "1,2\n2,1\n", "graph_indicator": "1\n1\n", "graph_labels": "7\n"}
    for name, content in (files | {part: text}).items():
        (tmp_path / f"T_{name}.txt").write_text(content)
    with pytest.raises((DataError, NoDataError), match=message):
        read_graphs(tmp_path)


def test_labels_with_an_index_are_aligned_with_the_names_of_the_graphs():
    graphs = [nx.path_graph(3), nx.path_graph(4), nx.path_graph(5)]
    names = read_graphs(graphs).names.tolist()
    y = pd.Series(["a", "b", "c"], index=names)
    labels = read_graphs(graphs, y.iloc[::-1]).labels
    assert labels is not None and labels.tolist() == ["a", "b", "c"]


def test_columns_that_are_ignored_are_named(collection_tables):
    nodes = "Unnamed: 0,graph_id,id,tag\n0,g,a,1\n1,g,b,3\n2,h,a,1\n3,h,b,1\n"
    edges = "graph_id,source,target,bond\ng,a,b,1\nh,a,b,2\n"
    (collection_tables / "nodes.csv").write_text(nodes)
    (collection_tables / "edges.csv").write_text(edges)
    graphs = read_graphs(collection_tables)
    assert list(graphs.nodes.features) == ["tag"]
    assert graphs.notes == [
        "columns that number the rows are ignored: 'Unnamed: 0'",
    ]


def test_what_graph_level_models_ignore_is_named():
    edges = torch.tensor([[0, 1, 1], [1, 0, 2]])
    values = {"edge_index": edges, "num_nodes": 3, "x": torch.ones(3, 2)}
    weighted = {"edge_attr": torch.ones(3, 2), "edge_weight": torch.ones(3)}
    one = SimpleNamespace(**values, **weighted, y=torch.tensor([1]))
    other = SimpleNamespace(**values, y=torch.tensor([[0, 1]]))
    graphs = read_graphs([one, other])
    assert graphs.labels is not None and graphs.labels.tolist() == ["1", None]
    assert sorted(graphs.notes) == [
        "directions of edges are ignored: graphs are undirected",
        "features of edges are ignored: some graphs have none",
        "y is ignored: it does not have one value for the graph (in 1 of 2 graphs)",
    ]
    del one.edge_attr
    other.x = torch.ones(3, 5)
    with pytest.raises(DataError, match=r"same number of node features\. Got 2 and 5"):
        read_graphs([one, other])
    other.x = None
    notes = read_graphs([one, other]).notes
    assert any("node features are ignored" in note for note in notes)


def test_labels_of_nodes_are_features_of_graphs():
    """In a list of molecules `label` is the type of an atom."""
    graphs = [nx.path_graph(3), nx.path_graph(4)]
    for graph in graphs:
        for node in graph:
            graph.nodes[node].update(label="CNO"[node % 3], split="train", target=node)
    found = read_graphs(graphs, ["x", "y"])
    assert set(found.nodes.features) == {"label", "split", "target"}
    assert found.nodes.features["label"].tolist() == [*"CNO", *"CNOC"]
    assert found.classes == ("x", "y")


def test_files_of_a_tu_data_set_that_are_not_read_are_named(tu_directory):
    (tu_directory / "TOY_graph_attributes.txt").write_text("1\n2\n")
    assert read_graphs(tu_directory).notes == [
        "files of the data set that are not read: TOY_graph_attributes.txt"
    ]


def test_hidden_files_are_no_part_of_a_tu_data_set(tu_directory):
    (tu_directory / "._TOY_graph_indicator.txt").write_bytes(b"\0\5\x16\7")
    assert len(read_graphs(tu_directory)) == 2


def test_attributes_of_different_lengths_in_a_gin_file_are_refused(gin_file):
    gin_file.write_text("1\n2 7\n0 1 1 0.5 0.5\n1 1 0 0.5\n")
    message = "node 1 of graph 1 must have 2 attributes, as the first node. Got 1"
    with pytest.raises(DataError, match=message):
        read_graphs(gin_file)


@pytest.mark.parametrize("has_nodes", [False, True])
def test_missing_names_in_tables_are_no_nodes(collection_tables, has_nodes):
    if not has_nodes:
        (collection_tables / "nodes.csv").unlink()
    else:
        with (collection_tables / "nodes.csv").open("a") as file:
            file.write("g,nan,t1\ng,<NA>,t1\n")
    with (collection_tables / "edges.csv").open("a") as file:
        file.write("g,a,nan\ng,\\N,b\n")
    graphs = read_graphs(collection_tables)
    assert graphs.sizes.tolist() == [3, 2] and graphs.edge_counts.tolist() == [3, 1]
    reasons = [row.reason for row in graphs.quarantined]
    assert reasons[-2:] == [
        f"line {line}: the graph_id, source or target is empty" for line in (6, 7)
    ]
    assert len(reasons) == (4 if has_nodes else 2)


def test_one_value_is_no_list_of_labels_of_graphs():
    with pytest.raises(DataError, match=r"a label for each graph\. Got one value, 3"):
        read_graphs([nx.path_graph(3)], 3)


RENAMED: dict[str, Any] = {
    "graph_column": "molecule",
    "id_column": "atom",
    "source_column": "begin",
    "destination_column": "finish",
}


@pytest.fixture
def renamed_tables(collection_tables):
    """The tables with columns of other names, and one of the file's own."""
    names = {"graph_id": "molecule", "id": "atom"}
    names |= {"source": "begin", "target": "finish"}
    for file in collection_tables.glob("*.csv"):
        frame = pd.read_csv(file).rename(columns=names)
        if file.name == "nodes.csv":
            frame["comment"] = range(len(frame))
        frame.to_csv(file, index=False)
    return collection_tables


def test_named_columns(renamed_tables, collection_tables, summarize):
    with pytest.raises(DataError, match=r"a column graph_id.*--graph-column"):
        read_graphs(renamed_tables)
    with pytest.raises(DataError, match=r"Got molecule, atom.*--id-column"):
        read_graphs(renamed_tables, graph_column="molecule")
    graphs = read_graphs(renamed_tables, **RENAMED, drop_columns=("comment",))
    assert summarize(graphs) == [
        ("7", 3, ["t0", "t1", "t1"], 3),
        ("9", 1, ["t0", "t2"], 2),
    ]
    assert list(graphs.nodes.features) == ["tag"] and not graphs.notes
    for name in RENAMED:
        wrong: dict[str, Any] = {**RENAMED, name: f"{RENAMED[name]}_x"}
        with pytest.raises(DataError, match=wrong[name]):
            read_graphs(renamed_tables, **wrong)
    with pytest.raises(DataError, match=r"no column 'color' in edges\.csv or nod"):
        read_graphs(renamed_tables, **RENAMED, drop_columns=("color",))


def test_named_columns_of_one_table(tmp_path):
    path = tmp_path / "bonds.csv"
    path.write_text("molecule,begin,finish,kind\nm,a,b,x\nm,b,c,x\nn,a,b,y\n")
    ends: dict[str, Any] = {"source_column": "begin", "destination_column": "finish"}
    graphs = read_graphs(path, graph_column="molecule", target="kind", **ends)
    assert graphs.sizes.tolist() == [3, 2] and graphs.classes == ("x", "y")
    ends |= {"graph_column": "molecule", "id_column": "atom"}
    graphs = read_graphs(path, **ends)
    assert "id_column 'atom' is not used: there is no nodes.csv" in graphs.notes
    assert list(graphs.nodes.edge_features) == ["kind"]


def test_columns_named_in_vain_are_noted(tu_directory):
    graphs = read_graphs(tu_directory, source_column="begin", drop_columns=("tag",))
    assert graphs.nodes.features is None
    note = "source_column 'begin' is not used: the graph is not read from tables"
    assert note in graphs.notes


def test_graphs_without_a_label_column_are_unlabelled(collection_tables):
    """As those to predict are; the note names the columns that there are."""
    (collection_tables / "graphs.csv").write_text("graph_id,taste\ng,7\nh,9\n")
    graphs = read_graphs(collection_tables)
    assert graphs.kind == "none"
    assert "--target names another column ('taste')" in graphs.notes[0]
    assert read_graphs(collection_tables, target="taste").classes == ("7", "9")


def test_labels_that_would_be_an_end_of_edges_when_predicting(tmp_path):
    path = tmp_path / "edges.csv"
    path.write_text("graph_id,u,v,target\ng,a,b,x\nh,a,b,y\n")
    with pytest.raises(DataError, match=r"--source-column u --destination-column v"):
        read_graphs(path, target="target")
    ends: dict[str, Any] = {"source_column": "u", "destination_column": "v"}
    graphs = read_graphs(path, target="target", **ends)
    assert graphs.classes == ("x", "y") and graphs.sizes.tolist() == [2, 2]
    assert read_graphs(path, **ends).sizes.tolist() == [2, 2]


def test_ends_whose_names_are_those_of_labels(tmp_path):
    path = tmp_path / "edges.csv"
    path.write_text("graph_id,x,y\ng,a,b\nh,a,b\n")
    graphs = read_graphs(path, source_column="x", destination_column="y")
    assert graphs.sizes.tolist() == [2, 2] and graphs.kind == "none"
