"""Properties of new molecules, against published values and the training molecules."""

from typing import Any

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem.Descriptors import MolWt  # pyright: ignore[reportAttributeAccessIssue]

from vicinal.errors import DataError, NoteWarning, SettingError
from vicinal.molecules.generation.generator import MoleculeGenerator
from vicinal.molecules.generation.optimisation.run_objective import objective_of
from vicinal.molecules.generation.output.properties import (
    alert_names,
    describe_new_molecules,
    synthetic_accessibility,
)

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"


def test_properties_of_aspirin():
    known = [ASPIRIN, *("C" * k + "O" for k in range(2, 30))]
    known += ["c1ccccc1CO", "c1ccccc1CN"]
    generator = MoleculeGenerator(
        min_count=1, network="none", val_fraction=0, test_fraction=0
    ).fit(known)
    aspirin, chloride = describe_new_molecules(generator.model_, [ASPIRIN, "CCCl"])
    assert aspirin.weight == pytest.approx(180.16)
    assert aspirin.logp == pytest.approx(1.31, abs=0.01)  # PubChem: XLogP3 1.2
    assert aspirin.qed == pytest.approx(0.55, abs=0.01)  # Bickerton et al.: 0.55
    assert aspirin.nearest == Chem.CanonSmiles(ASPIRIN)
    assert aspirin.similarity == 1 and aspirin.is_known
    assert chloride.similarity < 1 and not chloride.is_known


def test_a_molecule_that_is_hard_to_make_has_a_higher_score():
    easy, hard = map(Chem.MolFromSmiles, (ASPIRIN, "C1CC2CCC1C1CC3CC(C2)C1C1CC4CC3C14"))
    assert synthetic_accessibility(easy) < 2 < 5 < synthetic_accessibility(hard)


def test_alerts_name_their_catalogue():
    quinone = Chem.MolFromSmiles("O=C1C=CC(=O)C=C1")
    assert any(name.startswith("PAINS quinone") for name in alert_names(quinone))
    assert any(name.startswith("BRENK") for name in alert_names(quinone))
    assert alert_names(Chem.MolFromSmiles("CCO")) == []


def test_objectives_are_minimised_by_their_negative():
    mols = [Chem.MolFromSmiles(text) for text in ("CCO", "c1ccccc1")]
    found = objective_of("logp")(mols)
    np.testing.assert_allclose(objective_of("logp", minimise=True)(mols), -found)
    with pytest.raises(SettingError, match="a property model can be named"):
        objective_of("solubility")


def test_molecules_outside_the_limits_are_not_scored():
    seen: list[str] = []

    def objective(mols):
        seen.extend(map(Chem.MolToSmiles, mols))
        return np.arange(float(len(mols)))

    known = [f"{'C' * k}c1ccccc1O" for k in range(1, 40)]
    generator = MoleculeGenerator(min_count=1, network="none").fit(known)
    limits: dict[str, Any] = {"min_weight": 150, "max_weight": 300}
    with pytest.warns(NoteWarning, match="outside the limits of weight: left out"):
        found = generator.optimise(objective, budget=60, start=known, **limits)
    weights = [MolWt(Chem.MolFromSmiles(text)) for text in seen]
    assert 150 <= min(weights) and max(weights) <= 300
    assert set(found.smiles) == set(seen)
    with pytest.raises(DataError, match="starting molecules within the limits"):
        with pytest.warns(NoteWarning, match="1 of 1 starting molecule"):
            generator.optimise("qed", budget=60, start=["C"], **limits)
    with pytest.warns(NoteWarning, match="3 of 5 starting molecules are beyond"):
        generator.optimise("qed", budget=2, start=known[:5])


def test_a_search_starts_from_known_molecules_within_the_limits():
    known = [f"{'C' * k}c1ccccc1O" for k in range(1, 40)]
    generator = MoleculeGenerator(
        min_count=1, network="none", val_fraction=0, test_fraction=0
    ).fit(known)
    limits: dict[str, Any] = {"min_weight": 150, "max_weight": 300, "max_atoms": 14}
    with pytest.warns(NoteWarning, match="variants of one another"):
        found = generator.optimise("qed", 4, **limits)
    assert set(found.smiles) == set(known[3:7])  # of 11 to 14 heavy atoms
    weights = [MolWt(Chem.MolFromSmiles(text)) for text in found.smiles]
    assert 150 <= min(weights) and max(weights) <= 300
