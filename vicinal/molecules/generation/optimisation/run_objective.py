"""What is maximised, by its name or by the run of a property model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vicinal.core.estimators.estimator import read_model
from vicinal.core.storage.run_folder import MODEL_JSON
from vicinal.errors import SettingError
from vicinal.molecules.baseline.features import morgan_counts
from vicinal.molecules.estimators import MoleculeClassifier, MoleculeRegressor
from vicinal.molecules.generation.optimisation.objectives import (
    Objective,
    lower_bound,
    named_objective,
    probability,
)
from vicinal.molecules.neighbors import nearest

MODELS = {kind.__name__: kind for kind in (MoleculeClassifier, MoleculeRegressor)}


def is_model(name: str) -> bool:
    """Return whether a name is the directory of a trained model."""
    return (Path(name) / MODEL_JSON).is_file()


def objective_of(
    name: str, *, minimise: bool = False, extrapolate: bool = False
) -> Objective:
    """Return an objective: a name of `named_objective`, or the path of a run.

    Of a regressor the calibrated lower bound is maximised, or minus the upper one; of a
    classifier the probability of the second class. extrapolate: whether molecules
    unlike those that the model was trained on have a score, too. Raises SettingError
    for a name that is neither, and for models of several targets.
    """
    if not is_model(name):
        try:
            named = named_objective(name)
        except SettingError as error:
            raise SettingError(
                f"{error} The run of a property model can be named, too."
            ) from None
        return (lambda mols: -named(mols)) if minimise else named
    description = read_model(name)
    kind = MODELS.get(description["estimator"])
    if kind is None:
        raise SettingError(
            f"An objective must be a model of properties of molecules. {name} holds a "
            f"{description['estimator']}."
        )
    model = kind.restore(name, description)
    if len(model.model_.target_names) > 1:
        raise SettingError(
            f"An objective must be a model of one target. {name} has "
            f"{len(model.model_.target_names)}."
        )
    if isinstance(model, MoleculeRegressor):
        found = lower_bound(model, minimise=minimise)
    else:
        found = probability(model, minimise=minimise)
    return found if extrapolate else within_domain(model, found)


def within_domain(model: Any, objective: Objective) -> Objective:
    """Return an objective that is NaN for molecules unlike those of a model's training.

    These are less similar to the nearest than all but a few training molecules are
    (`least_similarity`): a search would exploit errors there that no interval covers.
    """
    fitted = model.model_

    def score(mols: Sequence[Any]) -> np.ndarray:
        near = nearest(morgan_counts(mols), fitted.fingerprints, 1)
        inside = near.similarity[:, 0] >= fitted.outside
        found = np.full(len(mols), np.nan)
        if inside.any():
            found[inside] = objective(
                [mols[row] for row in np.flatnonzero(inside).tolist()]
            )
        return found

    return score
