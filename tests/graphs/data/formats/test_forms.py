"""The form of a file is found by its content; other forms are named, never misread."""

import io
import json
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from vicinal.domains import DOMAINS
from vicinal.errors import DataError, MissingExtraError
from vicinal.graphs.data.detect import is_graph
from vicinal.graphs.data.formats import graph_files
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.read import read_graph

CLUB: Any = nx.karate_club_graph()
CLUB = nx.relabel_nodes(CLUB, {k: f"n{k}" for k in CLUB})
for _, member in CLUB.nodes(data=True):
    member["label"] = member.pop("club")
WEIGHTS = nx.to_numpy_array(CLUB)


def cytoscape_list() -> list[Any]:
    elements = nx.cytoscape_data(CLUB)["elements"]
    return [{"group": "nodes", **e} for e in elements["nodes"]] + elements["edges"]


def matrix_text(header: bool, index: bool, values: np.ndarray = WEIGHTS) -> str:
    frame = pd.DataFrame(values, index=[*CLUB], columns=[*CLUB])
    return str(frame.to_csv(header=header, index=index))


def array_bytes(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def edges_of(table: GraphTable) -> dict[frozenset[str], float]:
    ends = zip(table.ids[table.source], table.ids[table.target], strict=True)
    weight = np.ones(table.num_edges) if table.weight is None else table.weight
    return dict(zip(map(frozenset, ends), weight.tolist(), strict=True))


EXPECTED = {frozenset(e[:2]): e[2] for e in CLUB.edges(data="weight")}
PAJEK = "\r\n".join(
    [
        "% a comment",
        f"*Vertices {len(CLUB)}",
        *(f'{k} "{name}" 0.1 0.2 ellipse' for k, name in enumerate(CLUB, 1)),
        "*Edges",
        *(
            f"{int(u[1:]) + 1} {int(v[1:]) + 1} {w}"
            for u, v, w in CLUB.edges(data="weight")
        ),
    ]
)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("node_link.json", json.dumps(nx.node_link_data(CLUB, edges="edges"))),
        ("adjacency.json", json.dumps(nx.adjacency_data(CLUB))),
        ("cytoscape.json", json.dumps(nx.cytoscape_data(CLUB))),
        ("cytoscape.cyjs", json.dumps(nx.cytoscape_data(CLUB))),
        ("elements.json", json.dumps(cytoscape_list())),
        ("elements.txt", json.dumps({"elements": cytoscape_list()}, indent=1)),
        ("pajek.net", PAJEK),
        ("pajek.txt", PAJEK),
        ("names.csv", matrix_text(True, True)),
        ("semicolons.csv", matrix_text(True, True).replace(",", ";")),
        ("r.txt", matrix_text(True, True).removeprefix(",").replace(",", " ")),
        ("header.csv", matrix_text(True, False)),
        ("index.tsv", matrix_text(False, True).replace(",", "\t")),
    ],
)
def test_every_form_holds_the_same_graph(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content)
    table = read_graph(path)
    assert is_graph(path) and set(table.ids) == {*CLUB} and not table.directed
    assert edges_of(table) == EXPECTED
    if table.kind != "none":
        assert table.labels is not None
        found = dict(zip(table.ids, table.labels, strict=True))
        assert found == dict(CLUB.nodes(data="label"))
        assert table.features is None
    assert ("json" in name or "cyjs" in name) <= (table.kind == "single_label")


def test_matrices_without_names(tmp_path):
    expected = edges_of(read_graph(WEIGHTS))
    assert len(expected) == CLUB.number_of_edges()
    (tmp_path / "a.csv").write_text(matrix_text(False, False))
    (tmp_path / "a.npy").write_bytes(array_bytes(WEIGHTS))
    (tmp_path / "b.txt").write_bytes(array_bytes(WEIGHTS))
    np.savez(tmp_path / "a.npz", A=WEIGHTS)
    for name in ("a.csv", "a.npy", "a.npz", "b.txt"):
        table = read_graph(tmp_path / name)
        assert edges_of(table) == expected and is_graph(tmp_path / name), name
        assert not table.directed
    assert table.notes == ["b.txt is read as a NumPy array"]
    directed = read_graph(np.triu(WEIGHTS))
    assert directed.directed and edges_of(directed) == expected
    pairs = read_graph(np.array([[0, 1], [1, 2], [2, 3]]))
    assert pairs.num_edges == 3 and len(pairs) == 4
    with pytest.raises(DataError, match=r"square adjacency .* Got shape \[2, 3, 4\]"):
        read_graph(np.zeros((2, 3, 4)))


