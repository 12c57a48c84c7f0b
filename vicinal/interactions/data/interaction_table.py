"""A table of drugs, pairs and sets of drugs, and their effects."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_matrix

from vicinal.core.data.quarantine import Quarantined
from vicinal.interactions.data.cells import fold_name
from vicinal.interactions.data.features import DrugFeatures
from vicinal.molecules.baseline.features import NUM_BITS, morgan_counts
from vicinal.molecules.data.parse import parse_molecule

MOLECULES_PER_BLOCK = 1000


@dataclass(frozen=True)
class InteractionTable:
    """D drugs, and E effects of pairs and sets of them."""

    drugs: np.ndarray
    """[D] object, names in ascending order"""

    effects: np.ndarray
    """[E] object, names of effects of pairs and sets, in ascending order"""

    ordered: bool
    """whether a pair in the other order is another pair"""

    pairs: np.ndarray
    """[N, 2] int32 rows of drugs; the lower one first unless `ordered`"""

    pair_effects: np.ndarray
    """[N] int32 an effect of each of the pairs; no pair has one twice"""

    singles: np.ndarray
    """[M, 2] int32 a drug and the row of an effect that it has when taken alone"""

    single_effects: np.ndarray
    """[S] object, names of effects of single drugs, in ascending order"""

    sets: list[tuple[int, ...]]
    """three or more drugs each, in ascending order"""

    set_effects: list[tuple[int, ...]]
    """effects of each set, in ascending order"""

    smiles: list[str | None]
    """[D] structures; None where there is none that can be read"""

    targets: np.ndarray
    """[T, 2] int32 a drug and the row of a protein that it binds to"""

    proteins: np.ndarray
    """[P] object, names in ascending order"""

    protein_edges: np.ndarray
    """[K, 2] int32 proteins that interact, the lower one first"""

    num_rows: int
    """rows of interactions that were read"""

    quarantined: list[Quarantined] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def num_pairs(self) -> int:
        """Return the number of different pairs."""
        first, second = self.pairs.astype(np.int64).T
        return len(np.unique(first * len(self.drugs) + second))

    def single_of_effect(self) -> np.ndarray:
        """Return the single effect [E] of the same name as each effect; -1: none."""
        rows = {fold_name(name): row for row, name in enumerate(self.single_effects)}
        found = [rows.get(fold_name(name), -1) for name in self.effects]
        return np.array(found, np.int32)


def drug_features(table: InteractionTable) -> DrugFeatures:
    """Return what is known of each drug; None where nothing is known of any drug."""
    num_drugs = len(table.drugs)
    has_structure = any(smiles is not None for smiles in table.smiles)
    has_targets, has_effects = len(table.targets) > 0, len(table.singles) > 0
    return DrugFeatures(
        num_drugs=num_drugs,
        structure=structure_counts(table.smiles) if has_structure else None,
        targets=_ones(table.targets, (num_drugs, len(table.proteins)))
        if has_targets
        else None,
        single_effects=_ones(table.singles, (num_drugs, len(table.single_effects)))
        if has_effects
        else None,
        protein_edges=table.protein_edges if len(table.protein_edges) else None,
    )


def _ones(entries: np.ndarray, shape: tuple[int, int]) -> csr_matrix:
    """Return a matrix with 1 at some entries [N, 2]."""
    ones = np.ones(len(entries), np.float32)
    return csr_matrix((ones, (entries[:, 0], entries[:, 1])), shape)


def structure_counts(smiles: Sequence[str | None]) -> csr_matrix:
    """Return counts [D, NUM_BITS] float32 of substructures; none where it is None."""
    from scipy.sparse import vstack

    blocks = []
    for start in range(0, len(smiles), MOLECULES_PER_BLOCK):
        block = smiles[start : start + MOLECULES_PER_BLOCK]
        mols = [None if text is None else parse_molecule(text).mol for text in block]
        counts = np.zeros((len(block), NUM_BITS), np.float32)
        known = [row for row, mol in enumerate(mols) if mol is not None]
        counts[known] = morgan_counts([mols[row] for row in known])
        blocks.append(csr_matrix(counts))
    return csr_matrix(vstack(blocks))
