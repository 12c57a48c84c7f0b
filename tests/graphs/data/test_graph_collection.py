"""Many graphs are the same graphs in whatever form they come."""

from pathlib import Path
from types import SimpleNamespace

import networkx as nx
import numpy as np
import pytest
import torch

from vicinal.errors import DataError, NoDataError
from vicinal.graphs.data.detect import is_graph_set
from vicinal.graphs.data.graph_collection import GraphCollection, read_graphs

# a triangle of the tags 0, 1, 1 (class x) and a path of the tags 2, 0 (class y)


def one_text(folder: Path) -> Path:
    text = "2\n3 7\n0 2 1 2\n1 2 0 2\n1 2 0 1\n2 9\n2 1 1\n0 1 0\n"
    (folder / "toy.txt").write_text(text)
    return folder / "toy.txt"


def tu(folder: Path) -> Path:
    place = folder / "TOY"
    place.mkdir()
    pairs = [(1, 2), (2, 1), (2, 3), (3, 2), (1, 3), (3, 1), (4, 5), (5, 4)]
    files = {
        "A": "\n".join(f"{a}, {b}" for a, b in pairs),
        "graph_indicator": "1\n1\n1\n2\n2\n",
        "graph_labels": "7\n9\n",
        "node_labels": "0\n1\n1\n2\n0\n",
    }
    for name, text in files.items():
        (place / f"TOY_{name}.txt").write_text(text)
    return place


def tables(folder: Path) -> Path:
    place = folder / "tables"
    place.mkdir()
    (place / "edges.csv").write_text(
        "graph_id,source,target\ng,a,b\ng,b,c\ng,a,c\nh,a,b\n"
    )
    (place / "nodes.csv").write_text(
        "graph_id,id,tag\ng,a,t0\ng,b,t1\nh,a,t2\ng,c,t1\nh,b,t0\n"
    )
    (place / "graphs.csv").write_text("graph_id,label\nh,9\ng,7\n")
    return place


FORMS = {"one text": one_text, "TU": tu, "tables": tables}


def told(found: GraphCollection) -> list[tuple[str, int, list[str], int]]:
    """Label, edges and tags of each graph."""
    tags = found.nodes.features["tag"].to_numpy()
    assert found.labels is not None
    return [
        (
            found.labels[g],
            int(found.edge_counts[g]),
            sorted(tags[found.member == g]),
            int(found.sizes[g]),
        )
        for g in range(len(found))
    ]


@pytest.mark.parametrize("form", FORMS)
def test_each_form(tmp_path, form):
    path = FORMS[form](tmp_path)
    assert is_graph_set(path)
    found = read_graphs(path)
    assert told(found) == [
        ("7", 3, ["t0", "t1", "t1"], 3),
        ("9", 1, ["t0", "t2"], 2),
    ]
    assert found.kind == "single_label" and found.classes == ("7", "9")
    assert not found.nodes.directed
    ends = found.member[found.nodes.source], found.member[found.nodes.target]
    assert np.array_equal(*ends)


def test_objects():
    triangle, path = nx.complete_graph(3), nx.path_graph(2)
    triangle.graph["label"], path.graph["label"] = "x", "y"
    found = read_graphs([triangle, path])
    assert found.labels is not None and found.labels.tolist() == ["x", "y"]
    assert found.sizes.tolist() == [3, 2] and found.edge_counts.tolist() == [3, 1]
    data = [
        SimpleNamespace(
            x=torch.ones(n, 2),
            edge_index=torch.tensor([[0, 1], [1, 0]]),
            y=torch.tensor([label]),
            num_nodes=n,
        )
        for n, label in ((2, 0), (3, 1))
    ]
    found = read_graphs(data)
    assert found.sizes.tolist() == [2, 3] and found.edge_counts.tolist() == [1, 1]
    assert found.labels is not None and found.labels.tolist() == ["0", "1"]
    assert found.nodes.features.shape == (5, 2)
    assert read_graphs([triangle, path], ["p", "q"]).classes == ("p", "q")


