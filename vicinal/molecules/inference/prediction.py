"""Predictions of a fitted model for molecules of RDKit."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from vicinal.errors import DataError
from vicinal.molecules.baseline.features import NUM_BITS
from vicinal.molecules.baseline.model import MoleculeFeatures, molecule_features
from vicinal.molecules.data.parse import parse_molecule
from vicinal.molecules.fitted_model import FittedMoleculeModel
from vicinal.molecules.graphs import molecule_graphs
from vicinal.molecules.neighbors import Neighbors, nearest
from vicinal.molecules.network.batches import MoleculeTensors
from vicinal.molecules.network.training import predict_logits
from vicinal.molecules.objective import (
    columns_of,
    from_columns,
    is_regression,
    log_odds,
    predictions_of,
)


class MoleculePredictions(NamedTuple):
    """Predictions for M molecules."""

    values: np.ndarray
    """probabilities [M, K], or numbers [M] or [M, T], as the objective gives them"""

    half: np.ndarray | None = None
    """[M, T] half widths of the intervals of numbers; None: there are none"""

    neighbors: Neighbors | None = None
    """the nearest training molecules"""


def parse_molecules(structures: Sequence[Any]) -> list[Any]:
    """Return the molecules of SMILES or InChI; DataError for one that is none."""
    found = []
    for k, cell in enumerate(structures):
        parsed = parse_molecule(cell)
        if parsed.mol is None:
            raise DataError(
                f"X must be structures that can be read. Molecule {k} ({cell!r}): "
                f"{parsed.reason}."
            )
        found.append(parsed.mol)
    return found


def predict_mols(
    model: FittedMoleculeModel,
    mols: Sequence[Any],
    coverage: float,
    features: MoleculeFeatures | None = None,
) -> MoleculePredictions:
    """Return predictions with intervals, and the nearest training molecules.

    coverage: of the intervals of numbers. features: those of the molecules, if known.
    """
    features = features_of(model, mols) if features is None else features
    objective = model.objective
    found = model.baseline.predict(features, with_variance=is_regression(objective))
    values, half = predictions_of(objective, found.mean, model.scaling), None
    if model.networks is not None:
        weight, ours = model.network_weight, network_columns(model, mols, features)
        if weight < 1:
            ours = weight * ours + (1 - weight) * columns_of(objective, values)
        values = from_columns(objective, ours)
    if not np.isfinite(values).all():
        raise DataError(
            "The outputs of the model are NaN or infinite: its numbers are too large. "
            "Train the model again."
        )
    if is_regression(objective):
        x = model.baseline.scaler(features.descriptors)
        expected = model.expected_errors(found.variance, x)
        half = model.half_widths(expected, coverage)
    return MoleculePredictions(values, half, nearest_training(model, features, 1))


def held_out_predictions(
    model: FittedMoleculeModel, coverage: float
) -> MoleculePredictions:
    """Return the predictions for `predicted_rows` by the other folds."""
    rows = model.predicted_rows
    values, half = from_columns(model.objective, model.fold_predictions[rows]), None
    if is_regression(model.objective):
        half = model.half_widths(model.fold_scales[rows], coverage)
    return MoleculePredictions(values, half)


def features_of(model: FittedMoleculeModel, mols: Sequence[Any]) -> MoleculeFeatures:
    """Return the features of molecules, as the model takes them."""
    return molecule_features(mols, model.descriptors)


def nearest_training(
    model: FittedMoleculeModel, features: MoleculeFeatures, k: int = 3
) -> Neighbors:
    """Return the k support molecules that are most similar to M molecules.

    They are all training molecules, or of many a sample.
    """
    return nearest(features.counts[:, :NUM_BITS], model.fingerprints, k)


def molecule_tensors(
    model: FittedMoleculeModel, mols: Sequence[Any], features: MoleculeFeatures
) -> MoleculeTensors:
    """Return molecules with their descriptors as the networks take them."""
    descriptors = model.baseline.scaler(features.descriptors)
    return MoleculeTensors(molecule_graphs(mols), descriptors)


def network_columns(
    model: FittedMoleculeModel, mols: Sequence[Any], features: MoleculeFeatures
) -> np.ndarray:
    """Return the mean prediction of the networks as columns [M, C].

    Of classes the mean of their log-odds, scaled.
    """
    networks, objective = model.networks, model.objective
    if networks is None:
        raise ValueError("the model has no networks")
    logits = predict_logits(networks, molecule_tensors(model, mols, features))
    each = [objective.predict(logits[:, k]) for k in range(logits.shape[1])]
    columns = [columns_of(objective, p) for p in each]
    if is_regression(objective):
        return np.mean(columns, axis=0)
    scores = np.mean([log_odds(p) for p in columns], axis=0)
    found = predictions_of(objective, scores, model.network_scaling)
    return columns_of(objective, found)
