"""Pairs without an effect, beside those that have it.

A random pair mostly has no known effect at all, and differs from one that has the
effect in how much is known of it. A pair with *other* effects is the harder and the
more honest question.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from vicinal.interactions.pair_effects import PairEffects

NegativeKind = Literal["random", "interacting"]
MAX_ROUNDS = 100


@dataclass(frozen=True)
class Negatives:
    """Where pairs without an effect are drawn from."""

    pair_effects: PairEffects
    """all that is known, of every part of a split"""

    pool: np.ndarray | None = None
    """codes of the pairs to draw from; None: any two different drugs"""

    excluded: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """codes of pairs that are never drawn: the training pairs where pairs are left out
    as a whole, because what is known of them would give the answer away"""

    def draw(self, effect: int, count: int, rng: np.random.Generator) -> np.ndarray:
        """Return different pairs [N, 2] that are not known to have an effect.

        N is `count`, or less where there are no more.
        """
        known = self.pair_effects
        taken = np.union1d(known.codes[known.pairs_with(effect)], self.excluded)
        if self.pool is None:
            codes = self._random_codes(taken, count, rng)
        elif len(self.pool) > 4 * (count + len(taken)):
            codes = rng.choice(self.pool, 2 * count + len(taken), replace=False)
            codes = codes[~np.isin(codes, taken)][:count]
        else:
            codes = rng.permutation(np.setdiff1d(self.pool, taken))[:count]
        return np.stack(np.divmod(codes, known.num_drugs), axis=1)

    def _random_codes(
        self, taken: np.ndarray, count: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Return codes of different pairs that are not taken."""
        drugs, found = self.pair_effects.num_drugs, np.zeros(0, np.int64)
        for _ in range(MAX_ROUNDS):
            if len(found) >= count:
                break
            pairs = rng.integers(drugs, size=(2 * count + 10, 2))
            codes = self.pair_effects.code(pairs[pairs[:, 0] != pairs[:, 1]])
            codes = codes[~np.isin(codes, taken)]
            merged = np.concatenate([found, codes])
            found = merged[np.sort(np.unique(merged, return_index=True)[1])]
        return found[:count]
