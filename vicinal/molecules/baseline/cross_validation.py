"""Cross-validation of the baseline and of the simple models it has to beat."""

from typing import NamedTuple

import numpy as np

from vicinal.molecules.baseline.features import DescriptorSet
from vicinal.molecules.baseline.model import Baseline, MoleculeFeatures, Predictions
from vicinal.molecules.baseline.references import REFERENCES, predict_by_references


class CrossValidation(NamedTuple):
    """Predictions for N molecules of models that were fitted to the other folds."""

    folds: np.ndarray
    """[N]"""

    groups: np.ndarray
    """[N] molecules of one group are in one fold"""

    baseline: Predictions
    """means and variances [N, C] of the columns of targets"""

    references: np.ndarray
    """[R, N, C] predictions of the simple models"""


def cross_validate(
    features: MoleculeFeatures,
    columns: np.ndarray,
    folds: np.ndarray,
    groups: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    descriptors: DescriptorSet,
    support: int | None = None,
    with_variance: bool = True,
) -> CrossValidation:
    """Return predictions for each molecule by a fit to the other folds.

    columns: targets [N, C], NaN where there is none. weights: [N], as for
    `Baseline.fit`. support: molecules of each process, as `most` there.
    """
    mean, variance = np.full(columns.shape, np.nan), np.full(columns.shape, np.nan)
    references = np.full((len(REFERENCES), *columns.shape), np.nan)
    for fold in np.unique(folds):
        own, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        training, held_out = features.rows(others), features.rows(own)
        w = None if weights is None else weights[others]
        fitted = Baseline.fit(
            training, columns[others], w, support, keep_triangles=with_variance
        )
        mean[own], variance[own] = fitted.predict(held_out, with_variance=with_variance)
        del fitted  # before the next is fitted: it holds large matrices
        references[:, own] = predict_by_references(
            training, columns[others], held_out, descriptors
        )
    return CrossValidation(folds, groups, Predictions(mean, variance), references)
