"""Shortcuts that are planted are found, and objects are not reported as shortcuts."""

import numpy as np
import pytest

from vicinal.images.explain.shortcuts import (
    LabelledImages,
    Region,
    border_mask,
    candidate_regions,
    corner_mask,
    describe_cell,
    describe_shortcuts,
    find_shortcuts,
    grid_cells,
    predict_transplants,
)

SIZE = 24


def bar_images(n: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return noise with a vertical, horizontal or diagonal bar in the middle."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    x = rng.random((n, SIZE, SIZE, 1)).astype(np.float32) / 4
    for image, label in zip(x, y, strict=True):
        for k in range(6, 18):
            pixel = {0: (k, 12), 1: (12, k), 2: (k, k)}[int(label)]
            image[pixel] += 1
    return x, y


def by_bars(x: np.ndarray) -> np.ndarray:
    """Classify by the bar."""
    k = np.arange(6, 18)
    bars = [x[:, k, 12, 0], x[:, 12, k, 0], x[:, k, k, 0]]
    return np.stack([bar.mean(axis=1) for bar in bars], axis=1).argmax(axis=1)


def by_mark(x: np.ndarray) -> np.ndarray:
    """Classify as 2 by a mark in the bottom right corner, else by the bar."""
    return np.where(has_mark(x), 2, by_bars(x))


def by_bar_and_mark(x: np.ndarray) -> np.ndarray:
    """Classify as 2 by its bar and the mark; without the mark as 0."""
    predicted = by_bars(x)
    return np.where((predicted == 2) & ~has_mark(x), 0, predicted)


def by_frame(x: np.ndarray) -> np.ndarray:
    """Classify as 2 by a bright frame, of which no cell contains enough."""
    frame = x[:, border_mask((SIZE, SIZE), 1 / SIZE), 0].mean(axis=1) > 0.9
    return np.where(frame, 2, by_bars(x))


def has_mark(x: np.ndarray) -> np.ndarray:
    return x[:, -2:, -2:, 0].mean(axis=(1, 2)) > 0.9


def add_marks(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x = x.copy()
    x[y == 2, -2:, -2:] = 1.0
    return x


# --- find_shortcuts ------------------------------------------------------------------


def test_a_sufficient_mark_in_a_corner_is_found():
    x, y = bar_images()
    found = find_shortcuts(by_mark, add_marks(x, y), y, 3)
    (only,) = found
    assert only.region.name == "the bottom right corner" and only.kind == "sufficient"
    assert only.class_index == 2 and only.region.mask[20:, 20:].all()
    assert only.flip_rate.value == 1 and only.region.mask.sum() == 16
    assert only.accuracy.value == 1 and only.swapped_accuracy.value < 0.9
    assert all(y[k] != 2 for k in only.hosts) and all(y[k] == 2 for k in only.donors)
    text = describe_shortcuts(found, ("a", "b", "c"))
    assert "the bottom right corner of images of c" in text and "100 %" in text


def test_a_necessary_mark_is_found():
    """The mark alone does not make class 2, so only replacing it reveals it."""
    x, y = bar_images()
    found = find_shortcuts(by_bar_and_mark, add_marks(x, y), y, 3)
    assert [(s.class_index, s.kind) for s in found] == [(2, "necessary")]
    (only,) = found
    assert only.region.name == "the bottom right corner"
    assert only.flip_rate.value == 1 and only.control_rate == 0
    assert only.swapped_accuracy.value < only.accuracy.value == 1
    assert all(y[k] == 2 for k in only.hosts) and all(y[k] != 2 for k in only.donors)
    text = describe_shortcuts(found, ("a", "b", "c"))
    assert "the bottom right corner is necessary for c" in text


def test_a_frame_is_found_as_a_whole():
    x, y = bar_images()
    frame = border_mask((SIZE, SIZE), 1 / SIZE)[..., None]
    x[y == 2] = np.where(frame, 1.0, x[y == 2])
    found = find_shortcuts(by_frame, x, y, 3)
    assert [s.region.name for s in found] == ["the border"]
    assert found[0].flip_rate.value == 1


@pytest.mark.parametrize("seed", range(10))
def test_objects_are_not_shortcuts(seed):
    x, y = bar_images(seed=seed)
    assert find_shortcuts(by_bars, x, y, 3, seed) == []
    assert find_shortcuts(by_bars, add_marks(x, y), y, 3, seed) == []  # mark unused
    assert "No shortcut found" in describe_shortcuts([], ("a", "b", "c"))


def test_a_random_classifier_has_no_shortcut():
    x, y = bar_images()
    rng = np.random.default_rng(0)
    guess = lambda x: rng.integers(0, 3, len(x))  # noqa: E731
    found = [find_shortcuts(guess, x, y, 3, seed) for seed in range(5)]
    assert sum(map(len, found)) <= 1


def test_too_few_images_give_no_shortcuts():
    x, y = bar_images(3)
    assert find_shortcuts(by_bars, x, y, 3) == []
    assert find_shortcuts(by_bars, x[:0], y[:0], 3) == []


def test_hosts_are_images_that_can_change():
    y = np.array([0, 0, 1, 1, 2, 2])
    predicted = np.array([0, 1, 1, 1, 2, 0])
    images = LabelledImages(lambda x: predicted, np.zeros((6, 4, 4, 1)), y, predicted)
    rng = np.random.default_rng(0)
    hosts, donors, controls = images.pairs("sufficient", 0, 60, rng)
    assert set(hosts) == {2, 3, 4} and set(donors) == {0}
    assert set(controls) == {2, 3, 4, 5}
    hosts, donors, controls = images.pairs("necessary", 0, 60, rng)
    assert set(hosts) == {0} and set(donors) == {2, 3, 4, 5}
    assert set(controls) == {0, 1}
    none = images._replace(predicted=np.zeros(6, int)).pairs("sufficient", 1, 60, rng)
    assert [len(group) for group in none] == [0, 0, 0]


# --- regions -------------------------------------------------------------------------


def test_grid_cells_partition_the_image():
    for size in ((24, 24), (8, 9), (3, 50), (1, 1)):
        covered = np.zeros(size, int)
        for top, bottom, left, right in grid_cells(size):
            covered[top:bottom, left:right] += 1
        assert (covered == 1).all()


def test_border_and_corners():
    names = [region.name for region in candidate_regions((SIZE, SIZE))]
    assert len(names) == 38 and names[-2:] == ["the border", "the corners"]
    border = border_mask((SIZE, SIZE))
    assert border.sum() == SIZE**2 - (SIZE - 4) ** 2
    assert border[0].all() and border[:, -1].all()
    corners = corner_mask((SIZE, SIZE))
    assert corners.sum() == 64 and corners[0, 0] and corners[-1, 0]
    assert not corners[0, 4]
    assert len(candidate_regions((4, 4))) == 4  # too small for a border


def test_cells_are_described_by_their_position():
    size = 24, 24
    assert describe_cell((0, 4, 0, 4), size) == "the top left corner"
    assert describe_cell((20, 24, 8, 12), size).startswith("the bottom border")
    assert describe_cell((8, 12, 20, 24), size).startswith("the right border")
    assert describe_cell((8, 12, 8, 12), size).startswith("an inner cell")


def test_only_the_region_is_transplanted():
    x = np.arange(2.0).reshape(2, 1, 1, 1) * np.ones((2, 6, 6, 1))
    classified: list[np.ndarray] = []

    def classify(images: np.ndarray) -> np.ndarray:
        classified.append(images)
        return np.zeros(len(images), int)

    mask = np.zeros((6, 6), bool)
    mask[1:3, 2:5] = True
    region = Region("a box", mask)
    predict_transplants(classify, x, np.array([0]), np.array([1]), region.mask)
    assert classified[0].sum() == 6 and (classified[0][0, 1:3, 2:5] == 1).all()
    assert (x[0] == 0).all()  # the host itself is unchanged
    mask_per_host = np.stack([~mask, mask])
    predict_transplants(classify, x, np.array([0]), np.array([1]), mask_per_host)
    assert classified[1].sum() == 30
