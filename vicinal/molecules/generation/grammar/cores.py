"""Cores that a user wants to decorate: SMILES with ``*`` at open attachment points."""

import warnings
from typing import Any

from rdkit import Chem, rdBase

from vicinal.errors import DataError, NoteWarning
from vicinal.molecules.data.parse import MAX_HEAVY_ATOMS
from vicinal.molecules.generation.grammar.fragments import without_stereo

MIN_ATOMS = 1


def read_core(smiles: str) -> Any:
    """Return a core; DataError for one that is none.

    Atom maps, and labels of attachment points as in ``[*:1]`` or ``[1*]``, are dropped.
    Stereochemistry is dropped with a NoteWarning.
    """
    with rdBase.BlockLogs():
        core = Chem.MolFromSmiles(smiles) if isinstance(smiles, str) else None
    if core is None or not core.GetNumAtoms():
        raise DataError(f"The core must be a SMILES. Got {smiles!r} instead.")
    if len(Chem.GetMolFrags(core)) > 1:
        raise DataError(f"The core must be one connected molecule. Got {smiles!r}.")
    points = [atom for atom in core.GetAtoms() if not atom.GetAtomicNum()]
    if not points:
        raise DataError(
            f"The core has no attachment point: write * where it may grow, as in "
            f"c1ccc(*)cc1. Got {smiles!r}."
        )
    for atom in points:
        bonds = list(atom.GetBonds())
        single = len(bonds) == 1 and bonds[0].GetBondType() == Chem.BondType.SINGLE
        if not single or not bonds[0].GetOtherAtom(atom).GetAtomicNum():
            raise DataError(
                "Each attachment point of a core must have one single bond, to an "
                f"atom. Got {smiles!r}."
            )
        atom.SetIsotope(0)
    for atom in core.GetAtoms():
        atom.SetAtomMapNum(0)
    if not MIN_ATOMS <= core.GetNumHeavyAtoms() <= MAX_HEAVY_ATOMS:
        raise DataError(
            f"A core must have {MIN_ATOMS} to {MAX_HEAVY_ATOMS} heavy atoms. Got "
            f"{core.GetNumHeavyAtoms()}."
        )
    flat = without_stereo(core)
    if Chem.MolToSmiles(flat) != Chem.MolToSmiles(core):
        warnings.warn(
            "the stereochemistry of the core was dropped: the generator has none",
            NoteWarning,
            stacklevel=3,
        )
    return flat


def without_points(core: Any) -> Any:
    """Return the atoms of a core, as a pattern that every decorated one contains."""
    pattern = Chem.RWMol(core)
    points = [atom.GetIdx() for atom in core.GetAtoms() if not atom.GetAtomicNum()]
    for index in sorted(points, reverse=True):
        pattern.RemoveAtom(index)
    return Chem.MolFromSmarts(Chem.MolToSmarts(pattern))
