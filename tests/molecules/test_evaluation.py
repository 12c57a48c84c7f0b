"""Scores of molecules equal scikit-learn's, with blanks left out."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import (
    average_precision_score,
    mean_squared_error,
    roc_auc_score,
)

from vicinal.core.objective import MultiLabel, MultiNumeric, Numeric, SingleLabel
from vicinal.molecules.evaluation import (
    Measured,
    compare_columns,
    evaluate_molecules,
    target_scores,
)

RNG = np.random.default_rng(0)
N = 80
FRAME = pd.DataFrame({"smiles": ["C"] * N})


def test_of_one_number_the_score_is_the_rmse():
    y = RNG.normal(size=(N, 1))
    predicted = y[:, 0] + RNG.normal(0, 0.3, N)
    mean = np.zeros((N, 1))
    found = evaluate_molecules(Numeric(), Measured(y, predicted), {"mean": mean}, FRAME)
    expected = mean_squared_error(y[:, 0], predicted) ** 0.5
    assert found.score.value == pytest.approx(expected)
    assert found.baselines["mean"].value == pytest.approx(np.sqrt((y**2).mean()))
    assert found.beats_baselines and found.constant_name == "mean"


def test_of_two_classes_it_is_the_auroc():
    y = RNG.integers(0, 2, (N, 1)).astype(float)
    p = np.clip(0.5 + 0.2 * (y[:, 0] - 0.5) + RNG.normal(0, 0.2, N), 0, 1)
    predicted = np.stack([1 - p, p], axis=1)
    objective = SingleLabel(("a", "b"))
    found = evaluate_molecules(objective, Measured(y, predicted), {}, FRAME)
    assert found.score.value == pytest.approx(roc_auc_score(y[:, 0], p))
    precision = average_precision_score(y[:, 0], p)
    assert found.scores[0].value == pytest.approx(precision)
    assert found.scores[1].value == pytest.approx(((p > 0.5) == y[:, 0]).mean())
    assert found.confusion is not None and found.confusion.sum() == N


def test_of_three_classes_it_is_the_mean_of_one_against_the_others():
    rows = RNG.integers(0, 3, N)
    p = RNG.dirichlet([1, 1, 1], N) + np.eye(3)[rows] / 2
    p /= p.sum(axis=1, keepdims=True)
    objective = SingleLabel(("a", "b", "c"))
    measured = Measured(rows[:, None].astype(float), p)
    found = evaluate_molecules(objective, measured, {}, FRAME)
    expected = roc_auc_score(rows, p, multi_class="ovr", average="macro")
    assert found.score.value == pytest.approx(expected)


def test_blanks_of_several_targets_are_left_out():
    y = RNG.integers(0, 2, (N, 2)).astype(float)
    y[::3, 1] = np.nan
    p = RNG.uniform(size=(N, 2))
    objective = MultiLabel(("a", "b"))
    found = evaluate_molecules(objective, Measured(y, p), {}, FRAME)
    known = ~np.isnan(y[:, 1])
    each = [roc_auc_score(y[:, 0], p[:, 0]), roc_auc_score(y[known, 1], p[known, 1])]
    assert found.score.value == pytest.approx(np.mean(each))
    rows = target_scores(objective, ["a", "b"], Measured(y, p))
    assert [(name, n) for name, n, _ in rows] == [("a", N), ("b", int(known.sum()))]
    assert [score.value for _, _, score in rows] == pytest.approx(each)


def test_of_several_numbers_it_is_the_mean_of_rmse_over_deviation():
    y = RNG.normal(size=(N, 2)) * [1, 100]
    y[::4, 0] = np.nan
    predicted = np.where(np.isnan(y), 0, y) + np.array([0.5, 10])
    objective = MultiNumeric(("a", "b"), (0.0, 0.0), (1.0, 100.0))
    found = evaluate_molecules(objective, Measured(y, predicted), {}, FRAME)
    assert found.score.value == pytest.approx((0.5 + 0.1) / 2)
    assert found.score.metric == "nrmse"


def test_groups_widen_the_interval():
    y = np.repeat(RNG.normal(size=N // 8), 8)[:, None]
    predicted = y[:, 0] + np.repeat(RNG.normal(size=N // 8), 8)
    alone, grouped = (
        evaluate_molecules(Numeric(), Measured(y, predicted, groups), {}, FRAME).score
        for groups in (None, np.arange(N) // 8)
    )
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)


def test_a_ranking_is_compared_by_the_pairs_that_it_orders():
    y = np.repeat([1.0, 0.0], N // 2)[:, None]
    good, bad = y + RNG.normal(0, 0.1, y.shape), RNG.uniform(size=y.shape)
    objective = SingleLabel(("a", "b"))
    assert compare_columns(objective, y, good, bad).better
    assert not compare_columns(objective, y, bad, good).better
    same = compare_columns(objective, y, good, good)
    assert (same.wins, same.losses) == (0, 0)
