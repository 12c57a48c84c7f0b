"""What is maximised, by its name or by the run of a property model."""

from pathlib import Path

from vicinal.core.estimators.estimator import read_model
from vicinal.core.storage.run_folder import MODEL_JSON
from vicinal.errors import SettingError
from vicinal.molecules.estimators import MoleculeClassifier, MoleculeRegressor
from vicinal.molecules.generation.optimisation.objectives import (
    Objective,
    lower_bound,
    named_objective,
    probability,
)

MODELS = {kind.__name__: kind for kind in (MoleculeClassifier, MoleculeRegressor)}


def objective_of(name: str, *, minimise: bool = False) -> Objective:
    """Return an objective: a name of `named_objective`, or the path of a run.

    Of a regressor the calibrated lower bound is maximised, or minus the upper one; of a
    classifier the probability of the second class. Raises SettingError for a name that
    is neither, and for models of several targets.
    """
    if not (Path(name) / MODEL_JSON).is_file():
        try:
            found = named_objective(name)
        except SettingError as error:
            raise SettingError(
                f"{error} The run of a property model can be named, too."
            ) from None
        return (lambda mols: -found(mols)) if minimise else found
    description = read_model(name)
    kind = MODELS.get(description["estimator"])
    if kind is None:
        raise SettingError(
            f"--optimise needs a model of properties of molecules. {name} holds a "
            f"{description['estimator']}."
        )
    model = kind.restore(name, description)
    if len(model.model_.target_names) > 1:
        raise SettingError(
            f"--optimise needs a model of one target. {name} has "
            f"{len(model.model_.target_names)}."
        )
    if isinstance(model, MoleculeRegressor):
        return lower_bound(model, minimise=minimise)
    return probability(model, minimise=minimise)
