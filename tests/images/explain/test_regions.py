"""Regions and the evidence in them: known pictures, maps by hand, a section to read."""

import numpy as np
import pytest
import torch

from vicinal.images.explain.regions import (
    always_there,
    background,
    evidence_maps,
    masks,
    regions,
)

SIZE = 24


def squares(n: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A bright (1) or dark (0) square on a grey table, somewhere in the middle."""
    rng = np.random.default_rng(seed)
    x = rng.normal(128, 3, (n, SIZE, SIZE, 3)).clip(0, 255).astype(np.uint8)
    y = np.arange(n) % 2
    for picture, row in zip(x, y, strict=True):
        top, left = rng.integers(6, 10, 2)
        level = (
            rng.integers(200, 256, (8, 8, 3)) if row else rng.integers(0, 40, (8, 8, 3))
        )
        picture[top : top + 8, left : left + 8] = level
    return x, y


def by_brightness(x: np.ndarray) -> np.ndarray:
    """1 where something is bright: right for every picture."""
    return (x.max(axis=(1, 2, 3)) > 180).astype(int)


def test_the_background_is_all_but_the_square():
    x, _ = squares()
    for picture in x:
        found = background(picture)
        far = np.abs(picture.astype(int) - 128).max(axis=-1) > 50
        assert not found[far].any() and found[~far].mean() > 0.85


def test_a_hole_in_a_thing_is_no_background():
    ring = np.full((40, 40, 1), 128, np.uint8)
    ring[10:30, 10:30] = 250
    ring[15:25, 15:25] = 128
    found = background(ring)
    assert found[:9].all() and not found[15:25, 15:25].any()


def test_a_stamp_is_always_there():
    x, y = squares()
    x[y == 1, :3, :3] = 77
    found = always_there(x, y)
    assert found[1, :3, :3].all() and not found[1, 8:14, 8:14].any()
    assert not found[0].any()
    assert not always_there(x[:6], y[:6]).any()  # too few to say


def test_evidence_is_shared_out_by_hand():
    x, y = squares()
    maps = np.zeros((len(x), SIZE, SIZE))
    maps[:, 12, 12] = 0.75
    maps[:, 0, 0] = 0.25
    maps[0] = 0  # an empty one says nothing
    found = {r.name: r for r in regions(by_brightness, x, y, maps)}
    assert found["the middle"].evidence == pytest.approx(0.75)
    for name in ("the border", "the corners", "the background"):
        assert found[name].evidence == pytest.approx(0.25)
        assert found[name].covered.value == 1  # nothing rests on it
    assert found["the middle"].area == pytest.approx(0.25)
    assert found["the middle"].covered.value < 0.8
    assert "what is always there" not in found


def test_regions_of_small_and_grey_pictures():
    x, y = squares()
    for small in (x[:, 8:12, 8:12], x[..., :1], x[:, :, 8:11]):
        for mask in masks(small, y).values():
            assert mask.shape in (small.shape[1:3], small.shape[:3])


def test_maps_are_shares():
    drawn = lambda x: torch.from_numpy(x[..., 0].astype(np.float32)) - 1  # noqa: E731
    x = np.ones((3, 4, 4, 1), np.uint8)
    x[1, 2, 2], x[2] = 5, 3
    found = evidence_maps(drawn, x, batch=2)
    assert found[0].sum() == 0 and found[1, 2, 2] == 1
    assert found[2] == pytest.approx(np.full((4, 4), 1 / 16))
