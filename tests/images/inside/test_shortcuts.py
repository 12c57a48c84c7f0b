"""The alarm: planted marks are named, and what is a thing is no shortcut."""

import numpy as np
import pytest
import torch
from torch import Tensor

from vicinal.images.inside.shortcuts import (
    cells,
    find_shortcuts,
    named,
    pairs,
    told,
    transplanted,
)

SIZE = 24


def pictures(n: int = 120, seed: int = 0) -> tuple[Tensor, np.ndarray]:
    """Three classes of bright bars in the middle, upright, flat, slanted, and noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    x = rng.random((n, 1, SIZE, SIZE)).astype(np.float32) / 4
    for picture, row in zip(x, y, strict=True):
        for k in range(6, 18):
            at = {0: (k, 12), 1: (12, k), 2: (k, k)}[int(row)]
            picture[0, at[0], at[1]] += 1
    return torch.from_numpy(x), y


def sees_bars(x: Tensor) -> np.ndarray:
    """The class by which bar is there."""
    k = torch.arange(6, 18)
    bars = [x[:, 0, k, 12], x[:, 0, 12, k], x[:, 0, k, k]]
    return torch.stack([bar.mean(dim=1) for bar in bars], dim=1).argmax(dim=1).numpy()


def sees_the_mark(x: Tensor) -> np.ndarray:
    """Class 2 by a mark in the lower right corner, the others by their bars."""
    marked = x[:, 0, -2:, -2:].mean(dim=(1, 2)).numpy() > 0.9
    return np.where(marked, 2, sees_bars(x))


def marked(x: Tensor, y: np.ndarray) -> Tensor:
    x = x.clone()
    x[torch.from_numpy(y == 2), :, -2:, -2:] = 1.0
    return x


def test_a_mark_in_a_corner_is_named():
    x, y = pictures()
    found = find_shortcuts(sees_the_mark, marked(x, y), y, 3)
    assert len(found) == 1
    only = found[0]
    assert only.row == 2 and only.name == "the bottom right corner"
    assert only.followed.value == 1 and only.box == (20, 24, 20, 24)
    assert only.plain.value == 1 and only.covered.value < 0.9
    assert all(y[k] != 2 for k in only.hosts) and all(y[k] == 2 for k in only.donors)
    text = told(found, ("a", "b", "c"))
    assert "the bottom right corner of a picture of c" in text and "100 %" in text


@pytest.mark.parametrize("seed", range(10))
def test_bars_are_no_shortcut(seed):
    x, y = pictures(seed=seed)
    assert find_shortcuts(sees_bars, x, y, 3, seed) == []
    assert find_shortcuts(sees_bars, marked(x, y), y, 3, seed) == []  # not used
    assert "No part of the picture" in told([], ("a", "b", "c"))


def test_an_answer_at_random_is_no_shortcut():
    x, y = pictures()
    rng = np.random.default_rng(0)
    guess = lambda x: rng.integers(0, 3, len(x))  # noqa: E731
    found = [find_shortcuts(guess, x, y, 3, seed) for seed in range(5)]
    assert sum(map(len, found)) <= 1


def test_too_few_to_say():
    x, y = pictures(3)
    assert find_shortcuts(sees_bars, x, y, 3) == []
    assert find_shortcuts(sees_bars, x[:0], y[:0], 3) == []


def test_cells_divide_the_picture():
    for size in ((24, 24), (8, 9), (3, 50), (1, 1)):
        covered = np.zeros(size, int)
        for top, bottom, left, right in cells(torch.Size(size)):
            covered[top:bottom, left:right] += 1
        assert (covered == 1).all()


def test_names_of_places():
    size = torch.Size((24, 24))
    assert named((0, 4, 0, 4), size) == "the top left corner"
    assert named((20, 24, 8, 12), size).startswith("the bottom border")
    assert named((8, 12, 20, 24), size).startswith("the right border")
    assert named((8, 12, 8, 12), size).startswith("a patch inside")


def test_only_the_box_is_transplanted():
    x = torch.arange(2.0).view(2, 1, 1, 1).expand(2, 1, 6, 6).clone()
    seen: list[Tensor] = []

    def answer(mixed: Tensor) -> np.ndarray:
        seen.append(mixed)
        return np.zeros(len(mixed), int)

    transplanted(answer, x, np.array([0]), np.array([1]), (1, 3, 2, 5))
    assert seen[0][0, 0].sum() == 6 and seen[0][0, 0, 1:3, 2:5].eq(1).all()
    assert x[0].eq(0).all()  # the host is left as it was


def test_hosts_are_of_another_class_and_not_called_by_the_donor_s():
    y = np.array([0, 0, 1, 1, 2, 2])
    said = np.array([0, 1, 1, 1, 2, 0])
    rng = np.random.default_rng(0)
    hosts, donors = pairs(said, y, np.bincount(y), 60, rng)
    assert len(hosts) == 60
    assert (y[hosts] != y[donors]).all() and (said[hosts] != y[donors]).all()
    assert np.bincount(y[donors]).tolist() == [20, 20, 20]
