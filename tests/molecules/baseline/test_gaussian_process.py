"""The Gaussian process by its definition: dense solves, and fits without a molecule."""

import numpy as np
import pytest

from vicinal.molecules.baseline import gaussian_process
from vicinal.molecules.baseline.gaussian_process import (
    GaussianProcess,
    choose_noise,
    descend,
    explained_variance,
    factorize,
    lowest_point,
    negative_evidence,
)
from vicinal.molecules.baseline.kernels import squared_distances


def problem(n: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return covariances K [N, N], targets [N] and cross covariances [M, N]."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n + 5, 3))
    k = np.exp(-squared_distances(x, x) / 4)
    y = np.sin(x[:n, 0]) + rng.normal(0, 0.2, n)
    return k[:n, :n], y, k[n:, :n]


def test_predictions_and_variances_are_those_of_dense_solves():
    k, y, cross = problem()
    weights = np.tile([1.0, 2.0, 3.0], len(y) // 3)
    fitted, _ = GaussianProcess.fit(k, y, weights)
    total = k + np.diag(fitted.noise / weights)
    mean = np.average(y, weights=weights)
    expected = mean + cross @ np.linalg.solve(total, y - mean)
    np.testing.assert_allclose(fitted.predict(cross), expected, atol=1e-8)
    signal = (y - mean) @ np.linalg.solve(total, y - mean) / len(y)
    np.testing.assert_allclose(fitted.signal, signal)
    factor = factorize(k, fitted.noise / weights)
    explained = (cross * np.linalg.solve(total, cross.T).T).sum(axis=1)
    np.testing.assert_allclose(explained_variance(factor, cross), explained)


def test_a_molecule_measured_twice_is_one_of_twice_the_weight():
    k, y, cross = problem()
    doubled = np.repeat(np.arange(len(y)), 2)
    twice = k[np.ix_(doubled, doubled)]
    weights, ones = np.full(len(y), 2.0), np.ones(2 * len(y))
    noise = 0.1
    once = np.linalg.solve(k + np.diag(noise / weights), y)
    both = np.linalg.solve(twice + np.diag(noise / ones), y[doubled])
    np.testing.assert_allclose(cross @ once, cross[:, doubled] @ both, atol=1e-8)
    fitted, _ = GaussianProcess.fit(k, y, weights)
    total = k + np.diag(fitted.noise / weights)
    expected = np.linalg.solve(total, y - y.mean())
    np.testing.assert_allclose(fitted.alpha, expected, atol=1e-8)


def test_the_noise_has_the_largest_evidence():
    k, y, _ = problem()
    fitted, _ = GaussianProcess.fit(k, y, np.ones(len(y)))
    centered = y - y.mean()

    def loss(noise: float) -> float:
        """Minus the log density of the targets over N, without its constant."""
        total = k + noise * np.eye(len(k))
        signal = centered @ np.linalg.solve(total, centered) / len(k)
        return (np.log(signal) + np.linalg.slogdet(total)[1] / len(k)) / 2

    best = loss(fitted.noise)
    assert negative_evidence(k, centered, 0.3) == pytest.approx(loss(0.3))
    assert best <= min(loss(fitted.noise * factor) for factor in (0.9, 1.1, 0.1, 10))
    assert 0.005 < fitted.noise * fitted.signal < 0.12  # 0.04 was added


def test_support_of_all_molecules_is_the_exact_process():
    k, y, cross = problem()
    weights, rows = np.tile([1.0, 2.0, 3.0], len(y) // 3), np.arange(len(y))
    exact, _ = GaussianProcess.fit(k, y, weights)
    found, triangle = GaussianProcess.fit_support(k, rows, y, weights)
    assert (found.mean, found.noise) == (exact.mean, exact.noise)
    np.testing.assert_allclose(found.predict(cross), exact.predict(cross), atol=1e-4)
    np.testing.assert_allclose(found.signal, exact.signal, rtol=1e-3)
    expected = found.noise * k + (k * weights) @ k
    np.testing.assert_allclose(triangle @ triangle.T, expected, atol=1e-6)


def test_fewer_support_molecules_approximate_the_process():
    k, y, cross = problem(120)
    ones = np.ones(len(y))
    exact = GaussianProcess.fit(k, y, ones)[0].predict(cross)
    rows = np.arange(60)
    found, _ = GaussianProcess.fit_support(k[:, rows], rows, y, ones)
    error = np.abs(found.predict(cross[:, rows]) - exact)
    assert error.max() < 0.1 * y.std()


def test_the_noise_of_many_molecules_is_chosen_by_a_sample(monkeypatch):
    k, y, _ = problem(120)
    whole = choose_noise(k, y - y.mean(), np.ones(len(y)))
    monkeypatch.setattr(gaussian_process, "MAX_COARSE", 40)
    nearly = choose_noise(k, y - y.mean(), np.ones(len(y)))
    assert nearly == pytest.approx(whole, rel=0.05)  # the last search is by all
    monkeypatch.setattr(gaussian_process, "MAX_EVIDENCE", 60)
    sample = choose_noise(k, y - y.mean(), np.ones(len(y)))
    assert sample != whole and 0.2 < sample / whole < 5


@pytest.mark.parametrize("start", [2, 3, 8])
def test_a_misleading_first_sample_does_not_decide_the_noise(start: int, monkeypatch):
    k, y, _ = problem(120)
    centred, fine = y - y.mean(), np.arange(-6, 2, 0.02)
    best = fine[np.argmin([negative_evidence(k, centred, 10**g) for g in fine])]
    monkeypatch.setattr(gaussian_process, "MAX_COARSE", start)
    found = np.log10(choose_noise(k, centred, np.ones(len(y))))
    assert found == pytest.approx(best, abs=0.06)


@pytest.mark.parametrize("bottom", [-1.0, 0.4, 2.3, 3.6, 6.0])
def test_a_minimum_is_found_from_any_start(bottom: float):
    grid = [0.5 * k for k in range(9)]
    for start in grid:
        losses = descend(lambda g: (g - bottom) ** 2, grid, start)
        assert lowest_point(losses) == pytest.approx(np.clip(bottom, 0, 4))


def test_a_noise_that_is_too_small_is_not_chosen():
    k = np.ones((40, 40)) - 1e-5 * np.eye(40)  # not positive without noise
    assert negative_evidence(k, np.arange(40.0) - 19.5, 1e-6) == np.inf
    assert choose_noise(k, np.arange(40.0) - 19.5, np.ones(40)) > 1e-5
    assert lowest_point({0.0: np.inf, 1.0: 2.0, 2.0: 3.0}) == 1.0


def test_a_constant_target_is_predicted():
    k, y, cross = problem()
    fitted, _ = GaussianProcess.fit(k, np.full_like(y, 3.5), np.ones(len(y)))
    np.testing.assert_allclose(fitted.predict(cross), 3.5)
