"""Which effects are known of which pairs of drugs."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix


class Partners(NamedTuple):
    """The drugs that one drug is known to interact with."""

    drugs: np.ndarray
    """[K]"""

    rows: np.ndarray
    """[K] rows of these pairs in the table"""


@dataclass(frozen=True)
class PairEffects:
    """Known effects of P pairs of D drugs; E effects.

    In an unordered table (a, b) and (b, a) are one pair.
    """

    num_drugs: int
    num_effects: int
    codes: np.ndarray
    """[P] first x D + second of each pair, ascending; unordered: first < second"""

    table: csr_matrix
    """[P, E] float32, 1 where the effect is known"""

    ordered: bool = False

    @classmethod
    def from_edges(
        cls,
        pairs: np.ndarray,
        effects: np.ndarray,
        num_drugs: int,
        num_effects: int,
        *,
        ordered: bool = False,
    ) -> Self:
        """Return the effects of pairs [N, 2], one row for each pair and effect.

        What is repeated counts once. Raises ValueError for a drug with itself, or
        numbers out of range.
        """
        pairs = np.asarray(pairs, np.int64).reshape(-1, 2)
        first, second = (pairs if ordered else np.sort(pairs, axis=1)).T
        if (first == second).any():
            raise ValueError("A pair has two different drugs.")
        if len(pairs) and (pairs.min() < 0 or pairs.max() >= num_drugs):
            raise ValueError(f"Drugs are numbered from 0 to {num_drugs - 1}.")
        codes, rows = np.unique(first * num_drugs + second, return_inverse=True)
        shape = len(codes), num_effects
        table = csr_matrix((np.ones(len(rows), np.float32), (rows, effects)), shape)
        table.data[:] = 1
        return cls(num_drugs, num_effects, codes, table, ordered)

    def select(self, rows: np.ndarray, effects: np.ndarray) -> Self:
        """Return the table of some of its cells [N] only."""
        sizes = self.num_drugs, self.num_effects
        return self.from_edges(self.pairs[rows], effects, *sizes, ordered=self.ordered)

    @cached_property
    def pairs(self) -> np.ndarray:
        """Return the pairs [P, 2]; unordered: the lower number first."""
        return np.stack(np.divmod(self.codes, self.num_drugs), axis=1)

    @cached_property
    def _by_effect(self) -> csc_matrix:
        return csc_matrix(self.table)

    @cached_property
    def effect_counts(self) -> np.ndarray:
        """Return how many pairs have each effect, [E]."""
        return np.asarray(self.table.sum(axis=0)).ravel()

    @cached_property
    def drug_counts(self) -> np.ndarray:
        """Return in how many pairs each drug has each effect, [2, D, E].

        First as the first drug, then as the second; the same if unordered.
        """
        rows = np.arange(len(self.codes))
        ones = np.ones(len(rows), np.float32)
        shape = self.num_drugs, len(rows)
        members = [csr_matrix((ones, (drugs, rows)), shape) for drugs in self.pairs.T]
        counts = np.stack([csr_matrix(own @ self.table).toarray() for own in members])
        counts = counts.astype(np.float32)
        return counts if self.ordered else np.stack([counts.sum(axis=0)] * 2)

    @cached_property
    def degrees(self) -> np.ndarray:
        """Return with how many others each drug is known to interact, [D]."""
        return np.bincount(self.pairs.ravel(), minlength=self.num_drugs)

    @cached_property
    def _partners(self) -> tuple[list[Partners], list[Partners]]:
        """Return the partners of each drug as the first, and as the second drug."""
        found = []
        for side in (0, 1):
            own, others = self.pairs[:, side], self.pairs[:, 1 - side]
            rows = np.arange(len(own))
            if not self.ordered:
                own, others = np.r_[own, others], np.r_[others, own]
                rows = np.r_[rows, rows]
            order = np.argsort(own, kind="stable")
            ends = np.cumsum(np.bincount(own, minlength=self.num_drugs))
            parts = (np.split(part[order], ends[:-1]) for part in (others, rows))
            found.append([Partners(*each) for each in zip(*parts, strict=True)])
        return found[0], found[1]

    def partners(self, drug: int, side: int = 0) -> Partners:
        """Return the partners of a drug. side: 0 for the first of a pair, 1: second."""
        return self._partners[side][drug]

    def code(self, pairs: np.ndarray) -> np.ndarray:
        """Return the codes [M] of pairs [M, 2]; of unordered ones in any order."""
        pairs = np.asarray(pairs, np.int64).reshape(-1, 2)
        first, second = (pairs if self.ordered else np.sort(pairs, axis=1)).T
        return first * self.num_drugs + second

    def rows(self, pairs: np.ndarray) -> np.ndarray:
        """Return the row of each of some pairs [M, 2]; -1: not known."""
        codes = self.code(pairs)
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
        """Return a matrix [D, D] float32, 1 for pairs that have an effect.

        Rows are first drugs; symmetric if unordered.
        """
        found = np.zeros((self.num_drugs, self.num_drugs), np.float32)
        first, second = self.pairs[self.pairs_with(effect)].T
        found[first, second] = 1
        if not self.ordered:
            found[second, first] = 1
        return found

    def blocks(self, size: int) -> Iterator[slice]:
        """Yield slices of the rows of the table."""
        for start in range(0, len(self.codes), size):
            yield slice(start, min(start + size, len(self.codes)))
