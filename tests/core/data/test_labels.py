"""Labels: kinds, numbers, and notes on class names."""

import math

import pytest

from vicinal.core.data.labels import (
    detect_label_kind,
    note_classes_missing_from_splits,
    note_similar_class_names,
    parse_number,
    quote_names,
)


def test_similar_class_names_differ_only_in_case_or_spaces():
    assert (
        len(note_similar_class_names({"a b", "A  B ", "ab", "STRASSE", "straße"})) == 2
    )
    assert note_similar_class_names({"a", "b"}) == []


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("1", 1.0),
        ("-1e3", -1000.0),
        (2.5, 2.5),
        ("1_000", None),
        ("inf", None),
        (math.nan, None),
        ("cat", None),
        (None, None),
        (10**400, None),  # no float holds it
        ("1" * 400, None),
    ],
)
def test_numbers_are_parsed(label, value):
    assert parse_number(label) == value


def test_the_task_overrides_the_detected_kind():
    labels = ["a|b", "1.5"]
    assert (
        detect_label_kind(labels, "auto")
        == detect_label_kind(labels, "multilabel")
        == "multi_label"
    )
    assert detect_label_kind(labels, "classification") == "single_label"
    assert detect_label_kind(labels, "regression") == "numeric"


def test_a_single_split_has_no_missing_classes():
    assert note_classes_missing_from_splits(["a", "b"], ["", ""]) == []
    assert note_classes_missing_from_splits(["a", "b"], ["test", "test"]) == []
    assert len(note_classes_missing_from_splits(["a", "b"], ["train", "test"])) == 2


def test_long_lists_of_names_are_shortened():
    assert quote_names(["a", "b"]) == "'a', 'b'"
    assert (
        quote_names([str(k) for k in range(7)]) == "'0', '1', '2', '3', '4' and 2 more"
    )
