"""Several scores combined by boosted trees, which are fitted on validation pairs.

The scores of a model for a rare effect are smaller than for a frequent one, so they are
divided by their standard deviation among the pairs of each effect first.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from vicinal.interactions.evaluation import Questions


class PairModel(Protocol):
    """Scores pairs of drugs by effect."""

    def score(self, pairs: np.ndarray, effect: int) -> np.ndarray:
        """Return the scores [M] of pairs [M, 2]."""
        ...


class Combination:
    """Scores pairs by the scores of K models together."""

    def __init__(
        self, models: Mapping[str, PairModel], questions: list[Questions]
    ) -> None:
        """questions: of each effect at most once, on what no model was fitted to."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        self.models = models
        raw = [self._scores(own.pairs, own.effect) for own in questions]
        self.default = _spread(np.concatenate(raw))
        """[K] of an effect without questions"""

        self.spread = {
            own.effect: np.where(len(x) > 1, _spread(x), self.default)
            for own, x in zip(questions, raw, strict=True)
        }
        """[K] standard deviations by effect"""

        scaled = [
            x / self.spread[own.effect] for own, x in zip(questions, raw, strict=True)
        ]
        truth = np.concatenate([own.truth for own in questions])
        self.trees = HistGradientBoostingClassifier(random_state=0)
        self.trees.fit(np.concatenate(scaled), truth)

    def score(self, pairs: np.ndarray, effect: int) -> np.ndarray:
        """Return the logits [M] of pairs [M, 2]."""
        scores = self._scores(pairs, effect)
        spread = self.spread.get(effect, self.default)
        return self.trees.decision_function(scores / spread)

    def _scores(self, pairs: np.ndarray, effect: int) -> np.ndarray:
        columns = [model.score(pairs, effect) for model in self.models.values()]
        return np.stack(columns, axis=1)


def _spread(scores: np.ndarray) -> np.ndarray:
    """Return the standard deviation [K] of scores [M, K]; 1 where it is 0."""
    found = scores.std(axis=0) if len(scores) else np.zeros(scores.shape[1])
    return np.where(found > 0, found, 1.0)
