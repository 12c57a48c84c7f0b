"""Fewer networks than folds: what is held out, scored, saved and planned."""

import numpy as np
import pytest
import torch

import vicinal
from vicinal.errors import SettingError
from vicinal.molecules.estimators import MoleculeClassifier, MoleculeRegressor
from vicinal.molecules.network import fold_training
from vicinal.molecules.network.fold_training import halves, plan_networks
from vicinal.molecules.report.held_out import held_out, interval_coverage
from vicinal.molecules.settings import MoleculeSettings

CHAINS = ["C" * n for n in range(2, 14)]
SMILES = [
    a + b + c for a in CHAINS for b in ("", "C1CCCCC1", "c1ccccc1") for c in "ONF"
]
NITROGENS = np.array([smiles.count("N") for smiles in SMILES], float)
OPTIONS = {
    "descriptors": "fast",
    "split": "random",
    "keep": "network",
    "hidden": 8,
    "epochs": 3,
    "minutes": None,
    "folds": 3,
}


@pytest.fixture(scope="module")
def regressor() -> MoleculeRegressor:
    rng = np.random.default_rng(0)
    y = 3 * NITROGENS + rng.normal(0, 0.1, len(SMILES))
    return MoleculeRegressor(**OPTIONS, ensemble_size=1).fit(SMILES, y)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_only_molecules_that_a_network_has_not_seen_are_scored(size):
    model = MoleculeRegressor(**OPTIONS, ensemble_size=size).fit(SMILES, NITROGENS)
    folds = model.cross_validation_.folds
    own = np.flatnonzero(folds < size)
    np.testing.assert_array_equal(model.model_.predicted_rows, own)
    assert len(model.final_networks) == size
    found = model.cross_validated()
    assert found.score.n == len(own) == len(found.predictions)
    assert found.predictions["smiles"].tolist() == [SMILES[k] for k in own]
    assert found.predictions["fold"].tolist() == folds[own].tolist()
    data = model.model_.data
    assert data is not None
    notes = [n for n in data.notes if "for 3 folds" in n]
    assert len(notes) == (size < 3)
    assert not notes or f"{len(own)} of {len(SMILES)} molecules" in notes[0]


def test_a_network_does_not_depend_on_the_targets_of_its_fold():
    y = np.stack([NITROGENS > 0, np.arange(len(SMILES)) % 2], axis=1).astype(int)

    def trained(targets: np.ndarray) -> tuple[np.ndarray, torch.Tensor]:
        model = MoleculeClassifier(**OPTIONS, ensemble_size=1).fit(SMILES, targets)
        (network,) = model.final_networks
        parameters = [p.detach().flatten() for p in network.parameters()]
        return model.cross_validation_.folds, torch.cat(parameters)

    folds, weights = trained(y)
    same, without = trained(np.where(folds[:, None] == 0, 1 - y, y))
    np.testing.assert_array_equal(folds, same)
    assert torch.equal(weights, without)
    _, other = trained(np.where(folds[:, None] == 1, 1 - y, y))
    assert not torch.equal(weights, other)


def test_intervals_are_calibrated_on_the_molecules_that_are_scored(regressor):
    found = held_out(regressor.model_, 0)
    assert set(found.rows.tolist()) == set(regressor.model_.predicted_rows.tolist())
    assert len(np.unique(found.folds)) > 1  # parts of the one fold
    assert 0.7 <= interval_coverage(found, 0.9) <= 1
    half = regressor.predict_mols(regressor.mols_of(["CCCN", "CCCO"])).half
    assert np.isfinite(half).all() and (half > 0).all()


def test_the_model_is_saved_with_its_one_network(regressor, tmp_path):
    regressor.save(tmp_path / "model")
    loaded = vicinal.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(SMILES), regressor.predict(SMILES))
    ours, theirs = (m.cross_validated().score for m in (loaded, regressor))
    assert (ours.value, ours.n) == (theirs.value, theirs.n)


@pytest.mark.parametrize("several", [False, True])
def test_classes_with_one_network(several):
    y = np.where(NITROGENS > 0, "amine", "other")
    if several:
        y = np.stack([NITROGENS > 0, np.arange(len(SMILES)) % 2], axis=1).astype(int)
    model = MoleculeClassifier(**OPTIONS, ensemble_size=1).fit(SMILES, y)
    own = model.model_.predicted_rows
    assert 0 < len(own) < len(SMILES)
    found = model.cross_validated()
    assert len(found.predictions) == len(own) and np.isfinite(found.score.value)
    p = model.predict_proba(SMILES[:5])
    assert np.isfinite(p).all() and ((p >= 0) & (p <= 1)).all()


def test_halves_keep_groups_together():
    groups = np.array([7, 7, 3, 9, 3, 1])
    found = halves(groups)
    assert set(found) == {0, 1}
    assert found[0] == found[1] and found[2] == found[4]


def test_the_time_limit_plans_the_number_of_networks(regressor):
    molecules = fold_training.MoleculeTensors  # of 100,000 molecules, without them
    tensors = molecules.__new__(molecules)
    tensors.bonds = torch.empty(30 * 100_000, 0)
    folds = np.arange(100_000) % 5

    def planned(**options):
        return plan_networks(tensors, folds, MoleculeSettings(**options))

    assert planned(minutes=None) == 5
    assert planned(minutes=5) == 1
    assert planned(minutes=5000) == 5
    assert [planned(minutes=k) for k in (50, 100, 200)] == sorted(
        planned(minutes=k) for k in (50, 100, 200)
    )
    assert planned(minutes=200, hidden=8) >= planned(minutes=200)


@pytest.mark.parametrize("size", [0, 6, 1.5])
def test_there_is_at_most_one_network_for_each_fold(size):
    with pytest.raises(SettingError, match="ensemble_size must be from 1 to"):
        MoleculeSettings(ensemble_size=size)
