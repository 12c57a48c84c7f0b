"""The model that predicts importance: ridge, boosting on its predictions, and a blend.

Boosting gets the ridge's prediction as one more feature, which for training examples is
made by ridges that were fitted to other folds (D. Wolpert: Stacked generalization,
1992). So do the labels of sharers. The blend's weight is chosen on inner folds.
"""

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from vicinal.knowledge.importance.features.graph_features import (
    FeatureRows,
    GraphFeatures,
)
from vicinal.knowledge.importance.features.shared_labels import (
    SharedLabels,
    out_of_fold_columns,
)
from vicinal.knowledge.importance.models.boosting import BoostedTrees
from vicinal.knowledge.importance.models.ridge import (
    DENSE,
    FACTS,
    START,
    Penalties,
    Ridge,
    RidgeProblem,
)

LABEL_FOLDS, STACK_FOLDS, INNER_FOLDS = 10, 3, 5
"""folds for labels of sharers, for predictions of the ridge, and to choose settings"""

MIN_BLENDED = 1000
"""predictions of held-out examples from which on no further inner fold is computed"""


class StackPredictions(NamedTuple):
    """Predictions for M entities."""

    ridge: np.ndarray
    boosting: np.ndarray
    blend: np.ndarray


class Examples(NamedTuple):
    """Labelled entities."""

    entities: np.ndarray
    """[n]"""

    labels: np.ndarray
    """[n] float32 as they are predicted, perhaps logarithms"""

    def take(self, rows: np.ndarray) -> "Examples":
        return Examples(self.entities[rows], self.labels[rows])


@dataclass(frozen=True)
class StackedModel:
    """Ridge and boosted trees on features of entities."""

    shared: SharedLabels
    ridge: Ridge
    trees: BoostedTrees
    penalties: Penalties
    weight: float = 0.0
    """of the ridge in the blend"""

    @classmethod
    def fit(
        cls,
        features: GraphFeatures,
        examples: Examples,
        penalties: Penalties,
        seed: int,
        weight: float = 0.0,
    ) -> "StackedModel":
        """Fit both models with these penalties."""
        entities, y = examples
        rows, facts = features.rows.take(entities), features.graph.facts
        folds = make_folds(len(y), LABEL_FOLDS, seed + 1)
        labels = out_of_fold_columns(rows, facts, examples, folds)
        dense = np.concatenate([rows.dense, labels], axis=1)
        stacked = np.zeros(len(y), np.float32)
        for fold in make_folds(len(y), STACK_FOLDS, seed + 2):
            others = np.setdiff1d(np.arange(len(y)), fold)
            inner = Ridge.fit(dense[others], rows.facts[others], y[others], penalties)
            stacked[fold] = inner.predict(dense[fold], rows.facts[fold])
        x = boosting_features(features, dense, stacked)
        return cls(
            SharedLabels.fit(facts, entities, y),
            Ridge.fit(dense, rows.facts, y, penalties),
            BoostedTrees.fit(x, y, seed),
            penalties,
            weight,
        )

    def dense(self, rows: FeatureRows, entities: np.ndarray | None) -> np.ndarray:
        """Return the dense features with the labels of others: [M, D + 8].

        entities: [M] of the graph, whose own labels are left out; None: new ones.
        """
        return np.concatenate([rows.dense, self.shared.columns(rows, entities)], axis=1)

    def predict(
        self,
        features: GraphFeatures,
        rows: FeatureRows,
        entities: np.ndarray | None = None,
    ) -> StackPredictions:
        """Return the predictions for entities; `entities` as for `dense`."""
        dense = self.dense(rows, entities)
        return self.predict_dense(
            features, dense, self.ridge.predict(dense, rows.facts)
        )

    def predict_dense(
        self, features: GraphFeatures, dense: np.ndarray, ridge: np.ndarray
    ) -> StackPredictions:
        """Return the predictions for dense features and predictions of the ridge."""
        boosting = self.trees.predict(boosting_features(features, dense, ridge))
        ridge = ridge.astype(float)
        blend = self.weight * ridge + (1 - self.weight) * boosting
        return StackPredictions(ridge, boosting, blend)


def boosting_features(
    features: GraphFeatures, dense: np.ndarray, ridge: np.ndarray
) -> np.ndarray:
    """Return what the trees see: dense features, and the ridge's prediction.

    Without the position, and without relations that are not frequent.
    """
    groups, used = features.groups, np.ones(dense.shape[1], bool)
    used[groups["position"]] = False
    used[groups["relations"]] = features.is_frequent
    return np.concatenate([dense[:, used], ridge[:, None]], axis=1, dtype=np.float32)


def choose_penalties(
    features: GraphFeatures, examples: Examples, seed: int
) -> Penalties:
    """Return the penalties with the lowest error on an inner fold.

    First that of the facts, then that of the dense features.
    """
    entities, y = examples
    rows, facts = features.rows.take(entities), features.graph.facts
    held_out = make_folds(len(y), INNER_FOLDS, seed)[0]
    train = np.setdiff1d(np.arange(len(y)), held_out)
    train_rows, test_rows = rows.take(train), rows.take(held_out)
    chosen = examples.take(train)
    folds = make_folds(len(train), LABEL_FOLDS, seed + 1)
    labels = out_of_fold_columns(train_rows, facts, chosen, folds)
    dense = np.concatenate([train_rows.dense, labels], axis=1)
    shared = SharedLabels.fit(facts, *chosen)
    columns = shared.columns(test_rows, entities[held_out])
    test = np.concatenate([test_rows.dense, columns], axis=1)

    problem = RidgeProblem(dense, train_rows.facts, chosen.labels)

    @cache
    def error(penalties: Penalties) -> float:
        predicted = problem.solve(penalties).predict(test, test_rows.facts)
        return float(((predicted - y[held_out]) ** 2).mean())

    best = min((START._replace(facts=value) for value in FACTS), key=error)
    return min((best._replace(dense=value) for value in DENSE), key=error)


def choose_weight(
    features: GraphFeatures, examples: Examples, penalties: Penalties, seed: int
) -> float:
    """Return the weight of the ridge in the blend, 0 to 1, by inner folds.

    It minimises the squared error of the folds together; of as many as it takes for
    MIN_BLENDED predictions.
    """
    everything = np.arange(len(examples.labels))
    gains, sizes, count = 0.0, 0.0, 0
    for fold in make_folds(len(everything), INNER_FOLDS, seed + 3):
        train = examples.take(np.setdiff1d(everything, fold))
        model = StackedModel.fit(features, train, penalties, seed)
        entities, y = examples.take(fold)
        found = model.predict(features, features.rows.take(entities), entities)
        difference = found.ridge - found.boosting
        gains += float(((y - found.boosting) * difference).sum())
        sizes += float((difference**2).sum())
        count += len(fold)
        if count >= MIN_BLENDED:
            break
    return float(np.clip(gains / sizes, 0.0, 1.0)) if sizes else 0.0


def make_folds(size: int, count: int, seed: int) -> list[np.ndarray]:
    """Return the rows of each of `count` random folds, or of fewer for few rows."""
    order = np.random.default_rng(seed).permutation(size)
    count = min(count, size)
    return [order[k::count] for k in range(count)]
