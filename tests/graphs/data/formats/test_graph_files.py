"""Graph files of other programs hold the same graph."""

import json
from typing import Any

import networkx as nx
import numpy as np
import pytest
from scipy.io import mmwrite, savemat
from scipy.sparse import csr_matrix, save_npz

from vicinal.errors import DataError
from vicinal.graphs.data.read import read_graph


@pytest.mark.parametrize("ending", ["graphml", "gexf", "gml", "json"])
def test_files_of_networkx(tmp_path, ending, edge_names):
    graph, path = nx.karate_club_graph(), tmp_path / f"club.{ending}"
    if ending == "json":
        path.write_text(json.dumps(nx.node_link_data(graph, edges="links")))
    else:
        getattr(nx, f"write_{ending}")(graph, path)
    table, expected = read_graph(path, target="club"), read_graph(graph, target="club")
    assert len(table) == 34 and table.num_edges == 78 and not table.directed
    assert edge_names(table) == edge_names(expected)
    assert table.labels is not None and expected.labels is not None
    assert table.labels.tolist() == expected.labels.tolist()
    assert table.weight is not None and expected.weight is not None
    assert np.array_equal(np.sort(table.weight), np.sort(expected.weight))


def test_matrices(tmp_path, edge_names):
    dense = np.array([[0, 2, 0], [2, 0, 1], [0, 1, 0]], dtype=float)
    mmwrite(tmp_path / "a.mtx", csr_matrix(dense))
    savemat(tmp_path / "a.mat", {"net": csr_matrix(dense)})
    for form in (csr_matrix(dense), tmp_path / "a.mtx", tmp_path / "a.mat"):
        table = read_graph(form)
        assert edge_names(table) == {("0", "1"), ("1", "2")} and not table.directed
        assert table.weight is not None and table.weight.tolist() == [2, 1]
    upper = read_graph(csr_matrix(np.triu(dense)))
    assert upper.directed and upper.num_edges == 2


def test_npz(tmp_path, edge_names):
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
    assert len(table) == 4 and edge_names(table) == {("0", "1"), ("1", "2")}
    assert not table.directed and table.features.shape == (4, 4)
    assert table.labels is not None and table.labels.tolist() == ["0", "1", "0", None]
    assert table.split is not None and table.split.tolist() == ["train"] * 2 + [""] * 2
    np.savez(path, y=np.array([0]))
    with pytest.raises(DataError, match="must hold edges"):
        read_graph(path)
    np.savez(path, edges=np.array([{}], dtype=object))
    with pytest.raises(DataError, match="without unpickling"):
        read_graph(path)


@pytest.mark.parametrize("write", ["gml", "gexf", "graphml"])
def test_unique_labels_are_names_and_not_classes(tmp_path, write):
    """A label that is unique is the name of a node."""
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


def test_arrays_with_weights_names_and_splits(tmp_path):
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
        ({"edge_index": edges + 0.5}, "integers. Got 0.5"),
        ({"edge_index": np.where(edges, edges, np.nan)}, "integers. Got nan"),
        ({"edge_index": edges, "edge_weight": [1, -2, 1]}, "finite and 0 or more"),
        ({"edge_index": edges, "edge_weight": [1, 2]}, "a weight for each of 3"),
        ({"edge_index": edges, "ids": [*"wxyw"]}, "different name for each of 4"),
        ({"edge_index": edges, "ids": [*"wxy", "nan"]}, "name each node. Got 'nan'"),
        ({"edge_index": edges, "train_idx": [0, 9]}, "train split must be a mask"),
        (
            {"edge_index": edges, "train_mask": [True]},
            "train split must be a mask",
        ),
    ]
    for bad, message in wrong:
        np.savez(path, **bad)
        with pytest.raises(DataError, match=message):
            read_graph(path)


@pytest.mark.parametrize("name", ["a.npz", "a.mtx", "a.mat", "a.json", "a.gexf"])
def test_a_damaged_file_is_reported_in_one_message(tmp_path, name):
    path = tmp_path / name
    for damaged in (b"", b"PK hello", b"{"):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="cannot be read"):
            read_graph(path)


