"""Fewer networks than folds: what is held out, scored, saved and planned."""

import sys
from typing import Any

import numpy as np
import pytest
import torch

import vicinal
from vicinal.core.training.trainer import TrainingInterrupted
from vicinal.errors import SettingError
from vicinal.molecules.estimators import MoleculeClassifier, MoleculeRegressor
from vicinal.molecules.network import choice, fold_training
from vicinal.molecules.network.choice import Choice, choose
from vicinal.molecules.network.fold_training import plan_networks
from vicinal.molecules.report.held_out import held_out, interval_coverage
from vicinal.molecules.settings import MoleculeSettings
from vicinal.molecules.splits import most_groups_first, parts_of_groups

CHAINS = ["C" * n for n in range(2, 14)]
SMILES = [
    a + b + c for a in CHAINS for b in ("", "C1CCCCC1", "c1ccccc1") for c in "ONF"
]
NITROGENS = np.array([smiles.count("N") for smiles in SMILES], float)
OPTIONS: dict[str, Any] = {
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


@pytest.mark.parametrize("size", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
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


def test_parts_are_of_whole_groups_of_the_rows_that_matter():
    groups = np.repeat([7, 3, 9, 1, 4, 5], 4)
    rows = np.arange(8, 24)
    parts = parts_of_groups(groups, rows, 2)
    assert np.bincount(parts[rows]).tolist() == [8, 8]
    assert all(len(set(parts[rows][groups[rows] == k])) == 1 for k in (9, 1, 4, 5))
    few = parts_of_groups(np.zeros(10, int), np.arange(10), 5)
    assert np.bincount(few).tolist() == [2] * 5


def test_the_fold_of_most_groups_is_the_first():
    folds = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    groups = np.array([5, 5, 5, 1, 2, 3, 6, 7])
    found = most_groups_first(folds, groups)
    assert found.tolist() == [2, 2, 2, 0, 0, 0, 1, 1]


def test_one_network_is_compared_on_many_scaffolds():
    """A large scaffold fills a fold; the network is not tested on that one alone."""
    phenols = ["c1ccccc1" + "C" * n + end for n in range(1, 9) for end in "ONF"]
    ring = ["C1CC1", "C1CCC1", "C1CCCC1", "C1CCCCC1", "c1ccncc1", "c1ccsc1", "C1CCOC1"]
    others = [r + "C" * n + end for r in ring for n in (1, 2) for end in "OF"]
    smiles = phenols + others
    y = np.array([text.count("C") + 5.0 * text.endswith("O") for text in smiles])
    options: dict[str, Any] = OPTIONS | {"split": "scaffold"}
    model = MoleculeRegressor(**options, ensemble_size=1).fit(smiles, y)
    rows = model.model_.predicted_rows
    groups = model.cross_validation_.groups
    assert len(np.unique(groups[rows])) >= 3
    found = held_out(model.model_, 0)
    assert np.isfinite(found.expected).all() and len(np.unique(found.folds)) > 1


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_what_is_scored_does_not_depend_on_the_choice_in_a_part(weight, monkeypatch):
    """All molecules where the baseline predicts; else those of the network's fold."""
    weights = iter([weight, 0.0, 0.5])  # of the whole, then of the two halves

    def mixed(*arguments, **options):
        return Choice(next(weights), choose(*arguments, **options).comparison)

    for module in (fold_training, choice):
        monkeypatch.setattr(module, "choose", mixed)
    options: dict[str, Any] = OPTIONS | {"keep": "auto"}
    model = MoleculeRegressor(**options, ensemble_size=1).fit(SMILES, NITROGENS)
    own = np.flatnonzero(model.cross_validation_.folds == 0)
    rows = own if weight else np.arange(len(SMILES))
    np.testing.assert_array_equal(model.model_.predicted_rows, rows)
    assert len(model.final_networks) == (weight > 0)


def test_a_resumed_run_has_the_networks_of_its_plan(tmp_path, monkeypatch):
    """Also where other minutes would plan another number."""
    planned = iter([1, 3])
    monkeypatch.setattr(fold_training, "plan_networks", lambda *_: next(planned))
    path = tmp_path / "checkpoint.safetensors"
    options: dict[str, Any] = OPTIONS | {"minutes": 5.0, "checkpoint_seconds": 0.0}
    epochs: list[Any] = []
    with pytest.raises(TrainingInterrupted):
        epochs.extend(
            MoleculeRegressor(**options).fit_epochs(
                SMILES, NITROGENS, checkpoint=path, stop_requested=lambda: path.exists()
            )
        )
    second = MoleculeRegressor(**options)
    second.train_to_end(second.fit_epochs(SMILES, NITROGENS, checkpoint=path))
    assert len(second.final_networks) == 1


def test_the_time_limit_plans_the_number_of_networks(regressor):
    molecules = fold_training.MoleculeTensors  # of 100,000 molecules, without them
    tensors = molecules.__new__(molecules)
    tensors.bonds = torch.empty(30 * 100_000, 0)
    known = np.ones((100_000, 1), dtype=bool)

    def planned(**options):
        return plan_networks(tensors, known, MoleculeSettings(**options))

    assert planned(minutes=None) == 5
    assert planned(minutes=5) == 1
    assert planned(minutes=5000) == 5
    assert [planned(minutes=k) for k in (50, 100, 200)] == sorted(
        planned(minutes=k) for k in (50, 100, 200)
    )
    assert planned(minutes=200, hidden=8) >= planned(minutes=200)
    tensors.bonds = torch.empty(0, 0)  # single atoms
    assert planned(minutes=5) == 5


@pytest.mark.parametrize("size", [0, 6, 1.5])
def test_there_is_at_most_one_network_for_each_fold(size):
    with pytest.raises(SettingError, match="ensemble_size must be a whole number from"):
        MoleculeSettings(ensemble_size=size)


@pytest.mark.parametrize("dropout", [None, 0.0, 0.3])
def test_only_networks_of_few_molecules_have_dropout(dropout, monkeypatch):
    wanted = MoleculeSettings(dropout=dropout)
    assert wanted.dropout_for(1_999) == (0.1 if dropout is None else dropout)
    assert wanted.dropout_for(2_000) == (0.0 if dropout is None else dropout)
    model = MoleculeRegressor(**OPTIONS, ensemble_size=1, dropout=dropout)
    for few, expected in ((2_000, 0.1), (5, 0.0)):
        module = sys.modules[MoleculeSettings.__module__]
        monkeypatch.setattr(module, "FEW_MOLECULES", few)
        networks = model.fit(SMILES, NITROGENS).model_.networks
        assert networks is not None
        assert networks.config.dropout == (expected if dropout is None else dropout)
