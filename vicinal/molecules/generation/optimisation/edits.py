"""Edits of a molecule: an atom or a bond is added, removed or changed, a group moved.

The kinds of edits are the mutations of J. Jensen: A graph-based genetic algorithm,
Chem. Sci. 2019, section 2: what a vocabulary of fragments lacks, such as another ring
system, cannot be reached otherwise. Groups are moved as in J. Leguy et al.: EvoMol, J.
Cheminform. 2020: another position on a ring is one edit instead of two, the first of
which scores lower. Edits are made atom by atom, on Kekulé structures, which is many
times faster than by reaction SMARTS.
"""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
from rdkit import Chem, rdBase

Edit = Callable[[Any, random.Random], bool]
"""changes a molecule in place, and returns whether it could"""

ADDED, ADDED_DOUBLE = ("C", "C", "N", "O", "F", "Cl"), ("O", "O", "C")
INSERTED = ("C", "C", "N", "O", "S")
REPLACEMENTS = {
    "C": ("N", "N", "O", "S"),
    "N": ("C", "C", "O"),
    "O": ("C", "N", "S"),
    "S": ("O", "C"),
    "F": ("Cl", "C", "O"),
    "Cl": ("F", "C", "O"),
    "Br": ("F", "Cl", "C"),
}
VALENCES = {"C": 4, "N": 3, "O": 2, "S": 2, "F": 1, "Cl": 1, "Br": 1}
RING_SIZES = (5, 6)
MAX_RING = 7
"""atoms of the largest ring that an edit may leave"""

DOUBLE_SHARE = 0.25
MAX_TRIES = 20
STRAINED = Chem.MolFromSmarts("[$([R](=[R])=[R]),$([r3,r4]=[r3,r4]),$([R]#[R])]")
"""cumulated or triple bonds in rings, and double bonds in rings of 3 or 4"""

SINGLE, DOUBLE = Chem.BondType.SINGLE, Chem.BondType.DOUBLE


def add_atom(mol: Any, rng: random.Random) -> bool:
    """Bind a new atom to one with hydrogens, in a quarter of cases by a double bond."""
    double = rng.random() < DOUBLE_SHARE
    atoms = [atom for atom in _atoms(mol) if atom.GetTotalNumHs() > double]
    if not atoms:
        return False
    atom = rng.choice(atoms).GetIdx()
    new = mol.AddAtom(Chem.Atom(rng.choice(ADDED_DOUBLE if double else ADDED)))
    mol.AddBond(atom, new, DOUBLE if double else SINGLE)
    return True


def insert_atom(mol: Any, rng: random.Random) -> bool:
    """Put a new atom into a single bond."""
    bonds = _bonds(mol, SINGLE)
    if not bonds:
        return False
    bond = rng.choice(bonds)
    ends = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
    mol.RemoveBond(*ends)
    new = mol.AddAtom(Chem.Atom(rng.choice(INSERTED)))
    for end in ends:
        mol.AddBond(end, new, SINGLE)
    return True


def remove_atom(mol: Any, rng: random.Random) -> bool:
    """Remove an atom with one neighbor, or with two, which are then bound."""
    atoms = [atom for atom in _atoms(mol) if atom.GetDegree() in (1, 2)]
    if not atoms:
        return False
    atom = rng.choice(atoms)
    neighbors = [other.GetIdx() for other in atom.GetNeighbors()]
    if len(neighbors) == 2:
        if mol.GetBondBetweenAtoms(*neighbors) is not None:
            return False
        mol.AddBond(*neighbors, SINGLE)
    mol.RemoveAtom(atom.GetIdx())
    return True


def change_atom(mol: Any, rng: random.Random) -> bool:
    """Replace an atom by one of another element that can have its bonds."""
    atoms = _atoms(mol)
    if not atoms:
        return False
    atom = rng.choice(atoms)
    bonds = atom.GetTotalValence() - atom.GetTotalNumHs()
    others = REPLACEMENTS.get(atom.GetSymbol(), ())
    fitting = [other for other in others if VALENCES[other] >= bonds]
    if not fitting:
        return False
    atom.SetAtomicNum(Chem.Atom(rng.choice(fitting)).GetAtomicNum())
    return True


