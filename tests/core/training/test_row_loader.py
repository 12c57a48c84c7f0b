"""Mini-batches of rows: every row once, equal sizes, shares and resumption."""

import numpy as np
import torch

from vicinal.core.training.row_loader import RowLoader


def test_batches_have_about_equal_sizes_and_all_rows_once():
    sizes = np.random.default_rng(0).integers(1, 200, 300)
    y = torch.arange(300) * 10
    loader = RowLoader(np.arange(300), y, sizes, 10, 0)
    for epoch in range(3):
        batches = list(loader.batches(epoch, 0))
        rows = [rows.numpy() for rows, _ in batches]
        assert len(rows) == 10
        assert sorted(np.concatenate(rows)) == list(range(300))
        assert all((targets == 10 * k).all() for k, targets in batches)
        sums = [sizes[own].sum() for own in rows]
        assert max(sums) < sizes.sum() / 10 + 200
        assert min(sums) > sizes.sum() / 10 - 200
        resumed = [rows.numpy() for rows, _ in loader.batches(epoch, 2)]
        assert all(map(np.array_equal, resumed, rows[2:]))
    first, second = (next(loader.batches(epoch, 0))[0] for epoch in (0, 1))
    assert first.tolist() != second.tolist()  # shuffled anew


def test_the_shares_of_two_processes_make_up_each_batch():
    loader = RowLoader(np.arange(100), torch.zeros(100), np.ones(100), 7, 0)
    shards = [loader.shard(k, 2) for k in range(2)]
    for (rows, _), (a, _), (b, _) in zip(
        loader.batches(0, 0), *(s.batches(0, 0) for s in shards), strict=True
    ):
        assert sorted([*a.tolist(), *b.tolist()]) == sorted(rows.tolist())
