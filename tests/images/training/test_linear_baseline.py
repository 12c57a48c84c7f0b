"""The linear model on pixels, against ridge regression worked out by hand."""

import numpy as np
import pytest

from vicinal.core.metrics import Score
from vicinal.core.objective import MultiLabel, Numeric, Objective, SingleLabel
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.dataset import ImageDataset, load_dataset
from vicinal.images.data.read import read_images
from vicinal.images.training import linear_baseline as baselines
from vicinal.images.training.linear_baseline import (
    SIDE,
    LinearModel,
    fit_linear,
    thumbnails,
)


def linear_baseline(
    objective: Objective,
    train: ImageDataset,
    y: np.ndarray,
    test: ImageDataset,
    y_test: np.ndarray,
    seed: int = 0,
) -> Score:
    decided = fit_linear(objective, train, y, seed).decide(test)
    return objective.score(y_test, decided)


ALPHAS = np.logspace(0, 5, 6)


def pictures_of(pixels: np.ndarray) -> ImageDataset:
    return load_dataset(read_images(pixels), ImageReader(pixels.shape[1]))[1]


def noise(n: int, side: int = 8, channels: int = 1, seed: int = 0) -> np.ndarray:
    shape = (n, side, side) if channels == 1 else (n, side, side, channels)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


