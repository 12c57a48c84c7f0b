"""Heads on frozen features, against scikit-learn's solvers and closed forms."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from vicinal.core.objective import MultiLabel, Numeric, Objective, SingleLabel
from vicinal.core.training import linear_head, linear_solver
from vicinal.core.training import regularization_path as path_module
from vicinal.core.training.linear_head import Head, fit_head
from vicinal.core.training.regularization_path import (
    PENALTIES,
    cross_validate_head,
    out_of_fold_logits,
    regularization_path,
)

ABC = SingleLabel(("a", "b", "c"))


@pytest.fixture(autouse=True)
def solve_to_convergence(monkeypatch):
    """Let solutions be compared with those of another solver."""
    monkeypatch.setattr(linear_solver, "TOLERANCE", 1e-6)
    monkeypatch.setattr(linear_solver, "MAX_STEPS", 20_000)


def clouds(n: int = 120, d: int = 6, classes: int = 3, seed: int = 0) -> Any:
    """Return features [n, d] around a centre per class, unscaled, and y [n]."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    centres = rng.normal(0, 1.5, (classes, d))
    x = centres[y] + rng.normal(0, 1, (n, d))
    return (x * rng.uniform(0.1, 9, d) + rng.normal(0, 5, d)).astype(np.float32), y


def standardize(x: np.ndarray) -> np.ndarray:
    return StandardScaler().fit_transform(x.astype(np.float64))


def assert_same_logits(head: Head, x: np.ndarray, wanted: np.ndarray) -> None:
    got = head.logits(x).double().numpy()
    centred = [v - v.mean(axis=1, keepdims=True) for v in (got, wanted)]
    np.testing.assert_allclose(*centred, atol=2e-3)


@pytest.mark.parametrize("penalty", [0.01, 0.3])
@pytest.mark.parametrize(("n", "d"), [(120, 6), (30, 60)])
def test_a_single_label_head_equals_scikit_learn(n, d, penalty):
    x, y = clouds(n, d)
    z = standardize(x)
    # scikit-learn sums over the examples: C = 1 / (n penalty)
    other = LogisticRegression(C=1 / (n * penalty), tol=1e-10, max_iter=10_000)
    assert_same_logits(
        fit_head(x, y, ABC, penalty), x, other.fit(z, y).decision_function(z)
    )


def test_a_multilabel_head_equals_one_logistic_regression_each():
    x, y = clouds()
    marks = np.stack([y == 0, y != 1], axis=1).astype(np.float32)
    head = fit_head(x, marks, MultiLabel(("a", "b")), 0.1)
    z = standardize(x)
    for k in range(2):
        other = LogisticRegression(C=1 / (len(x) * 0.1), tol=1e-10, max_iter=10_000)
        wanted = other.fit(z, marks[:, k]).decision_function(z)
        np.testing.assert_allclose(head.logits(x)[:, k], wanted, atol=2e-3)


def test_a_regression_head_equals_ridge_regression():
    x, _ = clouds()
    y = x @ np.arange(6.0) / 7 + 3
    objective = Numeric.from_targets(y)
    head = fit_head(x, y, objective, 0.2)
    z, target = standardize(x), (y - objective.mean) / objective.std
    wanted = Ridge(alpha=0.2 * len(x)).fit(z, target).predict(z)
    np.testing.assert_allclose(head.logits(x)[:, 0], wanted, atol=2e-3)


def test_class_weights_equal_scikit_learn():
    x, y = clouds()
    keep = (y > 0) | (np.arange(len(y)) < 15)  # class 0 is rare
    x, y = x[keep], y[keep]
    objective = ABC.with_class_weights(y)
    weight = np.array(objective.weights)[y]
    z = standardize(x)
    other = LogisticRegression(C=1 / (len(y) * 0.1), tol=1e-10, max_iter=10_000)
    wanted = other.fit(z, y, sample_weight=weight).decision_function(z)
    assert_same_logits(fit_head(x, y, objective, 0.1), x, wanted)


def test_out_of_fold_logits_equal_fitting_without_the_fold():
    x, y = clouds(90)
    folds = np.arange(90) % 4
    found = cross_validate_head(x, y, ABC, folds)
    z = standardize(x)  # of all rows, without labels
    for f, penalty in enumerate(found.penalties):
        own, others = folds == f, folds != f
        c = 1 / (others.sum() * penalty)
        other = LogisticRegression(C=c, tol=1e-10, max_iter=10_000)
        wanted = other.fit(z[others], y[others]).decision_function(z[own])
        got = found.logits[torch.from_numpy(own)].numpy()
        centred = [v - v.mean(axis=1, keepdims=True) for v in (got, wanted)]
        np.testing.assert_allclose(*centred, atol=5e-3)


