"""Metrics: against published values, scikit-learn, scipy, and known laws."""

import json
from math import inf, isnan, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import binomtest
from sklearn import metrics as reference

from vicinal.core.metrics import (
    PROPORTIONS,
    Score,
    accuracy,
    bootstrap,
    confusion_matrix,
    effective_sample_size,
    f1_macro,
    f1_micro,
    is_better,
    mae,
    mean_absolute_error,
    r2,
    rmse,
    wilson,
)

sweep = settings(max_examples=60, deadline=None, database=None)
trials = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
seeds = st.integers(0, 2**32 - 1)


def numbers(seed: int, n: int = 30) -> tuple[np.ndarray, np.ndarray]:
    y = np.random.default_rng(seed).normal(5, 3, (2, n))
    return y[0], y[1]


def rows(seed: int, classes: int = 5, n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    y = np.random.default_rng(seed).integers(0, classes, (2, n))
    return y[0], y[1]


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_as_published(successes, n, low, high):
    assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5)


@sweep
@given(trials)
def test_wilson_equals_scipy(trial):
    theirs = binomtest(*trial).proportion_ci(method="wilson")
    assert wilson(*trial) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilson_by_hand():
    # z = 2, 4 of 4: centre (1 + 4/8) / (1 + 4/4) = 3/4, half 2/2 sqrt(4/64) = 1/4.
    assert wilson(4, 4, z=2) == (0.5, 1.0)
    assert wilson(0, 4, z=2) == (0.0, 0.5)
    assert wilson(0, 0) == (0.0, 1.0)


@sweep
@given(seeds)
def test_accuracy_equals_scikit_learn(seed):
    y, predicted = rows(seed)
    score = accuracy(y, predicted)
    assert score.value == reference.accuracy_score(y, predicted)
    assert score.low <= score.value <= score.high and score.n == len(y)


def test_accuracy_without_examples_has_the_widest_interval():
    assert accuracy(np.zeros(0), np.zeros(0)) == ("accuracy", 0.0, 0.0, 1.0, 0)


@sweep
@given(seeds)
def test_errors_equal_scikit_learn(seed):
    y, predicted = numbers(seed)
    assert mae(y, predicted) == pytest.approx(
        reference.mean_absolute_error(y, predicted)
    )
    assert rmse(y, predicted) == pytest.approx(
        reference.root_mean_squared_error(y, predicted)
    )
    assert r2(y, predicted) == pytest.approx(reference.r2_score(y, predicted))


def test_errors_by_hand():
    # residuals 1, -1, 2; around the mean 2 the target varies by 1 + 0 + 1
    y, predicted = np.array([1.0, 2, 3]), np.array([0.0, 3, 1])
    assert mae(y, predicted) == pytest.approx(4 / 3)
    assert rmse(y, predicted) == pytest.approx(2**0.5)
    assert r2(y, predicted) == pytest.approx(1 - 6 / 2)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e9 + 0.1])
def test_r2_of_a_constant_target_is_nan(constant):
    # the mean of three 0.1 is not 0.1, so the sum of squares is not quite 0
    assert isnan(r2(np.full(3, constant), np.zeros(3)))


@sweep
@given(seeds, st.integers(1, 6))
def test_f1_macro_equals_scikit_learn(seed, classes):
    y, predicted = rows(seed, classes, n=12)
    how: Any = {"labels": np.unique(y), "average": "macro", "zero_division": 0}
    theirs = reference.f1_score(y, predicted, **how)
    assert f1_macro(y, predicted) == pytest.approx(theirs)


def test_f1_macro_by_hand():
    # class 0: 2 * 1 / (2 + 1) = 2/3; class 1: 0 / (1 + 0); class 2 does not occur
    assert f1_macro(np.array([0, 0, 1]), np.array([0, 2, 2])) == pytest.approx(1 / 3)
    assert f1_macro(np.zeros(0, int), np.zeros(0, int)) == 0


@sweep
@given(seeds)
def test_f1_micro_equals_scikit_learn(seed):
    draw = np.random.default_rng(seed)
    y, predicted = (draw.random((2, 20, 4)) < 0.4).astype(np.float32)
    how: Any = {"average": "micro", "zero_division": 1}
    theirs = reference.f1_score(y, predicted, **how)
    assert f1_micro(y, predicted) == pytest.approx(theirs)


def test_f1_micro_without_positive_labels():
    nothing, one = np.zeros((2, 3)), np.eye(2, 3)
    assert f1_micro(nothing, nothing) == 1
    assert f1_micro(nothing, one) == f1_micro(one, nothing) == 0


@sweep
@given(seeds, st.integers(1, 6))
def test_confusion_matrix_equals_scikit_learn(seed, classes):
    y, predicted = rows(seed, classes)
    theirs = reference.confusion_matrix(y, predicted, labels=np.arange(classes + 1))
    assert (confusion_matrix(y, predicted, classes + 1) == theirs).all()


