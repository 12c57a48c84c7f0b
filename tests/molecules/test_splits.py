"""Which molecules stay in one split."""

import numpy as np
import pytest
from rdkit import Chem

from vicinal.molecules.data.grouping import compound_key, scaffold
from vicinal.molecules.splits import butina_clusters, merge_groups, molecule_groups


def mols(*smiles: str) -> list:
    return [Chem.MolFromSmiles(text) for text in smiles]


@pytest.mark.parametrize(
    "forms",
    [
        ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", "CC(N)C(=O)O"),  # stereoisomers
        ("C/C=C/CO", "C/C=C\\CO"),
        ("NCC(=O)O", "[NH3+]CC(=O)[O-]", "NCC(=O)[O-]"),  # charge states
        ("CC(=O)CC(C)=O", "CC(O)=CC(C)=O"),  # tautomers
        ("O=c1cccc[nH]1", "Oc1ccccn1"),
    ],
)
def test_forms_of_one_compound_have_one_key(forms):
    assert len({compound_key(mol) for mol in mols(*forms)}) == 1
    assert {*molecule_groups(mols(*forms), "random")} == {0}


def test_other_compounds_have_other_keys():
    other = mols("CCO", "CCCO", "CC(C)O", "c1ccccc1O", "Oc1ccccc1C", "CCN", "CCOC")
    assert len({compound_key(mol) for mol in other}) == len(other)


def test_scaffolds_are_rings_and_what_connects_them():
    names = [
        scaffold(mol) for mol in mols("CCc1ccccc1O", "c1ccc(CCc2ccccc2)cc1C", "CCO")
    ]
    assert names == ["c1ccccc1", "c1ccc(CCc2ccccc2)cc1", ""]


def test_molecules_of_a_scaffold_are_together_and_acyclic_ones_are_not():
    found = molecule_groups(
        mols(
            "Cc1ccccc1", "CCc1ccccc1N", "C1CCCCC1", "CCCCCCO", "CCCCCCCO", "NS(N)(=O)=O"
        ),
        "scaffold",
    )
    assert found[0] == found[1] and found[3] == found[4]
    assert len({*found[[0, 2, 3, 5]]}) == 4


def test_a_salt_form_does_not_part_a_scaffold_group():
    """Groups of compounds and of scaffolds are joined where they overlap."""
    first, second = np.array([0, 0, 1, 2]), np.array([5, 6, 6, 7])
    assert merge_groups(first, second).tolist() == [0, 0, 0, 1]
    assert merge_groups(first[:0], second[:0]).tolist() == []


def test_clusters_are_those_of_the_molecules_with_most_neighbours():
    # similarities: 0-1, 0-2, 0-3 are neighbours; 3-4 too, but 0 takes 3 first
    counts = np.zeros((6, 8), np.uint16)
    counts[0, :4] = 1
    counts[1, :3] = 1
    counts[2, 1:4] = 1
    counts[3, [0, 1, 4, 5]] = 1
    counts[4, [4, 5, 6]] = 1
    counts[5, 7] = 3
    assert butina_clusters(counts, 0.3).tolist() == [0, 0, 0, 0, 1, 2]
    assert butina_clusters(counts, 1.0).tolist() == [*range(6)]
