"""Temperature and calibration error: against scipy, by hand and by simulation."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_expit, log_softmax

from vicinal.core.evaluation.calibration import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    Bin,
    binary_calibration_error,
    expected_calibration_error,
    fit_temperature,
    reliability_bins,
)
from vicinal.core.objective import MultiLabel, Numeric, Objective, SingleLabel

ABCD = SingleLabel(("a", "b", "c", "d"))
TAGS = MultiLabel(("a", "b", "c", "d"))


def random_logits(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 2, (n, 4))


def sample_labels(z: np.ndarray, objective: Objective, seed: int = 1) -> np.ndarray:
    """Sample labels with the probabilities of logits z [N, 4]."""
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
def test_the_temperature_equals_scipy_s_minimum(objective, factor):
    z = random_logits(150)
    y, z = sample_labels(z, objective), factor * z
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
def test_the_factor_of_scaled_logits_is_recovered(objective, factor):
    z = random_logits(20_000)
    logits = torch.from_numpy(factor * z).float()
    t = fit_temperature(logits, sample_labels(z, objective), objective)
    assert t == pytest.approx(factor, rel=0.05)


@pytest.mark.parametrize("objective", [ABCD, TAGS], ids=lambda o: o.kind)
def test_separated_examples_stop_at_the_bounds(objective):
    y = np.arange(40) % 4
    marks = np.eye(4)[y]
    z = torch.from_numpy(8 * marks - 4)
    y = y if objective is ABCD else marks
    assert fit_temperature(z, y, objective) == MIN_TEMPERATURE
    assert fit_temperature(-z, y, objective) == MAX_TEMPERATURE


def test_the_temperature_is_1_without_anything_to_fit():
    z, y = torch.from_numpy(3 * random_logits(9)), sample_labels(random_logits(9), ABCD)
    assert fit_temperature(z, y, ABCD) == 1
    assert fit_temperature(z[:0], y[:0], ABCD) == 1
    assert fit_temperature(torch.ones(50, 1), np.arange(50.0), Numeric()) == 1
    one = SingleLabel(("only",))
    assert fit_temperature(torch.ones(50, 1), np.zeros(50, dtype=int), one) == 1


@pytest.mark.parametrize("objective", [ABCD, TAGS], ids=lambda o: o.kind)
def test_no_temperature_changes_the_decisions(objective):
    z = torch.from_numpy(random_logits(200))
    plain = objective.decide(objective.predict(z))
    for t in (MIN_TEMPERATURE, 0.7, 3.0, MAX_TEMPERATURE):
        assert (objective.decide(objective.predict(z / t)) == plain).all()


def test_calibration_error_by_hand():
    # two bins. (0, 0.5]: 0.5 right, 0.4 wrong: |1/2 - 0.45| = 0.05
    # (0.5, 1]: 0.9 right, 0.7 wrong: |1/2 - 0.80| = 0.30
    top = np.array([0.5, 0.4, 0.9, 0.7])
    rest = (1 - top) / 2
    probabilities = np.stack([top, rest, rest], axis=1)
    y = np.array([0, 1, 0, 2])
    low, high = reliability_bins(probabilities, y, bins=2)
    assert low == pytest.approx(Bin(0.0, 0.5, 0.45, 0.5, 2))
    assert high == pytest.approx(Bin(0.5, 1.0, 0.8, 0.5, 2))
    assert expected_calibration_error(probabilities, y, bins=2) == pytest.approx(0.175)


def test_each_label_is_a_prediction_of_its_own():
    # yes at 0.8, right; no at 0.9, right; no at 0.7, wrong; yes at 0.6, wrong
    probabilities, y = np.array([[0.8, 0.1], [0.3, 0.6]]), np.array([[1, 0], [1, 0]])
    (only,) = reliability_bins(probabilities, y, bins=1)
    assert only == pytest.approx(Bin(0.0, 1.0, 0.75, 0.5, 4))


@pytest.mark.parametrize("objective", [ABCD, TAGS], ids=lambda o: o.kind)
def test_only_overconfident_predictions_have_a_calibration_error(objective):
    z = random_logits(100_000)
    y = sample_labels(z, objective)
    perfect = objective.predict(torch.from_numpy(z))
    assert expected_calibration_error(perfect, y) < 0.008
    overconfident = objective.predict(torch.from_numpy(3 * z))
    assert expected_calibration_error(overconfident, y) > 0.05


def test_bins_partition_the_predictions():
    probabilities = np.array([[1.0, 0.0], [0.5, 0.5], [0.8, 0.2], [0.79, 0.21]])
    filled = reliability_bins(probabilities, np.zeros(4, dtype=int), bins=10)
    assert [(round(b.low, 1), b.n) for b in filled] == [(0.4, 1), (0.7, 2), (0.9, 1)]
    assert all(b.low < b.confidence <= b.high for b in filled)
    assert np.isnan(expected_calibration_error(probabilities[:0], np.zeros(0)))


@pytest.mark.parametrize("n", [12, 100])
@pytest.mark.parametrize("multi_label", [False, True])
def test_careful_calibration_of_few_correct_examples_is_not_certain(n, multi_label):
    """All correct and equally confident: 1 - 1 / (N + 2), by hand."""
    objective = MultiLabel(("a", "b")) if multi_label else SingleLabel(("a", "b", "c"))
    rows = np.arange(n) % objective.outputs
    y = np.eye(objective.outputs)[rows]
    z = torch.from_numpy(6.0 * y - 3.0 * multi_label)
    arguments = z, (y if multi_label else rows), objective
    assert fit_temperature(*arguments) == MIN_TEMPERATURE
    careful = fit_temperature(*arguments, careful=True)
    p = objective.predict(z / careful)
    assert p[y > 0] == pytest.approx(1 - 1 / (n + 2), abs=1e-6)


def test_careful_calibration_changes_little_with_many_errors():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 2000)
    z = torch.from_numpy(3.0 * np.eye(3)[y] + 2 * rng.normal(size=(2000, 3)))
    arguments = z, y, SingleLabel(("a", "b", "c"))
    plain, careful = (fit_temperature(*arguments, careful=c) for c in (False, True))
    assert careful == pytest.approx(plain, rel=0.02) and careful > plain


def test_error_of_one_class_is_that_of_bins_of_equal_size():
    p = np.repeat([0.2, 0.8], 1500)
    truth = np.arange(3000) % 10 < np.where(p < 0.5, 2, 8)
    assert binary_calibration_error(p, truth) == pytest.approx(0, abs=1e-12)
    shifted = np.clip(p + 0.1, 0, 1)
    assert binary_calibration_error(shifted, truth) == pytest.approx(0.1)
