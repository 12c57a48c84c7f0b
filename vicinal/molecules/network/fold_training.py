"""Train the networks of all folds, and choose what predicts."""

import time
from dataclasses import replace
from math import inf
from typing import Any, NamedTuple

import numpy as np

from vicinal.core.compute.runtime import Runtime, seed_for
from vicinal.core.training.trainer import Trainer, no_validation
from vicinal.core.training.trainer_options import Checkpointing, TrainerOptions
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
    """Return untrained networks, one for each fold, with their trainer.

    weights: [N] of the molecules in the loss.
    """
    folds = model.cross_validation.folds
    config = MoleculeNetworkConfig(
        molecules.descriptors.shape[1] if settings.network_descriptors else 0,
        settings.hidden,
        settings.steps,
        model.objective.outputs,
        settings.dropout,
        "gine" if settings.network == "gine" else "dmpnn",
    )
    networks = initialise(config, len(np.unique(folds)), seed_for(seed, 5))
    per_batch, own_seed = settings.batch_size, seed_for(seed, 6)
    trainer = Trainer(
        model=BoundNetworks(networks, molecules),
        loader=fold_loader(
            molecules, model.targets, folds, weights, per_batch, own_seed
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
        ),
        checkpointing=checkpointing,
    )
    return FoldTraining(networks, molecules, trainer)


def choose_predictions(
    model: FittedMoleculeModel, training: FoldTraining, *, always: bool
) -> dict[str, Any]:
    """Return the fields of the model that a comparison on held-out molecules sets.

    always: use the networks alone in any case.
    """
    objective, found = model.objective, model.cross_validation
    logits = predict_logits(training.networks, training.molecules)
    own = logits[np.arange(len(logits)), found.folds]
    raw = columns_of(objective, objective.predict(own))
    scores = raw if is_regression(objective) else log_odds(raw)
    folds = found.folds
    ours = cross_fitted_predictions(objective, scores, model.columns, folds)
    scaling = () if is_regression(objective) else fit_scaling(scores, model.columns)
    compared = objective, model.columns, model.fold_predictions, ours
    choice = choose(*compared, found.groups, always=always)
    predicted = choose_by_fold(*compared, found.folds, found.groups, always=always)
    x = training.molecules.descriptors.double().numpy()
    scales = replace(model, fold_predictions=predicted).fit_error_scales(x)
    return {
        **scales,
        "mean_features": MeanFeatures.of(training.molecules),
        "networks": training.networks if choice.weight else None,
        "network_weight": choice.weight,
        "network_scaling": scaling if choice.weight else (),
        "comparison": choice.comparison,
        "fold_predictions": predicted,
    }
