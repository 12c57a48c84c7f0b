"""The Gaussian process by its definition: dense solves, and fits without a molecule."""

import numpy as np
import pytest
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator

from vicinal.molecules.baseline.features import NUM_BITS, RADIUS, morgan_counts
from vicinal.molecules.baseline.gaussian_process import (
    GaussianProcess,
    MolecularKernel,
    median_width,
    negative_evidence,
    squared_distances,
    tanimoto,
)

SMILES = ["CCCCO", "CCCCN", "c1ccccc1O", "CC(=O)Nc1ccccc1", "CCCCCCCC", "O=C(O)CC", "C"]
MOLS = [Chem.MolFromSmiles(smiles) for smiles in SMILES]


def problem(n: int = 30, targets: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return covariances K [N, N], targets [N, T] and cross covariances [M, N]."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n + 5, 3))
    k = np.exp(-squared_distances(x, x) / 4)
    y = np.stack([np.sin(x[:n, 0]), x[:n, 1] ** 2][:targets], axis=1)
    return k[:n, :n], y + rng.normal(0, 0.2, y.shape), k[n:, :n]


def test_similarities_are_those_of_rdkit():
    generator = rdFingerprintGenerator.GetMorganGenerator(
        radius=RADIUS, fpSize=NUM_BITS
    )
    prints = [generator.GetCountFingerprint(mol) for mol in MOLS]
    expected = [DataStructs.BulkTanimotoSimilarity(p, prints) for p in prints]
    counts = morgan_counts(MOLS)
    assert counts.max() > 1
    np.testing.assert_allclose(tanimoto(counts, counts), expected, rtol=1e-6)
    nothing = np.zeros((1, NUM_BITS), np.uint16)
    assert tanimoto(nothing, nothing) == 1 and not tanimoto(nothing, counts).any()


def test_a_kernel_is_one_of_a_molecule_with_itself_and_positive():
    counts, x = morgan_counts(MOLS), np.random.default_rng(0).normal(size=(7, 4))
    kernel = MolecularKernel(median_width(x))
    k = kernel(counts, x, counts, x)
    np.testing.assert_allclose(np.diag(k), 1, rtol=1e-6)
    assert np.linalg.eigvalsh(k).min() > 0 and np.allclose(k, k.T)
    share = 0.5 * tanimoto(counts, counts)
    near = np.exp(-squared_distances(x, x) / (2 * kernel.width))
    np.testing.assert_allclose(k, share + 0.5 * near, rtol=1e-6)


def test_predictions_and_variances_are_those_of_dense_solves():
    k, y, cross = problem()
    fitted = GaussianProcess.fit(k, y)
    for t in range(y.shape[1]):
        total = k + fitted.noise[t] * np.eye(len(k))
        centered = y[:, t] - y[:, t].mean()
        mean = y[:, t].mean() + cross @ np.linalg.solve(total, centered)
        np.testing.assert_allclose(fitted.predict(cross)[:, t], mean, atol=1e-8)
        signal = centered @ np.linalg.solve(total, centered) / len(y)
        np.testing.assert_allclose(fitted.signal[t], signal)
        own = 1 + fitted.noise[t] - (cross * np.linalg.solve(total, cross.T).T).sum(1)
        np.testing.assert_allclose(
            fitted.variance(cross)[:, t], signal * own, rtol=1e-6
        )


def test_the_noise_has_the_largest_evidence():
    k, y, _ = problem(targets=1)
    fitted = GaussianProcess.fit(k, y)
    centered = y[:, 0] - y.mean()

    def loss(noise: float) -> float:
        """Minus the log density of the targets over N, without its constant."""
        total = k + noise * np.eye(len(k))
        signal = centered @ np.linalg.solve(total, centered) / len(k)
        return (np.log(signal) + np.linalg.slogdet(total)[1] / len(k)) / 2

    best = loss(fitted.noise[0])
    values, vectors = np.linalg.eigh(k)
    assert negative_evidence(values, vectors.T @ centered, 0.3) == pytest.approx(
        loss(0.3)
    )
    assert best <= min(loss(fitted.noise[0] * factor) for factor in (0.9, 1.1, 0.1, 10))
    assert 0.005 < fitted.noise[0] * fitted.signal[0] < 0.12  # 0.04 was added


def test_leave_one_out_is_a_fit_to_the_others():
    k, y, _ = problem(targets=1)
    fitted = GaussianProcess.fit(k, y)
    mean, variance = fitted.leave_one_out(y)
    noise, signal = fitted.noise[0], fitted.signal[0]
    for row in range(len(k)):
        others = np.arange(len(k)) != row
        total = k[np.ix_(others, others)] + noise * np.eye(len(k) - 1)
        weights = np.linalg.solve(total, k[others, row])
        expected = fitted.mean[0] + weights @ (y[others, 0] - fitted.mean[0])
        np.testing.assert_allclose(mean[row, 0], expected, atol=1e-8)
        own = 1 + noise - weights @ k[others, row]
        np.testing.assert_allclose(variance[row, 0], signal * own, rtol=1e-6)


def test_a_constant_target_is_predicted():
    k, y, cross = problem(targets=1)
    fitted = GaussianProcess.fit(k, np.full_like(y, 3.5))
    np.testing.assert_allclose(fitted.predict(cross), 3.5)
    assert np.isfinite(fitted.variance(cross)).all()
