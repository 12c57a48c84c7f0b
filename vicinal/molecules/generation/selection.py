"""Which of the molecules that are drawn are wanted."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rdkit import Chem
from rdkit.Chem import Descriptors

from vicinal.core.settings import is_number
from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoteWarning, SettingError

DRAWS_PER_MOLECULE = 50
"""molecules that are drawn at most for each that is wanted"""

DRAWN_TOGETHER = 512
MAX_FRUITLESS = 5000
"""molecules in a row that are not as wanted, after which no more are drawn"""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Conditions on molecules; SettingError for limits that nothing can meet."""

    min_weight: float | None = None
    """molecular weight in g/mol"""

    max_weight: float | None = None
    unique: bool = False
    """no molecule twice"""

    novel: bool = False
    """none of the known molecules"""

    pattern: Any = None
    """substructure that each must contain"""

    known: set[str] = field(default_factory=set)
    """SMILES of known molecules"""

    def __post_init__(self) -> None:
        low, high = self.min_weight, self.max_weight
        for name in ("min_weight", "max_weight"):
            value = getattr(self, name)
            if value is not None and not (is_number(value) and value >= 0):
                raise SettingError(
                    f"{name} must be a number, 0 or more. Got {value!r} instead."
                )
        if low is not None and high is not None and not low <= high:
            raise SettingError(
                f"min_weight must be at most max_weight. Got {low!r} and {high!r}."
            )

    def fits(self, mol: Any) -> bool:
        """Return whether the weight of a molecule is within the limits."""
        weight = Descriptors.MolWt(mol)  # pyright: ignore[reportAttributeAccessIssue]
        return (self.min_weight is None or weight >= self.min_weight) and (
            self.max_weight is None or weight <= self.max_weight
        )

    def accepts(self, mol: Any, smiles: str) -> bool:
        """Return whether a molecule meets the conditions, apart from `unique`."""
        return (
            self.fits(mol)
            and not (self.novel and smiles in self.known)
            and (self.pattern is None or mol.HasSubstructMatch(self.pattern))
        )


def sample_matching(
    draw: Callable[[int], list[str]], count: int, wanted: Selection
) -> list[str]:
    """Return canonical SMILES of molecules that meet the conditions.

    draw: returns so many SMILES. At most `DRAWS_PER_MOLECULE` are drawn for each that
    is asked for, and no more once `MAX_FRUITLESS` in a row were not as wanted: where
    that gives too few, a NoteWarning says so; DataError for none.
    """
    found: list[str] = []
    seen: set[str] = set()
    drawn, last = 0, 0  # last: how many had been drawn when one was found
    most = max(DRAWS_PER_MOLECULE * count, MAX_FRUITLESS)
    while len(found) < count and drawn < most and drawn - last < MAX_FRUITLESS:
        size = min(DRAWN_TOGETHER, max(count - len(found), 32))
        drawn += size
        for text in draw(size):
            mol = Chem.MolFromSmiles(text)
            smiles = Chem.MolToSmiles(mol)
            repeated = wanted.unique and smiles in seen
            if not repeated and wanted.accepts(mol, smiles):
                seen.add(smiles)
                found.append(smiles)
                last = drawn
    if not found:
        raise DataError(
            f"None of {pluralize(drawn, 'sampled molecule')} meets the conditions. "
            "Widen the limits."
        )
    if len(found) < count:
        warnings.warn(
            f"{len(found):,} of {drawn:,} sampled molecules meet the conditions; "
            f"{count:,} were asked for",
            NoteWarning,
            stacklevel=3,
        )
    return found[:count]
