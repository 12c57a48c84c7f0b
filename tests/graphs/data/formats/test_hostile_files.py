"""Files that claim more than they hold, or are damaged: one message each."""

import json
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from scipy import sparse
from scipy.io import loadmat, savemat

from vicinal.core.data import claimed_size
from vicinal.errors import DataError
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.data.read_collection import read_graphs

EDGES = np.array([[0, 1], [1, 2]])


def save(path: Path, **arrays: Any) -> None:
    given: Any = {name: np.array(values) for name, values in arrays.items()}
    np.savez(path, **given)


MTX = "%%MatrixMarket matrix {} real general\n{}\n1 1 1\n"


@pytest.mark.parametrize(
    "arrays",
    [
        {"edges": EDGES * 2**40},
        {"edges": EDGES, "x": np.empty((2**40, 0))},
        {"edges": EDGES, "y": np.empty((2**40, 0))},
        {"format": b"coo", "shape": [2**40] * 2, "row": [0], "col": [1], "data": [1.0]},
        {"format": b"dia", "shape": [2**40] * 2, "offsets": [0], "data": [[1.0]]},
    ],
)
def test_more_nodes_than_the_arrays_account_for(tmp_path, arrays):
    save(tmp_path / "g.npz", **arrays)
    with pytest.raises(DataError, match=r"nodes, which would take .* 256 MB is allow"):
        read_graph(tmp_path / "g.npz")


@pytest.mark.parametrize(
    ("form", "sizes", "message"),
    [
        ("coordinate", "300000000 300000000 1", "has 300,000,000 nodes"),
        ("coordinate", "5 5 90000000000", "claims 90,000,000,000 numbers"),
        ("array", "1000000 1000000", "claims 1,000,000,000,000 numbers"),
        ("coordinate", "5 4 1", "must hold a square matrix"),
    ],
)
def test_sizes_in_the_header_of_a_matrix_market_file(tmp_path, form, sizes, message):
    (tmp_path / "g.mtx").write_text(MTX.format(form, sizes))
    with pytest.raises(DataError, match=message):
        read_graph(tmp_path / "g.mtx")


def test_zeros_are_compressed_to_a_thousandth(tmp_path, monkeypatch):
    monkeypatch.setattr(claimed_size, "ALWAYS_ALLOWED", 1e6)
    np.savez_compressed(tmp_path / "g.npz", edges=np.zeros((2, 200_000), np.int64))
    with pytest.raises(DataError, match="arrays, which would take about 3 MB"):
        read_graph(tmp_path / "g.npz")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"edges": EDGES - 1}, "indices 0 to 1. Got -1"),
        ({"edges": EDGES.astype(np.uint64) - 1}, r"integers below 2\^63"),
        ({"edges": [[0, 1e300], [1, 2]]}, r"integers\. Got 1e\+300"),
        ({"edges": [["a", "b"], ["b", "c"]]}, "integers. Got <U1"),
        ({"edges": EDGES, "x": [["a"]] * 3}, "features must be numbers"),
        ({"edges": EDGES, "x": np.ones((3, 2, 2))}, r"shape \[3, F\]"),
        ({"edges": EDGES, "x": np.ones((2, 2))}, "a row for each of 3 nodes. Got 2"),
        ({"edges": EDGES, "edge_weight": ["a", "b"]}, "weights must be numbers"),
        ({"edges": EDGES, "y": 3}, "labels in .* must be a dense array"),
        ({"edges": 3}, "adjacency in .* must be a dense array"),
        ({"edges": EDGES, "train_idx": [-1]}, "below that. Got -1"),
        ({"edges": EDGES, "train_mask": np.ones((3, 4))}, "train_mask has 4 splits"),
        ({"edges": EDGES, "ids": ["a", "b\0c", "d"]}, r"character U\+0000"),
    ],
)
def test_arrays_that_do_not_fit_each_other(tmp_path, arrays, message):
    save(tmp_path / "g.npz", **arrays)
    with pytest.raises(DataError, match=message):
        read_graph(tmp_path / "g.npz")


def test_a_mask_of_zeros_and_ones_and_nodes_in_two_splits(tmp_path):
    test = np.array([0, 0, 0, 1], bool)
    save(tmp_path / "g.npz", adj=np.eye(4), train_mask=[0, 1, 0, 1], test_mask=test)
    table = read_graph(tmp_path / "g.npz")
    assert table.split is not None
    assert table.split.tolist() == ["", "train", "", "test"]
    assert table.notes == ["1 node in several of train, test: the last of them counts"]


@pytest.mark.parametrize("form", ["csr", "csc", "bsr", "coo", "dia"])
def test_parts_of_a_sparse_array_are_checked(tmp_path, form):
    """scipy truncates numbers and cuts them off to 32 bits."""
    path: Path = tmp_path / "g.npz"
    matrix = sparse.coo_matrix(np.triu(np.arange(16.0).reshape(4, 4) + 1)).asformat(
        form
    )
    sparse.save_npz(path, matrix)
    assert read_graph(path).num_edges == matrix.count_nonzero()
    with np.load(path) as file:
        parts = {name: file[name] for name in file.files}
    for name in {"indices", "indptr", "row", "col", "offsets"} & parts.keys():
        wrong = parts[name].astype(np.int64)
        wrong[1] += 2**32
        for bad in (wrong, parts[name] + 0.3):
            np.savez(path, **{**parts, name: bad})
            with pytest.raises(DataError, match=f"is damaged: its {name} must be"):
                read_graph(path)
    np.savez(path, **{**parts, "data": parts["data"] * 1j})
    with pytest.raises(DataError, match=r"must hold numbers\. Got complex128"):
        read_graph(path)


