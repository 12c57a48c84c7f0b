"""Scores of pairs by counting; what any model has to beat.

None of them knows what a drug is: on the usual split of the Decagon graph (M. Zitnik et
al.: Modeling polypharmacy side effects with graph convolutional networks,
Bioinformatics 2018) the number of a pair's other effects alone has an AUROC of 0.94.
"""

from typing import NamedTuple, Self

import numpy as np

from vicinal.interactions.pair_effects import PairEffects

TYPICAL = 15
"""what an average count becomes before the logarithm"""


class MeanCounts(NamedTuple):
    """Average counts, by which counts are divided.

    Simple models are fitted to part of the facts, then to all of them. Divided by its
    average, a count is about the same in both, and so is what follows from it.
    """

    effects: float
    """of a known pair"""

    frequency: float
    """with how many others a drug has an effect"""

    partners: float
    """of a drug"""

    pairs: float
    """that have an effect"""

    @classmethod
    def of(cls, pair_effects: PairEffects) -> Self:
        """Return the averages over the pairs, drugs and effects that are known."""
        facts, pairs = pair_effects.table.nnz, len(pair_effects.codes)
        drugs = max(int((pair_effects.degrees > 0).sum()), 1)
        effects = max(pair_effects.num_effects, 1)
        sides = 1 if pair_effects.ordered else 2
        return cls(
            facts / max(pairs, 1),
            sides * facts / (drugs * effects),
            2 * pairs / drugs,
            facts / effects,
        )


def log_relative(counts: np.ndarray, mean: float) -> np.ndarray:
    """Return log(1 + TYPICAL n / mean) of counts n, float32."""
    scale = TYPICAL / mean if mean else 1.0
    return np.log1p(np.asarray(counts, np.float32) * np.float32(scale))


def other_effects(own: np.ndarray) -> np.ndarray:
    """Return the number [M, E] of a pair's other known effects.

    own: [M, E] known effects of the pairs.
    """
    return own.sum(axis=1, keepdims=True) - own


def frequencies(
    pair_effects: PairEffects, pairs: np.ndarray, own: np.ndarray
) -> np.ndarray:
    """Return with how many others [2, M, E] each drug has the effect.

    The pair itself is not counted. pairs: [M, 2]. own: [M, E] their known effects.
    """
    counts = pair_effects.drug_counts
    return np.stack([counts[k][pairs[:, k]] for k in (0, 1)]) - own
