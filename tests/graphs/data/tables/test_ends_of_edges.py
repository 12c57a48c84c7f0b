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
    missing = "NaN None null NA <NA> \\N #N/A NaT n/a".split()
    rows = [f"{name},a\nb,{name}\n" for name in ["", *missing]]
    text = f"source,target\na,b\na,c\nNat,a\n{''.join(rows)}"  # Nat is a name
    table = read_graph(write(tmp_path / "edges.csv", text))
    assert table.ids.tolist() == ["a", "b", "c", "Nat"] and table.num_edges == 3
    assert len(quarantine_reasons(table)) == 20
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


def test_missing_ids_of_nodes_are_quarantined(tmp_path, write_tables):
    nodes = "id,label\na,x\n<NA>,x\n\\N,y\n#N/A,x\nNaT,x\nNat,y\nb,y\n"
    table = read_graph(write_tables(tmp_path, nodes, "source,target\na,b\n"))
    assert table.ids.tolist() == ["a", "Nat", "b"] and len(table.quarantined) == 4


@pytest.mark.parametrize("name", ["1.23457E+15", "1,23457E+15", "1.2345e+17", "1E+15"])
def test_ids_that_a_spreadsheet_shortened_are_quarantined(
    tmp_path, quarantine_reasons, name
):
    text = f'source,target\n"{name}","{name}"\na,b\n'
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
    assert "1 edge of type Undirected read in both directions" in table.notes
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
    assert any("column 'price' is read as texts: 1,250" in k for k in table.notes)
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


@pytest.mark.parametrize(
    ("header", "ends"),
    [
        ("row,col,value", ("row", "col")),
        ("rating_id,user_id,movie_id", ("user_id", "movie_id")),
        ("person1,person2,start,end", ("person1", "person2")),
    ],
)
def test_the_columns_of_the_ends(tmp_path, header, ends):
    cells = "1,2,3,4"[: 2 * header.count(",") + 1]
    table = read_graph(write(tmp_path / "edges.csv", f"{header}\n{cells}\n"))
    assert table.end_columns == ends and table.num_edges == 1


def test_unclear_columns_of_ids_must_be_named(tmp_path):
    text = "student_id,course_id,teacher_id\n1,2,3\n"
    path = write(tmp_path / "edges.csv", text)
    message = "unclear which columns.*student_id, course_id.*--source-column"
    with pytest.raises(DataError, match=message):
        read_graph(path)
    with pytest.raises(DataError, match=message):
        read_graph(pd.read_csv(path))
    columns: Any = {"source_column": "teacher_id", "destination_column": "course_id"}
    assert read_graph(path, **columns).ids.tolist() == ["3", "2"]


def test_weights_with_ambiguous_commas_are_refused(tmp_path):
    text = 'source,target,weight\na,b,"1,250"\nb,c,"2,000"\nc,d,950\n'
    path = write(tmp_path / "edges.csv", text)
    with pytest.raises(DataError, match=r"weight '1,250' is ambiguous.*1\.250 or 1250"):
        read_graph(path)
    table = read_graph(write(path, text + 'd,e,"0,5"\n'))
    assert table.weight is not None and table.weight.tolist() == [1.25, 2, 950, 0.5]


def test_equal_ids_of_two_spaces_of_neo4j_are_two_nodes(tmp_path):
    text = ":START_ID(User),:END_ID(Movie)\n1,1\n1,2\n2,1\n"
    table = read_graph(write(tmp_path / "edges.csv", text))
    assert table.ids.tolist() == ["User:1", "User:2", "Movie:1", "Movie:2"]
    assert table.num_edges == 3 and table.sides is not None
    assert table.sides.tolist() == [0, 0, 1, 1]
    write(tmp_path / "nodes.csv", ":ID(Movie),label\n1,x\n2,y\n")
    with pytest.raises(DataError, match="'1' is a node of User and of Movie"):
        read_graph(tmp_path)
    same = text.replace("Movie", "User")
    assert read_graph(write(tmp_path / "edges.csv", same)).ids.tolist() == ["1", "2"]


def test_the_first_line_of_konect_tells_the_kind_of_graph(tmp_path, edge_names):
    path = write(tmp_path / "out.txt", "% bip unweighted\n% 3 2 2\n1 1\n1 2\n2 1\n")
    table = read_graph(path)
    assert table.ids.tolist() == ["source:1", "source:2", "target:1", "target:2"]
    assert not table.directed
    table = read_graph(write(path, "% asym unweighted\n1 2\n2 1\n3 1\n"))
    assert table.directed and len(edge_names(table)) == 3
    assert "the edges are directed: `% asym` in the first line says so" in table.notes
    table = read_graph(write(path, "% sym unweighted\n1 2\n2 1\n3 1\n"))
    assert not table.directed and table.num_edges == 2


