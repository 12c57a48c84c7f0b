"""The record of an epoch as one line."""

from vicinal.core.training.history import Epoch


def test_an_epoch_is_one_line():
    nan = float("nan")
    epoch = Epoch(3, 0.5, 0.25, 0.75, 0.1, 2.0, 1500.0, True)
    line = "epoch 3 loss 0.5000 val loss 0.2500 val score 0.7500 2.0 s 1,500/s"
    assert epoch.describe().split() == [*line.split(), "*"]
    assert epoch.describe(mark_best=False).split() == line.split()
    epoch = Epoch(3, 0.5, nan, nan, 0.1, 2.0, 1500.0, True)  # no validation split
    assert epoch.describe().split() == "epoch 3 loss 0.5000 2.0 s 1,500/s".split()
