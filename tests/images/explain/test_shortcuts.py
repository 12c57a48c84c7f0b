"""The alarm: planted marks are named, and what is a thing is no shortcut."""

import numpy as np
import pytest

from vicinal.images.explain.shortcuts import (
    Part,
    _Seen,
    cells,
    corners,
    find_shortcuts,
    named,
    parts_of,
    rim,
    told,
    transplanted,
)

SIZE = 24


def pictures(n: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three classes of bright bars in the middle, upright, flat, slanted, and noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    x = rng.random((n, SIZE, SIZE, 1)).astype(np.float32) / 4
    for picture, row in zip(x, y, strict=True):
        for k in range(6, 18):
            at = {0: (k, 12), 1: (12, k), 2: (k, k)}[int(row)]
            picture[at] += 1
    return x, y


def sees_bars(x: np.ndarray) -> np.ndarray:
    """The class by which bar is there."""
    k = np.arange(6, 18)
    bars = [x[:, k, 12, 0], x[:, 12, k, 0], x[:, k, k, 0]]
    return np.stack([bar.mean(axis=1) for bar in bars], axis=1).argmax(axis=1)


def sees_the_mark(x: np.ndarray) -> np.ndarray:
    """Class 2 by a mark in the lower right corner, the others by their bars."""
    train_mask = x[:, -2:, -2:, 0].mean(axis=(1, 2)) > 0.9
    return np.where(train_mask, 2, sees_bars(x))


def sees_the_frame(x: np.ndarray) -> np.ndarray:
    """Class 2 by a bright line around the picture: no cell holds enough of it."""
    frame = x[:, rim((SIZE, SIZE), 1 / SIZE), 0].mean(axis=1) > 0.9
    return np.where(frame, 2, sees_bars(x))


def train_mask(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x = x.copy()
    x[y == 2, -2:, -2:] = 1.0
    return x


def test_a_mark_in_a_corner_is_named():
    x, y = pictures()
    found = find_shortcuts(sees_the_mark, train_mask(x, y), y, 3)
    (only,) = found
    assert only.part.name == "the bottom right corner" and only.kind == "gives"
    assert only.row == 2 and only.part.mask[20:, 20:].all()
    assert only.changed.value == 1 and only.part.mask.sum() == 16
    assert only.plain.value == 1 and only.covered.value < 0.9
    assert all(y[k] != 2 for k in only.hosts) and all(y[k] == 2 for k in only.donors)
    text = told(found, ("a", "b", "c"))
    assert "the bottom right corner of a picture of c" in text and "100 %" in text


def test_a_frame_is_named_as_a_whole():
    x, y = pictures()
    x[y == 2] = np.where(rim((SIZE, SIZE), 1 / SIZE)[..., None], 1.0, x[y == 2])
    found = find_shortcuts(sees_the_frame, x, y, 3)
    assert [s.part.name for s in found] == ["the border"]
    assert found[0].changed.value == 1


@pytest.mark.parametrize("seed", range(10))
def test_bars_are_no_shortcut(seed):
    x, y = pictures(seed=seed)
    assert find_shortcuts(sees_bars, x, y, 3, seed) == []
    assert find_shortcuts(sees_bars, train_mask(x, y), y, 3, seed) == []  # not used
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
        for top, bottom, left, right in cells(size):
            covered[top:bottom, left:right] += 1
        assert (covered == 1).all()


def test_the_rim_and_the_corners():
    names = [part.name for part in parts_of((SIZE, SIZE))]
    assert len(names) == 38 and names[-2:] == ["the border", "the corners"]
    edge = rim((SIZE, SIZE))
    assert (
        edge.sum() == SIZE**2 - (SIZE - 4) ** 2 and edge[0].all() and edge[:, -1].all()
    )
    four = corners((SIZE, SIZE))
    assert four.sum() == 64 and four[0, 0] and four[-1, 0] and not four[0, 4]
    assert len(parts_of((4, 4))) == 4  # too small for a rim of its own


def test_names_of_places():
    size = 24, 24
    assert named((0, 4, 0, 4), size) == "the top left corner"
    assert named((20, 24, 8, 12), size).startswith("the bottom border")
    assert named((8, 12, 20, 24), size).startswith("the right border")
    assert named((8, 12, 8, 12), size).startswith("a patch inside")


def test_only_the_part_is_transplanted():
    x = np.arange(2.0).reshape(2, 1, 1, 1) * np.ones((2, 6, 6, 1))
    seen: list[np.ndarray] = []

    def answer(mixed: np.ndarray) -> np.ndarray:
        seen.append(mixed)
        return np.zeros(len(mixed), int)

    mask = np.zeros((6, 6), bool)
    mask[1:3, 2:5] = True
    part = Part("here", mask)
    transplanted(answer, x, np.array([0]), np.array([1]), part.mask)
    assert seen[0].sum() == 6 and (seen[0][0, 1:3, 2:5] == 1).all()
    assert (x[0] == 0).all()  # the host is left as it was
    own = np.stack([~mask, mask])  # each host's own
    transplanted(answer, x, np.array([0]), np.array([1]), own)
    assert seen[1].sum() == 30


def needs_the_mark(x: np.ndarray) -> np.ndarray:
    """Class 2 by its bar and a mark in the corner; without the mark it is class 0."""
    train_mask = x[:, -2:, -2:, 0].mean(axis=(1, 2)) > 0.9
    said = sees_bars(x)
    return np.where((said == 2) & ~train_mask, 0, said)


def test_a_mark_that_is_needed_is_named():
    """It makes nothing class 2 by itself, so only covering it tells."""
    x, y = pictures()
    found = find_shortcuts(needs_the_mark, train_mask(x, y), y, 3)
    assert [(s.row, s.kind) for s in found] == [(2, "needed")]
    only = found[0]
    assert only.part.name == "the bottom right corner" and only.changed.value == 1
    assert only.anyway == 0 and only.covered.value < only.plain.value == 1
    assert all(y[k] == 2 for k in only.hosts) and all(y[k] != 2 for k in only.donors)
    text = told(found, ("a", "b", "c"))
    assert "the bottom right corner is what c is known by" in text


def test_hosts_can_change():
    y = np.array([0, 0, 1, 1, 2, 2])
    said = np.array([0, 1, 1, 1, 2, 0])
    seen = _Seen(lambda x: said, np.zeros((6, 4, 4, 1)), y, said)
    rng = np.random.default_rng(0)
    hosts, donors, beside = seen.pairs("gives", 0, 60, rng)
    assert (
        set(hosts) == {2, 3, 4} and set(donors) == {0} and set(beside) == {2, 3, 4, 5}
    )
    hosts, donors, beside = seen.pairs("needed", 0, 60, rng)
    assert set(hosts) == {0} and set(donors) == {2, 3, 4, 5} and set(beside) == {0, 1}
    none = seen._replace(said=np.zeros(6, int)).pairs("gives", 1, 60, rng)
    assert [len(some) for some in none] == [0, 0, 0]
