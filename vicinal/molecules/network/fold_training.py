"""Train the networks of all folds, and choose what predicts."""

import time
from dataclasses import replace
from math import inf
from typing import Any, NamedTuple

import numpy as np
import torch

from vicinal.core.compute.runtime import Runtime, seed_for
from vicinal.core.text import pluralize
from vicinal.core.training.trainer import Trainer, no_validation
from vicinal.core.training.trainer_options import (
    Checkpointing,
    TrainerOptions,
    saved_options,
)
from vicinal.molecules.baseline.planning import plan_baseline
from vicinal.molecules.fitted_model import FittedMoleculeModel
from vicinal.molecules.network.batches import MeanFeatures, MoleculeTensors
from vicinal.molecules.network.choice import choose, choose_by_fold
from vicinal.molecules.network.model import FoldNetworks, MoleculeNetworkConfig
from vicinal.molecules.network.training import (
    EPOCHS,
    LR,
    BoundNetworks,
    FoldLoss,
    fold_loader,
    initialise,
    predict_logits,
)
from vicinal.molecules.objective import (
    columns_of,
    cross_fitted_predictions,
    fit_scaling,
    is_regression,
    log_odds,
)
from vicinal.molecules.settings import MoleculeSettings
from vicinal.molecules.splits import parts_of_groups

MIN_SECONDS = 10.0
"""seconds that must be left for networks to be trained"""


class FoldTraining(NamedTuple):
    """Networks, the molecules they are trained on, and their trainer."""

    networks: FoldNetworks
    molecules: MoleculeTensors
    trainer: Trainer


def seconds_left(settings: MoleculeSettings, started_at: float) -> float:
    """Return the seconds of the minutes that are left; infinite without a limit."""
    minutes = settings.time_limit
    return inf if minutes is None else 60 * minutes - time.monotonic() + started_at


SECONDS_PER_PRODUCT = 9e-11
"""of the training of a network on two cores, for each product of its message passing"""

SHARE = 0.9
"""of the time that is left after the baseline which the training may take"""


def plan_networks(
    molecules: MoleculeTensors, known: np.ndarray, settings: MoleculeSettings
) -> int:
    """Return how many networks can be trained for all epochs within the time limit.

    known: [N, C] which molecules have each target. By sizes and not by a clock, so that
    equal runs are equal. At least one, for which the trainer shortens the epochs; at
    most one for each fold.
    """
    most = settings.folds
    if settings.time_limit is None or not len(molecules.bonds):
        return most
    limit = 60 * settings.time_limit
    left = limit - plan_baseline(known, settings.folds, limit).seconds
    bonds = 2 * len(molecules.bonds)
    products = (settings.steps + 1) * bonds * settings.hidden**2
    epochs = settings.epochs or EPOCHS
    each = SECONDS_PER_PRODUCT * epochs * products
    return min(max(int(SHARE * left / each), 1), most)


def prepare_training(
    model: FittedMoleculeModel,
    molecules: MoleculeTensors,
    weights: np.ndarray,
    settings: MoleculeSettings,
    seed: int,
    *,
    started_at: float,
    checkpointing: Checkpointing,
) -> FoldTraining:
    """Return untrained networks, for all folds or the first, with their trainer.

    weights: [N] of the molecules in the loss.
    """
    folds = model.cross_validation.folds
    planned = saved_options(checkpointing.path).get("ensemble_size")
    size = settings.ensemble_size or planned
    size = size or plan_networks(molecules, ~np.isnan(model.columns), settings)
    config = MoleculeNetworkConfig(
        molecules.descriptors.shape[1] if settings.network_descriptors else 0,
        settings.hidden,
        settings.steps,
        model.objective.outputs,
        settings.dropout_for(len(folds)),
        "gine" if settings.network == "gine" else "dmpnn",
    )
    size = min(size, len(np.unique(folds)))
    networks = initialise(config, size, seed_for(seed, 5))
    rows = np.flatnonzero(folds != 0) if size == 1 else np.arange(len(folds))
    per_batch, own_seed = settings.batch_size, seed_for(seed, 6)
    trainer = Trainer(
        model=BoundNetworks(networks, molecules),
        loader=fold_loader(
            molecules, rows, model.targets, folds, weights, per_batch, own_seed
        ),
        objective=FoldLoss(model.objective),
        settings=settings.for_trainer(
            epochs=settings.epochs or EPOCHS, lr=settings.lr or LR
        ),
        runtime=Runtime(deterministic=settings.deterministic),
        validate=no_validation,
        options=TrainerOptions(
            seed=seed_for(seed, 1),
            time_limited=settings.time_limit is not None,
            started_at=started_at,
            select_epoch=False,
            saved_options={"ensemble_size": size},  # a plan of this many minutes
        ),
        checkpointing=checkpointing,
    )
    return FoldTraining(networks, molecules, trainer)


def note_networks(model: FittedMoleculeModel) -> list[str]:
    """Return a note where there are fewer networks than folds."""
    folds, tested = model.cross_validation.folds, len(model.predicted_rows)
    if model.networks is None or tested == len(folds):
        return []
    return [
        f"{pluralize(len(model.networks.networks), 'network')} for "
        f"{len(np.unique(folds))} folds: the held-out scores and the intervals are "
        f"based on {tested:,} of {len(folds):,} molecules; a larger --ensemble-size, "
        "or more --minutes without it, includes more"
    ]


def choose_predictions(
    model: FittedMoleculeModel, training: FoldTraining, keep: str
) -> dict[str, Any]:
    """Return the fields of the model that a comparison on held-out molecules sets.

    Where there are fewer networks than folds, it covers only the molecules of the folds
    that have a network; if networks are used, the others have no held-out prediction.
    keep: network: use the networks alone in any case.
    """
    always = keep == "network"
    objective, found = model.objective, model.cross_validation
    logits = predict_logits(training.networks, training.molecules)
    parts, size = found.folds, logits.shape[1]
    held_out = np.flatnonzero(parts < size)
    own = torch.full_like(logits[:, 0], torch.nan)
    own[held_out] = logits[held_out, parts[held_out]]
    if size == 1:  # its fold is cross-fitted by halves
        parts = parts_of_groups(found.groups, held_out, 2)
    raw = columns_of(objective, objective.predict(own))
    scores = raw if is_regression(objective) else log_odds(raw)
    ours = cross_fitted_predictions(objective, scores, model.columns, parts)
    scaling = () if is_regression(objective) else fit_scaling(scores, model.columns)
    compared = objective, model.columns, model.fold_predictions, ours
    choice = choose(*compared, found.groups, always=always)
    predicted = choose_by_fold(*compared, parts, found.groups, always=always)
    if choice.weight:
        predicted[found.folds >= size] = np.nan
    else:
        predicted = np.where(np.isnan(predicted), model.fold_predictions, predicted)
    x = training.molecules.descriptors.double().numpy()
    scales = replace(model, fold_predictions=predicted).fit_error_scales(x)
    return {
        **scales,
        "mean_features": MeanFeatures.from_molecules(training.molecules),
        "networks": training.networks if choice.weight else None,
        "network_weight": choice.weight,
        "network_scaling": scaling if choice.weight else (),
        "comparison": choice.comparison,
        "fold_predictions": predicted,
    }
