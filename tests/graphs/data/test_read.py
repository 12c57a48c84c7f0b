"""Graphs from directories, files and tables; labels given separately."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from vicinal.errors import DataError, NoDataError, SettingError
from vicinal.graphs.data.read import read_graph


def test_nodes_and_edges_in_a_directory(tmp_path, write_tables, edge_names):
    table = read_graph(write_tables(tmp_path))
    assert table.ids.tolist() == ["a", "b", "c", "d"]
    assert edge_names(table) == {("a", "b"), ("b", "c"), ("c", "d")}
    assert table.labels is not None and table.labels.tolist() == ["x", "y", None, "y"]
    assert table.kind == "single_label" and table.classes == ("x", "y")
    assert list(table.features.columns) == ["age", "town"]
    assert table.label_mask.tolist() == [True, True, False, True]
    assert not table.directed and not table.quarantined and not table.notes
    assert table.edge_index.tolist() == [[0, 1, 2, 1, 2, 3], [1, 2, 3, 0, 1, 2]]


def test_named_files_and_data_frames_give_the_same_graph(
    tmp_path, write_tables, edge_names
):
    folder = write_tables(tmp_path)
    expected = read_graph(folder)
    named = read_graph(folder / "nodes.csv", edges=folder / "edges.csv")
    frames = [pd.read_csv(folder / f"{k}.csv") for k in ("nodes", "edges")]
    for table in (named, read_graph(frames[0], edges=frames[1])):
        assert table.ids.tolist() == expected.ids.tolist()
        assert edge_names(table) == edge_names(expected)
        assert table.labels is not None and table.labels.tolist() == [
            "x",
            "y",
            None,
            "y",
        ]


def test_directed_edges_keep_their_direction(tmp_path, write_tables):
    edges = "source,target\na,b\nb,a\nc,c\n"
    table = read_graph(write_tables(tmp_path, edges=edges), directed=True)
    assert table.directed and table.num_edges == 3
    assert table.edge_index.tolist() == [[0, 1, 2], [1, 0, 2]]
    one = read_graph(write_tables(tmp_path, edges=edges))
    assert one.num_edges == 2 and one.edge_index.tolist() == [[0, 2, 1], [1, 2, 0]]


def test_labels_as_a_list():
    labels = ["x", "y", None] + ["x"] * 31
    table = read_graph(nx.karate_club_graph(), labels)
    assert table.labels is not None and table.labels.tolist() == labels
    with pytest.raises(DataError, match="each of 34 nodes"):
        read_graph(nx.karate_club_graph(), ["x"])


def test_labels_as_a_dict_by_node_name():
    graph = nx.path_graph(4)
    table = read_graph(graph, {0: "x", 3: "y"})
    assert table.labels is not None and table.labels.tolist() == ["x", None, None, "y"]
    with pytest.raises(DataError, match="'9', but there is no such node"):
        read_graph(graph, {0: "x", 9: "y"})
    with pytest.raises(DataError, match=r"y must have shape \[4\]. Got \[4, 2\]"):
        read_graph(graph, np.eye(2)[[0, 1, 0, 1]])


def test_unusable_sources_are_rejected(tmp_path, write_tables):
    with pytest.raises(NoDataError, match="nothing at"):
        read_graph(tmp_path / "none")
    with pytest.raises(DataError, match=r"has no edges.csv"):
        read_graph(tmp_path)
    folder = write_tables(tmp_path, "name_,label\na,x\n")
    with pytest.raises(DataError, match="must have a column of ids"):
        read_graph(folder)
    nodes = folder / "nodes.csv"
    write_tables(tmp_path)
    with pytest.raises(DataError, match="lists nodes"):
        read_graph(nodes)
    with pytest.raises(DataError, match="no column 'colour'"):
        read_graph(folder, target="colour")
    with pytest.raises(SettingError, match="group column"):
        read_graph(nx.karate_club_graph(), group="town")
    (tmp_path / "edges.csv").write_bytes("source,target\nä,b\n".encode("latin-1"))
    with pytest.raises(DataError, match="not encoded in UTF-8"):
        read_graph(folder)
    (tmp_path / "a.docx").write_text("")
    with pytest.raises(DataError, match="not a graph file"):
        read_graph(tmp_path / "a.docx")
    (tmp_path / "a.gml").write_text("graph [")
    with pytest.raises(DataError, match="cannot be read"):
        read_graph(tmp_path / "a.gml")
    with pytest.raises(DataError, match="Got int"):
        read_graph(3)


def test_more_edges_than_memory_are_rejected(tmp_path, monkeypatch):
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
