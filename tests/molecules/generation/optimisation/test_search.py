"""The search: it finds what is asked for, within its budget."""

from typing import Any

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import QED

from vicinal.errors import DataError, SettingError
from vicinal.molecules.generation.generator import MoleculeGenerator
from vicinal.molecules.generation.optimisation.objectives import (
    lower_bound,
    named_objective,
)
from vicinal.molecules.generation.optimisation.search import Search, SearchSettings

LEFT = ["C", "CC", "CO", "N", "CN", "F", "Cl", "CCO"]
LINKS = ["OC", "C(=O)N", "NC", "S(=O)(=O)N"]
RIGHT = ["c2ccncc2", "c2ccccc2", "C2CCNCC2", "C", "c2cccs2"]
SMILES = [f"{a}c1ccc({b}{c})cc1" for a in LEFT for b in LINKS for c in RIGHT]
TARGET = "FC(F)(F)c1ccc(S(=O)(=O)Nc2ccncc2)cc1"


@pytest.fixture(scope="module")
def generator() -> MoleculeGenerator:
    settings = {"min_count": 1, "network": "none", "minutes": None}
    return MoleculeGenerator(**settings).fit(SMILES)


def search(generator, name: str, seed: int = 0, **settings) -> Search:
    counts, objective = generator.model_.counts, named_objective(name)
    return Search(counts, None, objective, SearchSettings(**settings), seed)


def test_scores_rise_and_the_budget_is_kept(generator):
    calls: list[int] = []
    own = search(generator, f"similarity:{TARGET}", budget=600)
    objective = own.objective

    def counted(mols):
        calls.append(len(mols))
        return objective(mols)

    own.objective = counted
    found = own.run(SMILES[:40])
    assert sum(calls) == len(found.smiles) == len(set(found.smiles)) == 600
    assert (
        found.scores[0] > objective([Chem.MolFromSmiles(k) for k in SMILES[:40]]).max()
    )
    assert (np.diff(found.scores) <= 0).all()
    assert sorted(found.number) == list(range(600))
    recomputed = objective([Chem.MolFromSmiles(k) for k in found.smiles])
    np.testing.assert_allclose(found.scores, recomputed)


def test_the_seed_determines_the_search(generator):
    first, again, other = (
        search(generator, "qed", seed, budget=200).run(SMILES[:20]).smiles
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_molecules_are_not_larger_than_allowed(generator):
    found = search(generator, "logp", budget=300, max_atoms=20).run(SMILES[:40])
    sizes = [Chem.MolFromSmiles(k).GetNumHeavyAtoms() for k in found.smiles]
    assert max(sizes) <= 20


def test_a_search_that_finds_nothing_new_ends(generator):
    own = search(generator, "qed", budget=10_000, max_atoms=1, edit=1.0, exchange=0.0)
    found = own.run(["C", "N"])
    assert 2 <= len(found.smiles) < 20


def test_objectives_are_what_they_are_called():
    mols = [Chem.MolFromSmiles(k) for k in (TARGET, "CCO")]
    assert named_objective(f"similarity:{TARGET}")(mols)[0] == 1
    assert named_objective("qed")(mols)[1] == pytest.approx(QED.qed(mols[1]))
    for name in ("qde", "similarity:xyz", "similarity:"):
        with pytest.raises(SettingError):
            named_objective(name)


def test_a_model_is_maximised_by_its_lower_bound():
    class Model:
        def predict_interval(self, smiles):
            values = np.array([float(len(k)) for k in smiles])
            return values - 10 * np.array(["N" in k for k in smiles]), values + 1

    mols = [Chem.MolFromSmiles(k) for k in ("CCCC", "CCCCN")]
    assert lower_bound(Model())(mols).tolist() == [4.0, -5.0]
    assert lower_bound(Model(), minimise=True)(mols).tolist() == [-5.0, -6.0]


def test_wrong_arguments_are_one_message(generator):
    with pytest.raises(DataError, match="needs molecules to begin with"):
        search(generator, "qed").run(["not a molecule"])
    bad: list[dict[str, Any]] = [{"budget": 0}, {"edit": 0.8}, {"exchange": 2.0}]
    for wrong in bad:
        with pytest.raises(SettingError, match=next(iter(wrong))):
            SearchSettings(**wrong)