def change_bond(mol: Any, rng: random.Random) -> bool:
    """Make a single bond double, or a double one single."""
    single = [
        bond
        for bond in _bonds(mol, SINGLE)
        if bond.GetBeginAtom().GetTotalNumHs() and bond.GetEndAtom().GetTotalNumHs()
    ]
    bonds = single + _bonds(mol, DOUBLE)
    if not bonds:
        return False
    bond = rng.choice(bonds)
    bond.SetBondType(SINGLE if bond.GetBondType() == DOUBLE else DOUBLE)
    return True


def close_ring(mol: Any, rng: random.Random) -> bool:
    """Bind two atoms with hydrogens, so that a ring of 5 or 6 atoms is closed."""
    atoms = [atom.GetIdx() for atom in _atoms(mol) if atom.GetTotalNumHs()]
    distances = Chem.GetDistanceMatrix(mol)[np.ix_(atoms, atoms)]
    pairs = np.argwhere(np.triu(distances == rng.choice(RING_SIZES) - 1))
    if not len(pairs):
        return False
    first, second = pairs[rng.randrange(len(pairs))]
    mol.AddBond(atoms[first], atoms[second], SINGLE)
    return True


def open_ring(mol: Any, rng: random.Random) -> bool:
    """Remove a single bond of a ring."""
    bonds = [bond for bond in _bonds(mol, SINGLE) if bond.IsInRing()]
    if not bonds:
        return False
    bond = rng.choice(bonds)
    mol.RemoveBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
    return True


def move_group(mol: Any, rng: random.Random) -> bool:
    """Bind what a single bond outside rings holds to another atom with hydrogens."""
    bonds = [bond for bond in _bonds(mol, SINGLE) if not bond.IsInRing()]
    if not bonds:
        return False
    bond = rng.choice(bonds)
    ends = [bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()]
    rng.shuffle(ends)
    kept, moved = ends
    with_hydrogens = {atom.GetIdx() for atom in _atoms(mol) if atom.GetTotalNumHs()}
    mol.RemoveBond(kept, moved)
    group = next(part for part in Chem.GetMolFrags(mol) if moved in part)
    others = sorted(with_hydrogens - {kept, *group})
    if not others:
        return False
    mol.AddBond(rng.choice(others), moved, SINGLE)
    return True


def _atoms(mol: Any) -> list[Any]:
    """Return the atoms without a charge; those with one, as in nitro, stay as is."""
    return [atom for atom in mol.GetAtoms() if not atom.GetFormalCharge()]


def _bonds(mol: Any, kind: Any) -> list[Any]:
    """Return the bonds of a kind between atoms without a charge."""
    return [
        bond
        for bond in mol.GetBonds()
        if bond.GetBondType() == kind
        and not bond.GetBeginAtom().GetFormalCharge()
        and not bond.GetEndAtom().GetFormalCharge()
    ]


EDITS: dict[Edit, float] = {
    add_atom: 0.15,
    insert_atom: 0.12,
    remove_atom: 0.15,
    change_atom: 0.15,
    change_bond: 0.08,
    close_ring: 0.08,
    open_ring: 0.04,
    move_group: 0.23,
}
"""share of each edit"""


def kekulize(mol: Any) -> Any:
    """Return a copy of a molecule with single and double instead of aromatic bonds."""
    plain = Chem.RWMol(mol)
    Chem.Kekulize(plain, clearAromaticFlags=True)
    for atom in _atoms(plain):  # what an edit changes has other hydrogens
        atom.SetNoImplicit(False)
        atom.SetNumExplicitHs(0)
    plain.UpdatePropertyCache()
    return plain


def edit_molecule(plain: Any, rng: random.Random) -> Any | None:
    """Return a molecule with one random edit; None if none was found.

    plain: as `kekulize` returns it.
    """
    kinds, shares = [*EDITS], [*EDITS.values()]
    with rdBase.BlockLogs():
        for _ in range(MAX_TRIES):
            edited = Chem.RWMol(plain)
            if rng.choices(kinds, shares)[0](edited, rng) and sanitize(edited):
                return Chem.Mol(edited)
    return None


def sanitize(mol: Any) -> bool:
    """Sanitize an edited molecule; return whether it is valid and not strained."""
    if not mol.GetNumAtoms() or Chem.SanitizeMol(mol, catchErrors=True):
        return False
    largest = max(map(len, mol.GetRingInfo().AtomRings()), default=0)
    return largest <= MAX_RING and not mol.HasSubstructMatch(STRAINED)