def test_some_of_them(tmp_path):
    found = read_graphs(tables(tmp_path))
    turned = found.rows(np.array([1, 0]))
    assert told(turned) == told(found)[::-1]
    assert turned.member.tolist() == [0, 0, 1, 1, 1]
    one = found.rows(np.array([False, True]))
    assert told(one) == told(found)[1:] and one.names.tolist() == ["h"]


def test_what_is_wrong(tmp_path):
    place = tables(tmp_path)
    with (place / "edges.csv").open("a") as file:
        file.write("h,a,nobody\n")
    found = read_graphs(place)
    assert [q.reason for q in found.set_aside] == [
        "line 6: graph 'h' has no node 'nobody'"
    ]
    path = one_text(tmp_path)
    path.write_text("1\n2 0\n0 1 5\n0 0\n")
    with pytest.raises(DataError, match="node 0 of graph 1 names neighbours"):
        read_graphs(path)
    path.write_text("2\n1 0\n0 0\n")
    with pytest.raises(DataError, match="ends where a graph was wanted"):
        read_graphs(path)
    with pytest.raises(NoDataError, match="nothing at"):
        read_graphs(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no graphs"):
        read_graphs(tmp_path / "empty")
    with pytest.raises(NoDataError, match="no graphs"):
        read_graphs([])
    with pytest.raises(DataError, match="holds a int"):
        read_graphs([3])
    with pytest.raises(DataError, match="each of 2 graphs"):
        read_graphs(tu(tmp_path), ["x"])


def test_rows_of_tables_that_cannot_be_used_are_told(tmp_path):
    edges = "graph_id,source,target,weight\ng,a,b,1\ng,a,zz,1\nh,,b,1\nh,a,b,1\n"
    tables = {
        "nodes.csv": "graph_id,id,f\ng,a,1\ng,b,2\ng,a,9\n,c,3\nh,a,4\nh,b,5\n",
        "edges.csv": edges,
        "graphs.csv": "graph_id,label\ng,x\nh,y\nnone,x\n",
    }
    for name, text in tables.items():
        (tmp_path / name).write_text(text)
    found = read_graphs(tmp_path)
    assert found.nodes.features["f"].tolist() == [*"1245"]
    assert found.edge_counts.tolist() == [1, 1]
    reasons = "\n".join(f"{q.name}: {q.reason}" for q in found.set_aside)
    for told in (
        "a: line 4: this node of graph 'g' is listed before, in line 2",
        "c: line 5: the node has no name, or no graph",
        "a - zz: line 3: graph 'g' has no node 'zz'",
        " - b: line 4: the graph or an end is empty",
        "none: it has a label, and there is no such graph",
    ):
        assert told in reasons
    assert len(found.set_aside) == 5
    assert any("weight of the edges is not used" in note for note in found.notes)


@pytest.mark.parametrize(
    "part, text, told",
    [
        ("A", "1,x\n", "T_A.txt, line 1: no numbers, '1,x'"),
        ("A", "1,2\n1,2,3\n", "T_A.txt, line 2: 2 numbers were wanted"),
        ("graph_indicator", "1\nx\n", "T_graph_indicator.txt, line 2: no numbers"),
        ("graph_indicator", "0\n0\n", "counts graphs from 1"),
        ("graph_indicator", "\n", "graph_indicator.txt is empty"),
        ("node_labels", "1\n", "a line for each of 2 nodes. Got 1"),
        ("node_attributes", "1\n", "a line for each of 2 nodes. Got 1"),
        ("graph_labels", "1\n2\n", "a label for each of 1 graph. Got 2"),
    ],
)
def test_damaged_files_of_a_tu_set(tmp_path, part, text, told):
    files = {"A": "1,2\n2,1\n", "graph_indicator": "1\n1\n", "graph_labels": "7\n"}
    for name, given in (files | {part: text}).items():
        (tmp_path / f"T_{name}.txt").write_text(given)
    with pytest.raises((DataError, NoDataError), match=told):
        read_graphs(tmp_path)
