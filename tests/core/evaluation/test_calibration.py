"""Temperature and calibration error: against scipy, by hand, and known simulations."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_expit, log_softmax

from vicinal.core.evaluation.calibration import (
    COLDEST,
    HOTTEST,
    Bin,
    expected_calibration_error,
    fit_temperature,
    reliability,
)
from vicinal.core.objective import MultiLabel, Numeric, Objective, SingleLabel

ABCD = SingleLabel(("a", "b", "c", "d"))
TAGS = MultiLabel(("a", "b", "c", "d"))


def said(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 2, (n, 4))


def drawn(z: np.ndarray, objective: Objective, seed: int = 1) -> np.ndarray:
    """Labels that come about with just the probabilities that logits z [N, 4] say."""
    rng = np.random.default_rng(seed)
    if objective.kind == "single_label":
        return (z + rng.gumbel(size=z.shape)).argmax(axis=1)  # Gumbel 1954
    return (rng.uniform(size=z.shape) < 1 / (1 + np.exp(-z))).astype(np.float32)


def loss(z: np.ndarray, y: np.ndarray) -> float:
    if y.ndim == 1:
        return -float(log_softmax(z, axis=1)[np.arange(len(y)), y].mean())
    return -float(np.where(y > 0, log_expit(z), log_expit(-z)).mean())


@pytest.mark.parametrize("objective", [ABCD, TAGS], ids=lambda o: o.kind)
@pytest.mark.parametrize("factor", [0.2, 1.0, 3.0])
def test_temperature_is_where_scipy_finds_the_least_loss(objective, factor):
    z = said(150)
    y, z = drawn(z, objective), factor * z
    other: Any = minimize_scalar(
        lambda log_t: loss(z / np.exp(log_t), y),
        bounds=(-3, 3),
        options={"xatol": 1e-9},
    )
    t = fit_temperature(torch.from_numpy(z), y, objective)
    assert t == pytest.approx(np.exp(other.x), rel=1e-5)
    assert loss(z / t, y) <= loss(z, y)


@pytest.mark.parametrize("objective", [ABCD, TAGS], ids=lambda o: o.kind)
@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_logits_times_a_factor_give_the_factor_back(objective, factor):
    z = said(20_000)
    logits = torch.from_numpy(factor * z).float()
    t = fit_temperature(logits, drawn(z, objective), objective)
    assert t == pytest.approx(factor, rel=0.05)


@pytest.mark.parametrize("objective", [ABCD, TAGS], ids=lambda o: o.kind)
def test_examples_told_apart_or_all_wrong_stop_at_the_bounds(objective):
    y = np.arange(40) % 4
    marks = np.eye(4)[y]
    z = torch.from_numpy(8 * marks - 4)
    y = y if objective is ABCD else marks
    assert fit_temperature(z, y, objective) == COLDEST
    assert fit_temperature(-z, y, objective) == HOTTEST


def test_temperature_is_1_where_there_is_nothing_to_fit():
    z, y = torch.from_numpy(3 * said(9)), drawn(said(9), ABCD)
    assert fit_temperature(z, y, ABCD) == 1
    assert fit_temperature(z[:0], y[:0], ABCD) == 1
    assert fit_temperature(torch.ones(50, 1), np.arange(50.0), Numeric()) == 1
    one = SingleLabel(("only",))
    assert fit_temperature(torch.ones(50, 1), np.zeros(50, dtype=int), one) == 1


@pytest.mark.parametrize("objective", [ABCD, TAGS], ids=lambda o: o.kind)
def test_no_temperature_changes_what_is_decided(objective):
    z = torch.from_numpy(said(200))
    plain = objective.decide(objective.predict(z))
    for t in (COLDEST, 0.7, 3.0, HOTTEST):
        assert (objective.decide(objective.predict(z / t)) == plain).all()


def test_calibration_error_by_hand():
    # two bins. (0, 0.5]: 0.5 right, 0.4 wrong: |1/2 - 0.45| = 0.05
    # (0.5, 1]: 0.9 right, 0.7 wrong: |1/2 - 0.80| = 0.30
    top = np.array([0.5, 0.4, 0.9, 0.7])
    rest = (1 - top) / 2
    probabilities = np.stack([top, rest, rest], axis=1)
    y = np.array([0, 1, 0, 2])
    low, high = reliability(probabilities, y, bins=2)
    assert low == pytest.approx(Bin(0.0, 0.5, 0.45, 0.5, 2))
    assert high == pytest.approx(Bin(0.5, 1.0, 0.8, 0.5, 2))
    assert expected_calibration_error(probabilities, y, bins=2) == pytest.approx(0.175)


def test_each_label_is_an_answer_by_itself():
    # yes at 0.8, right; no at 0.9, right; no at 0.7, wrong; yes at 0.6, wrong
    probabilities, y = np.array([[0.8, 0.1], [0.3, 0.6]]), np.array([[1, 0], [1, 0]])
    (only,) = reliability(probabilities, y, bins=1)
    assert only == pytest.approx(Bin(0.0, 1.0, 0.75, 0.5, 4))


@pytest.mark.parametrize("objective", [ABCD, TAGS], ids=lambda o: o.kind)
def test_a_perfect_simulation_has_no_calibration_error_and_a_hot_one_has(objective):
    z = said(100_000)
    y = drawn(z, objective)
    perfect = objective.predict(torch.from_numpy(z))
    assert expected_calibration_error(perfect, y) < 0.008
    too_sure = objective.predict(torch.from_numpy(3 * z))
    assert expected_calibration_error(too_sure, y) > 0.05


def test_bins_hold_every_answer_once_and_empty_ones_are_left_out():
    probabilities = np.array([[1.0, 0.0], [0.5, 0.5], [0.8, 0.2], [0.79, 0.21]])
    filled = reliability(probabilities, np.zeros(4, dtype=int), bins=10)
    assert [(round(b.low, 1), b.n) for b in filled] == [(0.4, 1), (0.7, 2), (0.9, 1)]
    assert all(b.low < b.confidence <= b.high for b in filled)
    assert np.isnan(expected_calibration_error(probabilities[:0], np.zeros(0)))


@pytest.mark.parametrize("n", [12, 100])
@pytest.mark.parametrize("several", [False, True])
def test_no_mistake_among_few_is_no_certainty(n, several):
    """All right, and equally sure: as sure as one mistake in N + 2 allows, by hand."""
    objective = MultiLabel(("a", "b")) if several else SingleLabel(("a", "b", "c"))
    rows = np.arange(n) % objective.outputs
    y = np.eye(objective.outputs)[rows]
    z = torch.from_numpy(6.0 * y - 3.0 * several)
    given = z, (y if several else rows), objective
    assert fit_temperature(*given) == COLDEST
    careful = fit_temperature(*given, careful=True)
    p = objective.predict(z / careful)
    assert p[y > 0] == pytest.approx(1 - 1 / (n + 2), abs=1e-6)


def test_where_mistakes_are_many_care_changes_little():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 2000)
    z = torch.from_numpy(3.0 * np.eye(3)[y] + 2 * rng.normal(size=(2000, 3)))
    given = z, y, SingleLabel(("a", "b", "c"))
    plain, careful = (fit_temperature(*given, careful=c) for c in (False, True))
    assert careful == pytest.approx(plain, rel=0.02) and careful > plain