def test_rows_of_the_confusion_matrix_are_true_classes():
    counts = confusion_matrix(np.array([0, 0, 1]), np.array([1, 1, 1]), 3)
    assert counts.tolist() == [[0, 2, 0], [0, 1, 0], [0, 0, 0]]


def test_the_bootstrap_covers_a_known_mean():
    # errors from the exponential law of mean 1: the true mae is 1
    draw, hits, repeats = np.random.default_rng(1), 0, 300
    for repeat in range(repeats):
        y = draw.exponential(1.0, 60)
        score = bootstrap("mae", mae, y, np.zeros(60), samples=200, seed=repeat)
        hits += score.low <= 1 <= score.high
    # the percentile interval is a little short at n = 60: about 93 of 100
    assert 0.88 <= hits / repeats <= 0.98


def test_the_bootstrap_of_a_mean_is_as_wide_as_its_standard_error():
    y = np.random.default_rng(0).normal(10, 2, 400)
    score = bootstrap("mae", mae, y, np.zeros(400), samples=2000)
    half = 1.96 * y.std() / 400**0.5
    assert score.value == pytest.approx(y.mean())
    assert score.low == pytest.approx(y.mean() - half, abs=0.15 * half)
    assert score.high == pytest.approx(y.mean() + half, abs=0.15 * half)


def test_the_bootstrap_resamples_pairs_by_its_seed():
    y = np.arange(30.0)
    perfect = bootstrap("mae", mae, y, y)
    assert perfect == ("mae", 0, 0, 0, 30)
    one, same, other = (bootstrap("mae", mae, y, y[::-1], seed=s) for s in (1, 1, 2))
    assert one == same != other


def test_the_bootstrap_ignores_undefined_resamples():
    # one of ten differs: a third of all draws leave it out, and have no R^2
    y, predicted = np.eye(10)[0], np.eye(10)[0] / 2
    score = bootstrap("r2", r2, y, predicted)
    assert score.value == pytest.approx(1 - 0.25 / 0.9) and score.n == 10
    assert 0 < score.low <= score.value <= score.high < 1
    nowhere = bootstrap("r2", r2, np.ones(50), np.zeros(50))
    assert all(map(isnan, nowhere[1:4])) and nowhere.n == 50


def test_the_bootstrap_interval_is_made_of_quantiles():
    y = np.random.default_rng(3).normal(size=40)
    draws = np.random.default_rng(7)
    values = [np.abs(y[draws.integers(0, 40, 40)]).mean() for _ in range(500)]
    score = bootstrap("mae", mae, y, np.zeros(40), samples=500, seed=7)
    assert score[2:4] == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))


def test_few_examples_have_no_interval_or_that_of_wilson():
    few = bootstrap("r2", r2, np.arange(9.0), np.arange(9.0))
    assert few.value == 1 and isnan(few.low) and isnan(few.high)
    marks = np.ones((3, 2), dtype=int)
    perfect = bootstrap("f1_micro", f1_micro, marks, marks)
    assert perfect[1:4] == pytest.approx((1.0, *wilson(3, 3)))
    many = bootstrap("f1_micro", f1_micro, np.ones((30, 2)), np.ones((30, 2)))
    # all draws are perfect, which says less than Wilson does
    assert many[1:4] == pytest.approx((1.0, *wilson(30, 30)))


def test_the_mean_absolute_error_has_student_s_interval():
    y = np.array([1.0, 2.0, 4.0, 9.0])
    score = mean_absolute_error(y, np.zeros(4))
    low, high = stats.t.interval(0.95, 3, loc=4, scale=stats.sem(y))
    assert score[1:] == (4.0, max(0.0, low), pytest.approx(high), 4)
    assert isnan(mean_absolute_error(y[:1], y[1:2]).low) and isnan(
        mean_absolute_error(y[:0], y[:0]).value
    )


def test_the_degrees_of_freedom_of_student_s_interval_are_those_of_groups():
    y, groups = np.arange(12.0), np.repeat(np.arange(3), 4)
    score = mean_absolute_error(y, np.zeros(12), groups)
    half = stats.t.ppf(0.975, 3 - 1) * y.std(ddof=1)
    n = effective_sample_size(y, groups)
    assert 1 <= n < 12
    assert score.high == pytest.approx(5.5 + half / np.sqrt(n))


def test_student_s_interval_covers_the_mean_of_few():
    draw, hits = np.random.default_rng(1), 0
    for _ in range(1000):
        score = mean_absolute_error(draw.normal(size=5), np.zeros(5))
        hits += score.low <= np.sqrt(2 / np.pi) <= score.high
    assert 900 <= hits <= 970  # absolute errors are skewed: a little below 950


