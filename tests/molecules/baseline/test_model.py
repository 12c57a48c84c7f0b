"""The baseline on molecules, with blanks, and by cross-validation."""

from dataclasses import replace

import numpy as np
import pytest
from rdkit import Chem

from vicinal.molecules.baseline import cross_validation, kernels, model
from vicinal.molecules.baseline.features import Scaler
from vicinal.molecules.baseline.files import baseline_to_files, restore_baseline
from vicinal.molecules.baseline.model import (
    Baseline,
    MoleculeFeatures,
    Predictions,
    molecule_features,
    similarities,
)
from vicinal.molecules.baseline.tanimoto import tanimoto


def cross_validate(
    features: MoleculeFeatures, y: np.ndarray, folds: np.ndarray
) -> Predictions:
    return cross_validation.cross_validate(
        features, y, folds, folds, descriptors="fast"
    ).baseline


CHAINS = ["C" * n for n in range(2, 14)]
SMILES = [*CHAINS, *(c + "O" for c in CHAINS), *(c + "N" for c in CHAINS)]
MOLS = [Chem.MolFromSmiles(smiles) for smiles in SMILES]
NUM_CARBONS = np.array([smiles.count("C") for smiles in SMILES], float)
FEATURES = molecule_features(MOLS)


def targets(*columns: np.ndarray) -> np.ndarray:
    return np.stack(columns, axis=1)


def test_it_learns_what_follows_from_the_structure():
    y = targets(NUM_CARBONS, np.array([s.endswith("O") for s in SMILES], float))
    found = cross_validate(FEATURES, y, np.arange(len(y)) % 6)
    errors = np.sqrt(((found.mean - y) ** 2).mean(axis=0))
    assert (errors < 0.25 * y.std(axis=0)).all(), errors
    assert (found.variance > 0).all()


def test_blanks_of_a_target_do_not_matter_for_the_others():
    y = targets(NUM_CARBONS, NUM_CARBONS**2)
    y[::3, 1] = np.nan
    found = Baseline.fit(FEATURES, y).predict(FEATURES)
    alone = Baseline.fit(FEATURES, y[:, :1]).predict(FEATURES)
    np.testing.assert_allclose(found.mean[:, :1], alone.mean, rtol=1e-6)
    assert np.median(np.abs(found.mean[::3, 1] - NUM_CARBONS[::3] ** 2)) < 2
    assert not np.isnan(found.mean).any()


def test_unlike_molecules_have_a_large_variance():
    y = targets(NUM_CARBONS)
    model = Baseline.fit(FEATURES, y)
    other = molecule_features([Chem.MolFromSmiles("c1ccc2c(c1)Cc1ccccc1S2(=O)=O")])
    like = molecule_features([Chem.MolFromSmiles("CCCCCCCC(C)O")])
    assert model.predict(other).variance > 2 * model.predict(like).variance


def test_cross_validation_does_not_see_the_fold():
    """Targets of a fold that are changed change none of its predictions."""
    y, folds = targets(NUM_CARBONS), np.arange(len(NUM_CARBONS)) % 4
    changed = y.copy()
    changed[folds == 2] += 100
    before, after = (cross_validate(FEATURES, t, folds) for t in (y, changed))
    same = folds == 2
    np.testing.assert_array_equal(before.mean[same], after.mean[same])
    assert (np.abs(before.mean - after.mean)[~same] > 1).mean() > 0.9


def test_a_target_without_any_value_is_not_predicted():
    y = targets(NUM_CARBONS, np.full(len(NUM_CARBONS), np.nan))
    y[0, 1] = 3.0
    found = cross_validate(FEATURES, y, np.arange(len(y)) % 3)
    assert np.isnan(found.mean[0, 1]) and not np.isnan(found.mean[1:, 0]).any()
    one = Baseline.fit(FEATURES.rows(np.array([0])), y[:1])
    assert np.isfinite(one.predict(FEATURES).mean).all()


