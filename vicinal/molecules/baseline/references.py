"""Simple models that a model of molecules has to beat."""

import numpy as np

from vicinal.molecules.baseline.features import DescriptorSet, descriptor_names
from vicinal.molecules.baseline.model import MoleculeFeatures, similarities
from vicinal.molecules.neighbors import ROWS_PER_BLOCK

MEAN = "mean"
SIZE_AND_LOGP = "molecular weight and logP"
NEAREST = "nearest molecule"
REFERENCES: tuple[str, ...] = (MEAN, SIZE_AND_LOGP, NEAREST)
"""names of the simple models, in their order"""

MAX_NEAREST = 5000
"""training molecules among which the most similar one is searched: a random sample"""

WEIGHT_AND_LOGP = {
    "fast": ("exactmw", "CrippenClogP"),
    "all": ("ExactMolWt", "MolLogP"),
}
"""names of the two descriptors in each set"""


def predict_by_references(
    training: MoleculeFeatures,
    targets: np.ndarray,
    features: MoleculeFeatures,
    descriptors: DescriptorSet,
) -> np.ndarray:
    """Return predictions [3, M, C] of the simple models, in the order of REFERENCES.

    The mean of the targets; least squares on molecular weight and logP; the target of
    the most similar training molecule that has one. targets: [N, C], NaN where there is
    none. NaN for a target of no molecule.
    """
    predicted = np.full((len(REFERENCES), len(features), targets.shape[1]), np.nan)
    names = descriptor_names(descriptors)
    columns = [names.index(name) for name in WEIGHT_AND_LOGP[descriptors]]
    x, x_new = (np.nan_to_num(f.descriptors[:, columns]) for f in (training, features))
    for column, y in enumerate(targets.T):
        rows = np.flatnonzero(~np.isnan(y))
        if len(rows):
            predicted[0, :, column] = y[rows].mean()
            weights, *_ = np.linalg.lstsq(_with_one(x[rows]), y[rows], rcond=None)
            predicted[1, :, column] = _with_one(x_new) @ weights
    predicted[2] = _nearest_targets(training, targets, features)
    return predicted


def _nearest_targets(
    training: MoleculeFeatures, targets: np.ndarray, features: MoleculeFeatures
) -> np.ndarray:
    """Return the targets [M, C] of the most similar training molecules that have them.

    training: N molecules with targets [N, C]. features: of M molecules.
    """
    n, found = len(training), np.full((len(features), targets.shape[1]), np.nan)
    some = np.arange(n)
    if n > MAX_NEAREST:
        some = np.sort(np.random.default_rng(0).permutation(n)[:MAX_NEAREST])
    known = ~np.isnan(targets[some])
    compared = training.rows(some)
    for start in range(0, len(features), ROWS_PER_BLOCK):
        block = np.arange(start, min(start + ROWS_PER_BLOCK, len(features)))
        similarity = similarities(features.rows(block), compared)
        for column in np.flatnonzero(known.any(axis=0)):
            own = np.where(known[:, column], similarity, -1.0)
            found[block, column] = targets[some[own.argmax(axis=1)], column]
    return found


def _with_one(x: np.ndarray) -> np.ndarray:
    return np.column_stack([x, np.ones(len(x))])
