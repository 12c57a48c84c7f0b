"""Edits of a molecule: an atom or a bond is added, removed or changed, a group moved.

The kinds of edits are the mutations of J. Jensen: A graph-based genetic algorithm,
Chem. Sci. 2019, section 2: what a vocabulary of fragments lacks, such as another ring
system, cannot be reached otherwise. Groups are moved as in J. Leguy et al.: EvoMol, J.
Cheminform. 2020: another position on a ring is one edit instead of two, the first of
which scores lower. Edits are made atom by atom, on Kekulé structures, which is many
times faster than by reaction SMARTS.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any

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
    atom = _draw(_atoms(mol, rng), lambda atom: atom.GetTotalNumHs() > double)
    if atom is None:
        return False
    new = mol.AddAtom(Chem.Atom(rng.choice(ADDED_DOUBLE if double else ADDED)))
    mol.AddBond(atom.GetIdx(), new, DOUBLE if double else SINGLE)
    return True


def insert_atom(mol: Any, rng: random.Random) -> bool:
    """Put a new atom into a single bond."""
    bond = _draw(_bonds(mol, rng), is_single)
    if bond is None:
        return False
    ends = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
    mol.RemoveBond(*ends)
    new = mol.AddAtom(Chem.Atom(rng.choice(INSERTED)))
    for end in ends:
        mol.AddBond(end, new, SINGLE)
    return True


def remove_atom(mol: Any, rng: random.Random) -> bool:
    """Remove an atom with one neighbor, or with two, which are then bound."""
    atom = _draw(_atoms(mol, rng), lambda atom: atom.GetDegree() in (1, 2))
    if atom is None:
        return False
    neighbors = [other.GetIdx() for other in atom.GetNeighbors()]
    if len(neighbors) == 2:
        if mol.GetBondBetweenAtoms(*neighbors) is not None:
            return False
        mol.AddBond(*neighbors, SINGLE)
    mol.RemoveAtom(atom.GetIdx())
    return True


def change_atom(mol: Any, rng: random.Random) -> bool:
    """Replace an atom by one of another element that can have its bonds."""
    atom = next(_atoms(mol, rng), None)
    if atom is None:
        return False
    bonds = atom.GetTotalValence() - atom.GetTotalNumHs()
    others = REPLACEMENTS.get(atom.GetSymbol(), ())
    fitting = [other for other in others if VALENCES[other] >= bonds]
    if not fitting:
        return False
    atom.SetAtomicNum(Chem.Atom(rng.choice(fitting)).GetAtomicNum())
    return True


def change_bond(mol: Any, rng: random.Random) -> bool:
    """Make a single bond double, or a double one single."""

    def can_change(bond: Any) -> bool:
        if not is_single(bond):
            return bond.GetBondType() == DOUBLE
        ends = bond.GetBeginAtom(), bond.GetEndAtom()
        return all(map(has_hydrogens, ends))

    bond = _draw(_bonds(mol, rng), can_change)
    if bond is None:
        return False
    bond.SetBondType(DOUBLE if is_single(bond) else SINGLE)
    return True


def close_ring(mol: Any, rng: random.Random) -> bool:
    """Bind two atoms with hydrogens, so that a ring of 5 or 6 atoms is closed."""
    distance = rng.choice(RING_SIZES) - 1
    for atom in filter(has_hydrogens, _atoms(mol, rng)):
        ends = _atoms_at(distance, atom)
        others = [k for k in ends if has_hydrogens(k) and not k.GetFormalCharge()]
        if others:
            mol.AddBond(atom.GetIdx(), rng.choice(others).GetIdx(), SINGLE)
            return True
    return False


def open_ring(mol: Any, rng: random.Random) -> bool:
    """Remove a single bond of a ring."""
    bond = _draw(_bonds(mol, rng), lambda bond: is_single(bond) and bond.IsInRing())
    if bond is None:
        return False
    mol.RemoveBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
    return True


def move_group(mol: Any, rng: random.Random) -> bool:
    """Bind what a single bond outside rings holds to another atom with hydrogens."""
    bond = _draw(_bonds(mol, rng), lambda bond: is_single(bond) and not bond.IsInRing())
    if bond is None:
        return False
    ends = [bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()]
    rng.shuffle(ends)
    kept, moved = ends
    mol.RemoveBond(kept, moved)
    group = next(part for part in Chem.GetMolFrags(mol) if moved in part)
    stay = {kept, *group}

    def can_hold(atom: Any) -> bool:
        return atom.GetIdx() not in stay and has_hydrogens(atom)

    other = _draw(_atoms(mol, rng), can_hold)
    if other is None:
        return False
    mol.AddBond(other.GetIdx(), moved, SINGLE)
    return True


def is_single(bond: Any) -> bool:
    """Return whether a bond is single."""
    return bond.GetBondType() == SINGLE


def has_hydrogens(atom: Any) -> bool:
    """Return whether an atom has hydrogens."""
    return atom.GetTotalNumHs() > 0


def _atoms_at(distance: int, start: Any) -> list[Any]:
    """Return the atoms so many bonds away from one."""
    nearer, found = {start.GetIdx()}, [start]
    for _ in range(distance):
        neighbors = {k.GetIdx(): k for atom in found for k in atom.GetNeighbors()}
        found = [atom for number, atom in neighbors.items() if number not in nearer]
        nearer |= neighbors.keys()
    return found


def _draw(candidates: Iterator[Any], fits: Callable[[Any], bool]) -> Any | None:
    """Return the first candidate that fits, or None."""
    return next(filter(fits, candidates), None)


def _atoms(mol: Any, rng: random.Random) -> Iterator[Any]:
    """Yield, in random order, the atoms without a charge; nitro, say, stays as is."""
    count = mol.GetNumAtoms()
    for number in rng.sample(range(count), count):
        atom = mol.GetAtomWithIdx(number)
        if not atom.GetFormalCharge():
            yield atom


def _bonds(mol: Any, rng: random.Random) -> Iterator[Any]:
    """Yield, in random order, the bonds between atoms without a charge."""
    count = mol.GetNumBonds()
    for number in rng.sample(range(count), count):
        bond = mol.GetBondWithIdx(number)
        ends = bond.GetBeginAtom(), bond.GetEndAtom()
        if not any(end.GetFormalCharge() for end in ends):
            yield bond


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
    for atom in plain.GetAtoms():
        if not atom.GetFormalCharge():  # what an edit changes has other hydrogens
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
