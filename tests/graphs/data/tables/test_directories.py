"""Directories of tables, and the forms of published data sets."""

import gzip
from typing import Any

import numpy as np
import pytest

from vicinal.errors import DataError, SettingError
from vicinal.graphs.data.detect import is_graph
from vicinal.graphs.data.read import read_graph

FILES = {
    "LINQS": {
        "c.content": "31\t0\t1\tA\n35\t1\t0\tB\n40\t0\t0\tA\n",
        "c.cites": "31\t35\n35\t40\n99\t31\n",
    },
    "Elliptic": {
        "e_txs_features.csv": "31,0,1\n35,1,0\n40,0,0\n",
        "e_txs_classes.csv": "txId,class\n40,unknown\n31,A\n35,B\n",
        "e_txs_edgelist.csv": "txId1,txId2\n31,35\n35,40\n",
    },
    "OGB": {
        "edge.csv": "0,1\n1,2\n",
        "node-feat.csv": "0,1\n1,0\n0,0\n",
        "node-label.csv": "0\n1\n0\n",
        "num-node-list.csv": "3\n",
    },
}


@pytest.mark.parametrize("form", FILES)
@pytest.mark.parametrize("packed", [False, True])
def test_published_forms(tmp_path, form, packed, edge_names):
    for name, text in FILES[form].items():
        data = gzip.compress(text.encode()) if packed else text.encode()
        (tmp_path / (name + ".gz" * packed)).write_bytes(data)
    assert is_graph(tmp_path)
    table = read_graph(tmp_path)
    names = table.ids.tolist()
    assert names == (["0", "1", "2"] if form == "OGB" else ["31", "35", "40"])
    assert edge_names(table) == {tuple(names[:2]), tuple(names[1:])}
    assert np.array_equal(table.features, [[0, 1], [1, 0], [0, 0]])
    assert table.labels is not None
    expected = {"LINQS": "A B A", "OGB": "0 1 0", "Elliptic": "A B None"}
    assert [str(label) for label in table.labels] == expected[form].split()
    assert f"read as the files of {form}" in table.notes
    if form == "LINQS":
        assert "1 node of edges missing in the table of nodes: '99'" in str(table.notes)


def test_rows_of_published_forms_are_quarantined(tmp_path, quarantine_reasons):
    content = FILES["LINQS"]["c.content"] + "nan\t0\t0\tA\n31\t1\t1\tB\n"
    (tmp_path / "c.content").write_text(content)
    (tmp_path / "c.cites").write_text("31\t35\n")
    table = read_graph(tmp_path)
    assert table.ids.tolist() == ["31", "35", "40"]
    assert quarantine_reasons(table) == [
        "line 4: the id is empty",
        "line 5: duplicate of line 1",
    ]
    (tmp_path / "c.content").write_text(content.replace("\t0\t", "\tx\t"))
    with pytest.raises(DataError, match="must hold numbers, without a header"):
        read_graph(tmp_path)
    (tmp_path / "c.content").write_text("31\t0\tA\n35\t1\t0\tB\n")
    with pytest.raises(DataError, match="cannot be read as a table") as error:
        read_graph(tmp_path)
    assert "must hold numbers" not in str(error.value)


def test_a_table_of_one_column_is_no_published_form(tmp_path):
    for name, text in FILES["Elliptic"].items():
        (tmp_path / name).write_text(text)
    (tmp_path / "e_txs_classes.csv").write_text("txId\n31\n")
    with pytest.raises(DataError, match=r"classes.csv must have 2 columns or more"):
        read_graph(tmp_path)


def test_citations_lead_from_the_citing_paper(tmp_path, edge_names):
    """The first column of a .cites file is the cited paper (README of LINQS)."""
    for name, text in FILES["LINQS"].items():
        (tmp_path / name).write_text(text)
    table = read_graph(tmp_path, directed=True)
    assert edge_names(table) == {("35", "31"), ("40", "35")}


