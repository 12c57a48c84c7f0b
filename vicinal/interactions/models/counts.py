"""Scores of pairs by counting; what any model has to beat.

None of them knows what a drug is: on the usual split of the Decagon graph (M. Zitnik et
al.: Modeling polypharmacy side effects with graph convolutional networks,
Bioinformatics 2018) the number of a pair's other effects alone has an AUROC of 0.94.
"""

import numpy as np

from vicinal.interactions.pair_effects import PairEffects


class OtherEffects:
    """log(1 + n) of the number of other effects that are known of the pair."""

    def __init__(self, pair_effects: PairEffects) -> None:
        self.pair_effects = pair_effects
        self.totals = np.asarray(pair_effects.table.sum(axis=1)).ravel()

    def score(self, pairs: np.ndarray, effect: int) -> np.ndarray:
        """Return the scores [M] of pairs [M, 2]."""
        rows = self.pair_effects.rows(pairs)
        if not len(self.totals):
            return np.zeros(len(rows))
        own = np.isin(rows, self.pair_effects.pairs_with(effect))
        return np.log1p(np.where(rows >= 0, self.totals[rows], 0) - own)


class Popularity:
    """How often each of the two drugs has the effect with others.

    log(1 + n) of both, added; the pair itself is not counted.
    """

    def __init__(self, pair_effects: PairEffects) -> None:
        self.pair_effects = pair_effects
        self.counts = pair_effects.drug_counts

    def score(self, pairs: np.ndarray, effect: int) -> np.ndarray:
        """Return the scores [M] of pairs [M, 2]."""
        own = np.isin(
            self.pair_effects.rows(pairs), self.pair_effects.pairs_with(effect)
        )
        counts = self.counts[np.asarray(pairs), effect] - own[:, None]
        return np.log1p(counts).sum(axis=1)
