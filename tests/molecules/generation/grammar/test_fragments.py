"""Cutting molecules, growing and joining them: nothing is lost on the way."""

import numpy as np
import pytest
from rdkit import Chem

from vicinal.molecules.generation.grammar.assembly import join_tokens, split_token
from vicinal.molecules.generation.grammar.fragments import (
    cut_molecule,
    has_stereo,
    read_without_stereo,
    without_stereo,
)
from vicinal.molecules.generation.grammar.growth import grow_from, root_fragment

MOLECULES = {
    "aspirin": "CC(=O)Oc1ccccc1C(=O)O",
    "caffeine": "Cn1c(=O)c2c(ncn2C)n(C)c1=O",
    "celecoxib": "Cc1ccc(-c2cc(C(F)(F)F)nn2-c2ccc(S(N)(=O)=O)cc2)cc1",
    "biphenyl": "c1ccc(-c2ccccc2)cc1",
    "zwitterion": "[NH3+]CC(=O)[O-]",
    "nitro and bromine": "O=[N+]([O-])c1cc(Br)ccc1Cl",
    "N-oxide": "C[n+]1ccc(-c2ccncc2)cc1",
    "selenium": "c1cc(CC)[se]c1",
    "two substituents of one atom": "CC1(Cc2ccccc2)CCNC1",
    "stereo": "C[C@H](N)C(=O)N/C=C/c1ccccc1",
    "neopentane": "CC(C)(C)C",
    "isotope": "[2H]c1ccccc1OC[13CH3]",
    "spiro": "C1CCC2(CC1)OCCO2",
    "peroxide": "CCOOCC",
}


def canonical(smiles: str) -> str:
    return Chem.MolToSmiles(Chem.MolFromSmiles(smiles))


@pytest.mark.parametrize("smiles", MOLECULES.values(), ids=MOLECULES)
def test_a_molecule_is_the_same_again_whichever_fragment_is_first(smiles):
    mol = Chem.MolFromSmiles(smiles)
    tree = cut_molecule(mol)
    assert len(tree.joins) == len(tree.fragments) - 1
    for first in range(len(tree.fragments)):
        joined = join_tokens(*grow_from(tree, first))
        assert canonical(joined) == Chem.MolToSmiles(without_stereo(mol))


def test_fragments_are_those_of_the_documented_rules():
    # anisole: the ring, the ether bridge (C-O between atoms with neighbors), methyl
    tree = cut_molecule(Chem.MolFromSmiles("COc1ccccc1"))
    assert sorted(tree.fragments) == ["*OC", "*c1ccccc1"]
    # ethyl propyl ether: both carbons of the oxygen have further neighbors
    tree = cut_molecule(Chem.MolFromSmiles("CCOCCC"))
    assert sorted(tree.fragments) == ["*CC", "*CCC", "*O*"]
    # hydrocarbon chains, double bonds and rings stay whole
    for smiles in ("CCCCC", "CC=C", "C1CCCCC1", "CO"):
        assert cut_molecule(Chem.MolFromSmiles(smiles)).fragments == [canonical(smiles)]


def test_equivalent_attachment_points_make_one_token():
    para, amide = "*c1ccc(*)cc1", "*NC(*)=O"
    assert root_fragment(para, 0).token == root_fragment(para, 1).token
    assert root_fragment(amide, 0).token != root_fragment(amide, 1).token
    assert root_fragment(para, -1).token == para
    for entry in (0, 1):
        assert sorted(root_fragment(para, entry).order) == [-1, 0]


def test_growth_fills_the_point_that_was_opened_last():
    # 1,3,5-trisubstituted: a branch ends before the next begins
    smiles = "Cc1cc(OCc2ccccn2)cc(N2CCOCC2)c1"
    tree = cut_molecule(Chem.MolFromSmiles(smiles))
    growth = grow_from(tree, tree.fragments.index("*C"))
    open_points: list[tuple[int, int]] = []
    for position, parent in enumerate(growth.parents):
        if parent >= 0:
            assert open_points.pop() == (parent, growth.sites[position])
        count = len(split_token(growth.tokens[position]).sites) - (parent >= 0)
        open_points += [(position, site) for site in reversed(range(count))]
    assert not open_points


def test_points_that_nothing_joins_stay_open():
    tree = cut_molecule(Chem.MolFromSmiles("Cc1ccc(-c2ccccn2)cc1"))
    growth = grow_from(tree, tree.fragments.index("*C"))
    part = join_tokens(growth.tokens[:2], growth.parents[:2], growth.sites[:2])
    assert canonical(part) == canonical("*c1ccc(C)cc1")


def test_many_open_points_and_long_chains_of_fragments():
    star = "C1" + "(OCC)" * 2 + "".join(f"C(N{'C' * k})" for k in range(1, 6)) + "1"
    chain = "CCO" * 60 + "CC"
    for smiles in (canonical(star.replace("C1(", "C1(", 1)), canonical(chain)):
        tree = cut_molecule(Chem.MolFromSmiles(smiles))
        rng = np.random.default_rng(0)
        for first in rng.integers(0, len(tree.fragments), 3):
            assert canonical(join_tokens(*grow_from(tree, int(first)))) == smiles


@pytest.mark.parametrize(
    "smiles",
    ["N[C@@H](C)C(=O)O", "F/C=C/C#N", "C1C[C@H]2CC[C@@H]1O2", "c1cc[nH]c1", "[2H]CO"],
)
def test_molecules_read_without_stereo_are_those_of_rdkit(smiles):
    expected = without_stereo(Chem.MolFromSmiles(smiles))
    mol = read_without_stereo(smiles)
    assert mol is not None
    assert Chem.MolToSmiles(mol) == Chem.MolToSmiles(expected)
    assert not has_stereo(mol)
    assert all(bond.GetBondDir() == Chem.BondDir.NONE for bond in mol.GetBonds())


@pytest.mark.parametrize("smiles", ["c1cccn1", "C(C)(C)(C)(C)C", "c1ccccc", "CC("])
def test_an_invalid_molecule_is_none(smiles):
    assert read_without_stereo(smiles) is None
