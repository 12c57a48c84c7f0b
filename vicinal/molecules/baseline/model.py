"""The baseline: a Gaussian process per target on fingerprints and descriptors."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from vicinal.errors import DataError
from vicinal.molecules.baseline.features import (
    DescriptorSet,
    Scaler,
    describe,
    morgan_counts,
)
from vicinal.molecules.baseline.gaussian_process import (
    GaussianProcess,
    MolecularKernel,
    median_width,
)

MAX_MOLECULES = 8000
"""molecules of one process: 0.5 GB for each set of targets with the same blanks"""


class MoleculeFeatures(NamedTuple):
    """Features of N molecules."""

    counts: np.ndarray
    """[N, F] of substructures"""

    descriptors: np.ndarray
    """[N, D]"""

    def __len__(self) -> int:
        return len(self.counts)

    def rows(self, rows: np.ndarray) -> "MoleculeFeatures":
        """Return the features of some molecules."""
        return MoleculeFeatures(self.counts[rows], self.descriptors[rows])


def molecule_features(
    mols: Sequence[Any], descriptors: DescriptorSet = "fast"
) -> MoleculeFeatures:
    """Return the features of molecules."""
    return MoleculeFeatures(morgan_counts(mols), describe(mols, descriptors))


class Predictions(NamedTuple):
    """Predictions of T targets for M molecules."""

    mean: np.ndarray
    """[M, T]"""

    variance: np.ndarray
    """[M, T] of a measurement, its noise included"""


class Baseline:
    """Processes fitted to molecules; each target to those that have it.

    Targets without a blank share one eigendecomposition.
    """

    def __init__(self, features: MoleculeFeatures, targets: np.ndarray) -> None:
        """features: of N molecules. targets: [N, T], NaN where there is none.

        Raises DataError for too many molecules: time and memory grow as N^3 and N^2.
        """
        if len(features) > MAX_MOLECULES:
            raise DataError(
                f"A Gaussian process takes at most {MAX_MOLECULES:,} molecules. Got "
                f"{len(features):,}. Take a sample of them."
            )
        self.features = features
        self.scaler = Scaler.fit(features.descriptors)
        self.x = self.scaler(features.descriptors)
        self.kernel = MolecularKernel(median_width(self.x))
        covariance = self._covariance(features.counts, self.x)
        known = ~np.isnan(targets)
        self.parts: list[tuple[np.ndarray, np.ndarray, GaussianProcess]] = []
        """rows, targets and the process of each set of targets with the same blanks"""
        self.num_targets = targets.shape[1]
        for pattern in np.unique(known, axis=1).T:
            if not pattern.any():  # its predictions are NaN
                continue
            columns = np.flatnonzero((known == pattern[:, None]).all(axis=0))
            rows = np.flatnonzero(pattern)
            k = covariance[np.ix_(rows, rows)]
            process = GaussianProcess.fit(k, targets[np.ix_(rows, columns)])
            self.parts.append((rows, columns, process))

    def _covariance(self, counts: np.ndarray, x: np.ndarray) -> np.ndarray:
        return self.kernel(counts, x, self.features.counts, self.x)

    def predict(self, features: MoleculeFeatures) -> Predictions:
        """Return means and variances for M molecules."""
        cross = self._covariance(features.counts, self.scaler(features.descriptors))
        mean = np.full((len(features), self.num_targets), np.nan)
        variance = np.full_like(mean, np.nan)
        for rows, columns, process in self.parts:
            mean[:, columns] = process.predict(cross[:, rows])
            variance[:, columns] = process.variance(cross[:, rows])
        return Predictions(mean, variance)


def cross_validate(
    features: MoleculeFeatures, targets: np.ndarray, folds: np.ndarray
) -> Predictions:
    """Return predictions for each molecule by a fit to the other folds."""
    mean = np.full(targets.shape, np.nan)
    variance = np.full(targets.shape, np.nan)
    for fold in np.unique(folds):
        own = np.flatnonzero(folds == fold)
        others = np.flatnonzero(folds != fold)
        found = Baseline(features.rows(others), targets[others]).predict(
            features.rows(own)
        )
        mean[own], variance[own] = found
    return Predictions(mean, variance)
