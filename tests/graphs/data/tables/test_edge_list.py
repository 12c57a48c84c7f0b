"""Edge lists in every format; invalid edges are quarantined."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from vicinal.errors import DataError, NoDataError
from vicinal.graphs.data.detect import is_graph
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.data.tables import edge_file


@pytest.mark.parametrize(
    "text",
    [
        "a b\nb c\nc d\n",
        "# from SNAP\na\tb\nb\tc\nc\td\n",
        "source;target\na;b\nb;c\nc;d\n",
        "Head,relation,TAIL\na,r,b\nb,r,c\nc,r,d\n",
        "from,to\na,b\nb,c\nc,d\n",
        "\ufeffu,v\na,b\nb,c\nc,d\n",
    ],
)
def test_formats_of_edge_lists(tmp_path, text, edge_names):
    path = tmp_path / "edges.txt"
    path.write_text(text, encoding="utf-8")
    table = read_graph(path)
    assert edge_names(table) == {("a", "b"), ("b", "c"), ("c", "d")}
    assert table.labels is None and table.kind == "none" and table.features is None


def test_chunks_of_a_long_edge_list_are_one_graph(tmp_path, monkeypatch, edge_names):
    rng = np.random.default_rng(0)
    ends = rng.integers(0, 40, (300, 2))
    path = tmp_path / "edges.csv"
    pd.DataFrame(ends, columns=["source", "target"]).to_csv(path, index=False)
    whole = read_graph(path)
    monkeypatch.setattr(edge_file, "ROWS_PER_CHUNK", 7)
    again = read_graph(path)
    assert again.ids.tolist() == whole.ids.tolist()
    assert again.source.tolist() == whole.source.tolist()
    expected = {tuple(sorted(map(str, pair))) for pair in ends.tolist()}
    assert edge_names(whole) == expected


def test_weights_of_duplicate_edges_are_added(tmp_path, write_tables):
    edges = "source,target,weight\na,b,1\nb,a,2.5\nc,d,1\n"
    table = read_graph(write_tables(tmp_path, edges=edges))
    assert table.weight is not None and table.weight.tolist() == [3.5, 1]
    assert table.notes == ["1 duplicate edge merged; their weights are added"]
    assert table.edge_weight is not None
    assert table.edge_weight.tolist() == [3.5, 1, 3.5, 1]


def test_invalid_edges_are_quarantined_with_their_line(
    tmp_path, write_tables, edge_names, quarantine_reasons
):
    edges = (
        "source,target,weight\na,b,1\na,nobody,1\n,b,1\nb,c,-2\nb,c,nan\nb,c,much\n"
        "b,c,\nc,d,0\n"
    )
    table = read_graph(write_tables(tmp_path, edges=edges))
    assert edge_names(table) == {("a", "b"), ("c", "d")}
    message = quarantine_reasons(table)
    text = "\n".join(message)
    for line in (
        "line 3: there is no node 'nobody'",
        "line 4: the source or target is empty",
    ):
        assert line in text
    assert "line 5: weight -2 is negative" in text
    assert "line 6: weight nan is not a finite number" in text
    assert "line 7: weight much is not a finite number" in text
    assert "line 8: weight is empty" in text
    assert len(message) == 6


def test_node_names_are_kept_as_text(
    tmp_path, write_tables, edge_names, quarantine_reasons
):
    nodes = "id,label\n1.0,x\n1,y\n01,x\n1e3,y\n"
    edges = "source,target\n1.0,1\n01,1e3\n1000,1\n"
    table = read_graph(write_tables(tmp_path, nodes, edges))
    assert table.ids.tolist() == ["1.0", "1", "01", "1e3"]
    assert edge_names(table) == {("1", "1.0"), ("01", "1e3")}
    assert quarantine_reasons(table) == ["line 4: there is no node '1000'"]
    frame = pd.DataFrame({"id": [1, 2, None], "label": ["x", "y", "x"]})
    links = pd.DataFrame({"source": [1.0, 2.0], "target": [2.0, np.nan]})
    table = read_graph(frame, edges=links)
    assert table.ids.tolist() == ["1", "2"] and edge_names(table) == {("1", "2")}


@pytest.mark.parametrize(
    "edges, error, message",
    [
        ("", NoDataError, "empty"),
        ("source,target\n", NoDataError, "no valid edges"),
        (
            "source,target\nz,y\n",
            NoDataError,
            "The first row: line 2: there is no",
        ),
        ("one,two,three,four\na,b,c,d\n", DataError, "must name the columns source"),
        ("source,target\na,b,c\n", DataError, "cannot be read as a table"),
        (
            "source,target\na,b\na,b,c\n",
            DataError,
            "line 3 has 3 cells, the first line 2",
        ),
    ],
)
def test_invalid_edge_lists_are_rejected(tmp_path, edges, error, message, write_tables):
    with pytest.raises(error, match=message):
        read_graph(write_tables(tmp_path, edges=edges))


@pytest.mark.parametrize(
    "head",
    ["node1,node2", "id_1,id_2", "start,end", "i,j", "from_node,to_node", "Src,Dst"],
)
def test_edge_lists_are_detected_by_their_columns(tmp_path, head):
    path = tmp_path / "list.csv"
    path.write_text(f"{head}\na,b\nb,c\n")
    assert is_graph(path)
    assert read_graph(path).ids.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("mark", ["\t", " ", ","])
def test_triples_without_a_header(mark, tmp_path):
    rows = [("a", "likes", "b"), ("b", "likes", "c"), ("c", "knows", "a")]
    path = tmp_path / "facts.tsv"
    path.write_text("# a comment\n" + "".join(f"{mark.join(r)}\n" for r in rows))
    table = read_graph(path, relation_column="relation")
    assert table.relation is not None
    edges = zip(table.source, table.relation, table.target, strict=True)
    triples = [(table.ids[s], table.relations[r], table.ids[t]) for s, r, t in edges]
    assert triples == rows
    plain = read_graph(path)
    assert plain.ids.tolist() == ["a", "b", "c"] and plain.num_edges == 3
    assert any("--relation-column relation" in note for note in plain.notes)
    for rows in (  # few, and one of them of a year
        [("a", "likes", "b"), ("b", "likes", "c")],
        [("a", "wrote", "1984"), ("b", "wrote", "a"), ("a", "knows", "b")],
    ):
        path.write_text("\n".join(mark.join(row) for row in rows))
        table = read_graph(path, relation_column="relation")
        assert table.num_edges == len(rows) and table.quarantined == []
    if mark == ",":
        path.write_text('a,likes,"b"\nb,likes,"c"\n')
        assert read_graph(path).ids.tolist() == ["a", "b", "c"]
    path.write_text("# a long comment\n" * 4000 + f"a{mark}b{mark}2\n")
    assert read_graph(path).num_edges == 1
    path.write_text(f"a{mark}b{mark}red\nb{mark}c{mark}blue\n")  # what is the third?
    with pytest.raises(NoDataError, match="weight red is not a finite number"):
        read_graph(path)


def test_weights_that_float32_cannot_hold_are_quarantined(tmp_path):
    path = tmp_path / "edges.csv"
    path.write_text("source,target,weight\na,b,1e-50\nb,c,0\nc,d,2e-38\nd,a,1e39\n")
    table = read_graph(path)
    assert table.weight is not None
    assert table.weight.tolist() == [0, pytest.approx(2e-38)]
    assert [(row.name, row.reason) for row in table.quarantined] == [
        ("a - b", "line 2: weight 1e-50 is too small for float32"),
        ("d - a", "line 5: weight 1e39 is too large for float32"),
    ]


def test_each_edge_keeps_its_relation_when_their_names_are_sorted():
    # c, a, b: the ranks 2, 0, 1 differ from the order of sorting 1, 2, 0
    kinds = ["c", "a", "b", "a"]
    ends = {"source": ["u", "v", "w", "x"], "target": ["v", "w", "x", "u"]}
    table = read_graph(pd.DataFrame({**ends, "kind": kinds}), relation_column="kind")
    assert table.relations == ("a", "b", "c")
    assert table.relation is not None
    assert [table.relations[k] for k in table.relation] == kinds


def test_edge_lists_of_networkx_and_konect(tmp_path):
    path = tmp_path / "x.edgelist"
    graph = nx.Graph([("a", "b", {"weight": 2.5}), ("b", "c", {"weight": 1.0})])
    nx.write_edgelist(graph, path)
    table = read_graph(path)
    assert table.ids.tolist() == ["a", "b", "c"]
    assert table.weight is not None and table.weight.tolist() == [2.5, 1.0]
    path.write_text("% sym weighted\n1 2 3 1082040961\n2 3 1 1082155839\n")
    table = read_graph(path)
    assert table.ids.tolist() == ["1", "2", "3"]
    assert table.weight is not None and table.weight.tolist() == [3.0, 1.0]
