"""Scores of pairs by counting; what any model has to beat.

None of them knows what a drug is: on the usual split of the Decagon graph (M. Zitnik et
al.: Modeling polypharmacy side effects with graph convolutional networks,
Bioinformatics 2018) the number of a pair's other effects alone has an AUROC of 0.94.
"""

import numpy as np

from vicinal.interactions.pair_effects import PairEffects


def other_effects(own: np.ndarray) -> np.ndarray:
    """Return log(1 + n) [M, E] of the number of a pair's other known effects.

    own: [M, E] known effects of the pairs.
    """
    return np.log1p(own.sum(axis=1, keepdims=True) - own)


def frequencies(
    pair_effects: PairEffects, pairs: np.ndarray, own: np.ndarray
) -> np.ndarray:
    """Return log(1 + n) [2, M, E]: with how many others each drug has the effect.

    The pair itself is not counted. pairs: [M, 2]. own: [M, E] their known effects.
    """
    counts = pair_effects.drug_counts
    return np.log1p(np.stack([counts[k][pairs[:, k]] for k in (0, 1)]) - own)
