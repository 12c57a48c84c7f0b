"""The one table that every source is read into."""

import numpy as np

from vicinal.images.table import read_images


def test_rows_by_numbers_and_by_mask(make_folder):
    table = read_images(make_folder({"train/cat": 2, "test/dog": 2}))
    assert table.split is not None
    for rows in (np.array([3, 0]), np.array([True, False, False, True])):
        part = table.rows(rows)
        order = np.arange(4)[rows]
        assert part.names == [table.names[k] for k in order]
        assert part.labels.tolist() == table.labels[order].tolist()
        assert part.split is not None
        assert part.split.tolist() == table.split[order].tolist()
        assert part.path(0) == table.path(order[0])
    one = table.rows(np.array([0, 1, 2, 3]) < 2)
    assert one.counts() == {"dog": 2}  # test comes before train
    assert len(table.rows(np.zeros(4, dtype=bool))) == 0
