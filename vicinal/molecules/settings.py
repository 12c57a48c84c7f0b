"""Options of molecules. Flags and their help are generated from the fields."""

from dataclasses import dataclass
from typing import Any

from vicinal.core.settings import Settings


@dataclass(frozen=True, kw_only=True)
class MoleculeColumns(Settings):
    """Columns of a table of molecules, by Chemprop's names."""

    smiles_columns: tuple[str, ...] | None = None
    """column of SMILES or InChI; None: smiles or the like, or one that holds them"""

    target_columns: tuple[str, ...] | None = None
    """columns of what is predicted; None: label, target or the like, the only column of
    numbers, or all columns of 0 and 1"""

    ignore_columns: tuple[str, ...] | None = None
    """columns that are not read"""

    weight_column: str | None = None
    """column of the weight of each row in the loss; None: all weigh the same"""

    splits_column: str | None = None
    """column of train, val and test; None: split, if there is one"""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("smiles_columns", "target_columns", "ignore_columns"):
            value: Any = getattr(self, name)
            if isinstance(value, list):  # as read from JSON
                value = tuple(value)
                object.__setattr__(self, name, value)
            valid = value is None or (
                isinstance(value, tuple) and all(isinstance(k, str) for k in value)
            )
            self.require(name, valid, "names of columns")
