"""Node features are encoded by the documented rules."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from vicinal.errors import DataError
from vicinal.graphs.data.node_features import FeatureEncoder


def encode(frame: pd.DataFrame) -> tuple[FeatureEncoder, list[str], np.ndarray]:
    encoder, notes = FeatureEncoder.from_features(frame)
    return encoder, notes, encoder.transform(frame, len(frame))


def test_each_kind_of_column():
    frame = pd.DataFrame(
        {
            "age": ["1", "2", "3", "6"],
            "member": ["yes", "no", "no", "yes"],
            "flag": [0, 1, 1, 0],
            "town": ["here", "there", "here", "here"],
            "nothing": ["", "", "", ""],
        }
    )
    encoder, notes, x = encode(frame)
    age = np.array([1, 2, 3, 6.0])
    expected = [
        (age - 3) / age.std(),
        [1, 0, 0, 1],
        [0, 1, 1, 0],
        [1, 0, 1, 1],
        [0, 1, 0, 0],
    ]
    np.testing.assert_allclose(x, np.array(expected).T, rtol=1e-6)
    names = ["age", "member", "flag", "town=here", "town=there"]
    assert encoder.feature_names() == names
    assert notes == ["column 'nothing' is empty and is ignored"]
    text = "4 columns, 5 features (age, member, flag, town: 2 categories)"
    assert str(encoder) == text


def test_missing_cells_have_an_indicator_column():
    frame = pd.DataFrame({"age": ["1", "", "3"], "k": ["a", "b", None]})
    encoder, _, x = encode(frame)
    names = ["age", "age is missing", "k=a", "k=b", "k is missing"]
    assert encoder.feature_names() == names
    assert x.tolist() == [[-1, 0, 1, 0, 0], [0, 1, 0, 1, 0], [1, 0, 0, 0, 1]]


def test_unreadable_cells_of_new_nodes_are_described():
    frame = pd.DataFrame({"age": ["1", "2", "3"], "town": ["here", "there", "here"]})
    encoder, _, _ = encode(frame)
    assert encoder.describe_unreadable(frame) == []
    new = pd.DataFrame({"age": ["many", "", "2"], "town": ["Oslo", "", "Rome"]})
    assert encoder.describe_unreadable(new) == [
        "column 'age': 1 cell such as 'many' not a number, treated as missing",
        "column 'town': 2 cells such as 'Oslo' not in the training graph, encoded as 0",
    ]
    assert encoder.transform(new, 3)[:, 1:].tolist() == [[0, 0]] * 3


def test_free_text_is_ignored():
    frame = pd.DataFrame({"title": [f"a story of {k}" for k in range(120)]})
    encoder, notes, x = encode(frame)
    assert x.shape == (120, 0) and not encoder.columns
    assert "120 different texts" in notes[0] and "free text" in notes[0]


def test_a_few_cells_that_are_not_numbers_are_missing():
    cells = [str(k) for k in range(19)] + ["many"]
    encoder, notes, x = encode(pd.DataFrame({"n": cells}))
    assert encoder.feature_names() == ["n", "n is missing"]
    assert x[-1].tolist() == [0, 1] and "such as 'many'" in notes[0]


def test_a_restored_encoder_encodes_new_rows_the_same():
    encoder, _, _ = encode(pd.DataFrame({"age": ["1", "3"], "k": ["a", "b"]}))
    restored = FeatureEncoder.from_dict(encoder.to_dict())
    assert restored == encoder
    x = restored.transform(pd.DataFrame({"k": ["b", "new"], "age": ["5", "word"]}), 2)
    assert x.tolist() == [[3, 0, 1], [0, 0, 0]]
    with pytest.raises(DataError, match=r"column 'age', as in training. Got k"):
        restored.transform(pd.DataFrame({"k": ["a"]}), 1)


def test_a_sparse_matrix_is_a_bag_of_words():
    words = np.array([[2, 0, 0, 2], [0, 0, 0, 0], [0, 3, 0, 0]])
    for matrix in (words, csr_matrix(words)):
        encoder, notes = FeatureEncoder.from_features(matrix)
        assert encoder.kind == "bag_of_words" and not notes
        x = encoder.transform(matrix, 3)
        assert x.tolist() == [[0.5, 0, 0, 0.5], [0, 0, 0, 0], [0, 1, 0, 0]]


def test_a_dense_matrix_is_standardised():
    numbers = np.array([[1.0, 5], [3.0, 5]])
    encoder, _ = FeatureEncoder.from_features(numbers)
    assert encoder.transform(numbers, 2).tolist() == [[-1, 0], [1, 0]]
    restored = FeatureEncoder.from_dict(encoder.to_dict())
    assert restored.transform(np.array([[5.0, 6]]), 1).tolist() == [[3, 1]]
    with pytest.raises(DataError, match=r"must have 2 columns, as in training. Got 3"):
        restored.transform(np.ones((1, 3)), 1)
    with pytest.raises(DataError, match=r"2 columns, as in training. Got none"):
        restored.transform(None, 1)


def test_values_that_are_not_finite_are_set_to_0():
    x = np.array([[1.0, np.nan], [np.inf, 4]])
    encoder, notes = FeatureEncoder.from_features(x)
    assert notes == ["2 feature values are not finite and are set to 0"]
    assert encoder.kind == "bag_of_words"


def test_no_features():
    for features in (None, np.empty((3, 0))):
        encoder, notes = FeatureEncoder.from_features(features)
        assert encoder.transform(None, 3).shape == (3, 0) and not notes
        assert str(encoder) == "no features"


def test_many_sparse_binary_columns_are_a_bag_of_words():
    rng = np.random.default_rng(0)
    words = (rng.random((30, 25)) < 0.2).astype(int)
    frame = pd.DataFrame(words, columns=[f"w{k}" for k in range(25)])
    frame["year"] = range(30)
    frame["open"] = ["yes", "no"] * 15
    encoder, _, x = encode(frame)
    assert encoder.normalize_binary and "bag of words" in str(encoder)
    binary = np.concatenate([words, np.tile([[1], [0]], (15, 1))], axis=1)
    total = np.maximum(binary.sum(axis=1, keepdims=True), 1)
    np.testing.assert_allclose(x[:, :25], words / total, rtol=1e-6)
    assert abs(x[:, 25].std() - 1) < 1e-6  # other columns are standardised as usual
    restored = FeatureEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    np.testing.assert_array_equal(restored.transform(frame, 30), x)
    few, dense = frame[["w0", "w1", "year"]], 1 - frame[[f"w{k}" for k in range(25)]]
    for other in (few, dense):
        assert not FeatureEncoder.from_features(other)[0].normalize_binary


@pytest.mark.parametrize(
    "cells", [["1", "2.5", "-3e2"], [1, 2.5, 3], [True, False, True], ["0", "1", "1"]]
)
def test_the_fast_path_for_numbers_equals_the_slow_one(cells, monkeypatch):
    frame = pd.DataFrame({"a": pd.Series(cells, dtype=object)})
    fast, _, expected = encode(frame)
    monkeypatch.setattr(
        "vicinal.graphs.data.column_encoder._all_numbers", lambda cells: None
    )
    slow, _, x = encode(frame)
    assert slow == fast
    np.testing.assert_allclose(x, expected, rtol=1e-6)


def test_infinite_numbers_are_missing_however_many():
    frame = pd.DataFrame({"a": ["1", "inf", "3", "-inf", "nan", "1e400", "5", "2"]})
    encoder, notes, x = encode(frame)
    given = np.array([1, 3, 5, 2.0])
    assert encoder.feature_names() == ["a", "a is missing"]
    assert x[[0, 2, 6, 7], 0] == pytest.approx((given - 2.75) / given.std(), rel=1e-6)
    assert x[:, 1].tolist() == [0, 1, 0, 1, 1, 1, 0, 0]
    assert notes == [
        "column 'a': 3 cells such as 'inf' not a finite number, treated as missing"
    ]
