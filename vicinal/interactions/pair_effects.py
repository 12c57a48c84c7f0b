"""Which effects are known of which pairs of drugs."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix


@dataclass(frozen=True)
class PairEffects:
    """Known effects of P unordered pairs of D drugs; E effects."""

    num_drugs: int
    num_effects: int
    codes: np.ndarray
    """[P] first x D + second of each pair, first < second; ascending"""

    table: csr_matrix
    """[P, E] float32, 1 where the effect is known"""

    @classmethod
    def from_edges(
        cls, pairs: np.ndarray, effects: np.ndarray, num_drugs: int, num_effects: int
    ) -> Self:
        """Return the effects of pairs [N, 2], one row for each pair and effect.

        The order of the drugs does not matter; what is repeated counts once. Raises
        ValueError for a drug with itself, or numbers out of range.
        """
        if not len(pairs):
            pairs = np.zeros((0, 2), np.int64)
        first, second = np.sort(np.asarray(pairs, np.int64), axis=1).T
        if (first == second).any():
            raise ValueError("A pair has two different drugs.")
        if len(pairs) and (first.min() < 0 or second.max() >= num_drugs):
            raise ValueError(f"Drugs are numbered from 0 to {num_drugs - 1}.")
        codes, rows = np.unique(first * num_drugs + second, return_inverse=True)
        shape = len(codes), num_effects
        table = csr_matrix((np.ones(len(rows), np.float32), (rows, effects)), shape)
        table.data[:] = 1
        return cls(num_drugs, num_effects, codes, table)

    @cached_property
    def pairs(self) -> np.ndarray:
        """Return the pairs [P, 2], the lower number first."""
        return np.stack(np.divmod(self.codes, self.num_drugs), axis=1)

    @cached_property
    def _by_effect(self) -> csc_matrix:
        return csc_matrix(self.table)

    @cached_property
    def drug_counts(self) -> np.ndarray:
        """Return with how many others each drug has each effect, [D, E]."""
        rows, ones = np.arange(len(self.codes)), np.ones(len(self.codes))
        shape = self.num_drugs, len(rows)
        counts = np.zeros((self.num_drugs, self.num_effects))
        for drugs in self.pairs.T:
            members = csr_matrix((ones, (drugs, rows)), shape)
            counts += csr_matrix(members @ self.table).toarray()
        return counts

    def rows(self, pairs: np.ndarray) -> np.ndarray:
        """Return the row of each of some pairs [M, 2], in any order; -1: not known."""
        first, second = np.sort(np.asarray(pairs, np.int64), axis=1).T
        codes = first * self.num_drugs + second
        found = np.searchsorted(self.codes, codes)
        inside = found < len(self.codes)
        inside[inside] = self.codes[found[inside]] == codes[inside]
        return np.where(inside, found, -1)

    def known_effects(self, pairs: np.ndarray) -> csr_matrix:
        """Return the effects [M, E] of some pairs; none of those that are not known."""
        rows = self.rows(pairs)
        found = np.flatnonzero(rows >= 0)
        entries = np.ones(len(found), np.float32), (found, rows[found])
        return csr_matrix(entries, (len(rows), len(self.codes))) @ self.table

    def pairs_with(self, effect: int) -> np.ndarray:
        """Return the rows of the pairs that have an effect."""
        start, end = self._by_effect.indptr[effect : effect + 2]
        return self._by_effect.indices[start:end]

    def adjacency(self, effect: int) -> np.ndarray:
        """Return a symmetric matrix [D, D] float32, 1 for pairs that have an effect."""
        found = np.zeros((self.num_drugs, self.num_drugs), np.float32)
        first, second = self.pairs[self.pairs_with(effect)].T
        found[first, second] = found[second, first] = 1
        return found
