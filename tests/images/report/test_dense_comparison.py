"""A CNN beside a dense network: what is done to the pictures, and what it shows."""

import numpy as np
import pytest

from vicinal.core.metrics import Score
from vicinal.core.report.report import Table, Text
from vicinal.images.report.dense_comparison import (
    Beside,
    Labelled,
    beside_dense,
    moved,
    permuted,
    section,
    small,
    turned,
)


def bars(n: int, seed: int) -> Labelled:
    """Upright and flat bars, near the middle, on noise."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 60, (n, 16, 16, 1), dtype=np.uint8)
    y = np.arange(n) % 2
    for picture, row in zip(x, y, strict=True):
        at = rng.integers(6, 10)
        (picture[:, at] if row else picture[at])[3:13] = 220
    return Labelled(x, np.array(["flat", "upright"])[y])


@pytest.fixture(scope="module")
def found() -> Beside:
    return beside_dense(bars(160, 0), bars(80, 1), epochs=6)


def test_only_the_cnn_has_neighbours_to_lose(found):
    cnn, dense = found.scores["CNN"], found.scores["dense network"]
    assert found.parameters["dense network"] >= found.parameters["CNN"]
    assert cnn["as they are"].value > 0.95 and cnn["moved"].value > 0.9
    assert dense["moved"].value < cnn["moved"].value
    assert {s.n for row in found.scores.values() for s in row.values()} == {80}


def test_the_section_says_what_the_figures_say(found):
    table, text = section(found).blocks
    assert isinstance(table, Table) and isinstance(text, Text)
    assert (
        len(table.rows) == 2 and "learned from 160 of 16 x 16 pixels" in table.caption
    )
    lost = 100 * (
        found.scores["CNN"]["as they are"].value - found.scores["CNN"]["moved"].value
    )
    assert f"the CNN is right {abs(lost):.1f} points" in text.text
    told = found.to_dict()["scores"]["dense network"]["moved"]
    assert Score(**told) == found.scores["dense network"]["moved"]


def test_moved_by_hand():
    x = np.arange(64, dtype=np.uint8).reshape(1, 8, 8, 1).repeat(8, axis=0)
    found = moved(x)  # by one pixel, each another way
    assert (found[0, 1:, 1:] == x[0, :-1, :-1]).mean() in (0.0, 1.0)
    assert len({picture.tobytes() for picture in found}) == 8
    assert not any((picture == x[0]).all() for picture in found)
    flat = np.full((8, 8, 8, 3), 9, np.uint8)
    assert (moved(flat) == 9).all() and (turned(flat) == 9).all()


def test_permuting_keeps_the_pixels():
    x = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    order = np.random.default_rng(1).permutation(16)
    found = permuted(x, order)
    assert (found.reshape(3, 16, 3)[:, 0] == x.reshape(3, 16, 3)[:, order[0]]).all()
    back = permuted(found, np.argsort(order))
    assert (back == x).all()


def test_small_pictures_are_means():
    x = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    found = small(x, 4)
    assert found.shape == (2, 4, 4, 3)
    assert abs(float(found[0, 0, 0, 0]) - x[0, :2, :2, 0].mean()) <= 0.5
    assert small(x, 8) is x
