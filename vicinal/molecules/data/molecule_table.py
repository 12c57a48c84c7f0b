"""A table of molecules with targets."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vicinal.core.data.quarantine import Quarantined


@dataclass(frozen=True)
class MoleculeTable:
    """N molecules and T targets."""

    mols: list[Any]
    """[N] molecules of RDKit"""

    smiles: list[str]
    """[N] as they were given"""

    lines: np.ndarray
    """[N] line, row or record of the source; of replicates the first"""

    target_names: list[str]
    """[T]"""

    targets: np.ndarray
    """[N, T] float64: numbers, or indices of classes; NaN where there is none"""

    classes: list[tuple[str, ...]]
    """[T] names of the classes of each target; empty for regression"""

    replicates: np.ndarray
    """[N] rows of the source that were merged"""

    deviations: np.ndarray
    """[N, T] standard deviation of the replicates' numbers; NaN for fewer than two"""

    weights: np.ndarray | None = None
    """[N] weight of each molecule in the loss"""

    split: np.ndarray | None = None
    """[N] train, val or test, as the user gave it"""

    ids: list[str] | None = None
    """[N] cells of a column of identifiers; of replicates the first"""

    times: np.ndarray | None = None
    """[N] when each was measured; of replicates the first"""

    num_rows: int = 0
    """rows of the source, quarantined ones included"""

    quarantined: list[Quarantined] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.mols)

    @property
    def task(self) -> str:
        """Return classification or regression; none without targets."""
        if not self.target_names:
            return "none"
        return "classification" if self.classes else "regression"
