"""Pixel statistics by hand, and against numpy on all pixels."""

import numpy as np
import pytest

from vicinal.core.evaluation.out_of_distribution import NearestNeighborDetector
from vicinal.images.inference import pixel_statistics
from vicinal.images.inference.pixel_statistics import (
    COLOUR_FLOOR,
    FLOOR,
    compute_pixel_statistics,
)


def test_a_chessboard_matches_a_calculation_by_hand():
    board = np.indices((8, 8)).sum(axis=0) % 2 * 255
    (mean, contrast, right, below) = compute_pixel_statistics(
        board[None, ..., None].astype(np.uint8)
    )[0]
    assert mean == pytest.approx(0.5)
    assert contrast == pytest.approx(np.log(0.25 + FLOOR) / 2)
    # every neighbour is the opposite: (1 - 0)^2 / (2 * 0.25) = 2
    assert [right, below] == pytest.approx([np.log(2)] * 2, abs=1e-3)


def test_horizontal_stripes_match_a_calculation_by_hand():
    lying = np.repeat(np.arange(8) % 2 * 255, 8).reshape(1, 8, 8, 1).astype(np.uint8)
    _, _, right, below = compute_pixel_statistics(lying)[0]
    # of the 7 rows that have one below, 4 are black and 3 white: variance 12 / 49
    assert right == pytest.approx(np.log(FLOOR))
    assert below == pytest.approx(np.log(1 / (2 * 12 / 49)), abs=1e-3)


def test_noise_has_uncorrelated_neighbours_and_grey_no_colour():
    noise = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    grey = np.repeat(noise[..., :1], 3, axis=-1)
    found, plain = compute_pixel_statistics(noise), compute_pixel_statistics(grey)
    assert found.shape == (4, 9)
    np.testing.assert_allclose(found[:, 6:8], 0, atol=0.05)  # log 1
    np.testing.assert_allclose(found[:, 8], np.log(2 / 3 + COLOUR_FLOOR), atol=0.05)
    np.testing.assert_allclose(plain[:, 8], np.log(COLOUR_FLOOR), atol=0.01)


def test_lossy_encoding_does_not_make_a_grey_image_coloured():
    rng = np.random.default_rng(0)
    grey = np.repeat(smooth(30, 64, 1), 3, axis=-1)
    touched = (grey.astype(int) + rng.integers(-1, 2, grey.shape)).astype(np.uint8)
    found = NearestNeighborDetector.fit(
        compute_pixel_statistics(grey), 0.2, standardize=True
    )
    assert (
        compute_pixel_statistics(touched)[:, 8] - compute_pixel_statistics(grey)[:, 8]
    ).max() < 0.05
    assert found.is_unknown(compute_pixel_statistics(touched)).mean() < 0.4
    coloured = grey.copy()
    coloured[..., 0] //= 2
    assert found.is_unknown(compute_pixel_statistics(coloured)).all()


def smooth(n: int, size: int, channels: int) -> np.ndarray:
    """Images [n, size, size, channels] of a few waves."""
    rng, at = np.random.default_rng(1), np.arange(size) / size
    a, b, c = rng.uniform(2, 9, (3, n, 1, 1, channels))
    waves = np.sin(a * at[:, None, None] + b * at[None, :, None] + c)
    return (127 + 90 * waves).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_sample_of_rows_is_as_good_as_all(channels, monkeypatch):
    x = smooth(20, 256, channels)
    sampled = compute_pixel_statistics(x)
    monkeypatch.setattr(pixel_statistics, "MAX_LINES", 10_000)
    every = compute_pixel_statistics(x)
    y = x[:, :-1].astype(float) / 255  # the last line has none below
    np.testing.assert_allclose(every[:, :channels], y.mean(axis=(1, 2)), atol=1e-5)
    expected = np.log(y.var(axis=(1, 2)) + FLOOR) / 2
    np.testing.assert_allclose(every[:, channels : 2 * channels], expected, atol=1e-4)
    assert np.abs(sampled - every).max() < 0.15
    assert np.abs(every - every.mean(axis=0)).max() > 0.3  # and they do differ


def test_constant_images_and_empty_batches():
    flat = compute_pixel_statistics(np.full((2, 8, 8, 3), 90, np.uint8))
    assert np.isfinite(flat).all() and (flat[0] == flat[1]).all()
    assert compute_pixel_statistics(np.empty((0, 8, 8, 3), np.uint8)).shape == (0, 9)
    assert compute_pixel_statistics(smooth(3, 2, 1)).shape == (3, 4)
