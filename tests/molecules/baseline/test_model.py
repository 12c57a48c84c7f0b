"""The baseline on molecules, with blanks, and by cross-validation."""

import numpy as np
import pytest
from rdkit import Chem

from vicinal.errors import DataError
from vicinal.molecules.baseline import model
from vicinal.molecules.baseline.model import (
    Baseline,
    cross_validate,
    molecule_features,
)

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
    found = Baseline(FEATURES, y).predict(FEATURES)
    alone = Baseline(FEATURES, y[:, :1]).predict(FEATURES)
    np.testing.assert_allclose(found.mean[:, :1], alone.mean, rtol=1e-6)
    assert np.median(np.abs(found.mean[::3, 1] - NUM_CARBONS[::3] ** 2)) < 2
    assert not np.isnan(found.mean).any()


def test_unlike_molecules_have_a_large_variance():
    y = targets(NUM_CARBONS)
    model = Baseline(FEATURES, y)
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
    one = Baseline(FEATURES.rows(np.array([0])), y[:1])
    assert np.isfinite(one.predict(FEATURES).mean).all()


def test_too_many_molecules_are_refused(monkeypatch):
    monkeypatch.setattr(model, "MAX_MOLECULES", 10)
    with pytest.raises(DataError, match=r"at most 10 molecules\. Got 36"):
        Baseline(FEATURES, targets(NUM_CARBONS))
