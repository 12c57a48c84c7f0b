"""Counts and times as a person says them."""

import pytest

from vicinal.core.text import counted, duration, percent


@pytest.mark.parametrize(
    ("n", "noun", "said"),
    [
        (0, "picture", "0 pictures"),
        (1, "picture", "1 picture"),
        (2500, "epoch", "2,500 epochs"),
        (1, "class", "1 class"),
        (3, "class", "3 classes"),
    ],
)
def test_counts(n, noun, said):
    assert counted(n, noun) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "about 1 s"),
        (89.4, "about 89 s"),
        (90, "about 2 min"),
        (5399, "about 90 min"),
        (5400, "about 1.5 h"),
    ],
)
def test_times(seconds, said):
    assert duration(seconds) == said


def test_shares():
    assert [percent(v) for v in (0.0, 0.12345, 1.0)] == ["0.0 %", "12.3 %", "100.0 %"]
