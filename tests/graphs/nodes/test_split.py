"""Splits by time, and the user's splits completed."""

import numpy as np

from vicinal.core.data.times import split_by_time
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.nodes.split import split_nodes
from vicinal.graphs.settings import NodeSettings


def test_the_latest_are_the_test_split_and_equal_times_stay_together():
    times = np.array([5.0, 1, 2, 3, 4, 4, 4, 6, 7, 8])
    splits = split_by_time(times, val=0.2, test=0.2)
    assert set(times[splits == "test"]) == {7, 8}
    assert times[splits == "train"].max() < times[splits == "val"].min()
    assert len(set(splits[times == 4])) == 1
    assert set(split_by_time(times, val=0.0, test=0.0)) == {"train"}


def test_what_the_users_split_lacks_is_taken_from_train():
    n = 100
    labels = np.array(["a", "b"] * 50, dtype=object)
    labels[90:] = None
    table = GraphTable(
        ids=np.arange(n).astype(str).astype(object),
        source=np.array([0]),
        target=np.array([1]),
        labels=labels,
        kind="single_label",
        split=np.where(np.arange(n) < 20, "test", "train"),
    )
    splits = split_nodes(table, NodeSettings(val_fraction=0.2), seed=0)
    assert (splits[:20] == "test").all() and (splits[90:] == "").all()
    assert (splits[20:90] == "val").sum() == 14
    assert (splits[20:90] == "train").sum() == 56
