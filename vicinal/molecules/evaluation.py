"""Scores of predictions for molecules, with intervals, beside simple models.

RMSE for numbers, AUROC for classes; of several targets the mean, each over the
molecules that have it. Molecules of one group, such as a scaffold, are not independent,
so intervals resample groups.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from vicinal.core.evaluation.calibration import (
    expected_calibration_error,
    reliability_bins,
)
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.evaluation.significance import SignTest, sign_test_of_gains
from vicinal.core.metrics import (
    Groups,
    Measure,
    Score,
    bootstrap,
    confusion_matrix,
    mae,
    r2,
    rmse,
)
from vicinal.core.objective import MultiNumeric, Objective, row_mean
from vicinal.graphs.links.metrics import auroc, average_precision, ranking_gains
from vicinal.molecules.baseline.references import MEAN
from vicinal.molecules.objective import columns_of, is_regression, target_columns

BOOTSTRAP_SAMPLES = 300


class Measured(NamedTuple):
    """Targets of M molecules, and their predictions."""

    y: np.ndarray
    """[M, T] numbers, or rows of classes; NaN where there is none"""

    predicted: np.ndarray
    """[M, K] probabilities, or numbers [M] or [M, T], as the objective gives them"""

    groups: Groups = None
    """[M] groups of molecules that are not independent"""


def evaluate_molecules(
    objective: Objective,
    measured: Measured,
    references: Mapping[str, np.ndarray],
    predictions: Any,
    notes: list[str] | None = None,
) -> Evaluation:
    """Evaluate predictions beside those of simple models.

    references: columns of predictions [M, C] of each. predictions: a DataFrame of a row
    for each molecule.
    """
    truth = target_columns(objective, measured.y)
    ours = columns_of(objective, measured.predicted)
    references = dict(references)
    if MEAN in references and not is_regression(objective):
        # the rates of other folds are lower where a class is frequent in the own one
        whole = np.nanmean(references[MEAN], axis=0)
        references[MEAN] = np.broadcast_to(whole, references[MEAN].shape)
    score = _Scorer(objective, truth, measured.groups)
    single, n = objective.kind == "single_label", len(truth)
    confusion, bins, error = None, [], None
    if single and n:
        rows = measured.y[:, 0].astype(np.int64)
        decided = objective.decide(measured.predicted)
        confusion = confusion_matrix(rows, decided, len(objective.classes))
        bins = reliability_bins(measured.predicted, rows)
        error = expected_calibration_error(measured.predicted, rows)
    return Evaluation(
        score=score(objective, ours),
        scores=score.secondary(ours, measured.predicted),
        baselines={name: score(objective, c) for name, c in references.items()},
        predictions=predictions,
        decisions=objective.decide(measured.predicted),
        classes=objective.classes if single else (),
        confusion=confusion,
        notes=notes or [],
        reliability=bins,
        calibration_error=error,
        comparisons={
            name: compare_columns(objective, truth, ours, theirs, measured.groups)
            for name, theirs in references.items()
        },
        groups=measured.groups,
        constant_name=next(iter(references), ""),
    )


def score_of(objective: Objective, measured: Measured) -> Score:
    """Return the score of predictions: RMSE, AUROC, or the mean of several targets."""
    truth = target_columns(objective, measured.y)
    scorer = _Scorer(objective, truth, measured.groups)
    return scorer(objective, columns_of(objective, measured.predicted))


class _Scorer:
    """Scores of columns of predictions for the same targets."""

    def __init__(self, objective: Objective, truth: np.ndarray, groups: Groups) -> None:
        self.objective, self.truth, self.groups = objective, truth, groups
        self.scale = np.ones(truth.shape[1])
        if isinstance(objective, MultiNumeric):
            self.scale = np.array(objective.stds)

    def __call__(self, objective: Objective, columns: np.ndarray) -> Score:
        """Return the score of predictions [M, C]."""
        if objective.kind == "numeric":
            return self._bootstrap("rmse", rmse, columns)
        if objective.kind == "multi_numeric":
            return self._bootstrap("nrmse", mean_rmse, columns, self.scale)
        return self._bootstrap("auroc", mean_auroc, columns)

    def secondary(self, columns: np.ndarray, predicted: np.ndarray) -> list[Score]:
        """Return further scores of predictions."""
        objective = self.objective
        if not len(columns):
            return []
        if objective.kind == "numeric":
            named = (("mae", mae), ("r2", r2))
            return [self._bootstrap(name, f, columns) for name, f in named]
        if objective.kind == "multi_numeric":
            return [self._bootstrap("r2", mean_r2, columns)]
        found = [self._bootstrap("average_precision", mean_precision, columns)]
        if objective.kind == "single_label":
            rows = self.truth.argmax(axis=1)
            if objective.outputs == 2:
                rows = self.truth[:, 0].astype(np.int64)
            decided = objective.decide(predicted)
            found.append(objective.score(rows, decided, self.groups))
        return found

    def _bootstrap(
        self, name: str, measure: Measure, columns: np.ndarray, scale: Any = 1.0
    ) -> Score:
        y, ours = self.truth / scale, columns / scale
        if y.shape[1] == 1 and measure in (rmse, mae, r2):
            y, ours = y[:, 0], ours[:, 0]
        samples = BOOTSTRAP_SAMPLES
        return bootstrap(name, measure, y, ours, self.groups, samples=samples)


def by_column(measure: Measure, y: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return a measure for each column [C] of targets [M, C], over those not NaN."""
    values = []
    for own, ours in zip(y.T, predicted.T, strict=True):
        known = ~(np.isnan(own) | np.isnan(ours))
        values.append(measure(own[known], ours[known]) if known.any() else np.nan)
    return np.array(values)


