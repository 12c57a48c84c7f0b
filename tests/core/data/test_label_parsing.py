"""Labels of a column or an array: kinds, quarantine, and parsing for another task."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from vicinal.core.data.label_parsing import (
    Labels,
    has_label,
    labels_from_array,
    parse_labels,
    with_labels,
    with_task,
)
from vicinal.errors import DataError

NAMES = ["a", "b", "c", "d"]


@dataclass(frozen=True)
class Table:
    """The fields that labels fill in."""

    labels: Any = None
    kind: str = "none"
    whole_numbers: bool = False
    label_source: Labels | None = None
    quarantined: list[Any] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def test_integers_are_classes_that_are_kept_as_whole_numbers():
    labels = parse_labels(NAMES, pd.Series([1, 2, 1, None]), "auto")
    assert labels.kind == "single_label" and labels.whole_numbers
    assert labels.values is not None
    assert labels.values.tolist() == ["1", "2", "1", None]


def test_text_in_a_regression_target_is_quarantined_by_name():
    labels = parse_labels(NAMES, ["1.5", "x", "", "2"], "regression")
    assert labels.values is not None
    assert labels.values.tolist() == [1.5, None, None, 2.0]
    (row,) = labels.quarantined
    assert (row.name, row.label) == ("b", "x")
    with pytest.raises(DataError, match="Got 'x'"):
        parse_labels(NAMES[:2], ["x", "y"], "regression")


@pytest.mark.parametrize("convert", [np.array, torch.tensor])
def test_minus_one_in_an_integer_array_is_unlabelled(convert):
    labels = labels_from_array(NAMES, convert([0, 1, -1, 0]), "auto", "node")
    assert has_label(labels.values, 4).tolist() == [True, True, False, True]


@pytest.mark.parametrize(
    "cells, task, expected",
    [
        (["x", "?", "y", "Unknown"], "auto", ["x", None, "y", None]),
        (["x", "-", "y", ""], "classification", ["x", None, "y", None]),
        (["0", "-1", "1", "0"], "auto", ["0", None, "1", "0"]),
        ([0.0, -1.0, 1.0, float("nan")], "auto", ["0", None, "1", None]),
        (["fraud", "-1", "ok", "-1"], "auto", ["fraud", None, "ok", None]),
        (["-1", "1", "1", "-1"], "auto", ["-1", "1", "1", "-1"]),
        (["-1", "0", "1", "-2"], "auto", ["-1", "0", "1", "-2"]),
        (["-1", "0", "1", "?"], "regression", [-1.0, 0.0, 1.0, None]),
        (["-1", "0.5", "1", "2"], "auto", [-1.0, 0.5, 1.0, 2.0]),
    ],
)
def test_labels_that_mean_unlabelled(cells, task, expected):
    labels = parse_labels(NAMES, cells, task)
    assert labels.values is not None and labels.values.tolist() == expected
    again = labels_from_array(NAMES, np.array(cells, dtype=object), task, "node")
    assert again.values is not None and again.values.tolist() == expected


@pytest.mark.parametrize(
    ("num_rare", "num_others", "is_noted"),
    [(4, 96, True), (5, 95, False), (3, 96, False)],
)
def test_a_note_names_a_rare_class(num_rare, num_others, is_noted):
    cells = ["fraud"] * num_rare + ["ok"] * num_others
    notes = parse_labels([str(k) for k in range(len(cells))], cells, "auto").notes
    assert [note[:31] for note in notes] == [
        "the class 'fraud' has 4 of 100 "
    ] * is_noted


def test_a_note_counts_the_unlabelled():
    labels = parse_labels(NAMES, ["x", "?", "y", "?"], "auto")
    assert labels.notes == [
        "2 of 4 are unlabelled (label '?'); rename it if it is a class"
    ]
    many = [str(k) for k in range(-1, 40)]
    (note, _) = parse_labels([*many], many, "auto").notes
    assert note.startswith("-1 is read as a number")


@pytest.mark.parametrize(
    "y",
    [
        [True, False, True, False],
        np.array([True, False, True, False]),
        torch.tensor([True, False, True, False]),
        pd.Series([True, False, True, False], index=NAMES),
    ],
)
def test_false_and_true_are_classes(y):
    labels = labels_from_array(NAMES, y, "auto", "node")
    assert labels.values is not None and labels.kind == "single_label"
    assert labels.values.tolist() == ["True", "False", "True", "False"]
    assert not labels.whole_numbers
    with pytest.raises(DataError, match="must be numbers"):
        labels_from_array(NAMES, y, "regression", "node")


def test_a_number_and_its_text_are_one_class_with_a_note():
    labels = parse_labels(NAMES, [0, "0", 1, "b"], "auto")
    assert labels.values is not None and labels.values.tolist() == ["0", "0", "1", "b"]
    assert labels.notes[0] == (
        "labels given as numbers and as texts are one class each: '0'"
    )
    assert parse_labels(NAMES, [0, 1, 1, "b"], "auto").notes == []


def test_two_texts_of_one_number_are_two_classes_with_a_note():
    labels = parse_labels(NAMES, ["1", "1.0", "x", "x"], "auto")
    assert labels.values is not None and set(labels.values) == {"1", "1.0", "x"}
    assert "the same number: '1', '1.0'" in labels.notes[0]


def test_a_wrong_shape_is_refused_in_terms_of_the_examples():
    with pytest.raises(DataError, match="a label for each of 4 molecules"):
        labels_from_array(NAMES, [1, 2, 3], "auto", "molecule")
    with pytest.raises(DataError, match="several labels of one molecule as one text"):
        labels_from_array(NAMES, np.eye(4), "auto", "molecule")


def test_labels_of_any_table_are_parsed_again_for_another_task():
    cells = [f"{k}.50" for k in range(40)] + ["many"]
    names = [f"row {k}" for k in range(41)]
    given = Table(notes=["kept"], quarantined=["another row"])
    numeric = with_labels(given, parse_labels(names, cells, "auto"))
    assert numeric.kind == "numeric" and len(numeric.quarantined) == 2
    classes = with_task(numeric, names, "classification")
    assert classes.labels.tolist() == cells and classes.kind == "single_label"
    assert classes.quarantined == ["another row"]
    assert classes.notes[0] == "kept" and len(classes.notes) == 2  # and many classes


@pytest.mark.parametrize("y", [1, 0.5, np.array(3), torch.tensor(2)])
def test_one_value_is_no_list_of_labels(y):
    with pytest.raises(DataError, match=r"y must have shape \[4\]\. Got one value"):
        labels_from_array(NAMES, y, "auto", "node")