def test_variances_are_those_of_dense_solves():
    y = targets(NUM_CARBONS)
    weights = np.tile([1.0, 1.0, 4.0], len(y) // 3)
    fitted = Baseline.fit(FEATURES, y, weights)
    new = molecule_features([Chem.MolFromSmiles(s) for s in ("CCC(C)O", "c1ccccc1")])
    k = fitted.cross_covariance(FEATURES)
    cross, noise = fitted.cross_covariance(new), fitted.processes[0].noise
    total = k + np.diag(noise / weights * weights.mean())
    explained = (cross * np.linalg.solve(total, cross.T).T).sum(axis=1)
    expected = fitted.processes[0].signal * (1 + noise - explained)
    np.testing.assert_allclose(fitted.predict(new).variance[:, 0], expected)


def test_molecules_of_weight_zero_are_not_used():
    y, weights = targets(NUM_CARBONS), np.ones(len(NUM_CARBONS))
    weights[::4] = 0
    changed = y.copy()
    changed[::4] = 1000
    first, second = (Baseline.fit(FEATURES, t, weights) for t in (y, changed))
    np.testing.assert_array_equal(
        first.predict(FEATURES).mean, second.predict(FEATURES).mean
    )


def test_many_molecules_are_fitted_with_few_support_molecules(monkeypatch):
    y = targets(NUM_CARBONS, NUM_CARBONS**2)
    y[::5, 1] = np.nan
    exact = Baseline.fit(FEATURES, y).predict(FEATURES)
    monkeypatch.setattr(model, "MAX_MOLECULES", 10)
    monkeypatch.setattr(model, "MAX_SUPPORT", 24)
    fitted = Baseline.fit(FEATURES, y)
    assert len(fitted.support) == 24 and len(fitted.triangles) == 2
    found = fitted.predict(FEATURES)
    errors = np.abs(found.mean - exact.mean).max(axis=0)
    assert (errors < 0.5 * np.nanstd(y, axis=0)).all()
    assert (found.variance > 0).all()


def test_known_similarities_change_nothing():
    known = FEATURES.with_similarities()
    rows = np.array([5, 0, 9, 5])
    expected = tanimoto(FEATURES.counts[rows], FEATURES.counts)
    np.testing.assert_array_equal(similarities(known.rows(rows), known), expected)
    y = np.random.default_rng(0).normal(size=(len(FEATURES), 1))
    fitted, plain = Baseline.fit(known, y), Baseline.fit(FEATURES, y)
    found = fitted.compact().predict(FEATURES.rows(rows))
    np.testing.assert_allclose(found.mean, plain.predict(FEATURES.rows(rows)).mean)
    assert fitted.compact().support.known is None and known.rows(rows).known is not None


def test_variances_from_the_fit_are_those_computed_again(monkeypatch):
    y = targets(NUM_CARBONS, NUM_CARBONS**2)
    y[::5, 1] = np.nan
    weights = np.linspace(0, 2, len(FEATURES))
    fitted = Baseline.fit(FEATURES, y, weights, keep_triangles=True)
    assert len(fitted._factors) == 2 and not fitted.compact()._factors
    found, again = fitted.predict(FEATURES), fitted.compact().predict(FEATURES)
    np.testing.assert_allclose(found.variance, again.variance, rtol=1e-9)
    assert not Baseline.fit(FEATURES, y, weights)._factors
    first = (len(FEATURES) - 1) ** 2 * 8  # one has the weight 0
    monkeypatch.setattr(model, "MAX_FACTOR_BYTES", first)
    limited = Baseline.fit(FEATURES, y, weights, keep_triangles=True)
    assert list(limited._factors) == [0]


def test_many_support_molecules_of_nearly_no_noise_have_variances(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(900, 2))
    features = MoleculeFeatures(rng.poisson(0.05, (900, 40)).astype(np.uint16), x)
    y = targets(np.sin(x[:, 0]) + 0.01 * rng.normal(size=900))
    monkeypatch.setattr(model, "MAX_MOLECULES", 800)  # covariances are float32
    found = Baseline.fit(features, y, most=600).predict(features)
    assert (found.variance > 0).all()
    assert np.abs(found.mean - y).mean() < 0.05


@pytest.mark.parametrize("candidate", kernels.CANDIDATES)
def test_a_model_file_keeps_the_kernel_and_the_scaling(candidate: kernels.Candidate):
    fitted = Baseline.fit(FEATURES, targets(NUM_CARBONS))
    scaler = Scaler.fit(FEATURES.descriptors)
    if candidate.normal_scores:
        scaler = scaler.with_normal_scores(FEATURES.descriptors)
    fitted = replace(fitted, scaler=scaler, kernel=candidate.kernel(20.0), _factors={})
    description, tensors = baseline_to_files(fitted)
    assert ("baseline.scaler.quantiles" in tensors) == candidate.normal_scores
    loaded = restore_baseline(description, tensors)
    found, expected = loaded.predict(FEATURES), fitted.predict(FEATURES)
    np.testing.assert_allclose(found.mean, expected.mean)
    np.testing.assert_allclose(found.variance, expected.variance)


def test_a_model_file_of_unsorted_quantiles_is_damaged():
    fitted = Baseline.fit(FEATURES, targets(NUM_CARBONS))
    scaler = fitted.scaler.with_normal_scores(FEATURES.descriptors)
    description, tensors = baseline_to_files(replace(fitted, scaler=scaler))
    name = "baseline.scaler.quantiles"
    for damaged in (tensors[name].flip(0), tensors[name][:1]):
        with pytest.raises(ValueError, match="scaling of the descriptors is damaged"):
            restore_baseline(description, {**tensors, name: damaged.contiguous()})


@pytest.mark.parametrize("true", [1, 2, 3])
def test_the_kernel_that_made_the_targets_has_the_largest_evidence(true, monkeypatch):
    rng = np.random.default_rng(1)
    x = rng.lognormal(size=(300, 3), sigma=1.5)
    counts = rng.poisson(0.4, (300, 80)).astype(np.uint16)
    candidate, scaler = kernels.CANDIDATES[true], Scaler.fit(x)
    if candidate.normal_scores:
        scaler = scaler.with_normal_scores(x)
    features, scaled = MoleculeFeatures(counts, x), MoleculeFeatures(counts, scaler(x))
    kernel = candidate.kernel(kernels.median_width(scaled.descriptors))
    k = model.covariance(kernel, scaled, scaled)
    y = np.linalg.cholesky(k + 1e-4 * np.eye(300)) @ rng.normal(size=(300, 2))
    y[:30, 0] = np.nan
    found, chosen = model.choose_kernel(features, y, ~np.isnan(y), np.ones(300))
    assert chosen == kernel
    np.testing.assert_array_equal(found(x), scaled.descriptors)
    monkeypatch.setattr(model, "MIN_GAIN", 10.0)  # more than it gains
    first = kernels.MolecularKernel(kernels.median_width(Scaler.fit(x)(x)))
    found, chosen = model.choose_kernel(features, y, ~np.isnan(y), np.ones(300))
    assert chosen == first and found.quantiles is None
    for empty in (np.nan, 0.1):
        y = np.full((300, 1), empty)
        _, chosen = model.choose_kernel(features, y, ~np.isnan(y), np.ones(300))
        assert chosen == first


def test_the_kernel_is_chosen_by_all_of_few_targets():
    rng, n = np.random.default_rng(2), 150
    x, counts = rng.normal(size=(n, 3)), np.ones((n, 3), np.uint16)
    features = MoleculeFeatures(counts, x)
    scaled = MoleculeFeatures(counts, Scaler.fit(x)(x))
    width = kernels.median_width(scaled.descriptors)
    names = ["squared exponential", *4 * ["Matern 3/2"]]
    columns = []
    for name in names:
        kernel = kernels.MolecularKernel(width, 0.2, name)
        k = model.covariance(kernel, scaled, scaled) + 0.01 * np.eye(n)
        columns.append(np.linalg.cholesky(k) @ rng.normal(size=n))
    y = np.stack(columns, axis=1)
    known, weights = np.ones_like(y, bool), np.ones(n)
    _, first = model.choose_kernel(features, y[:, :1], known[:, :1], weights)
    assert first.radial == "squared exponential"
    _, chosen = model.choose_kernel(features, y, known, weights)
    assert chosen.radial == "Matern 3/2"
