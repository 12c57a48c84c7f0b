"""Cells that hold vectors become columns of numbers."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from vicinal.errors import DataError
from vicinal.graphs.data.tables.vectors import expand_vectors


@pytest.mark.parametrize(
    "cells",
    [
        ["[0.5, -1]", "", "[2, 3e1]"],
        ["[0.5 -1. ]", "nan", "[ 2.  30. ]"],
        ["(0.5; -1)", None, "(2;30)"],
        [[0.5, -1], None, (2, 30)],
        [np.array([0.5, -1]), float("nan"), np.array([2, 30])],
    ],
)
def test_vectors_become_columns(cells):
    table, notes = expand_vectors(pd.DataFrame({"age": [1, 2, 3], "emb": cells}))
    assert list(table) == ["age", "emb[0]", "emb[1]"]
    assert notes == ["column 'emb' is read as 2 numbers"]
    expected = [[0.5, -1], [np.nan, np.nan], [2, 30]]
    assert np.array_equal(table.iloc[:, 1:], expected, equal_nan=True)


@pytest.mark.parametrize(
    "cells",
    [
        ["[1, 2]", "[1, 2, 3]"],
        ["[1, 2]", "none of them"],
        ["[a, b]", "[c, d]"],
        ["[]", "[]"],
        ["1, 2", "3, 4"],
        ["", ""],
    ],
)
def test_other_cells_stay(cells):
    frame = pd.DataFrame({"emb": cells})
    table, notes = expand_vectors(frame)
    assert table is frame and notes == []


def test_vectors_that_numpy_has_cut_are_named():
    _, notes = expand_vectors(pd.DataFrame({"emb": ["[0.1 0.2 ... 0.9]"]}))
    assert "vectors that were cut" in notes[0]


def test_one_long_vector_takes_no_memory_for_all_rows():
    cells: list[Any] = [None] * 100_000
    cells[7] = np.zeros(100_000)  # of 80 GB, were all rows that long
    with pytest.raises(DataError, match="'emb' has 100,000 rows of 100,000 numbers"):
        expand_vectors(pd.DataFrame({"emb": pd.Series(cells, dtype=object)}))
