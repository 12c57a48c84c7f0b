"""Simple models of molecules, beside scikit-learn and by brute force."""

import numpy as np
import pytest
from rdkit import Chem
from sklearn.linear_model import LinearRegression

from vicinal.molecules.baseline import references
from vicinal.molecules.baseline.features import descriptor_names
from vicinal.molecules.baseline.model import molecule_features
from vicinal.molecules.baseline.references import predict_by_references
from vicinal.molecules.baseline.tanimoto import tanimoto

SMILES = ["C" * n + end for n in range(2, 12) for end in ("", "O", "N", "c1ccccc1")]
FEATURES = molecule_features([Chem.MolFromSmiles(smiles) for smiles in SMILES])
TRAIN, TEST = np.arange(0, 40, 2), np.arange(1, 40, 2)


@pytest.fixture
def targets() -> np.ndarray:
    y = np.random.default_rng(0).normal(size=(len(TRAIN), 2))
    y[::3, 1] = np.nan
    return y


def test_each_is_what_its_name_says(targets):
    training, new = FEATURES.rows(TRAIN), FEATURES.rows(TEST)
    found = predict_by_references(training, targets, new, "fast")
    names = descriptor_names("fast")
    columns = [names.index(name) for name in ("exactmw", "CrippenClogP")]
    similarity = tanimoto(new.counts, training.counts)
    for column, y in enumerate(targets.T):
        rows = np.flatnonzero(~np.isnan(y))
        np.testing.assert_allclose(found[0, :, column], y[rows].mean())
        x, x_new = (f.descriptors[:, columns] for f in (training, new))
        linear = LinearRegression().fit(x[rows], y[rows]).predict(x_new)
        np.testing.assert_allclose(found[1, :, column], linear, atol=1e-6)
        nearest = rows[similarity[:, rows].argmax(axis=1)]
        np.testing.assert_array_equal(found[2, :, column], y[nearest])


def test_of_many_molecules_a_sample_is_compared(targets, monkeypatch):
    monkeypatch.setattr(references, "MAX_NEAREST", 8)
    training, new = FEATURES.rows(TRAIN), FEATURES.rows(TEST)
    found = predict_by_references(training, targets, new, "fast")
    assert np.isin(found[2, :, 0], targets[:, 0]).all()
    assert len(np.unique(found[2, :, 0])) <= 8


def test_a_target_of_no_molecule_is_not_predicted(targets):
    targets[:, 1] = np.nan
    training, new = FEATURES.rows(TRAIN), FEATURES.rows(TEST)
    found = predict_by_references(training, targets, new, "fast")
    assert np.isnan(found[..., 1]).all() and np.isfinite(found[..., 0]).all()
