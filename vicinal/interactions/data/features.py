"""What is known of drugs apart from how they interact."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix


@dataclass(frozen=True)
class DrugFeatures:
    """Features of D drugs; a row without entries means that nothing is known."""

    num_drugs: int
    structure: csr_matrix | None = None
    """[D, bits] counts of substructures (Morgan fingerprints)"""

    targets: csr_matrix | None = None
    """[D, P] 1 where a protein is a target"""

    single_effects: csr_matrix | None = None
    """[D, S] 1 where the drug has an effect when it is taken alone"""

    protein_edges: np.ndarray | None = None
    """[K, 2] rows of proteins that interact"""

    @property
    def names(self) -> list[str]:
        """Return what is known, in the order of the fields."""
        kinds = ("structure", "targets", "single_effects")
        return [name for name in kinds if getattr(self, name) is not None]

    def kind(self, name: str) -> Any:
        """Return one of the matrices by its name."""
        return getattr(self, name)

    def is_known(self, name: str) -> np.ndarray:
        """Return [D] bool: whether a drug has an entry in one of the matrices."""
        return np.asarray(self.kind(name).sum(axis=1)).ravel() > 0
