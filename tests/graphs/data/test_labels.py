"""Labels: classes or numbers, and parsing them again for another task."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from vicinal.graphs.data.read import read_graph


def test_numeric_labels(tmp_path, write_tables, quarantine_reasons):
    rows = "".join(f"n{k},{k / 7}\n" for k in range(60)) + "m,many\n"
    edges = "source,target\nn1,n2\nm,n3\n"
    table = read_graph(write_tables(tmp_path, "id,y\n" + rows, edges))
    assert table.kind == "numeric" and table.labels is not None
    assert table.labels[7] == 1.0 and table.labels[60] is None
    assert quarantine_reasons(table) == [
        "the label 'many' is not a number; treated as unlabelled"
    ]


def test_notes_on_labels_that_may_be_identifiers_or_numbers():
    frame = pd.DataFrame({"id": [f"n{k}" for k in range(40)]})
    names = frame["id"].tolist()
    edges = pd.DataFrame({"source": names[:-1], "target": names[1:]})
    frame["label"] = [f"name {k // 1.5}" for k in range(40)]
    (note,) = read_graph(frame, edges=edges).notes
    expected = "40 labels have 27 different values, such as 'name 0.0'"
    assert note.startswith(expected)
    frame["label"] = [str(1990 + k % 20) for k in range(40)]
    (note,) = read_graph(frame, edges=edges).notes
    assert "20 different integers and are treated as classes" in note
    assert not read_graph(frame, edges=edges, task="classification").notes
    frame["label"] = [str(k % 3) for k in range(40)]
    assert not read_graph(frame, edges=edges).notes


@pytest.mark.parametrize("labels", ["text", "integers"])
def test_labels_parsed_for_another_task_equal_those_read_for_it(labels):
    """`with_task` replaces reading the data a second time."""
    values = [f"{k}.50" for k in range(39)] + ["many"]
    if labels == "integers":
        values = list(range(40))
    frame = pd.DataFrame({"id": [f"n{k}" for k in range(40)], "label": values})
    edges = pd.DataFrame({"source": ["n0", "n1"], "target": ["n1", "n2"]})
    table = read_graph(frame, edges=edges)
    assert table.kind == "numeric"
    actual = table.with_task("classification")
    expected = read_graph(frame, edges=edges, task="classification")
    assert actual.labels is not None and expected.labels is not None
    assert actual.labels.tolist() == expected.labels.tolist()
    for name in ("kind", "whole_numbers", "quarantined", "notes", "classes"):
        assert getattr(actual, name) == getattr(expected, name)


def test_replaced_labels_are_parsed_from_their_values():
    table = read_graph(nx.path_graph(3), ["x", "y", "x"])
    numeric = table.replace(labels=np.array([7.0, 8.0, None]), kind="numeric")
    table = numeric.with_task("classification")
    assert table.labels is not None and table.labels.tolist() == ["7", "8", None]
    assert table.kind == "single_label" and table.whole_numbers
