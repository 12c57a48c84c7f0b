"""Molecules cut into fragments, which are joined again where they were cut.

Every single bond outside rings is cut

- between an atom of a ring and any other atom, and
- between carbon and another element, if both have further neighbors.

What remains are rings, chains and functional groups, each with an attachment point (a
dummy atom, ``*`` in SMILES) at each of its cut bonds. Rings are never opened, and no
double bond is made or broken, so whatever is joined from fragments is a valid molecule.
Stereochemistry is dropped: the same fragment would be several.
"""

from typing import Any, NamedTuple

from rdkit import Chem

CUT_BONDS = (
    Chem.MolFromSmarts("[!#0;R]-;!@[!#0]"),
    Chem.MolFromSmarts("[#6;!D1]-;!@[!#0;!#6;!D1]"),
)

DUMMY_ATOM = Chem.MolFromSmarts("[#0]")
MAX_MATCHES = 10_000
UNSPECIFIED = Chem.ChiralType.CHI_UNSPECIFIED
NO_STEREO = (Chem.BondStereo.STEREONONE, Chem.BondStereo.STEREOANY)


STEREO_MARKS = "@/\\"
"""in SMILES"""

_AS_WRITTEN = Chem.SmilesParserParams()
_AS_WRITTEN.removeHs = _AS_WRITTEN.sanitize = False


class Join(NamedTuple):
    """A bond between the attachment points of two fragments."""

    fragment: int
    site: int
    """attachment point, in the order of the SMILES"""

    other: int
    other_site: int


class FragmentTree(NamedTuple):
    """The fragments of a molecule; no bond closes a cycle of fragments."""

    fragments: list[str]
    """canonical SMILES with ``*`` at each attachment point"""

    joins: list[Join]


def without_stereo(mol: Any) -> Any:
    """Return a copy of a molecule without its stereochemistry."""
    flat = Chem.Mol(mol)
    Chem.RemoveStereochemistry(flat)
    return flat


def read_without_stereo(smiles: str) -> Any | None:
    """Return a molecule without its stereochemistry; None for an invalid one.

    Hydrogens that are written as atoms stay. RDKit looks for stereochemistry only where
    some is written, which takes less than half of the time.
    """
    mol = Chem.MolFromSmiles(smiles, _AS_WRITTEN)
    if mol is None or Chem.SanitizeMol(mol, catchErrors=True):
        return None
    if any(mark in smiles for mark in STEREO_MARKS):
        Chem.RemoveStereochemistry(mol)
    return mol


def in_canonical_order(mol: Any) -> Any:
    """Return a molecule with its atoms in the order of its SMILES that was made last.

    That is to be the canonical one: equivalent attachment points are then numbered the
    same, however the molecule was written.
    """
    return Chem.RenumberAtoms(mol, output_order(mol))


def has_stereo(mol: Any) -> bool:
    """Return whether any stereochemistry of a molecule is specified."""
    if any(atom.GetChiralTag() != UNSPECIFIED for atom in mol.GetAtoms()):
        return True
    return any(bond.GetStereo() not in NO_STEREO for bond in mol.GetBonds())


def cut_molecule(mol: Any) -> FragmentTree:
    """Cut a connected molecule of RDKit into fragments.

    Attachment points that it has already stay open.
    """
    return cut_flat_molecule(without_stereo(mol))


def cut_flat_molecule(flat: Any) -> FragmentTree:
    """Cut a connected molecule that has no stereochemistry."""
    ends = {
        (min(match), max(match))
        for pattern in CUT_BONDS
        for match in flat.GetSubstructMatches(pattern, maxMatches=MAX_MATCHES)
    }
    # in the order of the atoms: equivalent points are numbered in the order of bonds
    bonds = [flat.GetBondBetweenAtoms(*pair).GetIdx() for pair in sorted(ends)]
    if not bonds:
        return FragmentTree([Chem.MolToSmiles(flat)], [])
    is_open = {atom for (atom,) in flat.GetSubstructMatches(DUMMY_ATOM)}
    count = flat.GetNumAtoms()
    pieces = Chem.FragmentOnBonds(flat, bonds, dummyLabels=[(0, 0)] * len(bonds))
    fragments = Chem.MolToSmiles(pieces).split(".")  # each canonical by itself
    owner = {
        atom: k for k, atoms in enumerate(Chem.GetMolFrags(pieces)) for atom in atoms
    }
    numbers: dict[int, int] = {}
    found: dict[int, tuple[int, int]] = {}  # dummy atom -> its fragment and site
    sites = [0] * len(fragments)
    for atom in output_order(pieces):
        fragment = numbers.setdefault(owner[atom], len(numbers))
        if atom >= count or atom in is_open:
            found[atom] = fragment, sites[fragment]
            sites[fragment] += 1
    # bond k has the dummy atoms count + 2 k and the next
    first = range(count, count + 2 * len(bonds), 2)
    return FragmentTree(fragments, [Join(*found[k], *found[k + 1]) for k in first])


def output_order(mol: Any) -> list[int]:
    """Return the atoms of a molecule in the order of the SMILES written last."""
    text = mol.GetProp("_smilesAtomOutputOrder").strip("[],")
    return [int(number) for number in text.split(",")]
