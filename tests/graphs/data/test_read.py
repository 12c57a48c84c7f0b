"""Graphs from directories, files and tables; labels given separately."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

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
        read_graph(nx.karate_club_graph(), group_column="town")
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


NODES_OF_GRAPHS = "graph_id,id,label\ng,a,x\ng,b,y\nh,c,x\nh,d,y\n"
EDGES_OF_GRAPHS = "graph_id,source,target\ng,a,b\nh,c,d\n"


@pytest.mark.parametrize(
    ("nodes", "edges", "note"),
    [
        (
            NODES_OF_GRAPHS,
            EDGES_OF_GRAPHS,
            "the column 'graph_id' of the nodes is used as a feature",
        ),
        (
            NODES_OF_GRAPHS.replace("graph_id", "Graph_ID"),
            "source,target\na,b\nc,d\n",
            "the column 'Graph_ID' of the nodes is used as a feature",
        ),
        (
            "id,label\na,x\nb,y\nc,x\nd,y\n",
            EDGES_OF_GRAPHS,
            "the column 'graph_id' of the edges is ignored",
        ),
        (
            "id,label\na,x\nb,y\nc,x\nd,y\n",
            "g,source,target\n1,a,b\n2,a,c\n2,c,d\n",
            "'a' is a node of '1' and of '2' in the column 'g'",
        ),
    ],
)
def test_a_note_names_a_column_of_graphs(tmp_path, write_tables, nodes, edges, note):
    table = read_graph(write_tables(tmp_path, nodes, edges))
    assert len(table) == 4
    expected = f"{note}; if it names graphs to learn from, use --domain graphs"
    assert table.notes == [expected]


def test_a_feature_g_or_a_named_column_of_graphs_needs_no_note(tmp_path, write_tables):
    nodes = "id,g,label\na,1,x\nb,2,y\nc,1,x\nd,2,y\n"
    table = read_graph(write_tables(tmp_path, nodes))
    assert not table.notes and "g" in table.features
    folder = write_tables(tmp_path, NODES_OF_GRAPHS, EDGES_OF_GRAPHS)
    assert not read_graph(folder, group_column="graph_id").notes
    edges = pd.DataFrame(
        [("a", "b", "g"), ("a", "b", "h")], columns=["source", "target", "graph_id"]
    )
    assert read_graph(edges, relation_column="graph_id").relations == ("g", "h")


@pytest.mark.parametrize(
    ("nodes", "edges"),
    [
        (
            "graph_id,id,label\ng,a,x\ng,b,y\nh,a,x\nh,b,y\n",
            "graph_id,source,target\ng,a,b\nh,b,a\n",
        ),
        ("id,label\na,x\nb,y\n", "graph_id,source,target\ng,b,a\nh,b,a\n"),
        (NODES_OF_GRAPHS, "graph_id,source,target\ng,a,b\nh,a,c\n"),
    ],
)
def test_nodes_of_different_graphs_are_not_merged(tmp_path, write_tables, nodes, edges):
    folder = write_tables(tmp_path, nodes, edges)
    message = "same name: '[ab]' is a node of 'g' and of 'h' in the column 'graph_id'"
    with pytest.raises(DataError, match=rf"{message}.*Use --domain graphs"):
        read_graph(folder)
    if "h,b,a" in edges:
        with pytest.raises(DataError, match=r"Use --domain graphs"):
            read_graph(folder / "edges.csv")


def test_more_edges_than_memory_are_rejected(tmp_path, monkeypatch):
    path = tmp_path / "many.csv"
    path.write_text("source,target\n" + "a,b\nb,c\n" * 50_000)
    assert len(read_graph(path)) == 3
    monkeypatch.setattr("vicinal.graphs.data.tables.edge_list.free_memory", lambda: 5e6)
    with pytest.raises(DataError, match=r"many\.csv holds about \d+,\d+ edges"):
        read_graph(path)
    pairs = np.zeros((2, 100_000), np.int64)
    np.savez(tmp_path / "many.npz", edge_index=pairs)
    with pytest.raises(DataError, match="The array of edges holds about 100,000 edges"):
        read_graph(tmp_path / "many.npz")


def test_labels_with_an_index_are_aligned_by_it():
    """Not by position: y may be sorted, or a part of a shuffled table."""
    nodes = pd.DataFrame({"id": [f"n{k}" for k in range(30)], "x": np.arange(30.0)})
    edges = pd.DataFrame({"source": ["n0", "n1"], "target": ["n1", "n2"]})
    by_name = pd.Series([f"c{k % 3}" for k in range(30)], index=nodes["id"])
    expected = by_name.tolist()
    shuffled = nodes.sample(frac=1, random_state=0)
    for y in (by_name, by_name.sample(frac=1, random_state=1), dict(by_name)):
        labels = read_graph(nodes, y, edges=edges).labels
        assert labels is not None and labels.tolist() == expected
    of_rows = pd.Series(expected).sample(frac=1, random_state=2)  # index of the table
    table = read_graph(shuffled, of_rows, edges=edges)
    assert table.labels is not None
    assert table.labels.tolist() == by_name[table.ids].tolist()
    with pytest.raises(DataError, match="The index of y must hold the names"):
        read_graph(nodes, of_rows.set_axis(range(100, 130)), edges=edges)


def test_columns_that_are_named_of_other_graphs():
    graph = nx.path_graph(3)
    nx.set_node_attributes(graph, {0: 1, 1: 2, 2: 3}, "age")
    nx.set_node_attributes(graph, {0: "a", 1: "b", 2: "a"}, "town")
    table = read_graph(graph, drop_columns=("town",), id_column="age")
    assert list(table.features) == ["age"]
    assert table.notes == [
        "id_column 'age' is not used: the graph is not read from tables"
    ]
    assert read_graph(graph, drop_columns=("age", "town")).features is None
    with pytest.raises(DataError, match="no column 'city' in the attributes of nodes"):
        read_graph(graph, drop_columns=("city",))


@pytest.mark.parametrize("y", [1, 0.5, np.array(3)])
def test_one_value_is_no_list_of_labels(y):
    with pytest.raises(DataError, match=r"y must have shape \[3\]. Got one value"):
        read_graph(nx.path_graph(3), y)


NO_EFFECT = "directed has no effect: the edges are undirected, as the graph says"


def test_directions_of_sources_that_do_not_say(tmp_path):
    pairs = np.array([[0, 1], [1, 0], [1, 2]])
    np.savez(tmp_path / "a.npz", edges=pairs)
    np.save(tmp_path / "a.npy", pairs)
    (tmp_path / "b.adjlist").write_text("0 1\n1 0 2\n2\n")
    (tmp_path / "c.edgelist").write_text("0 1 {}\n1 0 {}\n1 2 {}\n")
    (tmp_path / "d.json").write_text(
        '{"nodes": [{"id": 0}, {"id": 1}, {"id": 2}], "links": [{"source": 0, '
        '"target": 1}, {"source": 1, "target": 0}, {"source": 1, "target": 2}]}'
    )
    sources: list = [*(p for p in tmp_path.iterdir() if p.suffix != ".x"), pairs]
    assert len(sources) == 6
    for source in sources:
        table = read_graph(source, directed=True)
        assert table.directed and table.num_edges == 3, source
        assert table.edge_index.tolist() == [[0, 1, 1], [1, 0, 2]]
        assert NO_EFFECT not in table.notes
        table = read_graph(source)
        assert not table.directed and table.num_edges == 2, source


def test_a_graph_that_says_it_is_undirected_stays_so(tmp_path):
    nx.write_graphml(nx.path_graph(3), tmp_path / "a.graphml")
    for source in (tmp_path / "a.graphml", nx.path_graph(3)):
        table = read_graph(source, directed=True)
        assert not table.directed and NO_EFFECT in table.notes
        assert NO_EFFECT not in read_graph(source).notes


def test_stored_zeros_of_a_matrix_are_no_edges():
    data, ends = [2.0, 0.0, 2.0, 0.0], ([0, 1, 1, 2], [1, 2, 0, 1])
    matrix = sparse.csr_array(sparse.coo_array((data, ends), shape=(3, 3)))
    table = read_graph(matrix)
    assert table.num_edges == 1 and matrix.nnz == 4
    assert table.notes == ["2 stored zeros of the adjacency not read as edges"]
