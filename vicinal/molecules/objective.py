"""Objectives of molecules, and their targets as columns of numbers.

======================  ============  ==================================  ============
targets                 objective     columns of the baseline             predictions
======================  ============  ==================================  ============
one of two classes      SingleLabel   1 for the second class              [M, 2]
one of K classes        SingleLabel   1 for the class, one of each        [M, K]
several of two classes  MultiLabel    1 for the second class of each      [M, T]
one number              Numeric       the number                          [M]
several numbers         MultiNumeric  the numbers                         [M, T]
======================  ============  ==================================  ============
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit

from vicinal.core.data.labels import MAX_INTEGER_CLASSES
from vicinal.core.objective import (
    MultiLabel,
    MultiNumeric,
    Numeric,
    Objective,
    SingleLabel,
)
from vicinal.errors import DataError
from vicinal.molecules.data.molecule_table import MoleculeTable

CLASS_COUNT = 2
"""classes of each target where there are several targets"""


def make_objective(data: MoleculeTable) -> Objective:
    """Return the objective of the targets of a table.

    DataError for a target of fewer than two classes, and for several targets of more.
    """
    if not data.classes:
        _check_known(data)
        if len(data.target_names) == 1:
            return Numeric.from_targets(data.targets[:, 0])
        return MultiNumeric.from_targets(data.target_names, data.targets)
    for name, classes in zip(data.target_names, data.classes, strict=True):
        if len(classes) < CLASS_COUNT:
            raise DataError(
                f"The target {name!r} must have two classes or more. Got "
                f"{', '.join(classes) or 'none'}. Leave it out with --target-columns."
            )
        known = int((~np.isnan(data.targets[:, data.target_names.index(name)])).sum())
        if len(classes) > MAX_INTEGER_CLASSES and 2 * len(classes) > known:
            raise DataError(
                f"The target {name!r} has {len(classes):,} different values for "
                f"{known:,} molecules: as classes they cannot be learned. Name another "
                "column with --target-columns, or use --task regression for numbers."
            )
        if len(classes) > CLASS_COUNT and len(data.target_names) > 1:
            raise DataError(
                f"Each of several targets must have two classes. {name!r} has "
                f"{len(classes)}. Name one target with --target-columns."
            )
    if len(data.target_names) == 1:
        return SingleLabel(data.classes[0])
    return MultiLabel(tuple(data.target_names))


def _check_known(data: MoleculeTable) -> None:
    """Raise DataError for a target without two different numbers."""
    for name, column in zip(data.target_names, data.targets.T, strict=True):
        if len(np.unique(column[~np.isnan(column)])) < 2:
            raise DataError(
                f"The target {name!r} must have two different numbers or more. Leave "
                "it out with --target-columns."
            )


def target_columns(objective: Objective, targets: np.ndarray) -> np.ndarray:
    """Return targets [N, T] as columns [N, C] of numbers; NaN where there is none."""
    if isinstance(objective, SingleLabel) and objective.outputs > CLASS_COUNT:
        columns = (targets == np.arange(objective.outputs)).astype(float)
        return np.where(np.isnan(targets), np.nan, columns)
    return targets


def targets_of(objective: Objective, targets: np.ndarray) -> np.ndarray:
    """Return targets [N, T] as the objective has them: [N] where there is one.

    Raises ValueError for a single target that is NaN.
    """
    if objective.kind in ("multi_label", "multi_numeric"):
        return targets
    if np.isnan(targets).any():
        raise ValueError("a single target must be known")
    return targets[:, 0].astype(np.int64 if objective.classes else np.float64)


def is_regression(objective: Objective) -> bool:
    """Return whether the targets are numbers."""
    return isinstance(objective, Numeric | MultiNumeric)


class PlattScaling(NamedTuple):
    """The probability that a score belongs to an example of the second class.

    p = 1 / (1 + exp(-(factor * score + intercept))). J. Platt: Probabilistic Outputs
    for Support Vector Machines, 1999.
    """

    factor: float = 1.0
    intercept: float = 0.0

    @classmethod
    def fit(cls, scores: np.ndarray, y: np.ndarray) -> "PlattScaling":
        """Return the scaling of the largest likelihood for targets y [N] of 0 and 1.

        Targets are moved towards each other as by Platt, so that a few examples do not
        give certainty. NaN in either is left out; without both classes nothing is
        scaled.
        """
        from scipy.optimize import minimize

        known = ~(np.isnan(scores) | np.isnan(y))
        s, y = scores[known], y[known]
        positive, negative = (y == 1).sum(), (y == 0).sum()
        spread = s.std() if len(s) else 0.0
        if not positive or not negative or not spread:
            rate = np.log((positive + 1) / (negative + 1))
            return cls(0.0, float(rate))
        low, high = 1 / (negative + 2), (positive + 1) / (positive + 2)
        goal = np.where(y == 1, high, low)
        center = s.mean()
        z = (s - center) / spread

        def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
            logits = parameters[0] * z + parameters[1]
            p = expit(logits)
            value = (np.logaddexp(0, logits) - goal * logits).mean()
            return value, np.array([((p - goal) * z).mean(), (p - goal).mean()])

        a, b = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS").x
        factor = max(float(a), 0.0) / spread  # a model that is worse than none
        return cls(factor, float(b - factor * center))

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Return logits [N] of scores [N]."""
        return self.factor * scores + self.intercept


