"""The table that every source is read into."""

import numpy as np
import pandas as pd
import pytest

from vicinal.errors import DataError, SettingError
from vicinal.images.data.read import read_images


def test_rows_by_index_and_by_mask(make_directory):
    table = read_images(make_directory({"train/cat": 2, "test/dog": 2}))
    assert table.split is not None
    for rows in (np.array([3, 0]), np.array([True, False, False, True])):
        subset = table.rows(rows)
        order = np.arange(4)[rows]
        assert subset.names == [table.names[k] for k in order]
        assert subset.labels.tolist() == table.labels[order].tolist()
        assert subset.split is not None
        assert subset.split.tolist() == table.split[order].tolist()
        assert subset.path(0) == table.path(order[0])
    one = table.rows(np.array([0, 1, 2, 3]) < 2)
    assert one.counts() == {"dog": 2}  # test comes before train
    assert len(table.rows(np.zeros(4, dtype=bool))) == 0


def test_group_column():
    cells = ["ann", "bob", "ann", "", ""]
    frame = pd.DataFrame({"path": list("abcde"), "label": list("xyxyx"), "who": cells})
    assert read_images(frame).groups is None
    found = read_images(frame, group_column="who")
    assert found.groups is not None
    assert found.groups.tolist() == [0, 1, 0, 2, 3]
    groups = found.rows(np.array([2, 1])).groups
    assert groups is not None and groups.tolist() == [0, 1]
    with pytest.raises(DataError, match=r"no column 'whom' in the table.*mean 'who'"):
        read_images(frame, group_column="whom")


def test_group_column_of_a_directory_or_array_raises(make_directory):
    root = make_directory({"a": 2, "b": 2})
    with pytest.raises(SettingError, match="--group-column names a column of a CSV"):
        read_images(root, group_column="who")
    with pytest.raises(SettingError, match="--group-column names a column of a CSV"):
        read_images(np.zeros((4, 8, 8), np.uint8), [0, 1, 0, 1], group_column="who")
