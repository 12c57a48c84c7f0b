"""Cores and their attachment points."""

import pytest
from rdkit import Chem

from vicinal.errors import DataError
from vicinal.molecules.generation.grammar.assembly import join_tokens
from vicinal.molecules.generation.grammar.cores import read_core, without_points
from vicinal.molecules.generation.grammar.fragments import cut_molecule
from vicinal.molecules.generation.grammar.growth import grow_from

CORES = [
    "c1ccc(*)cc1",
    "*c1ccc(*)cc1",
    "O=C(N*)c1ccc(OC*)nc1",
    "[*:1]N1CCN([*:2])CC1",
    "[3*]C(=O)c1cccs1",
    "*C",
    "*C1(*)CCNCC1",
]


@pytest.mark.parametrize("smiles", CORES)
def test_the_points_of_a_core_stay_open(smiles):
    core = read_core(smiles)
    tree = cut_molecule(core)
    expected = Chem.MolToSmiles(core)
    for first in range(len(tree.fragments)):
        found = join_tokens(*grow_from(tree, first))
        assert Chem.MolToSmiles(Chem.MolFromSmiles(found)) == expected
    assert expected.count("*") == smiles.count("*") and ":" not in expected


@pytest.mark.parametrize(
    ("smiles", "message"),
    [
        ("c1ccccc1", "no attachment point"),
        ("", "must be a SMILES"),
        ("xyz", "must be a SMILES"),
        (None, "must be a SMILES"),
        ("*C.*N", "one connected molecule"),
        ("*=CC", "one single bond"),
        ("C*C", "one single bond"),
        ("**", "one single bond"),
        ("*", "one single bond"),
    ],
)
def test_what_is_no_core_is_one_message(smiles, message):
    with pytest.raises(DataError, match=message):
        read_core(smiles)


def test_the_pattern_of_a_core_is_found_in_what_contains_it():
    pattern = without_points(read_core("*c1ccc(C(=O)N*)cc1"))
    inside = Chem.MolFromSmiles("Clc1ccc(C(=O)NCC)cc1")
    others = [Chem.MolFromSmiles(k) for k in ("Clc1ccccc1", "O=C(N)C1CCCCC1")]
    assert inside.HasSubstructMatch(pattern)
    assert not any(mol.HasSubstructMatch(pattern) for mol in others)