def _mean_of(measure: Measure) -> Measure:
    """Return the mean of a measure over the columns for which it is defined."""

    def mean(y: np.ndarray, predicted: np.ndarray) -> float:
        values = by_column(measure, y, predicted)
        known = values[~np.isnan(values)]
        return float(known.mean()) if len(known) else float("nan")

    return mean


mean_auroc = _mean_of(auroc)
mean_precision = _mean_of(average_precision)
mean_rmse = _mean_of(rmse)
mean_r2 = _mean_of(r2)


def losses_of(objective: Objective, truth: np.ndarray, ours: np.ndarray) -> np.ndarray:
    """Return the mean squared error [M] of columns [M, C], NaN without any target.

    Of several numbers each is divided by its standard deviation.
    """
    scale = np.array(getattr(objective, "stds", 1.0))
    return row_mean(((truth - ours) / scale) ** 2)


def compare_columns(
    objective: Objective,
    truth: np.ndarray,
    ours: np.ndarray,
    theirs: np.ndarray,
    groups: Groups = None,
) -> SignTest:
    """Test whether predictions [M, C] are better than others, molecule by molecule.

    Numbers: on how many molecules, or groups, their squared errors are smaller.
    Classes: how often they order a molecule of the class above one that is not where
    the others do not.
    """
    if not is_regression(objective):
        gains = [
            ranking_gains(y[known], a[known], b[known])
            for y, a, b in zip(truth.T, ours.T, theirs.T, strict=True)
            for known in [~(np.isnan(y) | np.isnan(b))]
        ]
        return sign_test_of_gains(np.concatenate(gains))
    gain = losses_of(objective, truth, theirs) - losses_of(objective, truth, ours)
    known = ~np.isnan(gain)
    return sign_test_of_gains(gain[known], None if groups is None else groups[known])


def target_scores(
    objective: Objective, names: list[str], measured: Measured
) -> list[tuple[str, int, Score]]:
    """Return the score of each of several targets, and the molecules that have it."""
    truth = target_columns(objective, measured.y)
    ours = columns_of(objective, measured.predicted)
    measure, metric = (rmse, "rmse") if is_regression(objective) else (auroc, "auroc")
    rows = []
    for name, y, own in zip(names, truth.T, ours.T, strict=True):
        known = ~(np.isnan(y) | np.isnan(own))
        groups = None if measured.groups is None else measured.groups[known]
        score = bootstrap(
            metric, measure, y[known], own[known], groups, samples=BOOTSTRAP_SAMPLES
        )
        rows.append((name, int(known.sum()), score))
    return rows
