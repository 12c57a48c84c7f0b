"""Counts, durations and percentages as text."""

import pytest

from vicinal.core.text import (
    format_duration,
    format_percent,
    one_line,
    pluralize,
    printable,
)


@pytest.mark.parametrize(
    ("n", "noun", "expected"),
    [
        (0, "image", "0 images"),
        (1, "image", "1 image"),
        (2500, "epoch", "2,500 epochs"),
        (1, "class", "1 class"),
        (3, "class", "3 classes"),
    ],
)
def test_counts(n, noun, expected):
    assert pluralize(n, noun) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.2, "about 1 s"),
        (89.4, "about 89 s"),
        (90, "about 2 min"),
        (5399, "about 90 min"),
        (5400, "about 1.5 h"),
    ],
)
def test_durations(seconds, expected):
    assert format_duration(seconds) == expected


def test_percentages():
    assert [format_percent(v) for v in (0.0, 0.12345, 1.0)] == [
        "0.0 %",
        "12.3 %",
        "100.0 %",
    ]


def test_a_name_is_one_line():
    assert one_line("a\nb\tc\x1b[1m\u202e") == r"a\nb\tc\x1b[1m\u202e"
    assert one_line("Zürich 東京") == "Zürich 東京"
    assert printable("a\n\tb") == "a\n\tb"