def test_json_edges_may_refer_to_positions(tmp_path):
    path = tmp_path / "g.json"  # as d3 has them
    nodes = [{"name": name, "group": k} for k, name in enumerate("abc")]
    links = [{"source": 0, "target": 2, "value": 3}, {"source": 1, "target": 2}]
    path.write_text(json.dumps({"nodes": nodes, "links": links}))
    table = read_graph(path)
    assert table.ids.tolist() == ["a", "b", "c"]
    assert table.source.tolist() == [0, 1] and table.target.tolist() == [2, 2]
    assert table.notes[0].startswith("edges refer to nodes by position")
    path.write_text(json.dumps({"nodes": [{"x": 1}], "links": []}))
    with pytest.raises(DataError, match="has nodes without an id"):
        read_graph(path)


def test_json_edges_of_unknown_nodes_are_rejected(tmp_path):
    path = tmp_path / "g.json"
    for nodes, links, message in (
        ("ab", [("a", "zzz")], "an edge of 'zzz', which is not a node"),
        ("aba", [("a", "b")], "lists the node 'a' twice"),
        ("ab", [(0, 2)], "an edge of 0, which is not a node"),
        ([1, 2, 3, 4], [(1, 2), (2, 3), (0, 1)], "an edge of 0, which is not a node"),
    ):
        data = {
            "nodes": [{"id": name} for name in nodes],
            "links": [{"source": a, "target": b} for a, b in links],
        }
        path.write_text(json.dumps(data))
        with pytest.raises(DataError, match=message):
            read_graph(path)


def test_a_directory_of_npy_files_equals_an_npz(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "x": rng.normal(size=(40, 3)).astype(np.float16),
        "edge_index": rng.integers(0, 40, (2, 200)),
        "y": rng.integers(0, 3, 40),
        "train_idx": np.arange(20),
        "test_idx": np.arange(20, 40),
    }
    (tmp_path / "arrays").mkdir()
    for name, array in arrays.items():
        np.save(tmp_path / "arrays" / f"{name}.npy", array)
    np.savez(tmp_path / "g.npz", **arrays)
    actual, expected = (read_graph(tmp_path / name) for name in ("arrays", "g.npz"))
    assert isinstance(actual.features, np.memmap)
    (tmp_path / "arrays" / "._x.npy").write_bytes(b"\0\5\x16\7")
    assert read_graph(tmp_path / "arrays").num_edges == actual.num_edges
    assert np.array_equal(actual.features, expected.features)
    for name in ("source", "target", "labels", "split"):
        assert np.array_equal(getattr(actual, name), getattr(expected, name))
    (tmp_path / "arrays" / "x.npy").write_bytes(b"no numbers")
    with pytest.raises(DataError, match=r"x\.npy cannot be read as an array"):
        read_graph(tmp_path / "arrays")


@pytest.mark.parametrize(
    ("indptr", "indices"),
    [([0, -1, 2], [0, 1]), ([0, 1, 9], [0, 1]), ([0, 1, 2], [0, 5]), ([0, 2], [0, 1])],
)
@pytest.mark.parametrize("written_by", ["scipy", "names"])
def test_damaged_sparse_arrays_are_refused(tmp_path, indptr, indices, written_by):
    """scipy would read and write outside of them."""
    path = tmp_path / "adj.npz"
    parts = {"data": [1.0, 1.0], "indices": indices, "indptr": indptr, "shape": [2, 2]}
    arrays: Any = {name: np.array(values) for name, values in parts.items()}
    if written_by == "scipy":
        np.savez(path, format=np.array(b"csr"), **arrays)
    else:
        np.savez(path, **{f"adj_{name}": array for name, array in arrays.items()})
    with pytest.raises(DataError, match=r"damaged|cannot be read"):
        read_graph(path)


def write_json(path, nodes, links, **more):
    ends = [{"source": a, "target": b} for a, b in links]
    data = {"nodes": [{"id": name} for name in nodes], "links": ends, **more}
    path.write_text(json.dumps(data))
    return path


def test_json_ends_are_names_before_they_are_positions(tmp_path, edge_names):
    path = tmp_path / "g.json"
    table = read_graph(write_json(path, ["1", "2", "3"], [(1, 2), (2, 2)]))
    assert edge_names(table) == {("1", "2"), ("2", "2")}
    table = read_graph(write_json(path, [1, 2, 3], [("1", "3")]))
    assert edge_names(table) == {("1", "3")}
    table = read_graph(write_json(path, ["1", "2", "3"], [(0, 2)]))  # no node is 0
    assert edge_names(table) == {("1", "3")}


