"""The demo: its data and models, and that its results show what it claims."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits as load_sklearn_digits

from vicinal.core.compute.runtime import count_parameters
from vicinal.core.report.console import Console
from vicinal.images import demo
from vicinal.images.classifier import ImageClassifier
from vicinal.images.demo import (
    EXAMPLES,
    DenseClassifier,
    Digits,
    accuracy_when_shifted,
    compare_networks,
    few_shot_accuracy,
    load_digits,
    make_classifier,
    run_demo,
)


class RecordingConsole(Console):
    """A console that records its lines."""

    def __init__(self) -> None:
        super().__init__(json=False)
        self.lines: list[str] = []

    def print(self, text: str) -> None:
        self.lines.extend(text.splitlines())


@pytest.fixture(scope="module")
def digits() -> Digits:
    return load_digits()


def test_the_digits_are_those_of_scikit_learn_with_a_margin(digits):
    assert len(digits.y) + len(digits.y_test) == 1797
    assert len(digits.y_test) == pytest.approx(1797 / 3, abs=5)
    assert digits.x.shape[1:] == (12, 12) and digits.x.dtype == np.uint8
    for x in (digits.x, digits.x_test):
        border = x.copy()
        border[:, 2:-2, 2:-2] = 0
        assert border.max() == 0 and x.max() == 255
    expected: Any = load_sklearn_digits()
    images = {
        (np.rint(row * 255 / 16).astype(np.uint8)).tobytes() for row in expected.data
    }
    pixels = np.concatenate([digits.x, digits.x_test])[:, 2:-2, 2:-2]
    assert {np.ascontiguousarray(p).tobytes() for p in pixels} == images
    counts = np.bincount(np.concatenate([digits.y, digits.y_test]))
    assert counts.tolist() == np.bincount(expected.target).tolist()


def test_only_keeps_the_given_digits(digits):
    new = digits.only(range(5, 10))
    assert set(new.y) == set(new.y_test) == {5, 6, 7, 8, 9}
    assert len(new.y) == (digits.y >= 5).sum() == len(new.x)


class RecordingModel:
    """A model that records the images it predicts."""

    def __init__(self) -> None:
        self.inputs: list[np.ndarray] = []

    def predict(self, x: np.ndarray) -> np.ndarray:
        self.inputs.append(x)
        return (x[:, :, :3] > 0).any(axis=(1, 2)).astype(int)


def test_shifted_digits_lose_no_ink(digits):
    for pixels in (1, 2):
        model: Any = RecordingModel()
        accuracy_when_shifted(model, digits, pixels)
        assert len(model.inputs) == 8
        ink = digits.x_test.sum(axis=(1, 2), dtype=int)
        for shifted in model.inputs:
            assert (shifted.sum(axis=(1, 2), dtype=int) == ink).all()
            assert not np.array_equal(shifted, digits.x_test)
        corners = {tuple(np.argwhere(shifted[0])[0]) for shifted in model.inputs}
        assert len(corners) == 8
        assert (
            max(row for row, _ in corners) - min(row for row, _ in corners)
            == 2 * pixels
        )


def test_the_dense_network_is_at_least_as_large(digits):
    settings = {"epochs": 1, "deterministic": True}
    cnn = make_classifier(ImageClassifier, **settings)
    dense = DenseClassifier(**cnn.get_params())
    assert cnn.get_params() == dense.get_params()  # the same training for both
    cnn.fit(digits.x[:64], digits.y[:64])
    dense.min_parameters = count_parameters(cnn.network_)
    dense.fit(digits.x[:64], digits.y[:64])
    num_cnn, num_dense = map(count_parameters, (cnn.network_, dense.network_))
    assert num_cnn <= num_dense < 1.05 * num_cnn


def test_few_shot_training_uses_ten_images_of_each_digit(digits, monkeypatch):
    labels: list[np.ndarray] = []
    real = ImageClassifier.fit

    def spy(self: Any, X: Any, y: Any = None, **rest: Any) -> Any:
        labels.append(y)
        return real(self, X, y, **rest)

    monkeypatch.setattr(ImageClassifier, "fit", spy)
    new = digits.only(range(5, 10))
    first, again = (few_shot_accuracy(new, 3, {}, 1) for _ in range(2))
    assert np.bincount(labels[0]).tolist() == [0] * 5 + [EXAMPLES] * 5
    assert labels[0].tolist() == labels[1].tolist()
    assert 0 <= first <= 1 and first == pytest.approx(again, abs=0.2)


@pytest.mark.slow
def test_the_cnn_is_better_than_the_dense_network_on_shifted_digits(
    digits, monkeypatch
):
    monkeypatch.setattr(demo, "EPOCHS", 12)
    few = Digits(
        digits.x[:500], digits.y[:500], digits.x_test[:200], digits.y_test[:200]
    )
    console = RecordingConsole()
    results = compare_networks(few, console)
    cnn, dense = results["cnn"], results["dense"]
    assert cnn["score"]["value"] > 0.8 and dense["score"]["value"] > 0.8
    assert cnn["shifted_by_1"] > dense["shifted_by_1"] + 0.15
    assert cnn["shifted_by_2"] > dense["shifted_by_2"] + 0.3
    row = next(line for line in console.lines if line.startswith("CNN"))
    accuracies = [cnn["score"]["value"], cnn["shifted_by_1"], cnn["shifted_by_2"]]
    assert row.split()[1:] == [
        f"{cnn['parameters']:,}",
        *(word for accuracy in accuracies for word in (f"{100 * accuracy:.1f}", "%")),
    ]


@pytest.mark.slow
def test_the_whole_demo():
    console = RecordingConsole()
    got = run_demo(console, seeds=2)
    assert set(got) == {"score", "baselines", "networks", "transfer", "seconds"}
    cnn, dense = got["networks"]["cnn"], got["networks"]["dense"]
    assert got["score"] == cnn["score"] and got["score"]["low"] > 0.95
    assert dense["parameters"] >= cnn["parameters"]
    assert cnn["shifted_by_2"] > 0.85 and dense["shifted_by_2"] < 0.4
    starts = got["transfer"]
    assert set(starts) == {
        "from scratch",
        "transfer, all layers",
        "transfer, head only",
    }
    early = {name: run["6_epochs"]["mean"] for name, run in starts.items()}
    assert early["transfer, all layers"] > early["from scratch"] + 0.2
    assert all(len(run["24_epochs"]["values"]) == 2 for run in starts.values())
    assert any("vicinal train DATA" in line for line in console.lines[-3:])
