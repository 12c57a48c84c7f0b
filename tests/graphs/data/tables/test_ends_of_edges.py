"""Ids in two tables: missing, shortened, as floats, and columns that the user names."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from vicinal.errors import DataError, SettingError
from vicinal.graphs.data.read import read_graph

NODES = "id,label\na,x\nb,y\nc,x\n"


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_a_number_sign_inside_a_name_is_no_comment(tmp_path, edge_names):
    text = "ex/a ex/owl#A\nex/b ex/owl#B\n# a comment\nex/a ex/b\n"
    table = read_graph(write(tmp_path / "e.txt", text))
    assert edge_names(table) == {
        ("ex/a", "ex/owl#A"),
        ("ex/b", "ex/owl#B"),
        ("ex/a", "ex/b"),
    }
    assert table.notes == ["1 line between edges read as comments (# or %)"]


def test_missing_ends_are_quarantined_and_are_no_node(tmp_path, quarantine_reasons):
    text = "source,target\na,b\nb,NaN\nNone,a\n,b\na,null\nNA,a\na,c\n"
    table = read_graph(write(tmp_path / "edges.csv", text))
    assert table.ids.tolist() == ["a", "b", "c"] and table.num_edges == 2
    assert len(quarantine_reasons(table)) == 5
    nodes = "id,label\nNA,x\na,y\nnan,x\n"  # Namibia is a node that the table lists
    write(tmp_path / "nodes.csv", nodes)
    table = read_graph(tmp_path)
    assert table.ids.tolist() == ["NA", "a"] and table.num_edges == 1


def test_integers_that_became_floats_are_the_same_nodes(tmp_path, edge_names):
    write(tmp_path / "nodes.csv", "id,label\n0,x\n1,y\n2,x\n")
    write(tmp_path / "edges.csv", "source,target\n0,1.0\n1,2.0\n2,\n")
    table = read_graph(tmp_path)
    assert edge_names(table) == {("0", "1"), ("1", "2")}
    assert "ends of edges such as 1.0 are read as 1" in table.notes


def test_ids_that_a_spreadsheet_shortened_are_quarantined(tmp_path, quarantine_reasons):
    text = "source,target\n1.23457E+15,1.23457E+15\na,b\n"
    table = read_graph(write(tmp_path / "edges.csv", text))
    assert table.ids.tolist() == ["a", "b"]
    assert "a spreadsheet has shortened" in quarantine_reasons(table)[0]


def test_nodes_that_the_table_lacks_are_counted(tmp_path, write_tables):
    edges = "source,target\na,b\na,y\ny,z\nb,c\n"
    table = read_graph(write_tables(tmp_path, NODES, edges))
    assert table.num_edges == 2
    assert table.notes == [
        "2 nodes of edges missing in the table of nodes: 'y', 'z'; their edges are "
        "quarantined"
    ]


def test_the_ids_are_in_the_column_that_edges_refer_to(tmp_path, write_tables):
    nodes = "user_id,name,label\n7,Ann,x\n8,Bob,y\n9,Cem,x\n"
    folder = write_tables(tmp_path, nodes, "source,target\n7,8\n8,9\n")
    table = read_graph(folder)
    assert table.ids.tolist() == ["7", "8", "9"] and table.num_edges == 2
    assert any("the column 'user_id'" in note for note in table.notes)
    by_name = write_tables(tmp_path, nodes, "source,target\nAnn,Bob\nBob,Cem\n")
    assert read_graph(by_name).ids.tolist() == ["Ann", "Bob", "Cem"]
    frame = pd.DataFrame({"label": ["x", "y"], "z": [[1], [2]]}, index=["u", "v"])
    edges = pd.DataFrame({"source": ["u"], "target": ["v"]})
    assert read_graph(frame, edges=edges).ids.tolist() == ["u", "v"]


def test_columns_that_the_user_names(tmp_path, write_tables, edge_names):
    nodes = "number,code,label,age\n1,a,x,3\n2,b,y,4\n3,c,x,5\n"
    edges = "one,two,three,four\na,b,2,z\nb,c,3,z\n"
    folder = write_tables(tmp_path, nodes, edges)
    with pytest.raises(DataError, match=r"Got one, two, three, four.*--source-column"):
        read_graph(folder)
    columns: Any = {"source_column": "One", "destination_column": "two"}
    table = read_graph(
        folder,
        id_column="code",
        weight_column="three",
        drop_columns=("age", "four"),
        **columns,
    )
    assert edge_names(table) == {("a", "b"), ("b", "c")}
    assert table.weight is not None and table.weight.tolist() == [2, 3]
    assert list(table.features) == ["number"] and table.notes == []
    assert table.end_columns == ("one", "two")
    for name in ("id_column", "source_column", "weight_column", "drop_columns"):
        value = ("x",) if name == "drop_columns" else "x"
        named: Any = {**columns, name: value}
        with pytest.raises(DataError, match=r"no column 'x'.*Known: "):
            read_graph(folder, **named)
    unknown: Any = {"id_colum": "code"}
    with pytest.raises(SettingError, match="Did you mean 'id_column'"):
        read_graph(folder, **unknown)
    with pytest.raises(SettingError, match="id column 'code' needs a table of nodes"):
        read_graph(folder / "edges.csv", id_column="code", **columns)


def test_unused_columns_of_edges_are_named(tmp_path, write_tables):
    edges = "source,target,type,amount,note,empty\na,b,p,1,u,\nb,c,q,2,v,\n"
    notes = read_graph(write_tables(tmp_path, NODES, edges)).notes
    assert [note for note in notes if "--relation-column type" in note]
    assert (
        "columns of the edges ignored: 'amount', 'note' (--weight-column amount reads "
        "weights)"
    ) in notes


def test_the_type_of_gephi_says_which_edges_are_directed(tmp_path, write_tables):
    edges = "Source,Target,Type,Weight\na,b,Directed,2\nc,b,Directed,1\n"
    table = read_graph(write_tables(tmp_path, NODES, edges))
    assert table.directed and table.edge_index.tolist() == [[0, 2], [1, 1]]
    edges += "c,a,Undirected,4\n"
    table = read_graph(write_tables(tmp_path, NODES, edges))
    assert table.edge_index.tolist() == [[0, 2, 2, 0], [1, 1, 0, 2]]
    assert table.weight is not None and table.weight.tolist() == [2, 1, 4, 4]
    assert "1 edges of type Undirected are read in both directions" in table.notes
    table = read_graph(
        write_tables(tmp_path, NODES, edges.replace("Directed", "Undirected"))
    )
    assert not table.directed and table.notes == []


def test_decimal_commas(tmp_path, write_tables):
    nodes = "id;label;score;price\na;x;0,5;1,250\nb;y;-1,25;2,500\nc;x;3;1,000\n"
    edges = "source;target;weight\na;b;0,5\nb;c;2\n"
    table = read_graph(write_tables(tmp_path, nodes, edges))
    assert table.weight is not None and table.weight.tolist() == [0.5, 2]
    assert table.features["score"].astype(float).tolist() == [0.5, -1.25, 3]
    assert table.features["price"].tolist() == ["1,250", "2,500", "1,000"]
    assert "column 'score' has a decimal comma: 0,5 is read as 0.5" in table.notes


def test_an_unclear_first_line_is_read_as_an_edge_with_a_note(tmp_path):
    table = read_graph(write(tmp_path / "e.txt", "ann bob\ncem dan\n"))
    assert table.num_edges == 2
    assert "the first line, ann bob, is read as an edge" in table.notes[0]
    table = read_graph(
        tmp_path / "e.txt", source_column="ann", destination_column="bob"
    )
    assert table.ids.tolist() == ["cem", "dan"]


def test_ends_of_data_frames(edge_names):
    edges = pd.DataFrame({"payer": [1.0, 2.0], "payee": [2, 3], "n": [1, 2]})
    nodes = pd.DataFrame({"id": [1, 2, 3], "label": ["x", "y", "x"]})
    assert edge_names(read_graph(nodes, edges=edges)) == {("1", "2"), ("2", "3")}
    edges["payee"] = [2.0, np.nan]
    table = read_graph(nodes, edges=edges)
    assert edge_names(table) == {("1", "2")} and len(table.quarantined) == 1
    integers = edges[["payer", "payee"]].astype("Int64")  # with pandas' NA
    table = read_graph(nodes.set_index("id"), edges=integers)
    assert edge_names(table) == {("1", "2")} and len(table.quarantined) == 1
    assert not any("--id-column" in note for note in table.notes)
    assert read_graph(integers).end_columns == ("payer", "payee")
