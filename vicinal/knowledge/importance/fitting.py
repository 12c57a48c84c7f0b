"""Cross-validation of every model, and the final model, fitted to all labels."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from vicinal.core.compute.runtime import seed_for
from vicinal.knowledge.importance.features.graph_features import GraphFeatures
from vicinal.knowledge.importance.features.pagerank import pagerank
from vicinal.knowledge.importance.features.shared_labels import SharedLabels
from vicinal.knowledge.importance.metrics import FoldScores, fold_scores
from vicinal.knowledge.importance.models.ridge import Ridge
from vicinal.knowledge.importance.models.stacked import (
    Examples,
    StackedModel,
    choose_penalties,
    choose_weight,
    make_folds,
)

BLEND, NETWORK = "blend of ridge and boosting", "network of scores"
RIDGE, BOOSTING = "ridge", "boosting"
BASELINES = (
    "degree",
    "PageRank",
    "PageRank from training labels",
    "mean label of sharers",
    "features only",
)
OFF_SCALE = BASELINES[:3]
"""models whose predictions are not on the scale of the target"""

MAX_SKEW = 1.0


class TargetScale(NamedTuple):
    """Whether the logarithm of a target is predicted."""

    is_log: bool
    note: str

    def to_scale(self, target: np.ndarray) -> np.ndarray:
        """Return the values that are predicted."""
        return np.log1p(target) if self.is_log else target

    def from_scale(self, predicted: np.ndarray) -> np.ndarray:
        """Return predictions in the unit of the target."""
        return np.expm1(predicted) if self.is_log else predicted


def skewness(values: np.ndarray) -> float:
    """Return the third standardised moment of [n] values; 0 for constant ones."""
    deviations = values - values.mean()
    spread = np.sqrt((deviations**2).mean())
    return float(((deviations / spread) ** 3).mean()) if spread > 0 else 0.0


def choose_scale(labels: np.ndarray, wanted: str, name: str) -> TargetScale:
    """Return the scale for labels [n]; wanted: auto, log or linear.

    auto: logarithmic where the labels are 0 or more, have a skewness above MAX_SKEW,
    and their logarithms a lower one.
    """
    if wanted != "auto":
        return TargetScale(wanted == "log", "")
    before = skewness(labels)
    if labels.min() < 0 or before <= MAX_SKEW:
        return TargetScale(False, "")
    after = skewness(np.log1p(labels))
    if abs(after) >= before:
        return TargetScale(False, "")
    note = (
        f"log(1 + {name}) is predicted: the labels are skewed ({before:.1f}, after the "
        f"logarithm {after:.1f}); --target-scale linear predicts {name} itself"
    )
    return TargetScale(True, note)


@dataclass(frozen=True)
class Validation:
    """Predictions of every model for labelled entities, by models of other folds."""

    entities: np.ndarray
    """[n]"""

    labels: np.ndarray
    """[n] float32 on the scale that is predicted"""

    fold: np.ndarray
    """[n] int64 number of the fold of each entity"""

    predictions: dict[str, np.ndarray] = field(default_factory=dict)
    """[n] by model"""

    @cached_property
    def folds(self) -> list[np.ndarray]:
        """Return the rows of each fold."""
        return [np.flatnonzero(self.fold == k) for k in range(self.fold.max() + 1)]

    @property
    def examples(self) -> Examples:
        """Return the entities with their labels."""
        return Examples(self.entities, self.labels)

    def train_rows(self, fold: int) -> np.ndarray:
        """Return the rows of the other folds."""
        return np.flatnonzero(self.fold != fold)

    def scores(self, model: str) -> list[FoldScores]:
        """Return the scores of a model in each fold."""
        found, on_scale = self.predictions[model], model not in OFF_SCALE
        y = self.labels.astype(float)
        return [fold_scores(y[k], found[k], on_scale=on_scale) for k in self.folds]


def split_folds(
    entities: np.ndarray, labels: np.ndarray, count: int, seed: int
) -> Validation:
    """Return labelled entities in random folds, without predictions."""
    fold = np.zeros(len(entities), np.int64)
    for number, rows in enumerate(make_folds(len(entities), count, seed)):
        fold[rows] = number
    return Validation(entities, labels.astype(np.float32), fold)


def cross_validate(
    features: GraphFeatures, validation: Validation, seed: int
) -> tuple[Validation, float]:
    """Return the predictions of all models but the network, and the blend's weight.

    Every setting is chosen by inner folds of the training labels. The weight of the
    ridge in the blend is the mean over the folds.
    """
    names = (BLEND, RIDGE, BOOSTING, *BASELINES)
    found = {name: np.zeros(len(validation.labels)) for name in names}
    weights = []
    for number, rows in enumerate(validation.folds):
        train = validation.examples.take(validation.train_rows(number))
        own = seed_for(seed, number)
        penalties = choose_penalties(features, train, own)
        weight = choose_weight(features, train, penalties, own)
        model = StackedModel.fit(features, train, penalties, own, weight)
        entities = validation.entities[rows]
        here = features.rows.take(entities)
        ridge, boosting, blend = model.predict(features, here, entities)
        values = {RIDGE: ridge, BOOSTING: boosting, BLEND: blend}
        values |= predict_baselines(features, train, entities, model)
        for name, predicted in values.items():
            found[name][rows] = predicted
        weights.append(weight)
    validation.predictions.update(found)
    return validation, float(np.mean(weights))


def predict_baselines(
    features: GraphFeatures,
    train: Examples,
    entities: np.ndarray,
    model: StackedModel,
) -> dict[str, np.ndarray]:
    """Return the predictions of the baselines for entities without a label."""
    restart = np.zeros(features.graph.num_entities)
    restart[train.entities] = train.labels - min(0.0, float(train.labels.min()))
    rows, here = features.rows.take(train.entities), features.rows.take(entities)
    alone = Ridge.fit(rows.dense, rows.facts, train.labels, model.penalties)
    shared: SharedLabels = model.shared
    values = [
        features.graph.degrees[entities].astype(float),
        features.ranks[entities],
        pagerank(features.both_edges, restart)[entities],
        shared.columns(here, entities)[:, 0] + shared.mean,
        alone.predict(here.dense, here.facts),
    ]
    return dict(zip(BASELINES, values, strict=True))


def fit_final(
    features: GraphFeatures, examples: Examples, weight: float, seed: int
) -> StackedModel:
    """Return the model that is fitted to all labels."""
    penalties = choose_penalties(features, examples, seed)
    return StackedModel.fit(features, examples, penalties, seed, weight)
