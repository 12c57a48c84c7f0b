"""Scores of generated molecules, against values by hand and by scikit-learn."""

import numpy as np
import pytest
from rdkit import Chem
from scipy.stats import norm

from vicinal.molecules.generation.evaluation.metrics import (
    CONTINUOUS,
    WHOLE_NUMBERS,
    descriptor_table,
    divergences,
    scaffold_of,
    score_molecules,
)
from vicinal.molecules.generation.evaluation.similarity import fingerprints

MOLECULES = [
    Chem.MolFromSmiles(f"{'C' * k}{end}")
    for k in range(1, 12)
    for end in ("O", "N", "c1ccccc1", "C(=O)OC", "c1ccncc1Cl")
]


def table(**values: np.ndarray) -> dict[str, np.ndarray]:
    return {name: values.get(name, np.arange(50.0)) for name in ("MolWt", *values)}


def test_equal_sets_have_no_divergence():
    own = descriptor_table(MOLECULES)
    assert set(own) == {*CONTINUOUS, *WHOLE_NUMBERS} and len(own) == 9
    for value in divergences(own, own).values():
        assert value == pytest.approx(0, abs=1e-9)


def test_the_divergence_of_normal_variables_is_the_formula():
    # D(N(0, 1), N(1, 1)) = 1/2
    quantiles = norm.ppf((np.arange(4000) + 0.5) / 4000)
    found = divergences(table(MolWt=quantiles), table(MolWt=quantiles + 1))
    assert found["MolWt"] == pytest.approx(0.5, rel=0.1)


def test_the_divergence_of_whole_numbers_is_that_of_their_shares():
    p, q = (np.repeat([0.0, 1.0], counts) for counts in ([80, 20], [50, 50]))
    names = "NumHDonors"
    expected = 0.8 * np.log(0.8 / 0.5) + 0.2 * np.log(0.2 / 0.5)
    found = divergences({names: p}, {names: q})
    assert found[names] == pytest.approx(expected, rel=1e-6)


def test_scaffolds_are_ring_systems_with_linkers():
    assert scaffold_of(Chem.MolFromSmiles("CCO")) == ""
    assert scaffold_of(Chem.MolFromSmiles("CCOc1ccccc1Cl")) == "c1ccccc1"


def test_shares_are_of_what_they_say():
    reference = MOLECULES
    drawn = ["CCO", "OCC", "CCN", "CCc1ccccc1", "not a molecule"] + ["CCCCO"] * 5
    found = score_molecules(drawn, reference, {"CCO"}, fingerprints(reference))
    assert found.n == 10 and found.valid == 0.9
    assert found.unique == pytest.approx(4 / 9)  # CCO, CCN, ethylbenzene, butanol
    assert found.novel == pytest.approx(3 / 4)
    assert found.scaffolds == pytest.approx(2 / 4)
    assert found.nearest == 1.0
    assert found.kl_score == 0  # nine molecules are too few for a density
    many = [Chem.MolToSmiles(mol) for mol in MOLECULES]
    assert score_molecules(
        many, reference, set(), fingerprints(reference)
    ).kl_score == pytest.approx(1)
