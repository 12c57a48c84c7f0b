"""Which of the molecules that are drawn are wanted."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import Descriptors

from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoteWarning, SettingError
from vicinal.molecules.generation.optimisation.objectives import Objective

DRAWS_PER_MOLECULE = 50
"""molecules that are drawn at most for each that is wanted"""

DRAWN_TOGETHER = 512


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Conditions on molecules; SettingError for limits that nothing can meet."""

    min_weight: float | None = None
    """molecular weight in g/mol"""

    max_weight: float | None = None
    unique: bool = False
    """no molecule twice"""

    novel: bool = False
    """no training molecules"""

    pattern: Any = None
    """substructure that each must contain"""

    known: set[str] = field(default_factory=set)
    """training molecules"""

    def __post_init__(self) -> None:
        low, high = self.min_weight, self.max_weight
        if low is not None and high is not None and not low <= high:
            raise SettingError(
                f"min_weight must be at most max_weight. Got {low!r} and {high!r}."
            )

    def limit(self, objective: Objective) -> Objective:
        """Return an objective that is minus infinity outside the limits of weight."""
        if self.min_weight is None and self.max_weight is None:
            return objective

        def score(mols: Sequence[Any]) -> np.ndarray:
            fits = np.array([self._fits(mol) for mol in mols], bool)
            found = np.full(len(mols), -np.inf)
            if fits.any():
                own = [mol for mol, fit in zip(mols, fits, strict=True) if fit]
                found[fits] = objective(own)
            return found

        return score

    def _fits(self, mol: Any) -> bool:
        """Return whether the weight of a molecule is within the limits."""
        weight = Descriptors.MolWt(mol)  # pyright: ignore[reportAttributeAccessIssue]
        return (self.min_weight is None or weight >= self.min_weight) and (
            self.max_weight is None or weight <= self.max_weight
        )

    def accepts(self, mol: Any, smiles: str) -> bool:
        """Return whether a molecule meets the conditions, apart from `unique`."""
        return (
            self._fits(mol)
            and not (self.novel and smiles in self.known)
            and (self.pattern is None or mol.HasSubstructMatch(self.pattern))
        )


def draw_wanted(
    draw: Callable[[int], list[str]], count: int, wanted: Selection
) -> list[str]:
    """Return canonical SMILES of molecules that meet the conditions.

    draw: returns so many SMILES. At most `DRAWS_PER_MOLECULE` are drawn for each that
    is wanted: where that gives too few, a NoteWarning says so; DataError for none.
    """
    found: list[str] = []
    seen: set[str] = set()
    drawn, most = 0, DRAWS_PER_MOLECULE * count
    while len(found) < count and drawn < most:
        size = min(DRAWN_TOGETHER, most - drawn, max(count - len(found), 32))
        drawn += size
        for text in draw(size):
            mol = Chem.MolFromSmiles(text)
            smiles = Chem.MolToSmiles(mol)
            repeated = wanted.unique and smiles in seen
            if not repeated and wanted.accepts(mol, smiles):
                seen.add(smiles)
                found.append(smiles)
    if len(found) < count:
        text = (
            f"{len(found):,} of {drawn:,} molecules that were drawn are as wanted; "
            f"{count:,} were asked for"
        )
        if not found:
            raise DataError(
                f"None of {pluralize(drawn, 'molecule')} that were drawn is as wanted. "
                "Widen the limits."
            )
        warnings.warn(text, NoteWarning, stacklevel=3)
    return found[:count]
