"""Scores of pairs of drugs by every simple model, which a combination weighs.

Of a drug without a known pair, counts and partners are estimated from its features.
"""

from collections.abc import Iterator
from typing import Self

import numpy as np

from vicinal.interactions.data.features import DrugFeatures
from vicinal.interactions.models.closed_form import (
    DrugRegression,
    EffectRegression,
    ProfileRegression,
)
from vicinal.interactions.models.counts import (
    MeanCounts,
    frequencies,
    log_relative,
    other_effects,
)
from vicinal.interactions.models.feature_kernels import (
    FeatureWeights,
    fit_feature_weights,
    kernels,
)
from vicinal.interactions.pair_effects import PairEffects

COLUMNS = (
    "other effects of the pair",
    "effect with others, rarer drug",
    "effect with others, commoner drug",
    "similar drugs",
    "regression on other effects",
    "regression on predicted effects",
    "partners, fewer",
    "partners, more",
    "pairs with the effect",
)
"""names of the scores; of a known and a new drug, `rarer` and `fewer` are the known"""

INCREASING = (1, 2, 3, 4, 5)
"""scores that never lower a linear combination; others describe pairs or effects"""

SCALED = slice(3, 6)
"""scores that are divided by their spread among pairs, effect by effect"""

BLOCK = 4096
"""pairs whose scores are in memory at a time"""

SAMPLE = 2000
"""pairs of which the spread of scores is that"""


class PairScores:
    """Scores of pairs by models that are fitted to known effects."""

    def __init__(
        self,
        effects: EffectRegression,
        drugs: DrugRegression,
        profiles: ProfileRegression,
        spread: np.ndarray | None = None,
    ) -> None:
        """spread: [3, E] standard deviations of the scores SCALED; None: not divided"""
        self.pair_effects = effects.pair_effects
        self.effects, self.drugs, self.profiles = effects, drugs, profiles
        self.spread = spread
        self.is_known = self.pair_effects.degrees > 0
        """[D] whether a drug has a known pair"""

        self.means = MeanCounts.of(self.pair_effects)
        counts = self.pair_effects.drug_counts
        self.counts = log_relative(counts, self.means.frequency)
        """[2, D, E] with how many others (`log_relative`), of new drugs estimated"""

        self.feature_weights: FeatureWeights | None = None
        self._represented: tuple[int, tuple[str, ...]] | None = None

    @classmethod
    def fit(cls, pair_effects: PairEffects) -> Self:
        """Return the models that are fitted to known effects."""
        drugs = DrugRegression.fit(pair_effects)
        effects = EffectRegression.fit(pair_effects)
        found = cls(effects, drugs, ProfileRegression.fit(drugs))
        found.spread = found._spread()
        return found

    def represent_new_drugs(
        self, features: DrugFeatures | None, kinds: tuple[str, ...]
    ) -> None:
        """Estimate what is not known of drugs without a pair from their features.

        kinds: of the features; none, and nothing is estimated.
        """
        if features is None or not kinds or self.is_known.all():
            return
        if self._represented == (id(features), kinds):
            return
        self._represented = id(features), kinds
        both = np.concatenate(list(self.counts), axis=1)
        candidates = kernels(features, kinds)
        found = fit_feature_weights(candidates, self.is_known, both)
        new = np.flatnonzero(~self.is_known)
        self.feature_weights = found
        self.drugs.represent(new, found.weights[new])
        self.counts[:, new] = found.weights[new] @ self.counts

    def situations(self, pairs: np.ndarray) -> np.ndarray:
        """Return [M]: 0 known pair, 1 new pair, 2 one new drug, 3 two new drugs."""
        new = (~self.is_known[np.asarray(pairs)]).sum(axis=1)
        return np.where(self.pair_effects.rows(pairs) >= 0, 0, 1 + new)

    def columns(self, pairs: np.ndarray) -> np.ndarray:
        """Return the scores [9, M, E] float32 of pairs [M, 2], in order of COLUMNS."""
        pairs = np.asarray(pairs)
        known = self.pair_effects
        found = np.empty((len(COLUMNS), len(pairs), known.num_effects), np.float32)
        own = known.known_effects(pairs).toarray()
        found[0] = log_relative(other_effects(own), self.means.effects)
        found[1:3] = self._sorted(pairs, self._frequencies(pairs, own))
        found[3] = predicted = self.drugs.score_all(pairs)
        found[4] = self.effects.score_all(pairs)
        found[5] = self.profiles.score_all(pairs, predicted)
        partners = log_relative(known.degrees[pairs], self.means.partners)
        found[6:8] = self._sorted(pairs, partners.T[:, :, None])
        found[8] = log_relative(known.effect_counts, self.means.pairs)
        if self.spread is not None:
            found[SCALED] /= self.spread[:, None]
        return found

    def _frequencies(self, pairs: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Return with how many others each drug has each effect [2, M, E].

        As `log_relative`, of new drugs estimated. own: [M, E] known effects.
        """
        counts = frequencies(self.pair_effects, pairs, own)
        found = log_relative(counts, self.means.frequency)
        for side in (0, 1):
            new = ~self.is_known[pairs[:, side]]
            found[side, new] = self.counts[side, pairs[new, side]]
        return found

    def _sorted(self, pairs: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return values [2, M, E] of both drugs in ascending order.

        Those of a known drug are before those of a new one.
        """
        found = np.stack([values.min(axis=0), values.max(axis=0)])
        is_known = self.is_known[pairs]
        for side in (0, 1):  # known, and the other is new
            rows = is_known[:, side] & ~is_known[:, 1 - side]
            found[0, rows], found[1, rows] = values[side, rows], values[1 - side, rows]
        return found

    def _spread(self) -> np.ndarray:
        """Return the standard deviations [3, E] among known and random pairs."""
        rng, known = np.random.default_rng(0), self.pair_effects
        drugs = np.flatnonzero(self.is_known)
        if len(drugs) < 2:
            return np.ones((3, known.num_effects), np.float32)
        random = drugs[rng.integers(len(drugs), size=(SAMPLE // 2, 2))]
        random = random[random[:, 0] != random[:, 1]]
        rows = rng.permutation(len(known.codes))[: SAMPLE // 2]
        pairs = np.concatenate([random, known.pairs[rows]])
        parts = [self.columns(pairs[block])[SCALED] for block in _blocks(pairs)]
        found = np.concatenate(parts, axis=1).std(axis=1)
        return np.where(found > 1e-6, found, 1.0).astype(np.float32)

    def of_cells(self, pairs: np.ndarray, effects: np.ndarray) -> np.ndarray:
        """Return the scores [N, 9] of pairs [N, 2] for one effect [N] each."""
        codes, rows = np.unique(self.pair_effects.code(pairs), return_inverse=True)
        unique = np.stack(np.divmod(codes, self.pair_effects.num_drugs), axis=1)
        found = np.empty((len(pairs), len(COLUMNS)), np.float32)
        order = np.argsort(rows, kind="stable")
        for block in _blocks(unique):
            start, end = np.searchsorted(rows[order], [block.start, block.stop])
            cells = order[start:end]
            columns = self.columns(unique[block])
            found[cells] = columns[:, rows[cells] - block.start, effects[cells]].T
        return found


def _blocks(pairs: np.ndarray) -> Iterator[slice]:
    """Yield slices of pairs."""
    for start in range(0, len(pairs), BLOCK):
        yield slice(start, min(start + BLOCK, len(pairs)))