@pytest.mark.parametrize("separator", [" ", ","])
def test_marks_between_the_ends_are_no_nodes(tmp_path, separator, edge_names):
    path = tmp_path / "edges.txt"
    for mark in ("--", "->"):
        rows = [f"1 {mark} 2", f"2 {mark} 3"]
        text = "\n".join(row.replace(" ", separator) for row in rows)
        table = read_graph(write(path, text))
        assert edge_names(table) == {("1", "2"), ("2", "3")} and table.weight is None
        assert table.directed is (mark == "->")
    table = read_graph(write(path, "a -> b 0.5\nc -> b 2\n"))
    assert table.weight is not None and table.weight.tolist() == [0.5, 2]
    table = read_graph(write(path, "1 | 2\n2 | 3\n"))
    assert edge_names(table) == {("1", "2"), ("2", "3")}


def test_a_text_between_two_numbers_is_a_relation(tmp_path):
    path = write(tmp_path / "edges.txt", "1 knows 2\n2 knows 3\n3 likes 1\n")
    table = read_graph(path, relation_column="relation")
    assert table.ids.tolist() == ["1", "2", "3"]
    assert table.relations == ("knows", "likes") and table.weight is None
    assert "lines are read as source, relation, target" in table.notes
    ratings = "".join(f"{k % 3} item{k} {k % 5}\n" for k in range(9))
    table = read_graph(write(path, ratings))
    assert "item8" in table.ids and table.weight is not None
    assert "the third column is read as weights" in table.notes


def test_lines_in_brackets_are_refused(tmp_path):
    for text in ("(1, 2)\n(2, 3)\n", "source,target\n(1, 2)\n", "[1, 2]\n[2, 3]\n"):
        path = write(tmp_path / "edges.csv", text)
        with pytest.raises(DataError, match=r"lines in brackets.*source,target"):
            read_graph(path)
    names = read_graph(write(tmp_path / "edges.csv", "a (x),b (y)\nb (y),c\n"))
    assert names.ids.tolist() == ["a (x)", "b (y)", "c"]


def test_large_whole_numbers_in_the_third_column_are_times(tmp_path):
    path = write(tmp_path / "a.txt", "1 2 1082040961\n2 3 1082155839\n")
    table = read_graph(path)
    assert table.weight is None and table.num_edges == 2
    assert any("the third column is read as times" in note for note in table.notes)
    table = read_graph(write(path, "1 2 3\n2 3 9\n4 5 6\n"))
    assert table.weight is not None and table.weight.tolist() == [3, 9, 6]
    assert table.notes == ["the third column is read as weights"]


def test_other_objects_than_tables_are_no_edges():
    nodes = pd.DataFrame({"id": ["a", "b"]})
    with pytest.raises(DataError, match=r"must be a path or a DataFrame\. Got list"):
        read_graph(nodes, edges=[("a", "b")])


def test_columns_of_one_name_are_refused():
    nodes = pd.DataFrame([["a", 1, 2], ["b", 3, 4]], columns=["id", "x", "x"])
    edges = pd.DataFrame([["a", "b"]], columns=["source", "target"])
    with pytest.raises(DataError, match=r"table of nodes must have .* 'x' twice"):
        read_graph(nodes, edges=edges)
    twice = pd.DataFrame([["a", "b", "c"]], columns=["source", "target", "target"])
    with pytest.raises(DataError, match="table of edges must have different names"):
        read_graph(twice)
    with pytest.raises(DataError, match="table of edges must have different names"):
        read_graph(nodes.iloc[:, :2], edges=twice)


def test_lists_in_a_column_name_no_nodes():
    nodes = pd.DataFrame(
        {"name": ["a", "b"], "tags": [[1], [2, 3]], "k_id": [[1], [2]]}
    )
    edges = pd.DataFrame({"source": [10], "target": [11]})
    with pytest.raises(DataError, match="no valid edges"):
        read_graph(nodes, edges=edges)
    table = read_graph(nodes, edges=edges.replace({10: "a", 11: "b"}))
    assert table.ids.tolist() == ["a", "b"] and "k_id[0]" in table.features
    types = pd.DataFrame({"source": ["a"], "target": ["b"], "type": [["p", "q"]]})
    assert read_graph(types).num_edges == 1
