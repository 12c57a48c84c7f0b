"""Learning curves, against known laws and scipy's solvers."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls
from sklearn.datasets import load_digits

from vicinal.core import metrics
from vicinal.core.data.splits import assign_folds
from vicinal.core.evaluation.learning_curve import (
    EXPONENTS,
    LearningCurve,
    _error_terms,
    _subset_ranks,
    fit_power_laws,
    learning_curve,
)
from vicinal.core.objective import MultiLabel, Numeric, SingleLabel
from vicinal.core.training.linear_head import fit_head
from vicinal.errors import SettingError

X = np.array([0.1, 0.2, 0.4, 0.8])
ONES = np.ones(4)


def simulated_curve(
    errors: np.ndarray, noise: float, metric: str = "accuracy"
) -> LearningCurve:
    """Return a curve of 1000 examples through errors [4], with noisy samples."""
    rng = np.random.default_rng(0)
    sampled = np.maximum(errors + rng.normal(0, noise, (200, 4)), 0)
    fits = fit_power_laws(X, sampled, ONES)
    fit = fit_power_laws(X, errors[None], ONES)[0]
    std = sampled.std(axis=0)
    return LearningCurve(metric, 1000, 1000 * X, errors, std, fit, fits)


# --- the power law --------------------------------------------------------------------


@pytest.mark.parametrize("c", [0.15, 0.3, 0.5, 1.0])
def test_a_known_law_is_extrapolated(c):
    (law,) = fit_power_laws(X, (0.05 + 0.1 * X**-c)[None], ONES)
    for x in (1, 2, 4):
        assert law[0] + law[1] * x ** -law[2] == pytest.approx(
            0.05 + 0.1 * x**-c, rel=0.03
        )


def test_the_fit_equals_non_negative_least_squares():
    rng = np.random.default_rng(0)
    errors, weights = rng.uniform(0, 1, (50, 4)), rng.uniform(0.5, 2, 4)
    errors[:25] = 0.2 * X**-0.7 + rng.normal(0, 0.1, (25, 4))
    fits = fit_power_laws(X, errors, weights)
    root = np.sqrt(weights)
    for (a, b, c), e in zip(fits, errors, strict=True):
        ours = np.linalg.norm(root * (a + b * X**-c - e))
        columns = [np.stack([ONES, X**-p], axis=1) * root[:, None] for p in EXPONENTS]
        assert ours == pytest.approx(min(nnls(m, root * e)[1] for m in columns))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
    st.floats(0, 0.3),
    st.sampled_from(["accuracy", "f1_micro", "recall", "mae"]),
)
def test_every_curve_is_monotone_and_inside_its_interval(errors, noise, metric):
    curve = simulated_curve(np.array(errors), noise, metric)
    found = [curve.predict(n) for n in (100, 500, 1000, 2000, 4000, 10**6)]
    sign = 1 if metric == "mae" else -1
    for one in found:
        assert one.low <= one.value <= one.high
        assert metric == "mae" or 0 <= one.low <= one.high <= 1
    for less, more in pairwise(found):  # more is never worse
        assert all(sign * (b - a) <= 1e-12 for a, b in zip(less, more, strict=True))
    gain = curve.gain(2)
    assert -1e-12 <= gain.low <= gain.value <= gain.high
    assert curve.describe().endswith(".")


def test_only_a_conclusive_curve_is_extrapolated_in_words():
    errors = 0.05 + 0.1 * X**-0.5
    clear, vague = simulated_curve(errors, 1e-4), simulated_curve(errors, 0.05)
    assert clear.is_conclusive and not vague.is_conclusive
    text = clear.describe()
    assert text.startswith("Expected accuracy 85.0 %")
    assert " with 1,000 images, 88.0 %" in text
    assert " with 2,000, 9" in text and text.endswith(" with 4,000.")
    assert "is uncertain" in vague.describe()
    assert "2,000" not in vague.describe()
    grams = simulated_curve(errors, 0.05, "mae").describe("g")
    assert grams.startswith("Expected mean absolute error 0.1")
    assert grams.endswith(" g.")


def test_a_flat_curve_is_not_conclusive():
    curve = simulated_curve(np.full(4, 0.3), 0.0)
    assert curve.gain(4).value == pytest.approx(0) and not curve.is_conclusive


# --- training subsets -----------------------------------------------------------------


def test_subsets_are_nested_stratified_and_without_the_held_out_fold():
    y = np.repeat([0, 1, 2], [80, 38, 3])
    folds = assign_folds(y, folds=4)
    ranks = _subset_ranks(
        y, SingleLabel(("a", "b", "c")), folds, np.random.default_rng(0)
    )
    for f in range(4):
        small, large, whole = (ranks[:, f] < s for s in (0.125, 0.5, 1))
        assert (large[small]).all() and (whole == (folds != f)).all()
        assert np.bincount(y[large]).tolist()[0] == 30
        assert (np.bincount(y[small], minlength=3) >= 1).all()


# --- errors --------------------------------------------------------------------------


def ratios(terms: np.ndarray) -> list[float]:
    return [float(above / below) for above, below in terms.sum(axis=2)]


def test_errors_equal_the_metrics():
    rng = np.random.default_rng(0)
    y, predicted = rng.integers(0, 3, (2, 50))
    whole, *classes = ratios(_error_terms(y, predicted, SingleLabel(("a", "b", "c"))))
    assert whole == pytest.approx(1 - (y == predicted).mean())
    for k, missed in enumerate(classes):
        assert missed == pytest.approx(1 - (predicted[y == k] == k).mean())
    y, predicted = rng.integers(0, 2, (2, 50, 3))
    whole, *classes = ratios(_error_terms(y, predicted, MultiLabel(("a", "b", "c"))))
    assert whole == pytest.approx(1 - metrics.f1_micro(y, predicted))
    assert classes[1] == pytest.approx(1 - predicted[y[:, 1] == 1, 1].mean())
    y, predicted = rng.normal(size=(2, 50))
    assert ratios(_error_terms(y, predicted, Numeric())) == pytest.approx(
        [metrics.mae(y, predicted)]
    )


def digits() -> tuple[np.ndarray, np.ndarray]:
    data: Any = load_digits()
    return (data.data / 16).astype(np.float32), data.target.astype(np.int64)


# --- learning curves ------------------------------------------------------------------


def test_least_squares_has_the_known_curve():
    # E|error| of least squares with D normal features: s sqrt(2 / pi n / (n - D))
    rng = np.random.default_rng(0)
    d, n = 20, 800
    x = rng.normal(size=(n, d)).astype(np.float32)
    y = x @ rng.normal(size=d) + rng.normal(0, 2, n)
    folds = np.arange(n) % 5
    curve = learning_curve(x, y, Numeric.from_targets(y), folds, 1e-4, num_subsets=4)
    for size, error in zip(curve.sizes, curve.errors, strict=True):
        wanted = 2 * np.sqrt(2 / np.pi * size / (size - d - 1))
        assert error == pytest.approx(wanted, rel=0.06)
    for n in (1600, 3200):
        found = curve.predict(n)
        wanted = 2 * np.sqrt(2 / np.pi * n / (n - d - 1))
        assert found.value == pytest.approx(wanted, rel=0.05)
        assert found.low <= wanted <= found.high


def test_the_curve_of_few_digits_predicts_the_accuracy_with_more():
    x, y = digits()
    objective = SingleLabel(tuple("0123456789"))
    order = np.random.default_rng(0).permutation(len(y))
    x, y, new = x[order], y[order], slice(1200, None)
    few = slice(0, 300)
    curve = learning_curve(
        x[few], y[few], objective, assign_folds(y[few], folds=5), 0.02, seed=1
    )
    for n in (600, 1200):
        head = fit_head(x[:n], y[:n], objective, 0.02 * 300 / n)
        accuracy = (head.logits(x[new]).argmax(dim=1).numpy() == y[new]).mean()
        found = curve.predict(n)
        assert found.low - 0.01 <= accuracy <= found.high + 0.01
    assert list(curve.by_class) == list("0123456789")
    assert {c.metric for c in curve.by_class.values()} == {"recall"}
    recall = np.mean([c.errors for c in curve.by_class.values()], axis=0)
    np.testing.assert_allclose(recall, curve.errors, atol=0.01)  # classes are even


def test_a_curve_of_noise_is_uncertain():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 10)).astype(np.float32), rng.integers(0, 2, 200)
    curve = learning_curve(x, y, SingleLabel(("a", "b")), np.arange(200) % 4, 1.0)
    assert "is uncertain" in curve.describe()


def test_multilabel_curves_leave_out_absent_labels():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (200, 4))
    y[:, 2] = 0  # no example has it
    y[:, 3] = np.arange(200) == 7  # one example has it
    x = (y @ rng.normal(size=(4, 12)) + rng.normal(0, 1, (200, 12))).astype(np.float32)
    objective: Any = MultiLabel(("a", "b", "c", "d"))
    curve = learning_curve(x, y, objective, np.arange(200) % 5, 0.03)
    assert curve.metric == "f1_micro" and list(curve.by_class) == ["a", "b", "d"]
    assert curve.errors[0] > curve.errors[-1]
    assert curve.predict(400).value > 0.7


def test_the_seed_determines_the_curve():
    x, y = (array[:150] for array in digits())
    objective = SingleLabel(tuple("0123456789"))
    one, same, other = (
        learning_curve(x, y, objective, np.arange(150) % 3, 0.1, seed=s)
        for s in (0, 0, 1)
    )
    assert one.predict(300) == same.predict(300) != other.predict(300)


@pytest.mark.parametrize("sizes", [(0.5, 1.0), (0.0, 0.5, 1.0), (0.5, 1, 2), ()])
def test_invalid_sizes_are_rejected(sizes):
    x, y = np.zeros((10, 2), np.float32), np.arange(10) % 2
    with pytest.raises(SettingError, match="three or more different fractions"):
        learning_curve(x, y, SingleLabel(("a", "b")), y, 0.1, sizes=sizes)
