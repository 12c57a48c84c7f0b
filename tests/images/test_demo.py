"""The demo: what its figures rest on, and that they show what they are there for."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits as plain_digits

from vicinal.core.compute.runtime import count_parameters
from vicinal.images import demo
from vicinal.images.classifier import ImageClassifier
from vicinal.images.demo import (
    EXAMPLES,
    DenseClassifier,
    Digits,
    accuracy_when_moved,
    compare_networks,
    few_examples,
    learner,
    load_digits,
    run_demo,
)


class TreeNode:
    """A voice that is only written down."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.extend(text.splitlines())


@pytest.fixture(scope="module")
def digits() -> Digits:
    return load_digits()


def test_the_digits(digits):
    assert len(digits.y) + len(digits.y_test) == 1797
    assert len(digits.y_test) == pytest.approx(1797 / 3, abs=5)
    assert digits.x.shape[1:] == (12, 12) and digits.x.dtype == np.uint8
    for x in (digits.x, digits.x_test):
        edge = x.copy()
        edge[:, 2:-2, 2:-2] = 0
        assert edge.max() == 0 and x.max() == 255
    told: Any = plain_digits()
    known = {(np.rint(row * 255 / 16).astype(np.uint8)).tobytes() for row in told.data}
    pixels = np.concatenate([digits.x, digits.x_test])[:, 2:-2, 2:-2]
    assert {np.ascontiguousarray(p).tobytes() for p in pixels} == known
    counts = np.bincount(np.concatenate([digits.y, digits.y_test]))
    assert counts.tolist() == np.bincount(told.target).tolist()


def test_a_part_of_the_digits(digits):
    new = digits.only(range(5, 10))
    assert set(new.y) == set(new.y_test) == {5, 6, 7, 8, 9}
    assert len(new.y) == (digits.y >= 5).sum() == len(new.x)


class Looks:
    """A stand-in for a model: it says how many pixels of ink lie left of a column."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def predict(self, x: np.ndarray) -> np.ndarray:
        self.seen.append(x)
        return (x[:, :, :3] > 0).any(axis=(1, 2)).astype(int)


def test_moved_digits_lose_no_stroke(digits):
    for far in (1, 2):
        model: Any = Looks()
        accuracy_when_moved(model, digits, far)
        assert len(model.seen) == 8
        ink = digits.x_test.sum(axis=(1, 2), dtype=int)
        for moved in model.seen:
            assert (moved.sum(axis=(1, 2), dtype=int) == ink).all()
            assert not np.array_equal(moved, digits.x_test)
        corners = {tuple(np.argwhere(moved[0])[0]) for moved in model.seen}
        assert len(corners) == 8
        assert (
            max(row for row, _ in corners) - min(row for row, _ in corners) == 2 * far
        )


def test_the_dense_network_is_at_least_as_large(digits):
    settings = {"epochs": 1, "exact": True}
    cnn = learner(ImageClassifier, **settings)
    dense = DenseClassifier(**cnn.get_params())
    assert cnn.get_params() == dense.get_params()  # the same training for both
    cnn.fit(digits.x[:64], digits.y[:64])
    dense.min_parameters = count_parameters(cnn.network_)
    dense.fit(digits.x[:64], digits.y[:64])
    ours, theirs = map(count_parameters, (cnn.network_, dense.network_))
    assert ours <= theirs < 1.05 * ours


def test_a_few_examples_of_each_digit(digits, monkeypatch):
    seen: list[np.ndarray] = []
    real = ImageClassifier.fit

    def spy(self: Any, X: Any, y: Any = None, **rest: Any) -> Any:
        seen.append(y)
        return real(self, X, y, **rest)

    monkeypatch.setattr(ImageClassifier, "fit", spy)
    new = digits.only(range(5, 10))
    first, again = (few_examples(new, 3, {}, 1) for _ in range(2))
    assert np.bincount(seen[0]).tolist() == [0] * 5 + [EXAMPLES] * 5
    assert seen[0].tolist() == seen[1].tolist()
    assert 0 <= first <= 1 and first == pytest.approx(again, abs=0.2)


def test_the_cnn_knows_moved_digits_and_the_dense_network_does_not(digits, monkeypatch):
    monkeypatch.setattr(demo, "EPOCHS", 12)
    few = Digits(
        digits.x[:500], digits.y[:500], digits.x_test[:200], digits.y_test[:200]
    )
    heard = TreeNode()
    told = compare_networks(few, heard)
    cnn, dense = told["cnn"], told["dense"]
    assert cnn["score"]["value"] > 0.8 and dense["score"]["value"] > 0.8
    assert cnn["moved_by_1"] > dense["moved_by_1"] + 0.15
    assert cnn["moved_by_2"] > dense["moved_by_2"] + 0.3
    row = next(line for line in heard.lines if line.startswith("CNN"))
    shares = [cnn["score"]["value"], cnn["moved_by_1"], cnn["moved_by_2"]]
    assert row.split()[1:] == [
        f"{cnn['parameters']:,}",
        *(word for share in shares for word in (f"{100 * share:.1f}", "%")),
    ]


@pytest.mark.slow
def test_the_whole_demo():
    heard = TreeNode()
    got = run_demo(heard, seeds=2)
    assert set(got) == {"score", "baselines", "networks", "transfer", "seconds"}
    cnn, dense = got["networks"]["cnn"], got["networks"]["dense"]
    assert got["score"] == cnn["score"] and got["score"]["low"] > 0.95
    assert dense["parameters"] >= cnn["parameters"]
    assert cnn["moved_by_2"] > 0.85 and dense["moved_by_2"] < 0.4
    starts = got["transfer"]
    assert set(starts) == {
        "from nothing",
        "transfer, all layers",
        "transfer, head only",
    }
    early = {name: run["6_epochs"]["mean"] for name, run in starts.items()}
    assert early["transfer, all layers"] > early["from nothing"] + 0.2
    assert all(len(run["24_epochs"]["values"]) == 2 for run in starts.values())
    assert any("vicinal train FOLDER" in line for line in heard.lines[-3:])
