"""Molecules as graphs: features of atoms and of bonds, as flat arrays.

Each atom and bond is a row of categories, which are one-hot in a feature matrix; as in
Chemprop (K. Yang et al. 2019, tables S1 and S2). All molecules together are one graph
of separate parts, so nothing has to be joined later.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from rdkit import Chem

ELEMENTS = (*(5, 6, 7, 8, 9, 11, 12, 14, 15, 16, 17, 19, 20, 26, 30, 34, 35, 53),)
"""atomic numbers that have a column of their own"""

DEGREES, HYDROGENS = range(7), range(6)
CHARGES = (0, 1, -1, 2, -2)
CHIRALITY = tuple(Chem.ChiralType.values[k] for k in range(4))
HYBRIDIZATIONS = (
    Chem.HybridizationType.S,
    Chem.HybridizationType.SP,
    Chem.HybridizationType.SP2,
    Chem.HybridizationType.SP3,
    Chem.HybridizationType.SP3D,
    Chem.HybridizationType.SP3D2,
)
BOND_TYPES = (
    Chem.BondType.SINGLE,
    Chem.BondType.DOUBLE,
    Chem.BondType.TRIPLE,
    Chem.BondType.AROMATIC,
)
BOND_STEREO = tuple(Chem.BondStereo.values[k] for k in range(6))
MASS_UNIT = 100.0


def _columns(name: str, values: Sequence[Any]) -> list[str]:
    return [*(f"{name} {value}" for value in values), f"{name} other"]


ATOM_FEATURES = (
    *_columns(
        "element", [Chem.GetPeriodicTable().GetElementSymbol(k) for k in ELEMENTS]
    ),
    *_columns("degree", DEGREES),
    *_columns("charge", CHARGES),
    *_columns("chirality", CHIRALITY),
    *_columns("hydrogens", HYDROGENS),
    *_columns("hybridization", HYBRIDIZATIONS),
    *("aromatic", "mass / 100"),
)
"""names of the columns of `MoleculeGraphs.atoms`"""

BOND_FEATURES = (
    *_columns("type", BOND_TYPES),
    *_columns("stereo", BOND_STEREO),
    *("conjugated", "in a ring"),
)
"""names of the columns of `MoleculeGraphs.bonds`"""


class MoleculeGraphs(NamedTuple):
    """G molecules as one graph of N atoms and E directed bonds."""

    atoms: np.ndarray
    """[N, ATOM_FEATURES] float32"""

    edge_index: np.ndarray
    """[2, E] int64: sources, targets; each bond is there in both directions"""

    bonds: np.ndarray
    """[E, BOND_FEATURES] float32"""

    batch: np.ndarray
    """[N] int64, the molecule of each atom"""

    num_molecules: int


def _index(values: Sequence[Any]) -> dict[Any, int]:
    """Return the column of each value; others have the column after them."""
    return {value: k for k, value in enumerate(values)}


ATOM_INDEX = tuple(
    _index(values)
    for values in (ELEMENTS, DEGREES, CHARGES, CHIRALITY, HYDROGENS, HYBRIDIZATIONS)
)
BOND_INDEX = _index(BOND_TYPES), _index(BOND_STEREO)


def molecule_graphs(mols: Sequence[Any]) -> MoleculeGraphs:
    """Return molecules of RDKit as graphs; hydrogens are counts of their atoms."""
    elements, degrees, charges, chirality, hydrogens, hybrids = ATOM_INDEX
    types, stereo = BOND_INDEX
    atoms: list[tuple[int, ...]] = []
    atom_values: list[tuple[float, float]] = []
    bonds: list[tuple[int, int]] = []
    bond_values: list[tuple[bool, bool]] = []
    ends: list[tuple[int, int]] = []
    sizes: list[int] = []
    for mol in mols:
        start = len(atoms)
        for atom in mol.GetAtoms():
            number = atom.GetAtomicNum()
            atoms.append(
                (
                    elements.get(number, len(elements)),
                    degrees.get(atom.GetTotalDegree(), len(degrees)),
                    charges.get(atom.GetFormalCharge(), len(charges)),
                    chirality.get(atom.GetChiralTag(), len(chirality)),
                    hydrogens.get(atom.GetTotalNumHs(), len(hydrogens)),
                    hybrids.get(atom.GetHybridization(), len(hybrids)),
                )
            )
            atom_values.append((atom.GetIsAromatic(), atom.GetMass() / MASS_UNIT))
        for bond in mol.GetBonds():
            u, v = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
            ends.append((start + u, start + v))
            bonds.append(
                (
                    types.get(bond.GetBondType(), len(types)),
                    stereo.get(bond.GetStereo(), len(stereo)),
                )
            )
            bond_values.append((bond.GetIsConjugated(), bond.IsInRing()))
        sizes.append(len(atoms) - start)
    pairs = np.array(ends, np.int64).reshape(-1, 2).T
    features = _one_hot(bonds, BOND_INDEX, bond_values)
    return MoleculeGraphs(
        atoms=_one_hot(atoms, ATOM_INDEX, atom_values),
        edge_index=np.concatenate([pairs, pairs[::-1]], axis=1),
        bonds=np.concatenate([features, features]),
        batch=np.repeat(np.arange(len(sizes)), sizes),
        num_molecules=len(sizes),
    )


def _one_hot(
    categories: Sequence[tuple[int, ...]],
    index: Sequence[dict[Any, int]],
    values: Sequence[tuple[float, float]],
) -> np.ndarray:
    """Return a feature matrix: one-hot categories, then the values."""
    widths = [len(known) + 1 for known in index]  # with others
    total = sum(widths)
    features = np.zeros((len(categories), total + 2), np.float32)
    columns = np.array(categories, np.int64).reshape(-1, len(widths))
    columns += np.cumsum([0, *widths[:-1]])
    np.put_along_axis(features, columns, 1.0, axis=1)
    features[:, total:] = np.array(values, np.float32).reshape(-1, 2)
    return features