# --- thumbnails ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "side"), [(32, 16), (33, 16), (16, 16), (7, 3), (8, 5)]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_thumbnails_are_means_of_blocks(size, side, channels):
    x = noise(5, size, channels)
    got = thumbnails(pictures_of(x), np.array([0, 3]), side)
    block = max(1, size // side)
    count = size // block
    for row, picture in zip(got, x[[0, 3]], strict=True):
        values = row.reshape(count, count, channels)
        plain = picture.reshape(size, size, channels)
        for i in range(count):
            for j in range(count):
                part = plain[i * block : (i + 1) * block, j * block : (j + 1) * block]
                mean = part.mean(axis=(0, 1)) / 255
                assert values[i, j] == pytest.approx(mean, abs=1e-6)


def test_many_thumbnails_come_in_their_order():
    x = noise(600, 4)
    got = thumbnails(pictures_of(x), np.arange(600), 4)
    np.testing.assert_allclose(got, x.reshape(600, -1) / 255, atol=1e-6)
    assert thumbnails(pictures_of(x), np.arange(0)).shape == (0, 1)


# --- against ridge by hand -------------------------------------------------------


def ridge_by_hand(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Predictions [M, K] of the ridge whose leave-one-out error is least.

    w = (X'X + a I)^-1 X'y on standardised X and centred y; the error that a left-out
    row would have is its residual over 1 - h, h its place on the hat matrix' diagonal.
    """
    mean, std = x.mean(axis=0), x.std(axis=0)
    std[std == 0] = 1
    x, new = (x - mean) / std, (new - mean) / std
    centre = y.mean(axis=0)
    best = None
    for alpha in ALPHAS:
        inverse = np.linalg.inv(x.T @ x + alpha * np.eye(x.shape[1]))
        hat = x @ inverse @ x.T + 1 / len(x)
        residual = (y - centre) - (x @ inverse @ x.T) @ (y - centre)
        error = ((residual / (1 - np.diag(hat))[:, None]) ** 2).mean()
        if best is None or error < best[0]:
            best = error, new @ inverse @ x.T @ (y - centre) + centre
    assert best is not None
    return best[1]


def test_numbers_as_by_hand():
    x, new = noise(60, 4), noise(40, 4, seed=1)
    rng = np.random.default_rng(2)
    w = rng.normal(0, 0.02, 16)
    y = x.reshape(60, -1) @ w + rng.normal(0, 2, 60)
    y_new = new.reshape(40, -1) @ w
    got = linear_baseline(Numeric(), pictures_of(x), y, pictures_of(new), y_new)
    said = ridge_by_hand(
        x.reshape(60, -1) / 255.0, y[:, None], new.reshape(40, -1) / 255
    )
    assert got.metric == "mae" and got.n == 40
    assert got.value == pytest.approx(np.abs(said[:, 0] - y_new).mean(), rel=1e-4)


@pytest.mark.parametrize("classes", [2, 4])
def test_classes_as_by_hand(classes):
    rng = np.random.default_rng(3)
    y, y_new = (rng.integers(0, classes, n) for n in (80, 60))
    x, new = noise(80, 4, seed=4), noise(60, 4, seed=5)
    for pixels, labels in ((x, y), (new, y_new)):  # a faint mark of the class
        pixels[np.arange(len(labels)), labels, 0] //= 3
    marks = np.where(y[:, None] == np.arange(classes), 1.0, -1.0)
    said = ridge_by_hand(x.reshape(80, -1) / 255.0, marks, new.reshape(60, -1) / 255)
    names = tuple("abcd"[:classes])
    objective = SingleLabel(names)
    got = linear_baseline(objective, pictures_of(x), y, pictures_of(new), y_new)
    assert got.value == np.mean(said.argmax(axis=1) == y_new)
    assert 1 / classes < got.value < 1


def test_several_labels_as_by_hand():
    x, new = noise(60, 4, seed=6), noise(40, 4, seed=7)
    y, y_new = ((p[:, 0, :3] > 128).astype(np.float32) for p in (x, new))
    said = ridge_by_hand(
        x.reshape(60, -1) / 255.0, 2 * y - 1, new.reshape(40, -1) / 255
    )
    marks = said > 0
    hits = 2 * (marks * y_new).sum() / (marks.sum() + y_new.sum())
    objective = MultiLabel(("a", "b", "c"))
    got = linear_baseline(objective, pictures_of(x), y, pictures_of(new), y_new)
    assert got.metric == "f1_micro" and got.value == pytest.approx(hits)


# --- odd data --------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize(
    ("objective", "y"),
    [
        (Numeric(), np.arange(5.0)),
        (Numeric(), np.ones(5)),
        (SingleLabel(("a", "b")), np.array([0, 1, 1, 0, 1])),
        (MultiLabel(("a",)), np.array([[1.0], [0], [0], [1], [1]])),
        (MultiLabel(("a",)), np.ones((5, 1))),
        (MultiLabel(("a", "b")), np.ones((5, 2))),
        (MultiLabel(("a", "b")), np.array([[1.0, 0], [0, 1], [0, 0], [1, 1], [1, 0]])),
    ],
)
def test_few_pictures_and_labels_that_do_not_vary(n, objective: Objective, y):
    train, test = pictures_of(noise(n)), pictures_of(noise(5, seed=1))
    got = linear_baseline(objective, train, y[:n], test, y)
    assert got.n == 5 and np.isfinite(got.value)
    decided = objective.score(y, np.zeros_like(y))
    assert got.metric == decided.metric


def test_pixels_that_do_not_vary():
    x = np.full((10, 8, 8), 7, dtype=np.uint8)
    y = np.arange(10) % 2
    got = linear_baseline(SingleLabel(("a", "b")), pictures_of(x), y, pictures_of(x), y)
    assert got.value == 0.5


def test_it_is_fitted_on_a_sample(monkeypatch):
    seen: list[int] = []
    real = baselines.thumbnails

    def spy(pictures: ImageDataset, rows: np.ndarray, side: int = SIDE) -> np.ndarray:
        seen.append(len(rows))
        return real(pictures, rows, side)

    monkeypatch.setattr(baselines, "thumbnails", spy)
    monkeypatch.setattr(baselines, "MOST", 20)
    train, y = pictures_of(noise(50)), np.arange(50) % 2
    test = pictures_of(noise(30, seed=1))
    objective = SingleLabel(("a", "b"))
    first = linear_baseline(objective, train, y, test, y[:30], seed=1)
    assert seen == [20, 30]
    assert first == linear_baseline(objective, train, y, test, y[:30], seed=1)
    rare = np.zeros(50, dtype=int)
    rare[7] = 1  # a class that a sample may miss
    linear_baseline(objective, train, rare, test, y[:30], seed=1)
    assert seen[-2] in (20, 50)


@pytest.mark.parametrize("kind", ["two", "three", "marks", "number"])
def test_what_is_kept_says_the_same(kind, tmp_path):
    x, rng = noise(40), np.random.default_rng(1)
    y, objective = {
        "two": ((x[:, 0, 0] > 128).astype(int), SingleLabel(("a", "b"))),
        "three": (rng.integers(0, 3, 40), SingleLabel(("a", "b", "c"))),
        "marks": (rng.integers(0, 2, (40, 3)), MultiLabel(("a", "b", "c"))),
        "number": (rng.normal(size=40), Numeric()),
    }[kind]
    model = fit_linear(objective, pictures_of(x), y)
    model.save(tmp_path)
    again = LinearModel.load(tmp_path)
    assert again is not None
    new = pictures_of(noise(30, seed=2))
    np.testing.assert_array_equal(again.decide(new), model.decide(new))
    assert len(np.unique(model.decide(new))) > 1
    assert LinearModel.load(tmp_path / "nowhere") is None


@pytest.mark.parametrize("mark", [0, 1])
def test_one_label_that_all_have_or_none(mark):
    x, y = noise(20), np.full((20, 1), mark, dtype=np.float32)
    said = fit_linear(MultiLabel(("a",)), pictures_of(x), y).decide(pictures_of(x))
    assert said.tolist() == [[mark]] * 20


def test_thumbnails_may_stand_for_the_pictures():
    x = np.random.default_rng(3).integers(0, 256, (40, 32, 32)).astype(np.uint8)
    y = np.array([0, 1] * 20)
    pictures, objective = pictures_of(x), SingleLabel(("a", "b"))
    small = thumbnails(pictures, np.arange(40))
    ours, theirs = (fit_linear(objective, p, y) for p in (small, pictures))
    np.testing.assert_array_equal(ours.weights, theirs.weights)
    np.testing.assert_array_equal(ours.decide(small), theirs.decide(pictures))
