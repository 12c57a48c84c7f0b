"""The fingerprint of training data: every value counts, the memory layout does not."""

import numpy as np
import pytest
import torch

from vicinal.core.training import fingerprint as module
from vicinal.core.training.fingerprint import fingerprint

X = np.arange(12, dtype=np.float32).reshape(3, 4)


def test_equal_data_have_the_same_fingerprint():
    first = fingerprint(["a"], [X, np.array(["train", ""])])
    layout = np.asfortranarray(X), np.array(["train", "x", ""])[::2]
    tensors = torch.from_numpy(X), np.array(["train", ""], dtype=object)
    for arrays in (layout, tensors):
        assert fingerprint(["a"], arrays) == first


@pytest.mark.parametrize(
    ("texts", "arrays"),
    [
        ([], [X]),
        (["b"], [X]),
        (["", "a"], [X]),
        (["a"], []),
        (["a"], [X, np.empty(0)]),
        (["a"], [X, X]),
        (["a"], [X.T]),
        (["a"], [X.reshape(4, 3)]),
        (["a"], [X.astype(np.float64)]),
        (["a"], [X.view(np.int32)]),
        (["a"], [X[:2]]),
        (["a"], [np.where(X == 11, 0, X)]),
    ],
)
def test_every_difference_changes_the_fingerprint(texts, arrays):
    assert fingerprint(texts, arrays) != fingerprint(["a"], [X])


def test_evenly_spaced_rows_of_a_large_array_are_hashed(monkeypatch):
    monkeypatch.setattr(module, "MAX_ELEMENTS", 6)  # every second row
    first = fingerprint([], [X])
    for row, is_hashed in ((0, True), (1, False), (2, True)):
        changed = X.copy()
        changed[row, 3] = -1
        assert (fingerprint([], [changed]) != first) is is_hashed
