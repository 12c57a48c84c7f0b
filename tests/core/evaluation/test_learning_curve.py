"""Learning curves, against laws that are known and solvers of others."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls
from sklearn.datasets import load_digits

from vicinal.core import metrics
from vicinal.core.data.splits import deal
from vicinal.core.evaluation.learning_curve import (
    POWERS,
    Curve,
    _order,
    _parts,
    fit_laws,
    learning_curve,
)
from vicinal.core.objective import MultiLabel, Numeric, SingleLabel
from vicinal.core.training.linear_head import fit_head
from vicinal.errors import SettingError

X = np.array([0.1, 0.2, 0.4, 0.8])
ONES = np.ones(4)


def curve_of(errors: np.ndarray, noise: float, metric: str = "accuracy") -> Curve:
    """A curve of 1000 pictures through errors [4] with noise on the replicates."""
    rng = np.random.default_rng(0)
    many = np.maximum(errors + rng.normal(0, noise, (200, 4)), 0)
    laws = fit_laws(X, many, ONES)
    law = fit_laws(X, errors[None], ONES)[0]
    return Curve(metric, 1000, 1000 * X, errors, many.std(axis=0), law, laws)


# --- the law -----------------------------------------------------------------------


@pytest.mark.parametrize("c", [0.15, 0.3, 0.5, 1.0])
def test_a_known_law_is_continued(c):
    (law,) = fit_laws(X, (0.05 + 0.1 * X**-c)[None], ONES)
    for x in (1, 2, 4):
        assert law[0] + law[1] * x ** -law[2] == pytest.approx(
            0.05 + 0.1 * x**-c, rel=0.03
        )


def test_as_non_negative_least_squares():
    rng = np.random.default_rng(0)
    errors, weights = rng.uniform(0, 1, (50, 4)), rng.uniform(0.5, 2, 4)
    errors[:25] = 0.2 * X**-0.7 + rng.normal(0, 0.1, (25, 4))
    laws = fit_laws(X, errors, weights)
    root = np.sqrt(weights)
    for (a, b, c), e in zip(laws, errors, strict=True):
        mine = np.linalg.norm(root * (a + b * X**-c - e))
        columns = [np.stack([ONES, X**-p], axis=1) * root[:, None] for p in POWERS]
        assert mine == pytest.approx(min(nnls(m, root * e)[1] for m in columns))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
    st.floats(0, 0.3),
    st.sampled_from(["accuracy", "f1_micro", "recall", "mae"]),
)
def test_laws_of_every_curve(errors, noise, metric):
    curve = curve_of(np.array(errors), noise, metric)
    found = [curve.at(n) for n in (100, 500, 1000, 2000, 4000, 10**6)]
    sign = 1 if metric == "mae" else -1
    for one in found:
        assert one.low <= one.value <= one.high
        assert metric == "mae" or 0 <= one.low <= one.high <= 1
    for less, more in pairwise(found):  # more is never worse
        assert all(sign * (b - a) <= 1e-12 for a, b in zip(less, more, strict=True))
    gain = curve.gain(2)
    assert -1e-12 <= gain.low <= gain.value <= gain.high
    assert curve.sentence().endswith(".")


def test_a_clear_curve_is_told_and_a_vague_one_is_not():
    errors = 0.05 + 0.1 * X**-0.5
    clear, vague = curve_of(errors, 1e-4), curve_of(errors, 0.05)
    assert clear.meaningful and not vague.meaningful
    assert clear.sentence().startswith("With 1,000 pictures expect accuracy of 85.0 %")
    assert "; with 2,000 88.0 %" in clear.sentence()
    assert "; with 4,000 9" in clear.sentence()
    assert "cannot be promised" in vague.sentence()
    assert "2,000" not in vague.sentence()
    grams = curve_of(errors, 0.05, "mae").sentence("g")
    assert grams.startswith("With 1,000 pictures expect a mean absolute error of 0.1")
    assert grams.endswith(" g.")


def test_a_flat_curve_promises_nothing():
    curve = curve_of(np.full(4, 0.3), 0.0)
    assert curve.gain(4).value == pytest.approx(0) and not curve.meaningful


# --- which rows ----------------------------------------------------------------------


def test_parts_are_nested_stratified_and_without_the_fold():
    y = np.repeat([0, 1, 2], [80, 38, 3])
    folds = deal(y, folds=4)
    order = _order(y, SingleLabel(("a", "b", "c")), folds, np.random.default_rng(0))
    for f in range(4):
        small, large, whole = (order[:, f] < s for s in (0.125, 0.5, 1))
        assert (large[small]).all() and (whole == (folds != f)).all()
        assert np.bincount(y[large]).tolist()[0] == 30
        assert (np.bincount(y[small], minlength=3) >= 1).all()


# --- errors --------------------------------------------------------------------------


def shares(parts: np.ndarray) -> list[float]:
    return [float(above / below) for above, below in parts.sum(axis=2)]


def test_errors_as_metrics():
    rng = np.random.default_rng(0)
    y, said = rng.integers(0, 3, (2, 50))
    whole, *classes = shares(_parts(y, said, SingleLabel(("a", "b", "c"))))
    assert whole == pytest.approx(1 - (y == said).mean())
    for k, missed in enumerate(classes):
        assert missed == pytest.approx(1 - (said[y == k] == k).mean())
    y, said = rng.integers(0, 2, (2, 50, 3))
    whole, *classes = shares(_parts(y, said, MultiLabel(("a", "b", "c"))))
    assert whole == pytest.approx(1 - metrics.f1_micro(y, said))
    assert classes[1] == pytest.approx(1 - said[y[:, 1] == 1, 1].mean())
    y, said = rng.normal(size=(2, 50))
    assert shares(_parts(y, said, Numeric())) == pytest.approx([metrics.mae(y, said)])


def digits() -> tuple[np.ndarray, np.ndarray]:
    data: Any = load_digits()
    return (data.data / 16).astype(np.float32), data.target.astype(np.int64)


# --- the whole -----------------------------------------------------------------------


def test_least_squares_has_the_curve_of_the_books():
    # E|error| of least squares with D normal features: s sqrt(2 / pi n / (n - D))
    rng = np.random.default_rng(0)
    d, n = 20, 800
    x = rng.normal(size=(n, d)).astype(np.float32)
    y = x @ rng.normal(size=d) + rng.normal(0, 2, n)
    folds = np.arange(n) % 5
    curve = learning_curve(x, y, Numeric.of(y), folds, 1e-4, draws=4)
    for size, error in zip(curve.sizes, curve.errors, strict=True):
        wanted = 2 * np.sqrt(2 / np.pi * size / (size - d - 1))
        assert error == pytest.approx(wanted, rel=0.06)
    for n in (1600, 3200):
        found = curve.at(n)
        wanted = 2 * np.sqrt(2 / np.pi * n / (n - d - 1))
        assert found.value == pytest.approx(wanted, rel=0.05)
        assert found.low <= wanted <= found.high


def test_what_few_digits_promise_many_keep():
    x, y = digits()
    objective = SingleLabel(tuple("0123456789"))
    order = np.random.default_rng(0).permutation(len(y))
    x, y, new = x[order], y[order], slice(1200, None)
    few = slice(0, 300)
    curve = learning_curve(
        x[few], y[few], objective, deal(y[few], folds=5), 0.02, seed=1
    )
    for n in (600, 1200):
        head = fit_head(x[:n], y[:n], objective, 0.02 * 300 / n)
        right = (head.logits(x[new]).argmax(dim=1).numpy() == y[new]).mean()
        found = curve.at(n)
        assert found.low - 0.01 <= right <= found.high + 0.01
    assert list(curve.by_class) == list("0123456789")
    assert {c.metric for c in curve.by_class.values()} == {"recall"}
    recall = np.mean([c.errors for c in curve.by_class.values()], axis=0)
    np.testing.assert_allclose(recall, curve.errors, atol=0.01)  # classes are even


def test_noise_promises_nothing():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 10)).astype(np.float32), rng.integers(0, 2, 200)
    curve = learning_curve(x, y, SingleLabel(("a", "b")), np.arange(200) % 4, 1.0)
    assert "cannot be promised" in curve.sentence()


def test_several_labels_and_a_rare_one():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (200, 4))
    y[:, 2] = 0  # nobody has it
    y[:, 3] = np.arange(200) == 7  # one has it
    x = (y @ rng.normal(size=(4, 12)) + rng.normal(0, 1, (200, 12))).astype(np.float32)
    objective: Any = MultiLabel(("a", "b", "c", "d"))
    curve = learning_curve(x, y, objective, np.arange(200) % 5, 0.03)
    assert curve.metric == "f1_micro" and list(curve.by_class) == ["a", "b", "d"]
    assert curve.errors[0] > curve.errors[-1]
    assert curve.at(400).value > 0.7


def test_the_seed_decides():
    x, y = (array[:150] for array in digits())
    objective = SingleLabel(tuple("0123456789"))
    one, same, other = (
        learning_curve(x, y, objective, np.arange(150) % 3, 0.1, seed=s)
        for s in (0, 0, 1)
    )
    assert one.at(300) == same.at(300) != other.at(300)


@pytest.mark.parametrize("sizes", [(0.5, 1.0), (0.0, 0.5, 1.0), (0.5, 1, 2), ()])
def test_sizes_that_cannot_be(sizes):
    x, y = np.zeros((10, 2), np.float32), np.arange(10) % 2
    with pytest.raises(SettingError, match="three or more different shares"):
        learning_curve(x, y, SingleLabel(("a", "b")), y, 0.1, sizes=sizes)
