"""Heads on frozen features, against scikit-learn's solvers and closed forms."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from vicinal.core.objective import MultiLabel, Numeric, Objective, SingleLabel
from vicinal.core.training import linear_head as heads
from vicinal.core.training.linear_head import PENALTIES, Head, cross_fit, fit_head

ABC = SingleLabel(("a", "b", "c"))


@pytest.fixture(autouse=True)
def exactly(monkeypatch):
    """Solve to the end, so that another solver's answer can be met."""
    monkeypatch.setattr(heads, "TOLERANCE", 1e-6)
    monkeypatch.setattr(heads, "STEPS", 20_000)


def clouds(n: int = 120, d: int = 6, classes: int = 3, seed: int = 0) -> Any:
    """Features [n, d] around a centre for each class, not standardised, and y [n]."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    centres = rng.normal(0, 1.5, (classes, d))
    x = centres[y] + rng.normal(0, 1, (n, d))
    return (x * rng.uniform(0.1, 9, d) + rng.normal(0, 5, d)).astype(np.float32), y


def standard(x: np.ndarray) -> np.ndarray:
    return StandardScaler().fit_transform(x.astype(np.float64))


def same_logits(head: Head, x: np.ndarray, wanted: np.ndarray) -> None:
    got = head.logits(x).double().numpy()
    centred = [v - v.mean(axis=1, keepdims=True) for v in (got, wanted)]
    np.testing.assert_allclose(*centred, atol=2e-3)


@pytest.mark.parametrize("penalty", [0.01, 0.3])
@pytest.mark.parametrize(("n", "d"), [(120, 6), (30, 60)])
def test_one_label_as_scikit_learn(n, d, penalty):
    x, y = clouds(n, d)
    z = standard(x)
    # J sums over the examples there: C = 1 / (n penalty)
    other = LogisticRegression(C=1 / (n * penalty), tol=1e-10, max_iter=10_000)
    same_logits(fit_head(x, y, ABC, penalty), x, other.fit(z, y).decision_function(z))


def test_several_labels_as_one_logistic_regression_each():
    x, y = clouds()
    marks = np.stack([y == 0, y != 1], axis=1).astype(np.float32)
    head = fit_head(x, marks, MultiLabel(("a", "b")), 0.1)
    z = standard(x)
    for k in range(2):
        other = LogisticRegression(C=1 / (len(x) * 0.1), tol=1e-10, max_iter=10_000)
        wanted = other.fit(z, marks[:, k]).decision_function(z)
        np.testing.assert_allclose(head.logits(x)[:, k], wanted, atol=2e-3)


def test_a_number_as_ridge_regression():
    x, _ = clouds()
    y = x @ np.arange(6.0) / 7 + 3
    objective = Numeric.of(y)
    head = fit_head(x, y, objective, 0.2)
    z, target = standard(x), (y - objective.mean) / objective.std
    wanted = Ridge(alpha=0.2 * len(x)).fit(z, target).predict(z)
    np.testing.assert_allclose(head.logits(x)[:, 0], wanted, atol=2e-3)


def test_class_weights_as_scikit_learn():
    x, y = clouds()
    keep = (y > 0) | (np.arange(len(y)) < 15)  # class 0 is rare
    x, y = x[keep], y[keep]
    objective = ABC.balanced(y)
    weight = np.array(objective.weights)[y]
    z = standard(x)
    other = LogisticRegression(C=1 / (len(y) * 0.1), tol=1e-10, max_iter=10_000)
    wanted = other.fit(z, y, sample_weight=weight).decision_function(z)
    same_logits(fit_head(x, y, objective, 0.1), x, wanted)


def test_out_of_fold_is_what_fitting_without_the_fold_gives():
    x, y = clouds(90)
    folds = np.arange(90) % 4
    found = cross_fit(x, y, ABC, folds)
    z = standard(x)  # of all rows: labels are not looked at
    for f, penalty in enumerate(found.penalties):
        own, others = folds == f, folds != f
        c = 1 / (others.sum() * penalty)
        other = LogisticRegression(C=c, tol=1e-10, max_iter=10_000)
        wanted = other.fit(z[others], y[others]).decision_function(z[own])
        got = found.logits[torch.from_numpy(own)].numpy()
        centred = [v - v.mean(axis=1, keepdims=True) for v in (got, wanted)]
        np.testing.assert_allclose(*centred, atol=5e-3)


def test_the_penalty_of_a_fold_is_chosen_without_it():
    x, y = clouds(80, classes=2)
    folds = np.arange(80) % 4
    plain = cross_fit(x, y, SingleLabel(("a", "b")), folds)
    turned = y.copy()
    turned[folds == 1] = 1 - y[folds == 1]  # what fold 1 says is turned round
    other = cross_fit(x, turned, SingleLabel(("a", "b")), folds)
    own = torch.from_numpy(folds == 1)
    assert plain.penalties[1] == other.penalties[1]
    assert torch.allclose(plain.logits[own], other.logits[own], atol=1e-4)


def test_noise_gets_a_strong_penalty_and_clouds_a_weak_one():
    x, y = clouds(200)
    folds = np.arange(200) % 5
    rng = np.random.default_rng(1)
    noise = cross_fit(x, rng.permutation(y), ABC, folds)
    clear = cross_fit(x, y, ABC, folds)
    assert noise.head.penalty > clear.head.penalty
    assert set(clear.losses) <= set(PENALTIES)
    assert min(clear.losses, key=lambda p: clear.losses[p]) == clear.head.penalty
    right = (noise.logits.argmax(dim=1).numpy() == y).mean()
    assert right < 0.5  # out of fold, noise cannot be learned


@pytest.mark.parametrize("count", [2, 3])
def test_few_folds(count):
    x, y = clouds(30)
    found = cross_fit(x, y, ABC, np.arange(30) // 3 % count)
    assert len(found.penalties) == count and torch.isfinite(found.logits).all()
    assert (found.logits.argmax(dim=1).numpy() == y).mean() > 0.8


@pytest.mark.parametrize(
    "objective", [ABC, MultiLabel(("a", "b")), Numeric(1.0, 2.0)], ids=lambda o: o.kind
)
def test_features_that_do_not_vary_do_no_harm(objective: Objective):
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
