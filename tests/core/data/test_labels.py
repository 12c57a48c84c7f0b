"""What labels are, and the notes on classes."""

import math

import pytest

from vicinal.core.data.labels import kind_of, look_alikes, number, one_sided, some


def test_look_alikes_differ_only_in_case_or_spaces():
    assert len(look_alikes({"a b", "A  B ", "ab", "STRASSE", "straße"})) == 2
    assert look_alikes({"a", "b"}) == []


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
    ],
)
def test_what_a_number_is(label, value):
    assert number(label) == value


def test_the_task_comes_before_the_labels():
    labels = ["a|b", "1.5"]
    assert kind_of(labels, "auto") == kind_of(labels, "multilabel") == "multi_label"
    assert kind_of(labels, "classification") == "single_label"
    assert kind_of(labels, "regression") == "numeric"


def test_one_side_alone_tells_nothing():
    assert one_sided(["a", "b"], ["", ""]) == []
    assert one_sided(["a", "b"], ["test", "test"]) == []
    assert len(one_sided(["a", "b"], ["train", "test"])) == 2


def test_some_names_of_many():
    assert some(["a", "b"]) == "'a', 'b'"
    assert some([str(k) for k in range(7)]) == "'0', '1', '2', '3', '4' and 2 more"
