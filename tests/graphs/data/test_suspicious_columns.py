"""Columns that number the rows, identify nodes, or give the label away."""

import numpy as np
import pandas as pd
import pytest

from vicinal.graphs.data.read import read_graph
from vicinal.graphs.data.suspicious_columns import leaking_columns

N = 24
EDGES = pd.DataFrame({"source": [f"v{k}" for k in range(N - 1)], "target": "v23"})


def nodes(**columns):
    names = [f"v{k}" for k in range(N)]
    labels = ["x"] * (N // 2) + ["y"] * (N // 2)
    return pd.DataFrame({**columns, "id": names, "label": labels})


@pytest.mark.parametrize(
    ("name", "values", "is_dropped"),
    [
        ("Unnamed: 0", np.arange(N), True),
        ("Unnamed: 0", np.arange(N)[::-1], True),  # sorted after it was numbered
        ("X", np.arange(1, N + 1), True),
        ("x", np.arange(N) * 3, False),  # a coordinate
        ("idx", np.arange(N)[::-1] * 3, True),
        ("anything", np.arange(1, N + 1), True),
        ("anything", [str(k) for k in range(N)], True),
        ("anything", np.arange(N) + 5, False),
        ("anything", np.arange(N)[::-1], False),
        ("anything", [0, *range(N - 2, 0, -1), N - 1], False),
        ("index", np.linspace(0, 1, N), False),
        ("user_id", np.arange(N) * 7, True),
        ("customerId", [f"c{k}" for k in range(N)], True),
        ("user_id", np.arange(N) // 2, False),
    ],
)
def test_row_numbers_and_identifiers_are_no_features(name, values, is_dropped):
    table = read_graph(nodes(**{name: values, "age": N * [1, 2][:1]}), edges=EDGES)
    assert (name not in table.features) is is_dropped
    named = [note for note in table.notes if f"ignored: {name!r}" in note]
    assert len(named) == is_dropped


def test_a_column_that_recodes_the_label_is_named():
    label = nodes()["label"]
    frame = nodes(
        community=np.where(label == "x", 3, 8),
        copy=label.str.upper(),
        finer=[f"{k}{i % 2}" for i, k in enumerate(label)],
        nearly=["x", *label[1:-1], "x"],
    )
    table = read_graph(frame, edges=EDGES)
    leaks = [note for note in table.notes if note.startswith("possible leakage")]
    assert len(leaks) == 2 and "'community'" in leaks[0] and "'copy'" in leaks[1]
    assert "--drop-columns community" in leaks[0]
    dropped = read_graph(frame, edges=EDGES, drop_columns=("community", "copy"))
    assert not any("leakage" in note for note in dropped.notes)


def test_a_number_in_line_with_the_target_is_named():
    y = np.random.default_rng(0).normal(size=N)
    frame = pd.DataFrame({"celsius": y, "kelvin": y + 273.15, "noisy": y**2})
    names = [name for name, _ in leaking_columns(frame, y.astype(object), "numeric")]
    assert names == ["celsius", "kelvin"]


def test_a_column_of_times_is_kept():
    table = read_graph(nodes(step=np.arange(N)), edges=EDGES, time_column="step")
    assert list(table.features) == ["step"] and table.notes == []


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([1, 0, 0], "tells which nodes are of class a"),
        ([0, 0, 1], "tells which nodes are of class c"),
        (["", "2020", "2021"], "tells the class of every node"),
        ([None, 1, 1], "tells which nodes are of class a"),
        ([1, 1, 1], None),
    ],
)
def test_a_column_that_tells_one_class_is_named(cells, reason):
    labels = np.array(["a", "b", "c"] * 6, dtype=object)
    frame = pd.DataFrame({"f": cells * 6})
    found = leaking_columns(frame, labels, "single_label")
    assert found == ([] if reason is None else [("f", reason)])


def test_a_column_that_is_empty_in_one_class_is_named():
    labels = np.array(["ok", "fraud"] * 8, dtype=object)
    frame = pd.DataFrame({"found": ["", "a", "", "b", "", "c", "", "d"] * 2})
    found = leaking_columns(frame, labels, "single_label")
    assert found == [("found", "is empty in one class only")]


def test_lists_neither_number_nor_identify_nodes():
    cells = [[k] * (k % 3 + 1) for k in range(N)]
    table = read_graph(nodes(user_id=cells, index=cells), edges=EDGES)
    assert {"user_id", "index"} <= set(table.features)
