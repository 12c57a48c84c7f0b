"""Tables of nodes: ids, splits, groups and the label column."""

from vicinal.graphs.data.read import read_graph
from vicinal.graphs.data.tables.node_list import read_node_names


def test_invalid_nodes_are_quarantined_with_their_line(
    tmp_path, write_tables, quarantine_reasons
):
    nodes = "id,label\na,x\nb,y\na,y\n,x\nc,x\nd,y\n"
    table = read_graph(write_tables(tmp_path, nodes))
    assert table.ids.tolist() == ["a", "b", "c", "d"]
    assert quarantine_reasons(table) == [
        "line 4: duplicate of line 2",
        "line 5: the id is empty",
    ]


def test_lines_are_counted_behind_comments(tmp_path, write_tables, quarantine_reasons):
    for head, line in (("# x\nid,label\n", 4), ("# x\n#id,label\n", 4)):
        folder = write_tables(tmp_path, f"{head}a,x\n,y\nb,y\n", "source,target\na,b\n")
        assert quarantine_reasons(read_graph(folder)) == [
            f"line {line}: the id is empty"
        ]


def test_names_that_hold_spaces_in_a_single_column(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("id\nNew York\nRome\n")
    assert read_node_names(path) == ["New York", "Rome"]


def test_splits_and_groups(tmp_path, write_tables):
    nodes = "id,label,split,town\na,x,train,p\nb,y,TEST,q\nc,x,valid,p\nd,y,odd,\n"
    table = read_graph(write_tables(tmp_path, nodes), group_column="town")
    assert table.split is not None and table.split.tolist() == [
        "train",
        "test",
        "val",
        "",
    ]
    assert table.groups is not None and table.groups.tolist() == [0, 1, 0, 2]
    assert "1 node with split 'odd'" in table.notes[0]
    assert table.features is None


def test_a_note_names_the_label_column(tmp_path, write_tables):
    nodes = "id,class,label,f\na,p,x,1\nb,q,y,2\nc,p,x,3\nd,q,y,4\n"
    table = read_graph(write_tables(tmp_path, nodes))
    assert table.classes == ("x", "y") and "class" in table.features
    assert any("'class' is used as a feature" in note for note in table.notes)
    table = read_graph(tmp_path, target="class")
    assert table.classes == ("p", "q")
    assert not any("used as a feature" in note for note in table.notes)
