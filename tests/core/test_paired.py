"""The sign test, against McNemar's by hand and scipy's, for every kind of target."""

import numpy as np
import pytest
from scipy.stats import binomtest

from vicinal.core.objective import MultiLabel, Numeric, SingleLabel
from vicinal.core.paired import compare

AB = SingleLabel(("a", "b"))


def test_right_and_wrong_by_hand():
    y = np.zeros(12, dtype=int)
    ours = np.array([0] * 9 + [1] * 3)
    theirs = np.array([0] * 4 + [1] * 5 + [0] * 1 + [1] * 2)
    found = compare(AB, y, ours, theirs)
    assert found[:2] == (5, 1)
    assert found.p == pytest.approx((6 + 1) / 2**6)  # 5 or 6 heads of 6
    assert not found.better
    assert compare(AB, y, theirs, ours)[:2] == (1, 5)


@pytest.mark.parametrize(("wins", "losses"), [(8, 1), (20, 5), (3, 3), (0, 4)])
def test_the_chance_is_the_binomial_s(wins, losses):
    y = np.zeros(50, dtype=int)
    ours = np.concatenate(
        [np.zeros(wins), np.ones(losses), np.zeros(50 - wins - losses)]
    )
    theirs = np.concatenate([np.ones(wins), np.zeros(50 - wins)])
    found = compare(AB, y, ours.astype(int), theirs.astype(int))
    assert found[:2] == (wins, losses)
    wanted = binomtest(wins, wins + losses, alternative="greater").pvalue
    assert found.p == pytest.approx(wanted) and found.better == (wanted <= 0.05)


def test_equals_are_not_better():
    y = np.array([0, 1, 0])
    assert compare(AB, y, y, y) == (0, 0, 1.0)


def test_numbers_by_the_smaller_error():
    y = np.array([1.0, 2.0, 3.0, 4.0])
    found = compare(
        Numeric(), y, np.add(y, [0.1, -0.1, 2.0, 0.0]), np.add(y, [0.2, 0.3, -1.0, 0.0])
    )
    assert found[:2] == (2, 1)


def test_several_labels_by_how_many_are_right():
    y = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 1]])
    ours = np.array([[1, 0, 1], [1, 0, 1], [1, 1, 0]])
    theirs = np.array([[1, 1, 0], [0, 0, 1], [0, 1, 1]])
    found = compare(MultiLabel(("a", "b", "c")), y, ours, theirs)
    assert found[:2] == (1, 1)


def test_chance_alone_is_seldom_taken_for_a_difference():
    draw, taken = np.random.default_rng(0), 0
    for _ in range(400):
        y = np.zeros(60, dtype=int)
        ours, theirs = draw.integers(0, 2, (2, 60))
        taken += compare(AB, y, ours, theirs).better
    assert taken <= 0.05 * 400 + 3 * np.sqrt(400 * 0.05 * 0.95)
