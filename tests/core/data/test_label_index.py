"""Labels with an index are aligned by it, never by position."""

import pandas as pd
import pytest

from vicinal.core.data.label_index import align_labels
from vicinal.core.data.label_parsing import labels_from_array
from vicinal.errors import DataError

NAMES = ["b", "c", "a"]


@pytest.mark.parametrize(
    "y",
    [
        {"a": 1, "b": 2, "c": 3},
        pd.Series({"a": 1, "b": 2, "c": 3}),
        pd.Series({"a": 1, "b": 2, "c": 3}).to_frame("label"),
        pd.Series([2, 3, 1]),  # 0 to 2: positions
        pd.Series([1, 3, 2], index=[2, 1, 0]),
    ],
)
def test_labels_follow_the_names(y):
    assert align_labels(NAMES, y, "node") == ([2, 3, 1], [])


def test_names_that_are_numbers_are_compared_as_text():
    names = ["0", "36", "41"]
    y = pd.Series({41: "x", 0: "y", 36: "z"})
    assert align_labels(names, y, "node")[0] == ["y", "z", "x"]
    y.index = y.index.astype(float)
    assert align_labels(names, y, "node")[0] == ["y", "z", "x"]


def test_labels_of_some_names_leave_the_others_unlabelled():
    y = pd.Series({"c": "x"})
    assert align_labels(NAMES, y, "node")[0] == [None, "x", None]
    assert align_labels(["5", "7", "9"], pd.Series({9: "x"}), "node")[0][2] == "x"


def test_an_index_of_names_is_preferred_to_positions_with_a_note():
    labels, notes = align_labels(["2", "0", "1"], pd.Series(["p", "q", "r"]), "node")
    assert labels == ["r", "p", "q"]
    assert len(notes) == 1 and "y.to_numpy()" in notes[0]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (pd.Series([1, 2, 3], index=[*"abz"]), "with 'z', which is none of them"),
        (pd.Series([1, 2, 3], index=[7, 8, 9]), "with '7', which is none of them"),
        (pd.Series([1, 2, 3], index=[*"abb"]), "with an index that repeats"),
        (pd.DataFrame({"id": NAMES, "y": [1, 2, 3]}), "must have one column"),
        ({"z": 1}, "y has a label for 'z', but there is no such node"),
    ],
)
def test_what_cannot_be_aligned_is_refused(y, message):
    with pytest.raises(DataError, match=message):
        align_labels(NAMES, y, "node")


def test_rows_of_a_table_and_names_must_agree():
    rows = pd.Index([10, 11, 12])
    assert align_labels(NAMES, pd.Series([1, 2, 3], rows), "node", rows)[0] == [1, 2, 3]
    shuffled = pd.Series([3, 1, 2], [12, 10, 11])
    assert align_labels(NAMES, shuffled, "node", rows)[0] == [1, 2, 3]
    rows = pd.Index([0, 1, 2])
    with pytest.raises(DataError, match="in different orders"):
        align_labels(["2", "0", "1"], pd.Series([1, 2, 3]), "node", rows)
    assert align_labels(["0", "1", "2"], pd.Series([1, 2, 3]), "node", rows)[1] == []
    y, rows = pd.Series([1, 2, 3, 4]), pd.Index([0, 1, 3])
    assert align_labels(NAMES, y, "node", rows, {2})[0] == [1, 2, 4]


def test_parsed_labels_are_aligned_too():
    labels = labels_from_array(NAMES, pd.Series({"a": 7, "c": 8}), "auto", "node")
    assert labels.values is not None
    assert labels.values.tolist() == [None, "8", "7"] and labels.whole_numbers
