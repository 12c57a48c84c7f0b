"""The linear model on pixels, against ridge regression worked out by hand."""

import math

import numpy as np
import pytest
import torch

from vicinal.core.metrics import Score
from vicinal.core.objective import MultiLabel, Numeric, Objective, SingleLabel
from vicinal.core.storage.checkpoint import load_tensors, save_tensors
from vicinal.errors import ModelFileError
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.dataset import ImageDataset, load_dataset
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.data.read import read_images
from vicinal.images.training import linear_baseline
from vicinal.images.training.linear_baseline import (
    FILE,
    SIDE,
    LinearBaseline,
    fit_linear_baseline,
    make_thumbnails,
)


def score_baseline(
    objective: Objective,
    train: ImageDataset,
    y: np.ndarray,
    test: ImageDataset,
    y_test: np.ndarray,
    seed: int = 0,
) -> Score:
    decisions = fit_linear_baseline(objective, train, y, seed).predict(test)
    return objective.score(y_test, decisions)


ALPHAS = np.logspace(0, 5, 6)


def make_dataset(pixels: np.ndarray) -> ImageDataset:
    return load_dataset(read_images(pixels), ImageReader(pixels.shape[1]))[1]


def of_size(size: int) -> Preprocessing:
    return Preprocessing(size, size, channels=1)


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
    got = make_thumbnails(make_dataset(x), np.array([0, 3]), side)
    block = max(1, size // side)
    count = size // block
    for row, image in zip(got, x[[0, 3]], strict=True):
        values = row.reshape(count, count, channels)
        plain = image.reshape(size, size, channels)
        for i in range(count):
            for j in range(count):
                part = plain[i * block : (i + 1) * block, j * block : (j + 1) * block]
                mean = part.mean(axis=(0, 1)) / 255
                assert values[i, j] == pytest.approx(mean, abs=1e-6)


def test_thumbnails_of_many_batches_keep_their_order():
    x = noise(600, 4)
    got = make_thumbnails(make_dataset(x), np.arange(600), 4)
    np.testing.assert_allclose(got, x.reshape(600, -1) / 255, atol=1e-6)
    assert make_thumbnails(make_dataset(x), np.arange(0)).shape == (0, 1)


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


def test_regression_matches_ridge_by_hand():
    x, new = noise(60, 4), noise(40, 4, seed=1)
    rng = np.random.default_rng(2)
    w = rng.normal(0, 0.02, 16)
    y = x.reshape(60, -1) @ w + rng.normal(0, 2, 60)
    y_new = new.reshape(40, -1) @ w
    got = score_baseline(Numeric(), make_dataset(x), y, make_dataset(new), y_new)
    predicted = ridge_by_hand(
        x.reshape(60, -1) / 255.0, y[:, None], new.reshape(40, -1) / 255
    )
    assert got.metric == "mae" and got.n == 40
    assert got.value == pytest.approx(np.abs(predicted[:, 0] - y_new).mean(), rel=1e-4)


@pytest.mark.parametrize("classes", [2, 4])
def test_classification_matches_ridge_by_hand(classes):
    rng = np.random.default_rng(3)
    y, y_new = (rng.integers(0, classes, n) for n in (80, 60))
    x, new = noise(80, 4, seed=4), noise(60, 4, seed=5)
    for pixels, labels in ((x, y), (new, y_new)):  # a faint mark of the class
        pixels[np.arange(len(labels)), labels, 0] //= 3
    marks = np.where(y[:, None] == np.arange(classes), 1.0, -1.0)
    decisions = ridge_by_hand(
        x.reshape(80, -1) / 255.0, marks, new.reshape(60, -1) / 255
    )
    names = tuple("abcd"[:classes])
    objective = SingleLabel(names)
    got = score_baseline(objective, make_dataset(x), y, make_dataset(new), y_new)
    assert got.value == np.mean(decisions.argmax(axis=1) == y_new)
    assert 1 / classes < got.value < 1


def test_multi_label_matches_ridge_by_hand():
    x, new = noise(60, 4, seed=6), noise(40, 4, seed=7)
    y, y_new = ((p[:, 0, :3] > 128).astype(np.float32) for p in (x, new))
    decisions = ridge_by_hand(
        x.reshape(60, -1) / 255.0, 2 * y - 1, new.reshape(40, -1) / 255
    )
    marks = decisions > 0
    hits = 2 * (marks * y_new).sum() / (marks.sum() + y_new.sum())
    objective = MultiLabel(("a", "b", "c"))
    got = score_baseline(objective, make_dataset(x), y, make_dataset(new), y_new)
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
def test_few_images_and_constant_labels(n, objective: Objective, y):
    train, test = make_dataset(noise(n)), make_dataset(noise(5, seed=1))
    got = score_baseline(objective, train, y[:n], test, y)
    assert got.n == 5 and np.isfinite(got.value)
    decisions = objective.score(y, np.zeros_like(y))
    assert got.metric == decisions.metric


def test_constant_pixels():
    x = np.full((10, 8, 8), 7, dtype=np.uint8)
    y = np.arange(10) % 2
    got = score_baseline(
        SingleLabel(("a", "b")), make_dataset(x), y, make_dataset(x), y
    )
    assert got.value == 0.5


def test_it_is_fitted_on_a_sample(monkeypatch):
    calls: list[int] = []
    real = linear_baseline.make_thumbnails

    def spy(images: ImageDataset, rows: np.ndarray, side: int = SIDE) -> np.ndarray:
        calls.append(len(rows))
        return real(images, rows, side)

    monkeypatch.setattr(linear_baseline, "make_thumbnails", spy)
    monkeypatch.setattr(linear_baseline, "MAX_IMAGES", 20)
    train, y = make_dataset(noise(50)), np.arange(50) % 2
    test = make_dataset(noise(30, seed=1))
    objective = SingleLabel(("a", "b"))
    first = score_baseline(objective, train, y, test, y[:30], seed=1)
    assert calls == [20, 30]
    assert first == score_baseline(objective, train, y, test, y[:30], seed=1)
    rare = np.zeros(50, dtype=int)
    rare[7] = 1  # a class that a sample may miss
    score_baseline(objective, train, rare, test, y[:30], seed=1)
    assert calls[-2] in (20, 50)


@pytest.mark.parametrize("kind", ["two", "three", "marks", "number"])
def test_a_saved_model_predicts_the_same(kind, tmp_path):
    x, rng = noise(40), np.random.default_rng(1)
    y, objective = {
        "two": ((x[:, 0, 0] > 128).astype(int), SingleLabel(("a", "b"))),
        "three": (rng.integers(0, 3, 40), SingleLabel(("a", "b", "c"))),
        "marks": (rng.integers(0, 2, (40, 3)), MultiLabel(("a", "b", "c"))),
        "number": (rng.normal(size=40), Numeric()),
    }[kind]
    model = fit_linear_baseline(objective, make_dataset(x), y)
    model.save(tmp_path)
    again = LinearBaseline.load(tmp_path, objective, of_size(8))
    assert again is not None
    new = make_dataset(noise(30, seed=2))
    np.testing.assert_array_equal(again.predict(new), model.predict(new))
    assert len(np.unique(model.predict(new))) > 1
    assert LinearBaseline.load(tmp_path / "nowhere", objective, of_size(8)) is None


AB, ABC = SingleLabel(("a", "b")), SingleLabel(("a", "b", "c"))


@pytest.mark.parametrize(
    ("objective", "size", "change"),
    [
        (AB, 9, {}),
        (AB, 8, {"weights": torch.zeros(64, 2)}),
        (AB, 8, {"weights": torch.full((64, 1), math.nan)}),
        (AB, 8, {"intercept": torch.tensor([math.inf])}),
        (AB, 8, {"classes": torch.tensor([0, 2])}),
        (AB, 8, {"classes": torch.tensor([0])}),
        (AB, 8, {"classes": torch.tensor([0, 1], dtype=torch.bfloat16)}),
        (MultiLabel(("a",)), 8, {}),
        (Numeric(), 8, {}),
    ],
)
def test_a_model_of_another_run_is_refused(objective, size, change, tmp_path):
    """Of two classes and images of 8 x 8 pixels."""
    model = LinearBaseline(np.zeros((64, 1)), np.zeros(1), np.array([0, 1]))
    model.save(tmp_path)
    assert LinearBaseline.load(tmp_path, AB, of_size(8)) is not None
    assert LinearBaseline.load(tmp_path, ABC, of_size(8)) is not None  # c was rare
    tensors, values = load_tensors(tmp_path / FILE)
    save_tensors(tmp_path / FILE, tensors | change, values)
    with pytest.raises(ModelFileError, match=r"baseline\.safetensors is damaged"):
        LinearBaseline.load(tmp_path, objective, of_size(size))


@pytest.mark.parametrize("mark", [0, 1])
def test_one_constant_label_is_predicted_as_it_is(mark):
    x, y = noise(20), np.full((20, 1), mark, dtype=np.float32)
    decisions = fit_linear_baseline(MultiLabel(("a",)), make_dataset(x), y).predict(
        make_dataset(x)
    )
    assert decisions.tolist() == [[mark]] * 20


def test_thumbnails_can_be_passed_instead_of_images():
    x = np.random.default_rng(3).integers(0, 256, (40, 32, 32)).astype(np.uint8)
    y = np.array([0, 1] * 20)
    images, objective = make_dataset(x), SingleLabel(("a", "b"))
    small = make_thumbnails(images, np.arange(40))
    ours, theirs = (fit_linear_baseline(objective, p, y) for p in (small, images))
    np.testing.assert_array_equal(ours.weights, theirs.weights)
    np.testing.assert_array_equal(ours.predict(small), theirs.predict(images))
