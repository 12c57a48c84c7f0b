"""The comparison of a CNN with a dense network, and the changes of the images."""

import numpy as np
import pytest

from vicinal.core.metrics import Score
from vicinal.core.report.report import Table, Text
from vicinal.images.report.dense_comparison import (
    DenseComparison,
    LabelledImages,
    compare_dense,
    permute_pixels,
    rotate_images,
    section,
    shift_images,
    shrink,
)


def bar_images(n: int, seed: int) -> LabelledImages:
    """Return vertical and horizontal bars near the middle, on noise."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 60, (n, 16, 16, 1), dtype=np.uint8)
    y = np.arange(n) % 2
    for image, vertical in zip(x, y, strict=True):
        position = rng.integers(6, 10)
        (image[:, position] if vertical else image[position])[3:13] = 220
    return LabelledImages(x, np.array(["horizontal", "vertical"])[y])


@pytest.fixture(scope="module")
def comparison() -> DenseComparison:
    return compare_dense(bar_images(160, 0), bar_images(80, 1), epochs=6)


@pytest.mark.slow
def test_only_the_cnn_tolerates_shifts(comparison):
    cnn, dense = comparison.scores["CNN"], comparison.scores["dense network"]
    assert comparison.parameters["dense network"] >= comparison.parameters["CNN"]
    assert cnn["unchanged"].value > 0.95 and cnn["shifted"].value > 0.9
    assert dense["shifted"].value < cnn["shifted"].value
    assert {s.n for row in comparison.scores.values() for s in row.values()} == {80}


def test_the_section_has_the_figures_of_the_comparison(comparison):
    table, text = section(comparison).blocks
    assert isinstance(table, Table) and isinstance(text, Text)
    assert len(table.rows) == 2
    assert "trained on 160 unchanged images of 16 x 16 pixels" in table.caption
    cnn = comparison.scores["CNN"]
    difference = 100 * (cnn["shifted"].value - cnn["unchanged"].value)
    assert f"side: CNN {difference:+.1f}, dense" in text.text
    values = comparison.to_dict()["scores"]["dense network"]["shifted"]
    assert Score(**values) == comparison.scores["dense network"]["shifted"]


def test_shifts_go_in_eight_directions():
    x = np.arange(64, dtype=np.uint8).reshape(1, 8, 8, 1).repeat(8, axis=0)
    shifted = shift_images(x)  # by one pixel
    assert (shifted[0, 1:, 1:] == x[0, :-1, :-1]).mean() in (0.0, 1.0)
    assert len({image.tobytes() for image in shifted}) == 8
    assert not any((image == x[0]).all() for image in shifted)
    flat = np.full((8, 8, 8, 3), 9, np.uint8)
    assert (shift_images(flat) == 9).all() and (rotate_images(flat) == 9).all()


def test_a_permutation_keeps_the_pixels():
    x = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    order = np.random.default_rng(1).permutation(16)
    permuted = permute_pixels(x, order)
    first = x.reshape(3, 16, 3)[:, order[0]]
    assert (permuted.reshape(3, 16, 3)[:, 0] == first).all()
    assert (permute_pixels(permuted, np.argsort(order)) == x).all()


def test_shrinking_averages_pixels():
    x = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    small = shrink(x, 4)
    assert small.shape == (2, 4, 4, 3)
    assert abs(float(small[0, 0, 0, 0]) - x[0, :2, :2, 0].mean()) <= 0.5
    assert shrink(x, 8) is x
