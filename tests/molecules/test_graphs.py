"""Atoms and bonds as features, read back by name."""

import numpy as np
import pytest
from rdkit import Chem

from vicinal.molecules.graphs import (
    ATOM_FEATURES,
    BOND_FEATURES,
    MoleculeGraphs,
    molecule_graphs,
)


def graphs(*smiles: str) -> MoleculeGraphs:
    return molecule_graphs([Chem.MolFromSmiles(text) for text in smiles])


def names_of(row: np.ndarray, names: tuple[str, ...]) -> set[str]:
    """Return the names of the columns that are 1."""
    return {name for name, value in zip(names, row, strict=True) if value == 1}


def test_features_of_atoms_and_bonds_by_name():
    found = graphs("C[N+](=O)[O-]")
    assert found.atoms.shape == (4, len(ATOM_FEATURES))
    assert names_of(found.atoms[1], ATOM_FEATURES) == {
        "element N",
        "degree 3",
        "charge 1",
        "chirality CHI_UNSPECIFIED",
        "hydrogens 0",
        "hybridization SP2",
    }
    assert found.atoms[1, -1] == pytest.approx(0.14007)
    assert names_of(found.atoms[0], ATOM_FEATURES) >= {"hydrogens 3", "degree 4"}
    assert found.edge_index.tolist() == [[0, 1, 1, 1, 2, 3], [1, 2, 3, 0, 1, 1]]
    bond = names_of(found.bonds[1], BOND_FEATURES)
    assert bond == {"type DOUBLE", "stereo STEREONONE", "conjugated"}
    np.testing.assert_array_equal(found.bonds[:3], found.bonds[3:])


def test_rings_aromaticity_and_stereochemistry():
    found = graphs("c1ccccc1", "C[C@H](N)O", "C/C=C/C")
    assert "aromatic" in names_of(found.atoms[0], ATOM_FEATURES)
    ring = names_of(found.bonds[0], BOND_FEATURES)
    assert ring >= {"type AROMATIC", "in a ring", "conjugated"}
    chiral = names_of(found.atoms[7], ATOM_FEATURES)
    assert any(name.startswith("chirality CHI_TETRA") for name in chiral)
    double = [names_of(row, BOND_FEATURES) for row in found.bonds]
    assert any({"type DOUBLE", "stereo STEREOE"} <= names for names in double)


def test_every_atom_has_one_category_of_each_kind():
    found = graphs("[U]", "C[Pt]C", "[Cl-].[Na+]", "S(F)(F)(F)(F)(F)F", "[O-2]")
    kinds = sorted({name.partition(" ")[0] for name in ATOM_FEATURES[:-2]})
    for kind in kinds:
        columns = [k for k, n in enumerate(ATOM_FEATURES) if n.startswith(f"{kind} ")]
        np.testing.assert_array_equal(found.atoms[:, columns].sum(axis=1), 1)
    assert "element other" in names_of(found.atoms[0], ATOM_FEATURES)


def test_molecules_are_parts_of_one_graph():
    smiles = "CCO", "C", "c1ccccc1"
    together, alone = graphs(*smiles), [graphs(text) for text in smiles]
    assert together.batch.tolist() == [0] * 3 + [1] + [2] * 6
    assert together.num_molecules == 3
    np.testing.assert_array_equal(
        together.atoms, np.concatenate([one.atoms for one in alone])
    )
    source, target = together.edge_index
    assert (together.batch[source] == together.batch[target]).all()
    assert together.edge_index.shape[1] == sum(g.edge_index.shape[1] for g in alone)


def test_no_molecules_and_no_bonds():
    assert graphs().atoms.shape == (0, len(ATOM_FEATURES))
    assert graphs("C").bonds.shape == (0, len(BOND_FEATURES))
    assert graphs("C").edge_index.shape == (2, 0)
