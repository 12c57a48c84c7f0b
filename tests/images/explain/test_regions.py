"""Regions of known images, and the attribution in them."""

import numpy as np
import pytest
import torch

from vicinal.images.explain.regions import (
    background_mask,
    constant_pixels,
    normalized_maps,
    region_masks,
    summarize_regions,
)

SIZE = 24


def square_images(n: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return a bright (1) or dark (0) square near the middle of a grey background."""
    rng = np.random.default_rng(seed)
    x = rng.normal(128, 3, (n, SIZE, SIZE, 3)).clip(0, 255).astype(np.uint8)
    y = np.arange(n) % 2
    for image, label in zip(x, y, strict=True):
        top, left = rng.integers(6, 10, 2)
        low, high = (200, 256) if label else (0, 40)
        image[top : top + 8, left : left + 8] = rng.integers(low, high, (8, 8, 3))
    return x, y


def by_brightness(x: np.ndarray) -> np.ndarray:
    """Classify as 1 if anything is bright, which is right for every image."""
    return (x.max(axis=(1, 2, 3)) > 180).astype(int)


def test_the_background_is_everything_but_the_square():
    x, _ = square_images()
    for image in x:
        mask = background_mask(image)
        square = np.abs(image.astype(int) - 128).max(axis=-1) > 50
        assert not mask[square].any() and mask[~square].mean() > 0.85


def test_a_hole_in_an_object_is_not_background():
    ring = np.full((40, 40, 1), 128, np.uint8)
    ring[10:30, 10:30] = 250
    ring[15:25, 15:25] = 128
    mask = background_mask(ring)
    assert mask[:9].all() and not mask[15:25, 15:25].any()


def test_a_stamp_is_constant():
    x, y = square_images()
    x[y == 1, :3, :3] = 77
    masks = constant_pixels(x, y)
    assert masks[1, :3, :3].all() and not masks[1, 8:14, 8:14].any()
    assert not masks[0].any()
    assert not constant_pixels(x[:6], y[:6]).any()  # too few images


def test_attribution_of_regions_by_hand():
    x, y = square_images()
    maps = np.zeros((len(x), SIZE, SIZE))
    maps[:, 12, 12] = 0.75
    maps[:, 0, 0] = 0.25
    maps[0] = 0  # an empty map does not count
    found = {r.name: r for r in summarize_regions(by_brightness, x, y, maps)}
    middle = found["the middle"]
    assert middle.attribution == pytest.approx(0.75)
    assert middle.area == pytest.approx(0.25)
    assert middle.swapped_accuracy.value < 0.8
    for name in ("the border", "the corners", "the background"):
        assert found[name].attribution == pytest.approx(0.25)
        assert found[name].swapped_accuracy.value == 1  # irrelevant to the classifier
    assert "constant pixels" not in found


def test_masks_of_small_and_grey_images():
    x, y = square_images()
    for images in (x[:, 8:12, 8:12], x[..., :1], x[:, :, 8:11]):
        for mask in region_masks(images, y).values():
            assert mask.shape in (images.shape[1:3], images.shape[:3])


def test_maps_are_normalized():
    attribute = lambda x: torch.from_numpy(x[..., 0].astype(np.float32)) - 1  # noqa: E731
    x = np.ones((3, 4, 4, 1), np.uint8)
    x[1, 2, 2], x[2] = 5, 3
    maps = normalized_maps(attribute, x, batch=2)
    assert maps[0].sum() == 0 and maps[1, 2, 2] == 1
    assert maps[2] == pytest.approx(np.full((4, 4), 1 / 16))