def test_duplicate_edges_of_json_are_merged(tmp_path):
    path = tmp_path / "g.json"
    links = [("a", "b"), ("b", "a"), ("b", "c")]
    for flags in ({}, {"multigraph": False}, {"multigraph": True}):
        table = read_graph(write_json(path, "abc", links, **flags))
        assert table.num_edges == 2
        assert "1 duplicate edge merged; each counts once" in table.notes
    edges: list[Any] = [
        {"data": {"source": "a", "target": "b", "weight": w, "key": "k"}}
        for w in (2, 3)
    ]
    nodes: list[Any] = [{"data": {"id": name}} for name in "ab"]
    path.write_text(json.dumps({"elements": {"nodes": nodes, "edges": edges}}))
    table = read_graph(path)
    assert table.weight is not None and table.weight.tolist() == [5]
    path.write_text(json.dumps(nx.adjacency_data(nx.path_graph(3))))
    assert read_graph(path).notes == []  # both directions of an edge are one
    graph = nx.MultiGraph([("a", "b", {"weight": 2}), ("a", "b", {"weight": 3})])
    path.write_text(json.dumps(nx.adjacency_data(graph)))
    table = read_graph(path)
    assert table.weight is not None and table.weight.tolist() == [5]


@pytest.mark.parametrize(
    ("flag", "directed"),
    [("false", False), ("True", True), (0, False), (1, True), (None, False)],
)
def test_flags_of_json_may_be_texts(tmp_path, flag, directed):
    path = write_json(tmp_path / "g.json", "ab", [("a", "b")], directed=flag)
    assert read_graph(path).directed is directed


def test_a_flag_of_json_that_is_none_is_refused(tmp_path):
    path = write_json(tmp_path / "g.json", "ab", [("a", "b")], directed="maybe")
    with pytest.raises(DataError, match=r"'directed' must be true or false.*'maybe'"):
        read_graph(path)


def test_elements_of_cytoscape_without_an_id_are_refused(tmp_path):
    path = tmp_path / "g.json"
    path.write_text(json.dumps({"elements": [{"data": {"id": "a"}}, {"data": {}}]}))
    with pytest.raises(DataError, match="has nodes without an id"):
        read_graph(path)


def test_names_with_a_number_sign_are_whole(tmp_path, edge_names):
    graph = nx.Graph([("a#1", "b#2"), ("b#2", "c")])
    expected = {("a#1", "b#2"), ("b#2", "c")}
    nx.write_edgelist(graph, tmp_path / "a.edgelist")
    nx.write_adjlist(graph, tmp_path / "b.adjlist")
    nx.write_multiline_adjlist(graph, tmp_path / "c.adjlist")
    nx.write_edgelist(graph, tmp_path / "d.edgelist.gz")
    for path in sorted(tmp_path.iterdir()):
        assert edge_names(read_graph(path)) == expected, path.name


def test_duplicate_edges_of_networkx_lists_are_merged(tmp_path):
    path = tmp_path / "a.edgelist"
    path.write_text("# c\na b {'weight': 2}\nb a {'weight': 3}\n")
    table = read_graph(path)
    assert table.weight is not None and table.weight.tolist() == [5]
    assert "1 duplicate edge merged; their weights are added" in table.notes


GRAPHML = """<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
<!-- <graph of two nodes> --><graph edgedefault="undirected"><node id="a">{inner}</node>
<node id="b"/><edge source="a" target="b"/></graph>{outer}</graphml>"""


def test_several_graphs_of_graphml_are_refused(tmp_path):
    path = tmp_path / "g.graphml"
    path.write_text(GRAPHML.format(inner="", outer=""))
    assert read_graph(path).num_edges == 1
    graph = '<graph edgedefault="directed"><node id="z"/></graph>'
    for parts in ({"inner": graph, "outer": ""}, {"inner": "", "outer": graph}):
        path.write_text(GRAPHML.format(**parts))
        with pytest.raises(DataError, match="holds 2 graphs, of which one"):
            read_graph(path)


def test_relations_of_pajek_are_named(tmp_path):
    path = tmp_path / "g.net"
    arcs = '*Arcs :1 "knows"\n1 2\n*Arcs :2 "likes"\n2 3\n'
    path.write_text(f'*Vertices 3\n1 "a"\n2 "b"\n3 "c"\n{arcs}')
    table = read_graph(path)
    assert table.num_edges == 2
    assert "relations of edges are ignored: 'knows', 'likes'" in table.notes
