"""Expected sizes of errors: fitted to held-out errors, saved, and used in intervals."""

from typing import Any

import numpy as np
import pytest

import vicinal
from vicinal.molecules.baseline.conformal import cross_conformal_coverage
from vicinal.molecules.baseline.error_scale import (
    cross_fitted_scales,
    fit_error_scale,
    scales_from_arrays,
    scales_to_arrays,
)
from vicinal.molecules.estimators import MoleculeRegressor
from vicinal.molecules.report.held_out import error_by_expectation, held_out

N = 600


def problem(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return errors of which a descriptor makes the size, deviations and folds."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, 30))
    deviations = np.exp(rng.normal(0, 0.3, N))
    errors = np.abs(rng.normal(size=N)) * deviations * np.exp(0.8 * x[:, 3])
    return errors, deviations, x, np.arange(N) % 5


def test_the_descriptor_that_makes_the_errors_large_is_found():
    errors, deviations, x, folds = problem()
    scale = fit_error_scale(errors, deviations, x, folds)
    assert np.abs(scale.coefficients).argmax() in (0, 4)  # the deviation, or x[:, 3]
    assert scale.coefficients[4] == pytest.approx(0.8, abs=0.25)
    others = np.delete(np.abs(scale.coefficients), [0, 4])
    assert others.max() < 0.2
    new_errors, new_deviations, new_x, _ = problem(1)
    expected = scale(new_deviations, new_x)
    small = new_errors[expected < np.median(expected)]
    large = new_errors[expected >= np.median(expected)]
    assert np.sqrt((small**2).mean()) < 0.5 * np.sqrt((large**2).mean())


def test_the_errors_of_a_fold_do_not_count_for_it():
    errors, deviations, x, folds = problem()
    scales, _ = cross_fitted_scales(errors, deviations, x, folds)
    changed = np.where(folds == 2, 100 * errors, errors)
    again, _ = cross_fitted_scales(changed, deviations, x, folds)
    np.testing.assert_allclose(again[folds == 2], scales[folds == 2])
    assert not np.allclose(again[folds == 1], scales[folds == 1])
    coverage = cross_conformal_coverage(errors / scales, folds, 0.9)
    assert 0.87 < coverage.mean() < 0.93


def test_of_few_errors_the_deviation_is_taken():
    errors, deviations, x, folds = problem()
    few = np.where(np.arange(N) < 90, errors, np.nan)
    scales, fitted = cross_fitted_scales(few, deviations, x, folds)
    assert fitted is None
    np.testing.assert_array_equal(scales, deviations)


def test_unknown_errors_have_a_scale_too():
    errors, deviations, x, folds = problem()
    some = np.where(np.arange(N) % 3 == 0, np.nan, errors)
    scales, fitted = cross_fitted_scales(some, deviations, x, folds)
    assert fitted is not None and (scales > 0).all()


def test_scales_beyond_those_of_training_are_clipped():
    errors, deviations, x, folds = problem()
    scale = fit_error_scale(errors, deviations, x, folds)
    far = scale(deviations[:1], 1e6 * x[:1])
    assert far[0] in (np.exp(scale.low), np.exp(scale.high))


def test_files_keep_them():
    errors, deviations, x, folds = problem()
    scale = fit_error_scale(errors, deviations, x, folds)
    arrays = scales_to_arrays((scale, None), 31)
    restored, nothing = scales_from_arrays(*arrays.values())
    assert nothing is None and restored is not None
    np.testing.assert_array_equal(restored(deviations, x), scale(deviations, x))
    weights, limits = arrays.values()
    for bad in ([0.0, 2.0, 1.0], [0.0, -1e4, 1.0], [np.nan, 0.0, 1.0]):
        with pytest.raises(ValueError, match="scales of the errors are damaged"):
            scales_from_arrays(weights[:1], np.array([bad]))
    assert scales_to_arrays((), 31) == {} and limits.shape == (2, 3)


def test_intervals_are_wider_where_errors_are_larger(tmp_path):
    """Errors of acids are larger; the model learns it, and keeps it when saved."""
    rng = np.random.default_rng(0)
    chains = ["C" * n for n in range(2, 27)]
    ends = ("", "O", "N", "C(=O)O", "F", "Cl")
    smiles = [chain + end for chain in chains for end in ends]
    noise = [2.0 if s.endswith("(=O)O") else 0.1 for s in smiles]
    y = [len(s) + rng.normal(0, sd) for s, sd in zip(smiles, noise, strict=True)]
    settings: dict[str, Any] = {"network": "none", "descriptors": "fast"}
    model = MoleculeRegressor(**settings, split="random").fit(smiles, y)
    assert model.model_.error_scales[0] is not None
    low, high = model.predict_interval(["CCCCCCCCC(=O)O", "CCCCCCCCCO"])
    acid, alcohol = high - low
    assert acid > 1.5 * alcohol
    halves = error_by_expectation(held_out(model.model_, 0))
    assert halves.confident < 0.75 * halves.others
    loaded = vicinal.load(model.save(tmp_path / "model"))
    for mine, theirs in zip(
        loaded.predict_interval(smiles[:9]),
        model.predict_interval(smiles[:9]),
        strict=True,
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6)