def test_the_bootstrap_without_examples_is_nan():
    for measure in (mae, f1_macro):
        score = bootstrap("m", measure, np.zeros(0, int), np.zeros(0, int))
        assert all(map(isnan, score[1:4])) and score.n == 0


@pytest.mark.parametrize("metric", ["accuracy", "f1_micro", "f1_macro", "r2"])
def test_higher_scores_are_better(metric):
    assert is_better(metric, 0.9, 0.8) and not is_better(metric, 0.8, 0.9)


@pytest.mark.parametrize("metric", ["mae", "rmse"])
def test_lower_errors_are_better(metric):
    assert is_better(metric, 0.8, 0.9) and not is_better(metric, 0.9, 0.8)


@pytest.mark.parametrize("metric", ["accuracy", "mae"])
def test_neither_equal_nor_nan_is_better(metric):
    assert not is_better(metric, 1, 1)
    assert not is_better(metric, nan, 0) and not is_better(metric, 0, nan)
    assert is_better(metric, 0, inf) != is_better(metric, inf, 0)


def test_a_score_as_text():
    assert (
        str(Score("accuracy", 0.875, 0.5291, 0.9776, 8))
        == "87.5 % [52.9, 97.8] (n = 8)"
    )
    text = str(Score("mae", 1234.56, 0.00001, 2e6, 8))
    assert text == "1235 [1e-05, 2e+06] (n = 8, lower is better)"
    assert str(Score("r2", 0.5, 0.25, 0.75, 8)) == "0.5 [0.25, 0.75] (n = 8)"
    assert "all_labels_right" in PROPORTIONS


def test_a_score_as_json():
    score = Score("mae", 1.5, 1.0, 2.0, 8)
    text = json.loads(json.dumps(score.to_dict()))
    assert text == {"metric": "mae", "value": 1.5, "low": 1.0, "high": 2.0, "n": 8}
    assert Score(**text) == score


# --- examples that belong together ---------------------------------------------------


def test_independent_examples_have_their_own_number():
    values = np.random.default_rng(0).normal(size=40)
    assert (
        effective_sample_size(values, None)
        == effective_sample_size(values, np.arange(40))
        == 40
    )


@pytest.mark.parametrize("values", [np.repeat([0, 1, 1, 0], 5), np.ones(20)])
def test_homogeneous_groups_count_once(values):
    assert effective_sample_size(values, np.repeat(np.arange(4), 5)) == 4


def test_uneven_groups_by_hand():
    # 4^2 / (3^2 + 1^2), where all are alike
    assert effective_sample_size(np.ones(4), np.array([0, 0, 0, 1])) == pytest.approx(
        1.6
    )
    # m = 1/2, sums 1 and -1: v = 2 * 2 / 16 = 1/4, s^2 = 1/4: worth one, at least 2
    assert effective_sample_size(np.array([1, 1, 0, 0]), np.array([0, 0, 1, 1])) == 2


def test_groups_without_correlation_count_almost_fully():
    draw = np.random.default_rng(0)
    effective_n = [
        effective_sample_size(draw.normal(size=400), np.repeat(np.arange(100), 4))
        for _ in range(50)
    ]
    assert 330 < np.mean(effective_n) <= 400


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["accuracy", "f1_macro", "mae"])
def test_intervals_with_groups_have_their_coverage(metric):
    """Twenty groups of ten, half of what is said by a group and half by each of it.

    The true accuracy is one half. An interval that took the 200 for independent
    would cover it in some six of ten draws.
    """
    draw, covered, blind, repeats = np.random.default_rng(3), 0, 0, 200
    groups = np.repeat(np.arange(20), 10)
    measures: dict[str, Any] = {
        "accuracy": accuracy,
        "mae": mean_absolute_error,
        "f1_macro": lambda y, p, g=None: bootstrap(
            "f1_macro", f1_micro_of_one, y, p, g, samples=200
        ),
    }
    for _ in range(repeats):
        ours = np.repeat(draw.normal(size=20), 10) + draw.normal(size=200)
        right = (ours > 0).astype(int)
        y = np.ones(200, dtype=int)
        low, high = measures[metric](y, right, groups)[2:4]
        covered += low <= 0.5 <= high
        low, high = measures[metric](y, right)[2:4]
        blind += low <= 0.5 <= high
    assert covered / repeats > 0.88 and blind / repeats < 0.75


def f1_micro_of_one(y: np.ndarray, predicted: np.ndarray) -> float:
    """A share whose truth is known: how many of y, which are all 1, are found."""
    return float((y == predicted).mean())


def test_one_group_has_no_interval():
    score = mean_absolute_error(np.ones(4), np.zeros(4), np.zeros(4, dtype=int))
    assert np.isnan(score.low) and np.isnan(score.high) and score.n == 4
