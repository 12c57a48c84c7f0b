"""Terms of a prediction add up to it, at every level."""

from typing import Any

import numpy as np
import pytest
import torch

from vicinal.errors import ClassError, SettingError
from vicinal.molecules.estimators import MoleculeClassifier, MoleculeRegressor
from vicinal.molecules.explain.inspection import inspect_molecule
from vicinal.molecules.inference.prediction import features_of, molecule_tensors

CHAINS = ["C" * n for n in range(2, 14)]
SMILES = [chain + end for chain in CHAINS for end in ("", "O", "N", "C(=O)O")]
MOLECULE = "CC(N)C(=O)O"
NETWORK: dict[str, Any] = {
    "keep": "network",
    "hidden": 6,
    "epochs": 2,
    "folds": 2,
    "minutes": None,
}
QUICK: dict[str, Any] = {"descriptors": "fast", "split": "random"}


@pytest.fixture(scope="module")
def regressor() -> MoleculeRegressor:
    return MoleculeRegressor(**QUICK, **NETWORK).fit(SMILES, [*map(len, SMILES)])


@pytest.fixture(scope="module")
def classifier() -> MoleculeClassifier:
    y = ["acid" if smiles.endswith("(=O)O") else "other" for smiles in SMILES]
    return MoleculeClassifier(**QUICK, network="none").fit(SMILES, y)


def test_the_terms_of_a_process_give_the_probability(classifier):
    found = inspect_molecule(classifier, MOLECULE, "acid").data
    process = found["process"]
    rows = process["terms"]
    total = process["mean"] + process["other_terms"] + sum(r["product"] for r in rows)
    assert total == pytest.approx(process["sum"]) and found["max_error"] < 1e-9
    for row in rows:
        share = process["tanimoto_share"]
        k = share * row["tanimoto"] + (1 - share) * row["descriptors"]
        assert k == pytest.approx(row["covariance"])
        assert row["product"] == pytest.approx(k * row["weight"])
    p = classifier.predict_proba([MOLECULE])[0, 0]
    assert process["probability"] == pytest.approx(p)
    assert found["probability"] == pytest.approx(p) and found["network"] is None
    other = inspect_molecule(classifier, MOLECULE, "other").data
    assert other["probability"] == pytest.approx(1 - p)


def test_the_terms_of_a_network_give_its_output(regressor):
    found = inspect_molecule(regressor, MOLECULE).data
    network = found["network"]
    assert found["process"] is None and found["max_error"] < 1e-4
    std, mean = regressor.objective_.std, regressor.objective_.mean
    expected = np.mean([value + mean for value in network["outputs"]])
    assert found["predicted"] == pytest.approx(expected, rel=1e-5)
    units = sum(row["product"] for row in network["units"]) + network["other_units"]
    assert units + network["bias"] == pytest.approx(network["outputs"][0], abs=1e-5)
    unit, first = network["unit"], regressor.networks_.networks[0]
    atoms = sum(row["product"] for row in unit["atoms"])
    assert atoms + unit["descriptors"] + unit["bias"] == pytest.approx(unit["sum"])
    assert network["units"][0]["activation"] == pytest.approx(max(unit["sum"], 0))
    assert network["units"][0]["weight"] == pytest.approx(
        std * first.last.weight[0, unit["unit"]].item()
    )


def test_the_messages_of_a_gine_are_summed_in_its_last_layer():
    model = MoleculeRegressor(**QUICK, **NETWORK, network="gine")
    model.set_params(network_descriptors=False).fit(SMILES, [*map(len, SMILES)])
    assert model.model_description == "the average of 2 networks (GINE)"
    found = inspect_molecule(model, MOLECULE)
    network = found.data["network"]
    assert found.data["max_error"] < 1e-4
    unit, atom = network["unit"], network["atom"]
    atoms = sum(row["product"] for row in unit["atoms"])
    assert unit["descriptors"] == 0
    assert atoms + unit["bias"] == pytest.approx(unit["sum"], abs=1e-5)
    total = atom["own"] + sum(row["product"] for row in atom["messages"])
    assert total == pytest.approx(atom["sum"], abs=1e-5)
    (mol,) = model.mols_of([MOLECULE])
    neighbors = mol.GetAtomWithIdx(atom["atom"]).GetNeighbors()
    assert {row["atom"] for row in atom["messages"]} == {a.GetIdx() for a in neighbors}
    assert any("the sum in the last layer" in line for line in found.text)
    explained = model.explain(MOLECULE)
    assert not any(value for _, value in explained.descriptors)
    assert explained.error < 0.05


@pytest.mark.parametrize("atom", range(6))
def test_the_messages_of_an_atom_come_from_its_neighbours(regressor, atom):
    (mol,) = regressor.mols_of([MOLECULE])
    found = inspect_molecule(regressor, MOLECULE, atom=atom).data["network"]["atom"]
    neighbors = {a.GetIdx() for a in mol.GetAtomWithIdx(atom).GetNeighbors()}
    assert {row["atom"] for row in found["messages"]} == neighbors
    total = found["own"] + found["bias"] + sum(r["product"] for r in found["messages"])
    assert total == pytest.approx(found["sum"], abs=1e-5)
    model = regressor.model_
    batch = molecule_tensors(model, [mol], features_of(model, [mol])).batch(
        np.array([0])
    )
    with torch.no_grad():
        z = regressor.networks_.networks[0].atom_vectors(batch)
    expected = float(z[atom, found["feature"]])
    assert max(found["sum"], 0) == pytest.approx(expected, abs=1e-5)


def test_what_is_not_there_is_one_error(regressor, classifier):
    with pytest.raises(SettingError, match=r"atom must be from 0 to 5\. Got 6"):
        inspect_molecule(regressor, MOLECULE, atom=6)
    with pytest.raises(ClassError, match="There is no class 'x'"):
        inspect_molecule(classifier, MOLECULE, "x")
