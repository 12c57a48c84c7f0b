"""What is known of nodes becomes numbers by the rules that are written down."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from vicinal.errors import DataError
from vicinal.graphs.data.node_features import FeatureEncoder


def read(frame: pd.DataFrame) -> tuple[FeatureEncoder, list[str], np.ndarray]:
    columns, notes = FeatureEncoder.of(frame)
    return columns, notes, columns.read(frame, len(frame))


def test_each_kind_of_column():
    frame = pd.DataFrame(
        {
            "age": ["1", "2", "3", "6"],
            "member": ["yes", "no", "no", "yes"],
            "mark": [0, 1, 1, 0],
            "town": ["here", "there", "here", "here"],
            "nothing": ["", "", "", ""],
        }
    )
    columns, notes, x = read(frame)
    age = np.array([1, 2, 3, 6.0])
    wanted = [
        (age - 3) / age.std(),
        [1, 0, 0, 1],
        [0, 1, 1, 0],
        [1, 0, 1, 1],
        [0, 1, 0, 0],
    ]
    np.testing.assert_allclose(x, np.array(wanted).T, rtol=1e-6)
    assert columns.names() == ["age", "member", "mark", "town=here", "town=there"]
    assert notes == ["column 'nothing' is empty and is not used"]
    told = "4 columns, 5 features (age, member, mark, town of 2 kinds)"
    assert str(columns) == told


def test_empty_cells_say_so():
    columns, _, x = read(pd.DataFrame({"age": ["1", "", "3"], "k": ["a", "b", None]}))
    assert columns.names() == ["age", "age is empty", "k=a", "k=b", "k is empty"]
    assert x.tolist() == [[-1, 0, 1, 0, 0], [0, 1, 0, 1, 0], [1, 0, 0, 0, 1]]


def test_cells_that_newcomers_bring_and_cannot_be_read_are_told():
    frame = pd.DataFrame({"age": ["1", "2", "3"], "town": ["here", "there", "here"]})
    columns, _, _ = read(frame)
    assert columns.strange(frame) == []
    later = pd.DataFrame({"age": ["many", "", "2"], "town": ["Oslo", "", "Rome"]})
    assert columns.strange(later) == [
        "column 'age': 1 cell cannot be read: 'many' is no number, and counts as empty",
        "column 'town': 2 cells cannot be read: 'Oslo' is a text that was not there at "
        "first, and counts as none of those that were",
    ]
    assert columns.read(later, 3)[:, 1:].tolist() == [[0, 0]] * 3


def test_free_text_is_not_read():
    frame = pd.DataFrame({"title": [f"a story of {k}" for k in range(120)]})
    columns, notes, x = read(frame)
    assert x.shape == (120, 0) and not columns.columns
    assert "120 different texts" in notes[0] and "free text" in notes[0]


def test_a_few_cells_that_are_no_numbers():
    cells = [str(k) for k in range(19)] + ["many"]
    columns, notes, x = read(pd.DataFrame({"n": cells}))
    assert columns.names() == ["n", "n is empty"]
    assert x[-1].tolist() == [0, 1] and "such as 'many'" in notes[0]


def test_later_rows_are_read_alike():
    columns, _, _ = read(pd.DataFrame({"age": ["1", "3"], "k": ["a", "b"]}))
    again = FeatureEncoder.from_dict(columns.to_dict())
    assert again == columns
    x = again.read(pd.DataFrame({"k": ["b", "new"], "age": ["5", "word"]}), 2)
    assert x.tolist() == [[3, 0, 1], [0, 0, 0]]
    with pytest.raises(DataError, match=r"column 'age', which is not there. Got k"):
        again.read(pd.DataFrame({"k": ["a"]}), 1)


def test_words_are_shares_and_numbers_are_standardised():
    words = np.array([[2, 0, 0, 2], [0, 0, 0, 0], [0, 3, 0, 0]])
    for matrix in (words, csr_matrix(words)):
        columns, notes = FeatureEncoder.of(matrix)
        assert columns.form == "words" and not notes
        x = columns.read(matrix, 3)
        assert x.tolist() == [[0.5, 0, 0, 0.5], [0, 0, 0, 0], [0, 1, 0, 0]]
    numbers = np.array([[1.0, 5], [3.0, 5]])
    columns, _ = FeatureEncoder.of(numbers)
    assert columns.read(numbers, 2).tolist() == [[-1, 0], [1, 0]]
    again = FeatureEncoder.from_dict(columns.to_dict())
    assert again.read(np.array([[5.0, 6]]), 1).tolist() == [[3, 1]]
    with pytest.raises(DataError, match=r"2 numbers each. Got 3"):
        again.read(np.ones((1, 3)), 1)
    with pytest.raises(DataError, match=r"2 numbers each. Got none"):
        again.read(None, 1)


def test_features_that_are_no_numbers_are_told():
    columns, notes = FeatureEncoder.of(np.array([[1.0, np.nan], [np.inf, 4]]))
    assert notes == ["2 features are no finite numbers and count as 0"]
    assert columns.form == "words"


def test_no_features():
    for nothing in (None, np.empty((3, 0))):
        columns, notes = FeatureEncoder.of(nothing)
        assert columns.read(None, 3).shape == (3, 0) and not notes
        assert str(columns) == "no features"


def test_many_columns_of_marks_are_words():
    rng = np.random.default_rng(0)
    words = (rng.random((30, 25)) < 0.2).astype(int)
    frame = pd.DataFrame(words, columns=[f"w{k}" for k in range(25)])
    frame["year"] = range(30)
    frame["open"] = ["yes", "no"] * 15
    columns, _ = FeatureEncoder.of(frame)
    assert columns.shares and "words as shares" in str(columns)
    found = columns.read(frame, 30)
    marks = np.concatenate([words, np.tile([[1], [0]], (15, 1))], axis=1)
    total = np.maximum(marks.sum(axis=1, keepdims=True), 1)
    np.testing.assert_allclose(found[:, :25], words / total, rtol=1e-6)
    assert abs(found[:, 25].std() - 1) < 1e-6  # other numbers are as ever
    again = FeatureEncoder.from_dict(json.loads(json.dumps(columns.to_dict())))
    np.testing.assert_array_equal(again.read(frame, 30), found)
    assert not FeatureEncoder.of(frame[["w0", "w1", "year"]])[0].shares
    assert not FeatureEncoder.of(1 - frame[[f"w{k}" for k in range(25)]])[0].shares


@pytest.mark.parametrize(
    "cells", [["1", "2.5", "-3e2"], [1, 2.5, 3], [True, False, True], ["0", "1", "1"]]
)
def test_plain_numbers_are_read_as_one_by_one(cells, monkeypatch):
    frame = pd.DataFrame({"a": pd.Series(cells, dtype=object)})
    found, _ = FeatureEncoder.of(frame)
    quick = found.read(frame, len(cells))
    monkeypatch.setattr(
        "vicinal.graphs.data.node_features._all_numbers", lambda cells: None
    )
    slow, _ = FeatureEncoder.of(frame)
    assert slow == found
    np.testing.assert_allclose(slow.read(frame, len(cells)), quick, rtol=1e-6)


def test_numbers_that_are_infinite_are_empty_however_many():
    frame = pd.DataFrame({"a": ["1", "inf", "3", "-inf", "nan", "1e400", "5", "2"]})
    columns, notes, x = read(frame)
    given = np.array([1, 3, 5, 2.0])
    assert columns.names() == ["a", "a is empty"]
    assert x[[0, 2, 6, 7], 0] == pytest.approx((given - 2.75) / given.std(), rel=1e-6)
    assert x[:, 1].tolist() == [0, 1, 0, 1, 1, 1, 0, 0]
    assert notes == [
        "column 'a': 3 cells are no finite numbers, such as 'inf', and count as empty"
    ]
