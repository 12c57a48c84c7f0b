"""Suspected label errors: changed labels are found, and others are not."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vicinal.cli.app import main
from vicinal.molecules.baseline.features import describe, morgan_counts
from vicinal.molecules.baseline.model import Baseline, MoleculeFeatures
from vicinal.molecules.data.read import read_molecules
from vicinal.molecules.estimators import MoleculeClassifier, MoleculeRegressor
from vicinal.molecules.report.label_errors import suspected_label_errors

CHAINS = ["C" * n for n in range(2, 14)]
ENDS = ("", "O", "N", "C(=O)O", "F", "Cl", "C#N", "S")
SMILES = [chain + end for chain in CHAINS for end in ENDS]
LENGTHS = np.array([float(len(smiles)) for smiles in SMILES])
FAST: dict[str, Any] = {"network": "none", "descriptors": "fast", "split": "random"}


def test_leaving_one_out_is_what_a_fit_without_it_predicts():
    """With the noise and the kernel of all molecules, as the closed form has them."""
    mols = read_molecules(SMILES[:30]).mols
    features = MoleculeFeatures(morgan_counts(mols), describe(mols))
    y = LENGTHS[:30, None] + np.random.default_rng(0).normal(0, 0.3, (30, 1))
    weights = np.random.default_rng(1).integers(1, 4, 30).astype(float)
    fitted = Baseline.fit(features, y, weights)
    others = fitted.leave_one_out(0)
    less = others.without(7)
    process, k = fitted.processes[0], fitted.cross_covariance(features)
    noise = np.diag(process.noise / fitted.weights)
    for row, found in [*((k, others) for k in range(30)), (7, less), (9, less)]:
        removed = [row, 7] if found is less else [row]
        rest = np.setdiff1d(np.arange(30), removed)
        inverse = np.linalg.inv((k + noise)[np.ix_(rest, rest)])
        mean = process.mean + k[row, rest] @ inverse @ (y[rest, 0] - process.mean)
        assert found.errors[row] == pytest.approx(y[row, 0] - mean, rel=1e-5, abs=1e-8)
        variance = k[row, row] + noise[row, row] - k[row, rest] @ inverse @ k[rest, row]
        expected = np.sqrt(process.signal * variance)
        assert found.deviations[row] == pytest.approx(expected, rel=1e-5)


def test_a_wrong_number_is_the_first():
    y = LENGTHS + np.random.default_rng(0).normal(0, 0.2, len(LENGTHS))
    changed = y.copy()
    changed[50] += 6
    model = MoleculeRegressor(**FAST)
    found = suspected_label_errors(model.fit(SMILES, changed).model_)
    assert found[0].row == 50 and found[0].measured == pytest.approx(changed[50])
    assert found[0].expected == pytest.approx(y[50], abs=1.5)
    assert found[0].nearest != 50 and found[0].similarity > 0.5
    others = suspected_label_errors(model.fit(SMILES, y).model_)
    assert len(others) <= 2 and len(found) <= len(others) + 2
    assert all(found[0].deviations > 3 * label.deviations for label in found[1:])


def test_changed_classes_are_found():
    y = np.array(["acid" if smiles.endswith("(=O)O") else "other" for smiles in SMILES])
    rows = [11, 40]  # an acid, and none
    y[rows] = np.where(y[rows] == "acid", "other", "acid")
    found = suspected_label_errors(MoleculeClassifier(**FAST).fit(SMILES, y).model_)
    assert {label.row for label in found[:2]} == set(rows)
    acid = next(label for label in found if label.row == 11)
    assert acid.measured == 1 and acid.expected < 0.5  # `other` is the second class


def test_they_are_in_the_report_and_its_json(tmp_path, capsys):
    y = LENGTHS + np.random.default_rng(0).normal(0, 0.2, len(LENGTHS))
    y[50] += 6
    data = tmp_path / "data.csv"
    pd.DataFrame({"smiles": SMILES, "length": y}).to_csv(data, index=False)
    words = "--network none --descriptors fast --split random".split()
    out = tmp_path / "run"
    assert main(["train", str(data), "--out", str(out), *words]) == 0
    assert "suspected label error" in capsys.readouterr().out
    summary = json.loads((out / "metrics.json").read_text())
    (first, *_) = summary["suspected_label_errors"]
    assert (first["smiles"], first["line"]) == (SMILES[50], 52)
    assert "suspected label error" in (out / "report.html").read_text()