def predictions_of(
    objective: Objective, means: np.ndarray, scaling: tuple[PlattScaling, ...]
) -> np.ndarray:
    """Return probabilities or numbers from means [M, C] of columns.

    scaling: [C] of the columns; none for regression.
    """
    if is_regression(objective):
        return means[:, 0] if objective.kind == "numeric" else means
    logits = np.stack(
        [scale(column) for scale, column in zip(scaling, means.T, strict=True)], axis=1
    )
    p = expit(logits)
    if objective.kind == "multi_label":
        return p
    if objective.outputs == CLASS_COUNT:
        return np.concatenate([1 - p, p], axis=1)
    return p / p.sum(axis=1, keepdims=True)


def fit_scaling(scores: np.ndarray, columns: np.ndarray) -> tuple[PlattScaling, ...]:
    """Return the scaling of each column of scores [N, C] for targets [N, C]."""
    pairs = zip(scores.T, columns.T, strict=True)
    return tuple(PlattScaling.fit(score, y) for score, y in pairs)


def log_odds(p: np.ndarray) -> np.ndarray:
    """Return log(p / (1 - p)) of probabilities, within 1e-6 of 0 and 1."""
    clipped = np.clip(p, 1e-6, 1 - 1e-6)
    return np.log(clipped / (1 - clipped))


def cross_fitted_predictions(
    objective: Objective, means: np.ndarray, columns: np.ndarray, folds: np.ndarray
) -> np.ndarray:
    """Return predictions [N, C] of means whose scaling is fitted to the other folds.

    columns: targets [N, C]. Numbers are not scaled.
    """
    if is_regression(objective):
        return means
    predicted = np.empty_like(means)
    for fold in np.unique(folds):
        own = folds == fold
        scaling = fit_scaling(means[~own], columns[~own])
        found = predictions_of(objective, means[own], scaling)
        predicted[own] = columns_of(objective, found)
    return predicted


def columns_of(objective: Objective, predicted: np.ndarray) -> np.ndarray:
    """Return predictions as columns [M, C], as `target_columns` has the targets."""
    if objective.kind == "single_label" and objective.outputs == CLASS_COUNT:
        return predicted[:, 1:]
    return predicted[:, None] if predicted.ndim == 1 else predicted


def from_columns(objective: Objective, columns: np.ndarray) -> np.ndarray:
    """Return predictions as the objective has them, from columns [M, C]."""
    if objective.kind == "numeric":
        return columns[:, 0]
    if objective.kind == "single_label" and objective.outputs > CLASS_COUNT:
        return columns / columns.sum(axis=1, keepdims=True)
    if objective.kind == "single_label" and objective.outputs == CLASS_COUNT:
        return np.concatenate([1 - columns, columns], axis=1)
    return columns


def column_names(objective: Objective, target_names: Any) -> list[str]:
    """Return the names of the columns of targets, as `target_columns` has them."""
    if isinstance(objective, SingleLabel) and objective.outputs > CLASS_COUNT:
        return list(objective.classes)
    return list(target_names)


def check_targets(
    objective: Objective, names: tuple[str, ...], classes: tuple[tuple[str, ...], ...]
) -> None:
    """Raise ValueError where names or classes do not fit the objective."""
    several = objective.kind in ("multi_label", "multi_numeric")
    outputs = objective.outputs if several else 1
    expected = 0 if is_regression(objective) else outputs
    if len(names) != outputs or len(classes) != expected:
        raise ValueError("the targets do not fit the objective")
    if objective.kind == "single_label" and classes[0] != objective.classes:
        raise ValueError("the classes of the target do not fit the objective")


def check_classes(classes: tuple[tuple[str, ...], ...], *targets: np.ndarray) -> None:
    """Raise ValueError unless targets [N, T] are rows of classes, or NaN."""
    for array in targets if classes else ():
        for column, names in zip(array.T, classes, strict=True):
            known = column[~np.isnan(column)]
            if not np.isin(known, np.arange(len(names))).all():
                raise ValueError("targets must be rows of classes")