def test_adjacency_lists(tmp_path):
    nx.write_multiline_adjlist(CLUB, tmp_path / "m.txt")
    assert edges_of(read_graph(tmp_path / "m.txt")) == EXPECTED
    nx.write_adjlist(CLUB, tmp_path / "g.adjlist")
    (tmp_path / "g.txt").write_bytes((tmp_path / "g.adjlist").read_bytes())
    for name in ("g.adjlist", "g.txt"):
        table = read_graph(tmp_path / name)
        assert set(edges_of(table)) == set(EXPECTED) and is_graph(tmp_path / name)
        assert table.notes[-1].startswith("an adjacency list has no directions")
    assert table.notes[0] == "g.txt is read as an adjacency list"


def test_empty_cells_of_a_matrix_are_named(tmp_path):
    (tmp_path / "a.csv").write_text(",a,b,c\na,0,1,\nb,1,0,2\nc,,2,0\n")
    table = read_graph(tmp_path / "a.csv")
    assert edges_of(table) == {frozenset("ab"): 1, frozenset("bc"): 2}
    assert table.notes[1] == "2 empty cells read as 0"


@pytest.mark.parametrize(
    ("text", "num_edges"),
    [
        ("1,2,0.5\n2,3,0.25\n3,1,2\n", 3),
        ("1 2 1 10\n2 3 1 11\n3 4 1 12\n4 1 1 13\n", 4),
        ("source,target,weight\n1,2,1\n2,3,1\n3,1,1\n", 3),
        ("1 2\n2 3\n", 2),
    ],
)
def test_square_lists_of_edges_are_no_matrices(tmp_path, text, num_edges):
    (tmp_path / "g.txt").write_text(text)
    assert read_graph(tmp_path / "g.txt").num_edges == num_edges


@pytest.mark.parametrize(
    ("text", "edges", "directed", "note"),
    [
        ("*Vertices 3\n*Arcs\n1 2\n2 1\n3 1 2.5", [(1, 2), (2, 1), (3, 1)], True, ""),
        ("*vertices 4\n*edgeslist\n1 2 3 4", [(1, 2), (1, 3), (1, 4)], False, ""),
        ("*Vertices 3\n*Arcslist\n3 1 2", [(3, 1), (3, 2)], True, ""),
        ("*Vertices 2\n*Matrix\n0 1\n1 0", [(1, 2)], False, ""),
        ("*Vertices 2\n*Matrix\n0 1\n0 0", [(1, 2)], True, ""),
        (
            '*Network a\n*Vertices 3 2\n*Arcs :1 "x"\n1 2\n*Edges\n2 3\n*Partition p',
            [(1, 2), (2, 3), (3, 2)],
            True,
            "ignored: *partition, the number of vertices of the first mode",
        ),
    ],
)
def test_sections_of_pajek(tmp_path, text, edges, directed, note):
    (tmp_path / "g.net").write_text(text)
    table = read_graph(tmp_path / "g.net")
    assert table.directed == directed
    ends = zip(table.ids[table.source], table.ids[table.target], strict=True)
    assert sorted(ends) == sorted((str(u), str(v)) for u, v in edges)
    assert (table.notes or [""])[0] == note


def test_labels_of_pajek_that_repeat_are_classes(tmp_path):
    """NetworkX would merge these vertices."""
    text = '*Vertices 3\n1 "x"\n2 "y"\n3 "x"\n*Edges\n1 2\n2 3'
    (tmp_path / "g.net").write_text(text)
    table = read_graph(tmp_path / "g.net")
    assert table.ids.tolist() == ["1", "2", "3"] and table.num_edges == 2
    assert table.labels is not None and table.labels.tolist() == ["x", "y", "x"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("*Vertices 2\n*Edges\n1 3", r"line 3: expected a line of \*edges. Got '1 3'"),
        ("*Vertices 2\n*Edges\n1", r"line 3: expected a line of \*edges"),
        ("*Vertices 9999999999999\n*Edges\n1 2", "9,999,999,999,999 vertices, which"),
        ("*Vertices 2\n*Edges\n1 2\n*Vertices 2", "several networks"),
        ("*Vertices 2\n*Matrix\n1 0\n1", r"a line of \*matrix"),
    ],
)
def test_damaged_pajek_files(tmp_path, text, message):
    (tmp_path / "g.net").write_text(text)
    with pytest.raises(DataError, match=message):
        read_graph(tmp_path / "g.net")


