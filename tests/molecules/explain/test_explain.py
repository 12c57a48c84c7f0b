"""Attributions add up to the prediction and find the atoms that cause it."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from rdkit import Chem

from vicinal.errors import ClassError, DataError, SettingError
from vicinal.molecules.baseline.features import substructure_counts
from vicinal.molecules.baseline.model import Baseline, molecule_features
from vicinal.molecules.estimators import MoleculeClassifier, MoleculeRegressor
from vicinal.molecules.explain.alerts import alert_atoms, find_alerts
from vicinal.molecules.explain.explanation import correlation_test
from vicinal.molecules.explain.integrated_gradients import attribute
from vicinal.molecules.explain.page import explanation_page, to_finding
from vicinal.molecules.explain.parts import choose_explained, make_parts
from vicinal.molecules.explain.substructures import (
    counts_without,
    spread_over_atoms,
    substructures,
)

CHAINS = ["C" * n for n in range(2, 12)]
RINGS = ["", "C1CCCCC1", "c1ccccc1", "C(C)C"]
SMILES = [a + b + c for a in CHAINS for b in RINGS for c in ("", "N", "O", "F")]
MOLS = [Chem.MolFromSmiles(smiles) for smiles in SMILES]
NITROGENS = np.array([smiles.count("N") for smiles in SMILES], float)
ASPIRIN = Chem.MolFromSmiles("CC(=O)Oc1ccccc1C(=O)O")


@pytest.fixture(scope="module")
def regressor() -> MoleculeRegressor:
    rng = np.random.default_rng(0)
    y = 3 * NITROGENS + rng.normal(0, 0.05, len(NITROGENS))
    model = MoleculeRegressor(descriptors="fast", split="random", network="none")
    return model.fit(SMILES, y)


@pytest.fixture(scope="module")
def networks() -> MoleculeRegressor:
    model = MoleculeRegressor(
        descriptors="fast",
        split="random",
        keep="network",
        hidden=16,
        epochs=40,
        minutes=None,
        folds=2,
    )
    return model.fit(SMILES, 3 * NITROGENS + 0.01 * np.arange(len(SMILES)) % 3)


@pytest.fixture(scope="module")
def classifier() -> MoleculeClassifier:
    model = MoleculeClassifier(descriptors="fast", split="random", network="none")
    return model.fit(SMILES, np.where(NITROGENS > 0, "amine", "other"))


@pytest.mark.parametrize("mol", [ASPIRIN, *MOLS[:8]], ids=Chem.MolToSmiles)
def test_substructures_are_those_that_are_counted(mol):
    counts = substructure_counts([mol])[0]
    found = np.zeros_like(counts)
    for place in substructures(mol):
        found[place.bit] += 1
    np.testing.assert_array_equal(found, counts)
    np.testing.assert_array_equal(counts_without(substructures(mol), set()), counts)
    everything = set(range(mol.GetNumAtoms()))
    assert not counts_without(substructures(mol), everything).any()


def test_without_an_atom_its_substructures_are_not_counted():
    mol = Chem.MolFromSmiles("CCO")
    places = substructures(mol)
    left = counts_without(places, {2})
    only_carbon = [p for p in places if set(p.atoms) <= {0, 1}]
    assert left.sum() == len(only_carbon)


def test_weights_of_bits_are_divided_among_their_atoms():
    places = substructures(ASPIRIN)
    weights = {place.bit: float(place.bit % 7) for place in places}
    found = spread_over_atoms(places, weights, ASPIRIN.GetNumAtoms())
    assert found.sum() == pytest.approx(sum(weights.values()))
    oxygen = substructures(Chem.MolFromSmiles("CO"))
    bit = next(p.bit for p in oxygen if p.atoms == (1,) and p.radius == 0)
    np.testing.assert_array_equal(spread_over_atoms(oxygen, {bit: 2.0}, 2), [0, 2])


def test_the_terms_of_a_process_add_up_to_its_prediction():
    features = molecule_features(MOLS)
    model = Baseline.fit(features, NITROGENS[:, None] + 0.1 * NITROGENS[:, None] ** 2)
    for smiles in ("CCCCN", "NCCCCN", "c1ccccc1CC"):
        own = molecule_features([Chem.MolFromSmiles(smiles)])
        found = attribute(model, own)
        assert found.value == pytest.approx(model.predict(own).mean[0, 0])
        assert found.error < 0.02


@pytest.mark.parametrize("name", ["regressor", "networks"])
def test_the_atom_that_causes_a_number_has_the_largest_share(name, request):
    model = request.getfixturevalue(name)
    found = model.explain("CCCCCN")
    assert found.atoms.argmax() == 5
    assert found.atoms[5] > 2 * np.abs(found.atoms[:4]).max()
    assert found.score == pytest.approx(model.predict(["CCCCCN"])[0], rel=1e-4)
    total = found.base + found.atoms.sum() + found.descriptor_sum
    assert total == pytest.approx(found.value, abs=found.error + 1e-6)
    assert found.error < 0.05 * abs(found.value)


def test_an_explanation_says_how_it_compares_with_random_atoms(regressor):
    found = regressor.explain("NCCCCCCCCCCCCCCCCCCCCCCCCCC")
    assert found.p <= 0.05 and found.correlation > 0.7
    assert found.verdict.startswith("Leaving out each atom")
    assert "p = " in str(found.lines())


def test_an_explanation_says_when_descriptors_matter_more(regressor):
    found = regressor.explain("NCCCCCCCCCCCCCCCCCCCCCCCCCC")
    sizes = [abs(value) for _, value in found.descriptors]
    total = np.abs(found.atoms).sum() + sum(sizes) + abs(found.other_descriptors)
    assert found.atom_fraction == pytest.approx(np.abs(found.atoms).sum() / total)
    few = replace(found, atoms=found.atoms / 1000)
    assert few.atom_fraction < 0.01
    assert "follows mostly from the descriptors" in few.verdict
    many = replace(found, atoms=found.atoms * 1000)
    assert "descriptors" not in many.verdict


def test_shares_are_compared_with_random_orders():
    rng = np.random.default_rng(0)
    changes = rng.normal(size=20)
    same, p = correlation_test(2 * changes + 1, changes, seed=0)
    assert (same, p) == (pytest.approx(1), 1 / 1000)
    other = rng.normal(size=20)
    found, p = correlation_test(other, changes, seed=0)
    assert found == pytest.approx(np.corrcoef(other, changes)[0, 1])
    assert p > 0.05
    assert correlation_test(np.zeros(20), changes, seed=0) == (0.0, 1.0)


def test_of_two_classes_either_can_be_explained(classifier):
    amine, other = (classifier.explain("CCCCN", name) for name in ("amine", "other"))
    np.testing.assert_allclose(amine.atoms, -other.atoms)
    assert amine.value == pytest.approx(-other.value)
    assert amine.score == pytest.approx(classifier.predict_proba(["CCCCN"])[0, 0])
    assert classifier.explain("CCCCN").target == "amine"
    assert amine.atoms.argmax() == 4
    with pytest.raises(ClassError, match="There is no class 'x'"):
        classifier.explain("CCO", "x")


def test_similar_molecules_have_their_labels(classifier):
    found = classifier.explain("CCCCCN").neighbors
    assert (found[0].smiles, found[0].label) == ("CCCCCN", "amine")
    assert found[0].similarity == pytest.approx(1)
    assert found[-1].label == "other" and "another label" in found[-1].why


def test_what_cannot_be_explained_is_one_error(regressor):
    with pytest.raises(DataError, match="X must be structures"):
        regressor.explain("no molecule")
    with pytest.raises(SettingError, match="target must be None"):
        regressor.explain("CCO", "x")


def test_alerts_have_the_atoms_of_the_catalogue():
    nitro = Chem.MolFromSmiles("CCCCc1ccc([N+](=O)[O-])cc1")
    found = dict(alert_atoms(nitro))
    assert any("nitro" in name.lower() for name in found)
    atoms = next(atoms for name, atoms in found.items() if "nitro" in name.lower())
    assert set(atoms) <= {4, 7, 8, 9, 10} and {8, 9} <= set(atoms)
    shares = np.zeros(nitro.GetNumAtoms())
    shares[list(atoms)] = 1
    assert any(alert.auroc == 1 for alert in find_alerts(nitro, shares))


def test_a_drawing_can_be_a_png(regressor, tmp_path):
    path = tmp_path / "molecule.png"
    to_finding(regressor.explain("CCCCN")).save_plot(path)
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape == (900, 1260, 3)
    assert (pixels[0, 0] == 255).all() and (pixels < 200).any()


def test_a_page_shows_the_drawing_and_the_terms(regressor):
    page = explanation_page(regressor.explain("CCCCN", alerts=True))
    assert page.count("<svg") >= 2 and "The terms add up" in page
    assert "Similar training molecules" in page


def test_the_bond_that_causes_a_number_has_the_largest_share():
    alkanes = ["C" * n for n in range(3, 15)]
    alkenes = [
        "C" * k + "C=C" + "C" * (n - k) for n in range(1, 11) for k in range(0, n, 3)
    ]
    model = MoleculeRegressor(
        descriptors="fast",
        split="random",
        keep="network",
        network_descriptors=False,
        hidden=16,
        epochs=60,
        minutes=None,
        folds=2,
    )
    model.fit(alkanes + alkenes, [0.0] * len(alkanes) + [5.0] * len(alkenes))
    found = model.explain("CCCC=CCCC")
    assert found.bonds.argmax() == 3
    assert found.bonds[3] > 3 * np.delete(np.abs(found.bonds), 3).max()
    assert found.bond_name(3) == "C3=C4"
    assert found.to_dict()["bonds"][3] == {
        "bond": "C3=C4",
        "share": pytest.approx(found.bonds[3]),
    }
    assert model.explain("c1ccccc1").bond_name(0) == "C0:C1"
    text = "\n".join(found.lines())
    assert "bonds, strongest first (included in their atoms):\n  C3=C4" in text
    assert "Shares of bonds" in explanation_page(found)
    total = found.base + found.atoms.sum() + found.descriptor_sum
    assert total == pytest.approx(found.value, abs=found.error + 1e-5)
    fitted, mol = model.model_, Chem.MolFromSmiles("CCCC=CCCC")
    explained = choose_explained(fitted, None, 0)
    (part,) = make_parts(fitted, mol, molecule_features([mol]), explained)
    without = part.values_without([np.arange(8), np.array([], int)])
    assert without == pytest.approx([found.value, found.base, found.value], rel=1e-4)


def test_the_process_has_no_shares_of_bonds(regressor):
    found = regressor.explain("CCCN")
    assert not found.bonds.any() and len(found.bonds) == 3
    assert "bonds, strongest first" not in "\n".join(found.lines())
