"""Pairs without an effect, beside those that have it.

A random pair mostly has no known effect at all, and differs from one that has the
effect in how much is known of it. A pair with *other* effects is the harder and the
more honest question.
"""

from typing import Literal

import numpy as np

from vicinal.interactions.pair_effects import PairEffects

NegativeKind = Literal["random", "interacting"]
MAX_ROUNDS = 100


def draw_negatives(
    known: PairEffects,
    others: PairEffects,
    effect: int,
    count: int,
    kind: NegativeKind,
    rng: np.random.Generator,
    *,
    new_to: PairEffects | None = None,
) -> np.ndarray:
    """Return different pairs [N, 2] that are not known to have an effect, N <= count.

    known: all that is known, of every part of a split. interacting: among the pairs of
    `others`, which are to have known effects as those with the effect: where pairs are
    left out as a whole, negatives are other pairs that are left out. new_to: random
    negatives are none of its pairs; to be given where the pairs with the effect are not
    either, or what is known of a pair gives the answer away. Fewer than `count` where
    there are no more.
    """
    taken = known.codes[known.pairs_with(effect)]
    if new_to is not None:
        taken = np.union1d(taken, new_to.codes)
    if kind == "interacting":
        free = np.setdiff1d(others.codes, taken, assume_unique=True)
        codes = rng.permutation(free)[:count]
    else:
        codes = _random_codes(known.num_drugs, taken, count, rng)
    return np.stack(np.divmod(codes, known.num_drugs), axis=1)


def _random_codes(
    num_drugs: int, taken: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Return codes of different pairs that are not taken."""
    found = np.zeros(0, np.int64)
    for _ in range(MAX_ROUNDS):
        if len(found) >= count:
            break
        first, second = rng.integers(num_drugs, size=(2, 2 * count + 10))
        codes = np.minimum(first, second) * num_drugs + np.maximum(first, second)
        codes = codes[(first != second) & ~np.isin(codes, taken)]
        merged = np.concatenate([found, codes])
        found = merged[np.sort(np.unique(merged, return_index=True)[1])]
    return found[:count]
