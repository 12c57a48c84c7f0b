"""The molecules that a search starts from."""

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from rdkit import Chem

from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoteWarning, SettingError
from vicinal.molecules.inference.prediction import parse_molecules

NUM_START = 100
"""training molecules that a search starts from, where none are given"""


def random_start(smiles: list[str], seed: int) -> list[str]:
    """Return `NUM_START` molecules at random."""
    rows = np.random.default_rng(seed).permutation(len(smiles))
    return [smiles[row] for row in rows[:NUM_START]]


def starting_molecules(start: Any, max_atoms: int) -> list[str]:
    """Return the SMILES of starting molecules.

    A NoteWarning names how many have more than `max_atoms` heavy atoms and are left
    out. SettingError where they are no list, DataError for a structure that cannot be
    read, or that is not connected.
    """
    if isinstance(start, str) or not isinstance(start, Iterable):
        raise SettingError(f"start must be a list of structures. Got {start!r}.")
    mols = parse_molecules(list(start))
    for mol in mols:
        if len(Chem.GetMolFrags(mol)) > 1:
            raise DataError(
                "Starting molecules must be connected. Got "
                f"{Chem.MolToSmiles(mol)!r}, which has several parts."
            )
    fitting = [mol for mol in mols if mol.GetNumHeavyAtoms() <= max_atoms]
    if len(fitting) < len(mols):
        warnings.warn(
            f"{len(mols) - len(fitting)} of "
            f"{pluralize(len(mols), 'starting molecule')} have more than {max_atoms} "
            "heavy atoms (max_atoms): left out",
            NoteWarning,
            stacklevel=3,
        )
    return [Chem.MolToSmiles(mol) for mol in fitting]
