"""Known effects divided into train, validation and test.

Two of the situations in which a model is used. *Known pair*: of each effect a part of
its pairs is left out, and most of these pairs have other effects in training (the
protocol of M. Zitnik et al., Bioinformatics 2018). *New pair*: pairs are left out with
all of their effects; both drugs are known from other pairs.
"""

from typing import NamedTuple

import numpy as np

from vicinal.interactions.pair_effects import PairEffects


class Split(NamedTuple):
    """Known effects in three parts; no cell is in two of them."""

    train: PairEffects
    validation: PairEffects
    test: PairEffects


def split_by_effect(pair_effects: PairEffects, held_out: float, seed: int) -> Split:
    """Leave out the share `held_out` of each effect's pairs for validation and test."""
    rng = np.random.default_rng(seed)
    rows, effects = pair_effects.table.nonzero()
    order = np.lexsort((rng.random(len(rows)), effects))
    counts = np.bincount(effects, minlength=pair_effects.num_effects)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    share = (np.arange(len(rows)) - starts + 0.5) / np.repeat(counts, counts)
    part = np.empty(len(rows), np.int64)
    part[order] = np.where(share < held_out, 2, np.where(share < 2 * held_out, 1, 0))
    return _split(pair_effects, rows, effects, part)


def split_by_pair(pair_effects: PairEffects, held_out: float, seed: int) -> Split:
    """Leave out the share `held_out` of all pairs for validation and for test."""
    order = np.random.default_rng(seed).permutation(len(pair_effects.codes))
    of_pair = np.zeros(len(order), np.int64)
    size = round(held_out * len(order))
    of_pair[order[:size]], of_pair[order[size : 2 * size]] = 2, 1
    rows, effects = pair_effects.table.nonzero()
    return _split(pair_effects, rows, effects, of_pair[rows])


def _split(
    pair_effects: PairEffects, rows: np.ndarray, effects: np.ndarray, part: np.ndarray
) -> Split:
    sizes = pair_effects.num_drugs, pair_effects.num_effects
    return Split(
        *(
            PairEffects.from_edges(
                pair_effects.pairs[rows[part == k]], effects[part == k], *sizes
            )
            for k in range(3)
        )
    )