def test_matlab_files(tmp_path):
    """Damaged ones crash the reader of scipy, which is another process."""
    path: Path = tmp_path / "g.mat"
    matrix = sparse.csc_matrix(np.array([[0.0, 2, 0], [2, 0, 1], [0, 1, 0]]))
    savemat(path, {"net": matrix, "group": np.eye(3), "title": "a"})
    table = read_graph(path)
    assert table.num_edges == 2 and table.weight is not None
    assert table.weight.tolist() == [2, 1]
    assert table.notes == ["the adjacency is net; ignored: group, title"]
    contents = path.read_bytes()
    assert (loadmat(path)["net"] != matrix).nnz == 0
    pointers = contents.index(matrix.indptr.astype("<i4").tobytes())
    damaged = bytearray(contents)
    damaged[pointers + 4 : pointers + 8] = np.int32(-(10**8)).tobytes()
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=r"net is damaged|cannot be read"):
        read_graph(path)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import os; os.abort()", "is damaged: reading it failed"),
        ("print('no JSON')", "is damaged: reading it failed"),
        (
            'print(\'{"error": "", "type": "MemoryError"}\')',
            "needs more than 256 MB",
        ),
        (
            'print(\'{"error": "Use HDF", "type": "NotImplementedError"}\')',
            "MATLAB 7.3 file",
        ),
    ],
)
def test_the_reader_of_matlab_files_fails(tmp_path, monkeypatch, program, message):
    from vicinal.graphs.data.formats import matlab_reader

    (tmp_path / "reader.py").write_text(program)
    monkeypatch.setattr(matlab_reader, "__file__", str(tmp_path / "reader.py"))
    (tmp_path / "g.mat").write_bytes(bytes(200))
    with pytest.raises(DataError, match=message):
        read_graph(tmp_path / "g.mat")


@pytest.mark.parametrize(
    ("indicator", "edges", "message"),
    [
        ("1\n1\n99999999999", "1,2", "99,999,999,999 graphs, which would take"),
        ("1\nnan", "1,2", "must hold integers. Got nan"),
        ("1\n1e300", "1,2", "must hold integers. Got 1e"),
        ("1\n1", "1,1e300", "must hold integers. Got 1e"),
    ],
)
def test_numbers_in_a_tu_data_set(tmp_path, indicator, edges, message):
    (tmp_path / "T_graph_indicator.txt").write_text(indicator)
    (tmp_path / "T_A.txt").write_text(edges)
    with pytest.raises(DataError, match=message):
        read_graphs(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("9999999999\n2 1\n0 1 1\n0 1 0\n", "ends where a graph was expected"),
        ("1\n1e300 1\n", "ends where a node was expected"),
        ("inf\n2 1\n", "must begin with 1 whole number. Got inf"),
        ("1\n2\n0 1 1\n", "the number of nodes of graph 0 and its label"),
        ("1\n2 1\n0 nan 1\n0 1 0\n", "must begin with 2 whole numbers"),
        ("1\n2 1\n0 -1 1\n0 1 0\n", "must have -1 neighbours"),
        ("1\n1 1\n0 0\n1 1\n", "has more lines than its 1 graphs need"),
    ],
)
def test_numbers_in_a_gin_data_set(tmp_path, text, message):
    (tmp_path / "g.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        read_graphs(tmp_path / "g.txt")


def test_attributes_that_each_node_has_alone(tmp_path):
    """A table of them would have the square of their number of cells."""
    one_each: Any = nx.empty_graph(3000)
    for node in one_each:
        one_each.nodes[node][f"a{node}"] = 1
    one_vector: Any = nx.empty_graph(5000)
    one_vector.nodes[0]["x"] = [0.0] * 5000
    for graph, message in (
        (one_each, "3,000 attributes of 3,000 nodes"),
        (one_vector, "'x' has 5,000 rows of 5,000 numbers, 1 of them given"),
    ):
        with pytest.raises(DataError, match=message):
            read_graph(graph)


def test_names_with_control_characters_are_quarantined(tmp_path, edge_names):
    nodes = [{"id": name} for name in ("a", "b", "c\0", "d\ud800")]
    links = [{"source": "a", "target": end} for end in ("b", "c\0")]
    (tmp_path / "g.json").write_text(json.dumps({"nodes": nodes, "links": links}))
    table = read_graph(tmp_path / "g.json")
    assert table.ids.tolist() == ["a", "b"] and edge_names(table) == {("a", "b")}
    assert [(row.name, row.reason) for row in table.quarantined] == [
        ("c\0", "the name contains the character U+0000"),
        ("d\ud800", "the name contains the character U+D800"),
        ("a - c\0", "one of its nodes is quarantined"),
    ]


def test_rows_of_tables_with_control_characters(
    tmp_path, write_tables, quarantine_reasons
):
    edges = "source,target\na,b\nb,c\0\nc\0,d\n"
    write_tables(tmp_path, nodes="id\na\nb\nc\0\nd\n", edges=edges)
    problem = "the name contains the character U+0000"
    for path in (tmp_path, tmp_path / "edges.csv"):
        table = read_graph(path)
        assert table.num_edges == 1 and "c\0" not in table.ids
        assert set(quarantine_reasons(table)) >= {
            f"line {n}: {problem}" for n in (3, 4)
        }
    (tmp_path / "nodes.csv").unlink()
    (tmp_path / "edges.csv").write_text("graph_id,source,target\ng,a,b\ng,a,b\0\n")
    graphs = read_graphs(tmp_path / "edges.csv")
    assert len(graphs.nodes) == 2
    assert [row.reason for row in graphs.quarantined] == [f"line 3: {problem}"]
