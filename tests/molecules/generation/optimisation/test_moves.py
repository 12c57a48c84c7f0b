"""Moves of the search: parts that are joined again are the molecule."""

import pytest
from rdkit import Chem

from vicinal.molecules.generation.grammar.assembly import join_tokens
from vicinal.molecules.generation.grammar.fragments import cut_molecule
from vicinal.molecules.generation.grammar.growth import grow_from
from vicinal.molecules.generation.optimisation.moves import (
    join_parts,
    split_at,
)

CELECOXIB = "Cc1ccc(-c2cc(C(F)(F)F)nn2-c2ccc(S(N)(=O)=O)cc2)cc1"
OTHER = "COc1ccc(CC(=O)Nc2ccncc2)cc1"


def canonical(smiles: str) -> str:
    return Chem.MolToSmiles(Chem.MolFromSmiles(smiles))


@pytest.mark.parametrize("smiles", [CELECOXIB, OTHER])
def test_both_sides_of_a_cut_make_the_molecule_again(smiles):
    tree = cut_molecule(Chem.MolFromSmiles(smiles))
    for number in range(len(tree.joins)):
        first, second = split_at(tree, number)
        sizes = len(first.tree.fragments), len(second.tree.fragments)
        assert sum(sizes) == len(tree.fragments) and min(sizes) > 0
        for pair in ((first, second), (second, first)):
            joined = join_tokens(*grow_from(join_parts(*pair), 0))
            assert canonical(joined) == canonical(smiles)


def test_sides_of_different_molecules_are_joined():
    trees = [cut_molecule(Chem.MolFromSmiles(k)) for k in (CELECOXIB, OTHER)]
    for k in range(len(trees[0].joins)):
        side = split_at(trees[0], k)[0]
        for j in range(len(trees[1].joins)):
            other = split_at(trees[1], j)[1]
            joined = join_tokens(*grow_from(join_parts(side, other), 0))
            mol = Chem.MolFromSmiles(joined)
            expected = sum(
                atom.GetAtomicNum() > 0
                for part in (side, other)
                for name in part.tree.fragments
                for atom in Chem.MolFromSmiles(name).GetAtoms()
            )
            assert mol.GetNumAtoms() == expected and "*" not in joined