def archive(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as writer:
        for name in names:
            writer.writestr(name, "x")
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("g.dot", b"graph {\na -- b;\n}", r"Graphviz file .*nx_pydot"),
        ("g.txt", b'// made\nstrict digraph "a b" {\na -> b\n}', "Graphviz file"),
        ("g.gv", b"", "Graphviz file"),
        ("g.json", b'{"id": {"@type": "g:Int64"}, "outE": {}}', "GraphSON"),
        ("g.xlsx", archive("[Content_Types].xml"), "a spreadsheet.*as CSV: edges with"),
        ("g.csv", archive("[Content_Types].xml"), "a spreadsheet"),
        ("g.zip", archive("edges.csv"), "an archive, which is not read. Unpack it"),
        ("g.pt", archive("g/data.pkl"), "a file of PyTorch"),
        ("g.csv", b"\x80\x04\x95\0", "a pickle, which could run any program"),
        ("g.h5", b"\x89HDF\r\n", "an HDF5 file"),
        ("g.csv", b"SQLite format 3\0", "a database"),
        ("g.ttl", b"@prefix a: <b> .", "XML or RDF"),
        ("g.graphml.gz", b"\x1f\x8b\x08", "is compressed, which is not read"),
        ("g.sif", b"a pp b", "source,relation,target"),
    ],
)
def test_forms_that_are_not_read_are_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    assert is_graph(path)
    with pytest.raises(DataError, match=message):
        read_graph(path)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"type": "FeatureCollection", "nodes": []}, "Got the keys type, nodes"),
        ([1, 2], "Got a list of int"),
        ({"nodes": [1], "links": []}, "must hold a list of objects as its nodes"),
        ({"nodes": [{"id": None}], "links": []}, "has the node None"),
        ({"nodes": [{"id": "a"}], "links": [{"from": "a"}]}, "edges without source"),
        ({"nodes": [{"id": 1}], "adjacency": []}, "neighbours for each of 1 nodes"),
    ],
)
def test_json_of_another_kind(tmp_path, value, message):
    (tmp_path / "g.json").write_text(json.dumps(value))
    with pytest.raises(DataError, match=message):
        read_graph(tmp_path / "g.json")


def test_deep_json_is_refused(tmp_path):
    (tmp_path / "g.json").write_text('{"nodes": ' + "[" * 100_000)
    with pytest.raises(DataError, match="nested too deeply"):
        read_graph(tmp_path / "g.json")


def test_parquet_needs_pyarrow(tmp_path, monkeypatch):
    tables = {
        "nodes": pd.DataFrame({"id": [*"abc"], "label": [*"xyx"]}),
        "edges": pd.DataFrame({"source": [*"ab"], "target": [*"bc"]}),
    }
    for name in tables:
        (tmp_path / f"{name}.parquet").write_bytes(b"PAR1")
    nodes, edges = (tmp_path / f"{name}.parquet" for name in tables)
    monkeypatch.setattr(graph_files, "find_spec", lambda name: None)
    for path in (tmp_path, edges):
        assert is_graph(path)
        with pytest.raises(MissingExtraError, match="pip install pyarrow"):
            read_graph(path)
    monkeypatch.setattr(graph_files, "find_spec", lambda name: True)
    size = SimpleNamespace(num_rows=4, num_columns=3)
    reader = SimpleNamespace(read_metadata=lambda path: size)
    monkeypatch.setattr(graph_files, "import_module", lambda name: reader)
    monkeypatch.setattr(pd, "read_parquet", lambda path: tables[Path(path).stem])
    for table in (read_graph(tmp_path), read_graph(nodes, edges=edges)):
        assert table.num_edges == 2 and table.labels is not None
        assert table.labels.tolist() == [*"xyx"]
    assert read_graph(edges).num_edges == 2
    size.num_rows, size.num_columns = 10**9, 100
    with pytest.raises(DataError, match=r"edges.parquet has 100,000,000,000 cells"):
        read_graph(edges)


def test_detection_of_files_that_are_no_graphs(tmp_path):
    """A report or a table of numbers is not taken for a graph."""
    (tmp_path / "report.json").write_text(json.dumps({"test": {"score": 1}}))
    (tmp_path / "x.csv").write_text("a,b,c\n1,2,3\n4,5,6\n7,8,10\n")
    (tmp_path / "images.csv").write_text("path,label\na.jpg,x\n")
    nodes = next(domain for domain in DOMAINS if domain.name == "nodes")
    for name in ("report.json", "x.csv", "images.csv"):
        assert nodes.detect(tmp_path / name, frozenset()) is None
