"""Labels of other entities as features: of those that share a fact, and of neighbours.

An entity has facts f with weights w_f, and s_f, n_f are the sum and the number of the
labels of the entities that have the fact, minus the mean label. The mean of "sharers"
is::

    sum_f w_f (s_f - own) / (sum_f w_f (n_f - 1) + k mean w)

without the entity itself if it is labelled; k shrinks it to the mean label.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from vicinal.knowledge.importance.features.graph_features import FeatureRows

SHRINKAGE = 0.1
NAMES = (
    "mean label of sharers",
    "log number of sharers",
    "mean label of sharers, by rarity",
    "log weight of sharers, by rarity",
    "mean label of sharers, by squared log rarity",
    "log weight of sharers, by squared log rarity",
    "mean label of neighbours",
    "log number of labelled neighbours",
)
FLOOR = 1e-3
"""of weights before the logarithm"""


@dataclass(frozen=True)
class SharedLabels:
    """Labels of some entities of a graph, summed over the facts."""

    mean: float
    """of the labels"""

    labels: np.ndarray
    """[E] float32 minus the mean; 0 where there is none"""

    is_labelled: np.ndarray
    """[E] float32, 1 or 0"""

    sums: np.ndarray
    """[F] float32 sum of the labels of the entities that have each fact"""

    counts: np.ndarray
    """[F] float32 number of these labels"""

    @classmethod
    def fit(
        cls, facts: csr_matrix, entities: np.ndarray, labels: np.ndarray
    ) -> "SharedLabels":
        """Return the sums over facts [E, F]; labels: [n] of different entities."""
        size = facts.get_shape()[0]
        own, is_labelled = np.zeros(size, np.float32), np.zeros(size, np.float32)
        mean = float(labels.mean())
        own[entities], is_labelled[entities] = labels - mean, 1
        return cls(mean, own, is_labelled, facts.T @ own, facts.T @ is_labelled)

    @property
    def weights(self) -> list[np.ndarray]:
        """Return the weights [F] of facts in each mean."""
        n = self.counts
        weights = [np.ones_like(n), 1 / (n + 5), 1 / np.log(n + 2) ** 2]
        return [w.astype(np.float32) for w in weights]

    def columns(
        self, rows: FeatureRows, entities: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the features [M, 8] float32 (`NAMES`) of entities.

        entities: [M] their numbers, so that their own labels are left out; None: they
        are new.
        """
        size = rows.dense.shape[0]
        own = own_count = np.zeros(size, np.float32)
        if entities is not None:
            own, own_count = self.labels[entities], self.is_labelled[entities]
        found = []
        for w in self.weights:
            total = rows.all_facts @ w
            number = rows.all_facts @ (w * self.counts) - total * own_count
            value = rows.all_facts @ (w * self.sums) - total * own
            found.append(value / (number + SHRINKAGE * w.mean()))
            found.append(np.log(np.maximum(number, 0) + FLOOR))
        loops = np.zeros(size, np.float32)
        if entities is not None:  # an entity may be its own neighbour
            loops = np.asarray(
                rows.neighbours[np.arange(size), entities], np.float32
            ).ravel()
        number = rows.neighbours @ self.is_labelled - loops * own_count
        value = rows.neighbours @ self.labels - loops * own
        found += [value / (number + 1), np.log1p(np.maximum(number, 0))]
        return np.stack(found, axis=1).astype(np.float32)


def out_of_fold_columns(
    rows: FeatureRows,
    facts: csr_matrix,
    examples: tuple[np.ndarray, np.ndarray],
    folds: list[np.ndarray],
) -> np.ndarray:
    """Return label features [n, 8] of labelled entities from other folds only.

    rows: features of these entities; facts: [E, F] of all. examples: entities [n] and
    labels [n]. folds: rows of each fold.
    """
    entities, labels = examples
    found = np.zeros((len(entities), len(NAMES)), np.float32)
    everything = np.arange(len(entities))
    for fold in folds:
        others = np.setdiff1d(everything, fold)
        shared = SharedLabels.fit(facts, entities[others], labels[others])
        found[fold] = shared.columns(rows.take(fold), entities[fold])
    return found
