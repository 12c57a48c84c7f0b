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
    pair_effects: PairEffects,
    others: PairEffects,
    effect: int,
    count: int,
    kind: NegativeKind,
    rng: np.random.Generator,
    *,
    new_to: PairEffects | None = None,
) -> np.ndarray:
    """Return different pairs [N, 2] that are not known to have an effect, N <= count.

    pair_effects: all that is known, of every part of a split. others: pairs with known
    effects, of which negatives of the kind "interacting" are drawn; those that are left
    out where the pairs with the effect are left out as a whole. new_to: none of its
    pairs is drawn as a random negative; the training part where pairs are left out as a
    whole, because what is known of a pair would give the answer away. Fewer than
    `count` where there are no more.
    """
    taken = pair_effects.codes[pair_effects.pairs_with(effect)]
    if new_to is not None:
        taken = np.union1d(taken, new_to.codes)
    if kind == "interacting":
        free = np.setdiff1d(others.codes, taken, assume_unique=True)
        codes = rng.permutation(free)[:count]
    else:
        codes = _random_codes(pair_effects.num_drugs, taken, count, rng)
    return np.stack(np.divmod(codes, pair_effects.num_drugs), axis=1)


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
