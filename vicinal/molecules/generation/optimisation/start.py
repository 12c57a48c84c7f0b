"""The molecules that a search starts from."""

import warnings
from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np
from rdkit import Chem

from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoteWarning, SettingError
from vicinal.molecules.generation.grammar.fragments import without_stereo
from vicinal.molecules.generation.optimisation.search import SearchSettings
from vicinal.molecules.generation.selection import Selection
from vicinal.molecules.inference.prediction import parse_molecules

NUM_START = 100
"""training molecules that a search starts from, where none are given"""


def random_start(
    known: list[str], settings: SearchSettings, wanted: Selection, seed: int
) -> list[str]:
    """Return `NUM_START` molecules at random, or the budget, within the limits.

    known: SMILES. Fewer where fewer are within the limits.
    """
    rows = np.random.default_rng(seed).permutation(len(known)).tolist()
    mols = ((known[row], Chem.MolFromSmiles(known[row])) for row in rows)
    fitting = (smiles for smiles, mol in mols if _fits(mol, settings, wanted))
    return list(islice(fitting, min(NUM_START, settings.budget)))


def _fits(mol: Any, settings: SearchSettings, wanted: Selection) -> bool:
    return mol.GetNumHeavyAtoms() <= settings.max_atoms and wanted.fits(mol)


def starting_molecules(
    start: Any, settings: SearchSettings, wanted: Selection
) -> list[str]:
    """Return the SMILES of starting molecules.

    A NoteWarning names how many are left out: those with more heavy atoms than
    `max_atoms`, those outside the limits of weight, and those beyond the budget.
    SettingError where they are no list, DataError for a structure that cannot be read,
    or that is not connected.
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
    most, total = settings.max_atoms, pluralize(len(mols), "starting molecule")
    small = [mol for mol in mols if mol.GetNumHeavyAtoms() <= most]
    fitting = [mol for mol in small if wanted.fits(mol)]
    smiles = list(dict.fromkeys(Chem.MolToSmiles(without_stereo(k)) for k in fitting))
    for count, reason in (
        (len(mols) - len(small), f"have more than {most} heavy atoms (max_atoms)"),
        (len(small) - len(fitting), "are outside the limits of weight"),
        (max(len(smiles) - settings.budget, 0), "are beyond the budget"),
    ):
        if count:
            text = f"{count} of {total} {reason}: left out"
            warnings.warn(text, NoteWarning, stacklevel=3)
    return smiles
