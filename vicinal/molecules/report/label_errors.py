"""Suspected label errors: targets that contradict all other molecules.

Each training molecule is predicted by the process without it. Similar molecules stay in
training, unlike in the cross-validation, so that an error is more likely one of the
label than of the model. C. G. Northcutt et al.: Confident Learning, JAIR 2021, for the
idea of ranking labels by predictions that have not seen them.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from vicinal.molecules.baseline.gaussian_process import LeaveOneOut
from vicinal.molecules.baseline.tanimoto import tanimoto
from vicinal.molecules.fitted_model import FittedMoleculeModel
from vicinal.molecules.objective import column_names

MIN_DEVIATIONS = 4.0
"""error from which on a label is suspected, in standard deviations of all errors"""

FEWEST = 10
"""molecules with a target from which on errors are compared"""

MOST = 50
"""of a target"""


class SuspectedLabel(NamedTuple):
    """A training molecule whose target the others do not lead to expect."""

    row: int
    """of training"""

    target: str
    measured: float
    """of classes 1 for the class or the second class, else 0"""

    expected: float
    """prediction without this molecule"""

    deviations: float
    """size of the error, in standard deviations of such errors"""

    nearest: int
    """row of the most similar other molecule with this target"""

    similarity: float


def suspected_label_errors(model: FittedMoleculeModel) -> list[SuspectedLabel]:
    """Return the suspected label errors of all targets, the largest first.

    Of classes only labels that the prediction contradicts. The largest is removed from
    the process before the next is found: a wrong label makes those of similar molecules
    look wrong. The deviation of errors is estimated by their median, which label errors
    do not move. Empty where the process is not exact.
    """
    if model.baseline.triangles:
        return []
    names = column_names(model.objective, model.target_names)
    found = [
        label
        for column, name in enumerate(names)
        for label in _labels_of_column(model, column, name)
    ]
    return sorted(found, key=lambda label: -label.deviations)


def _labels_of_column(
    model: FittedMoleculeModel, column: int, name: str
) -> Iterator[SuspectedLabel]:
    """Yield the suspected labels of a target, each after the others were removed."""
    others, classes = model.baseline.leave_one_out(column), bool(model.target_classes)
    z = np.abs(others.errors / others.deviations)
    spread = 1.4826 * float(np.median(z)) if len(z) else 0.0
    if len(z) < FEWEST or not spread > 0:
        return
    left = np.ones(len(z), bool)
    for _ in range(MOST):
        errors = others.errors
        sizes = np.abs(errors / others.deviations) / spread
        possible = left & (np.abs(errors) > 0.5) if classes else left
        k = int(np.where(possible, sizes, 0).argmax())
        if not possible[k] or sizes[k] < MIN_DEVIATIONS:
            return
        yield _describe(model, column, name, others, k, float(sizes[k]))
        others = others.without(k)
        left[k] = False


def _describe(
    model: FittedMoleculeModel,
    column: int,
    name: str,
    others: LeaveOneOut,
    k: int,
    size: float,
) -> SuspectedLabel:
    """Return what is shown of molecule k of those with the target."""
    rows, counts = others.rows, model.fingerprints
    similar = tanimoto(counts[rows[[k]]], counts[rows])[0]
    similar[k] = -1
    nearest = int(similar.argmax())
    measured = float(model.columns[rows[k], column])
    expected = measured - float(others.errors[k])
    return SuspectedLabel(
        int(rows[k]),
        name,
        measured,
        expected,
        size,
        int(rows[nearest]),
        float(similar[nearest]),
    )
