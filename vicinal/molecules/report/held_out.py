"""Predictions for held-out molecules, beside the molecules they are most similar to."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from vicinal.molecules.baseline.conformal import cross_conformal_coverage
from vicinal.molecules.baseline.tanimoto import tanimoto
from vicinal.molecules.fitted_model import FittedMoleculeModel
from vicinal.molecules.objective import is_regression

MAX_MOLECULES = 8000
"""molecules whose pairs are compared"""

ROWS_PER_BLOCK = 512

SIMILARITIES = (0.3, 0.5, 0.7)
"""limits of the rows of the table of errors by similarity"""


class HeldOut(NamedTuple):
    """The cross-validation of one column of targets: molecules that have it."""

    rows: np.ndarray
    """[M] of the training molecules"""

    y: np.ndarray
    """[M] targets"""

    predicted: np.ndarray
    """[M] predictions by the other folds"""

    expected: np.ndarray
    """[M] expected sizes of the errors; NaN for classes"""

    folds: np.ndarray
    """[M] folds, or parts of whole groups where fewer than three have predictions"""

    nearest: np.ndarray
    """[M] the most similar molecule of the other folds, a row of training"""

    similarity: np.ndarray
    """[M] to it; NaN where there are too many molecules to compare"""

    @property
    def errors(self) -> np.ndarray:
        """Return absolute errors [M]."""
        return np.abs(self.y - self.predicted)


def held_out(
    model: FittedMoleculeModel,
    column: int,
    neighbors: tuple[np.ndarray, np.ndarray] | None = None,
) -> HeldOut:
    """Return the cross-validation of a column.

    neighbors: what `nearest_in_other_folds` returns, where it is known. With more than
    two classes the column is the probability of the molecule's own class.
    """
    y, predicted = model.columns[:, column], model.fold_predictions[:, column]
    if model.objective.kind == "single_label" and model.objective.outputs > 2:
        own = model.targets[:, 0].astype(int)
        predicted = model.fold_predictions[np.arange(len(own)), own]
        y = np.ones(len(own))
    rows = np.flatnonzero(~(np.isnan(y) | np.isnan(predicted)))
    expected = np.full(len(rows), np.nan)
    if is_regression(model.objective):
        expected = model.fold_scales[rows, column]
    nearest, similarity = neighbors or nearest_in_other_folds(model)
    return HeldOut(
        rows,
        y[rows],
        predicted[rows],
        expected,
        model.parts[rows],
        nearest[rows],
        similarity[rows],
    )


def nearest_in_other_folds(
    model: FittedMoleculeModel,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the most similar molecule [N] of other folds, and its similarity [N].

    NaN where the model does not have the fingerprints of all training molecules, or
    they are too many.
    """
    counts, folds = model.fingerprints, model.cross_validation.folds
    n = len(folds)
    if len(counts) != n or n > MAX_MOLECULES:
        return np.zeros(n, np.int64), np.full(n, np.nan)
    nearest, similarity = np.zeros(n, np.int64), np.zeros(n)
    for start in range(0, n, ROWS_PER_BLOCK):
        block = slice(start, start + ROWS_PER_BLOCK)
        found = tanimoto(counts[block], counts)
        found[folds[block][:, None] == folds] = -1
        nearest[block] = found.argmax(axis=1)
        similarity[block] = found.max(axis=1)
    return nearest, similarity


def interval_coverage(found: HeldOut, coverage: float) -> float:
    """Return the share of targets within intervals of the other folds' errors."""
    scores = found.errors / found.expected
    return float(cross_conformal_coverage(scores, found.folds, coverage).mean())


class Halves(NamedTuple):
    """RMSE of the half of molecules of small expected errors, and of the others."""

    confident: float
    others: float


def error_by_expectation(found: HeldOut) -> Halves:
    """Return the RMSE of the more confident half, and of the other."""
    order = np.argsort(found.expected, kind="stable")
    middle = len(order) // 2
    squares = found.errors[order] ** 2
    first, second = squares[:middle].mean(), squares[middle:].mean()
    return Halves(float(np.sqrt(first)), float(np.sqrt(second)))


def error_by_similarity(found: HeldOut) -> list[tuple[str, int, float]]:
    """Return (range, molecules, RMSE) by the similarity to the nearest molecule."""
    limits = (0.0, *SIMILARITIES, 1.01)
    rows = []
    for low, high in pairwise(limits):
        own = (found.similarity >= low) & (found.similarity < high)
        name = f"{low:g} to {min(high, 1):g}"
        if own.any():
            squares = found.errors[own] ** 2
            rows.append((name, int(own.sum()), float(np.sqrt(squares.mean()))))
    return rows


class Cliff(NamedTuple):
    """Two similar molecules of different targets: an activity cliff, or an error."""

    first: int
    second: int
    """rows of training"""

    similarity: float
    difference: float


def activity_cliffs(
    model: FittedMoleculeModel,
    column: int,
    *,
    similarity: float = 0.8,
    count: int = 12,
) -> list[Cliff]:
    """Return the pairs of similar molecules whose targets differ most.

    By more than a standard deviation, or in their class. None where the model does not
    have all fingerprints.
    """
    several = model.objective.kind == "single_label" and model.objective.outputs > 2
    y = model.targets[:, 0] if several else model.columns[:, column]
    counts = model.fingerprints
    if len(counts) != len(y) or len(y) > MAX_MOLECULES:
        return []
    spread = 0.5 if model.target_classes else float(np.nanstd(y))
    found: list[Cliff] = []
    for start in range(0, len(y), ROWS_PER_BLOCK):
        block = np.arange(start, min(start + ROWS_PER_BLOCK, len(y)))
        pairs = tanimoto(counts[block], counts)
        pairs[block[:, None] >= np.arange(len(y))] = 0  # each pair once
        for a, b in np.argwhere(pairs >= similarity).tolist():
            difference = abs(y[block[a]] - y[b])
            if difference > spread:
                found.append(Cliff(int(block[a]), b, float(pairs[a, b]), difference))
    return sorted(found, key=lambda c: (-c.difference, -c.similarity))[:count]