def test_the_penalty_of_a_fold_is_chosen_without_it():
    x, y = clouds(45, classes=2)
    folds = np.arange(45) // 2 % 3
    plain = cross_validate_head(x, y, SingleLabel(("a", "b")), folds)
    flipped = y.copy()
    flipped[folds == 1] = 1 - y[folds == 1]  # all labels of fold 1 are flipped
    other = cross_validate_head(x, flipped, SingleLabel(("a", "b")), folds)
    own = torch.from_numpy(folds == 1)
    assert plain.penalties[1] == other.penalties[1]
    assert torch.allclose(plain.logits[own], other.logits[own], atol=1e-4)


def test_noise_gets_a_stronger_penalty_than_signal():
    x, y = clouds(200)
    folds = np.arange(200) % 5
    rng = np.random.default_rng(1)
    noise = cross_validate_head(x, rng.permutation(y), ABC, folds)
    clear = cross_validate_head(x, y, ABC, folds)
    assert noise.head.penalty > clear.head.penalty
    assert set(clear.losses) <= set(PENALTIES)
    assert min(clear.losses, key=lambda p: clear.losses[p]) == clear.head.penalty
    accuracy = (noise.logits.argmax(dim=1).numpy() == y).mean()
    assert accuracy < 0.5  # noise is not predictable out of fold


@pytest.mark.parametrize("count", [2, 3])
def test_two_or_three_folds(count):
    x, y = clouds(30)
    found = cross_validate_head(x, y, ABC, np.arange(30) // 3 % count)
    assert len(found.penalties) == count and torch.isfinite(found.logits).all()
    assert (found.logits.argmax(dim=1).numpy() == y).mean() > 0.8


@pytest.mark.parametrize(
    "objective", [ABC, MultiLabel(("a", "b")), Numeric(1.0, 2.0)], ids=lambda o: o.kind
)
def test_constant_features_get_no_weight(objective: Objective):
    x, y = clouds(40)
    x[:, 2] = 3.25
    targets = {
        "single_label": y,
        "multi_label": np.stack([y == 0, y == 1], axis=1).astype(np.float32),
        "numeric": y.astype(np.float64),
    }[objective.kind]
    head = fit_head(x, targets, objective, 0.1)
    assert np.isfinite(head.weights).all() and np.isfinite(head.bias).all()
    assert np.abs(head.weights[2]).max() < 1e-4


def test_the_path_holds_the_head_of_every_penalty():
    x, y = clouds()
    heads = regularization_path(x, y, ABC)
    assert [head.penalty for head in heads] == list(PENALTIES)
    for head in heads[2:6]:
        alone = fit_head(x, y, ABC, head.penalty)
        assert_same_logits(head, x, alone.logits(x).double().numpy())


def test_scaled_features_are_only_centred():
    x, y = clouds()
    z = standardize(x).astype(np.float32)
    plain, scaled = (regularization_path(z, y, ABC, scaled=s) for s in (False, True))
    np.testing.assert_allclose(plain[3].weights, scaled[3].weights, atol=1e-4)
    other = regularization_path(x, y, ABC, scaled=True)
    assert not np.allclose(other[3].logits(x), plain[3].logits(z), atol=0.01)


def test_out_of_fold_logits_of_one_penalty():
    x, y = clouds(60)
    folds = np.arange(60) // 3 % 3
    logits = out_of_fold_logits(x, y, ABC, folds, 0.1)
    assert logits.shape == (60, 3)
    assert (logits.argmax(dim=1).numpy() == y).mean() > 0.8


def test_a_time_limit_leaves_out_weaker_penalties(monkeypatch):
    """Each look at the clock takes a second: two penalties take longer than three."""
    x, y = clouds(60)
    folds = np.arange(60) // 3 % 3
    clock = itertools.count()
    monkeypatch.setattr(linear_solver, "MAX_STEPS", 1)
    for module in (linear_solver, path_module, linear_head):
        monkeypatch.setattr(module.time, "monotonic", lambda: float(next(clock)))
    cut = cross_validate_head(x, y, ABC, folds, seconds=3.0)
    assert not cut.is_complete and tuple(cut.losses) == path_module.PENALTIES[:2]
    assert torch.isfinite(cut.logits).all() and cut.head.penalty in cut.losses
    least = cross_validate_head(x, y, ABC, folds, seconds=0.0)
    assert tuple(least.losses) == path_module.PENALTIES[:1]
    assert cross_validate_head(x, y, ABC, folds).is_complete