@pytest.mark.parametrize("raw", ["", "raw"])
def test_the_split_of_ogb(tmp_path, raw):
    for name, text in FILES["OGB"].items():
        (tmp_path / raw).mkdir(exist_ok=True)
        (tmp_path / raw / name).write_text(text)
    (tmp_path / "split" / "time").mkdir(parents=True)
    for name, rows in (("train", "1\n"), ("valid", "0\n"), ("test", "2\n")):
        data = gzip.compress(rows.encode())
        (tmp_path / "split" / "time" / f"{name}.csv.gz").write_bytes(data)
    table = read_graph(tmp_path)
    assert table.split is not None and table.split.tolist() == ["val", "train", "test"]
    assert "the split is that of split/time" in table.notes
    (tmp_path / "split" / "time" / "test.csv").write_text("3\n")
    (tmp_path / "split" / "time" / "test.csv.gz").unlink()
    with pytest.raises(DataError, match=r"numbers of nodes from 0 to 2\. Got 3"):
        read_graph(tmp_path)
    (tmp_path / "split" / "random").mkdir()
    (tmp_path / "split" / "random" / "train.csv").write_text("0\n")
    table = read_graph(tmp_path)
    assert table.split is None
    assert "several splits are not read: random, time" in table.notes


def test_hidden_files_are_not_read_and_several_tables_are_named(tmp_path, edge_names):
    (tmp_path / "a_edges.csv").write_text("source,target\n0,1\n")
    (tmp_path / "._a_edges.csv").write_bytes(b"\0\5\x16\7")
    assert edge_names(read_graph(tmp_path)) == {("0", "1")}
    (tmp_path / "b_edges.csv").write_text("source,target\n0,1\n")
    (tmp_path / "nodes.csv").write_text("id\n0\n1\n")
    with pytest.raises(DataError, match=r"several files of edges: a_edges.csv, b_edg"):
        read_graph(tmp_path)


def test_compressed_tables_of_any_suffix(tmp_path, edge_names):
    path = tmp_path / "ratings.dat.gz"
    path.write_bytes(gzip.compress(b"source::target\n1::2\n"))
    assert is_graph(path) and edge_names(read_graph(path)) == {("1", "2")}


@pytest.mark.parametrize("named", ["target", "id_column"])
def test_published_forms_have_no_columns_by_name(tmp_path, named):
    for name, text in FILES["OGB"].items():
        (tmp_path / name).write_text(text)
    options: Any = {named: "class"}
    with pytest.raises(SettingError, match="OGB have no header"):
        read_graph(tmp_path, **options)


def test_many_graphs_of_ogb_are_named(tmp_path):
    for name, text in {**FILES["OGB"], "num-node-list.csv": "2\n1\n"}.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match="many graphs in the form of OGB"):
        read_graph(tmp_path)


def test_tables_by_the_ends_of_their_names(tmp_path, edge_names):
    (tmp_path / "git_edges.csv").write_text("id_1,id_2\n0,1\n1,2\n")
    (tmp_path / "git_nodes.tsv").write_text("id\tlabel\n0\tx\n1\ty\n2\tx\n")
    (tmp_path / "more.csv").write_text("a,b\n")
    table = read_graph(tmp_path)
    assert edge_names(table) == {("0", "1"), ("1", "2")} and table.kind != "none"
    assert table.notes == ["files of the directory that are not read: more.csv"]


def test_neo4j(tmp_path, write_tables, edge_names):
    nodes = "personId:ID,name,age:int,team,:LABEL\np0,Ann,20,red,A\np1,Bob,21,blue,A\n"
    edges = ":START_ID,:END_ID,since:int,:TYPE\np0,p1,2000,KNOWS\n"
    table = read_graph(write_tables(tmp_path, nodes, edges), target="team")
    assert edge_names(table) == {("p0", "p1")}
    assert table.labels is not None and table.labels.tolist() == ["red", "blue"]
    assert list(table.features) == ["age", ":LABEL"]
