"""What every supervised estimator shares after `fit`: prediction and evaluation.

`fitted_estimator` has what does not depend on labels, `supervised` has `fit`.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor

from vicinal.core import objective as objectives
from vicinal.core.data.labels import Kind
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.estimators.estimator import DESCRIPTION, check_description
from vicinal.core.estimators.fitted_estimator import FittedEstimator
from vicinal.core.estimators.labels import predictions_table
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.evaluation.significance import PairedComparison
from vicinal.core.metrics import r2
from vicinal.core.objective import Objective
from vicinal.core.storage.checkpoint import Tensors
from vicinal.core.storage.run_folder import MODEL_JSON
from vicinal.core.storage.schema import (
    MAX_SHOWN,
    Flag,
    ListOf,
    Number,
    Object,
    Schema,
)
from vicinal.core.training.history import EPOCH, Epoch
from vicinal.errors import DataError

TEMPERATURE = Number(0.01, 100)
"""of a calibrated model; `fit_temperature` stays well within"""

FIELDS: dict[str, Schema] = {
    "objective": objectives.SCHEMA,
    "integer_classes": Flag(),
    "constant_baseline": ListOf(Number()),
    "temperature": TEMPERATURE,
    "history": ListOf(EPOCH),
}
"""schema of what `FittedModel.shared_description` returns"""

SHARED = DESCRIPTION | FIELDS
"""schema of what model.json holds for every supervised estimator"""


@dataclass(frozen=True, kw_only=True)
class FittedModel:
    """What `fit` found; a step of the pipeline replaces it, nothing changes it."""

    schema: ClassVar[Schema]
    """of the model.json that `to_files` describes"""

    has_constant_baseline: ClassVar[bool] = True
    """whether `fit` sets `constant_baseline`"""

    objective: Objective
    integer_classes: bool = False
    """class names are whole numbers, which `predict` returns as such"""

    constant_baseline: list[float] = field(default_factory=list)
    temperature: float = 1.0
    """logits are divided by it; 1 where nothing was held out"""

    history: list[Epoch] = field(default_factory=list)
    comparison: PairedComparison | None = None
    """the network against the linear baseline on the validation split; None: no network
    was trained, or nothing was held out"""

    untested: bool = False
    """a network was trained, and there was no validation split to compare it on"""

    quarantine: list[Quarantined] = field(default_factory=list)
    """rows that could not be used, with the reason"""

    @property
    def classes(self) -> np.ndarray:
        """Return the class labels [K]; AttributeError for a regressor."""
        names = self.objective.classes
        if not names:
            raise AttributeError("a model of numbers has no classes")
        return np.array([int(k) for k in names] if self.integer_classes else names)

    def shared_description(self) -> dict[str, Any]:
        """Return the part of model.json that all estimators share."""
        return {
            "objective": objectives.to_dict(self.objective),
            "integer_classes": self.integer_classes,
            "constant_baseline": self.constant_baseline,
            "temperature": self.temperature,
            "history": [epoch._asdict() for epoch in self.history],
        }

    @classmethod
    def shared_fields(cls, description: dict[str, Any]) -> dict[str, Any]:
        """Return the fields that `shared_description` wrote.

        ModelFileError for a value out of its range, ValueError for values that do not
        fit each other.
        """
        check_description(Path(MODEL_JSON), description, Object(FIELDS, more=True))
        objective = objectives.from_dict(description["objective"])
        constant = description["constant_baseline"]
        _check_constant(objective, constant, cls.has_constant_baseline)
        _check_classes(objective, description["integer_classes"])
        return {
            "objective": objective,
            "integer_classes": description["integer_classes"],
            "constant_baseline": constant,
            "temperature": description["temperature"],
            "history": [Epoch.from_dict(epoch) for epoch in description["history"]],
        }

    def to_files(self) -> tuple[dict[str, Any], Tensors]:
        """Return what model.json and model.safetensors hold."""
        raise NotImplementedError

    @classmethod
    def from_files(
        cls, description: dict[str, Any], tensors: Tensors, settings: Any
    ) -> Self:
        """Return the model that `to_files` described."""
        raise NotImplementedError


def _check_classes(objective: Objective, integer_classes: bool) -> None:
    """Raise ValueError where weights or integer_classes do not fit the classes."""
    names, weights = objective.classes, getattr(objective, "weights", ())
    if len(weights) not in (0, len(names)):
        raise ValueError(f"there are {len(names)} classes, but {len(weights)} weights")
    others = [name for name in names if not re.fullmatch(r"-?[0-9]{1,4000}", name)]
    if integer_classes and others:
        raise ValueError(
            "integer_classes must be false where a class is no whole number. Got the "
            f"class {others[0][:MAX_SHOWN]!r}"
        )


def _check_constant(
    objective: Objective, constant: list[float], expected: bool
) -> None:
    """Raise ValueError for a constant baseline that is none of this objective.

    expected: whether there is one.
    """
    kind, outputs = objective.kind, objective.outputs
    length = (outputs if kind == "multi_label" else 1) if expected else 0
    rows = {"single_label": range(outputs), "multi_label": range(2)}.get(kind)
    fits = rows is None or all(value in rows for value in constant)
    if len(constant) != length or not fits:
        values = "numbers" if rows is None else f"rows from 0 to {len(rows) - 1}"
        raise ValueError(
            f"constant_baseline must be a list of length {length} with {values}. Got "
            f"{str(constant)[:MAX_SHOWN]} instead"
        )


class SupervisedModel(FittedEstimator):
    """Prediction and evaluation with a fitted model."""

    kinds: ClassVar[tuple[Kind, ...]] = ()
    """kinds of labels that the estimator takes"""

    fitted_type: ClassVar[type[FittedModel]]
    objective_: Objective
    classes_: np.ndarray
    constant_baseline_: list[float]
    temperature_: float
    linear_: Any
    """the linear baseline"""

    # --- predict ---

    def predict_from_logits(self, logits: Tensor) -> np.ndarray:
        """Return calibrated probabilities [N, K], or numbers [N].

        DataError where they are not finite: NaN would be read as the first class.
        """
        if self.objective_.kind != "numeric":
            logits = logits / self.temperature_
        predicted = self.objective_.predict(logits)
        if not (bool(logits.isfinite().all()) and np.isfinite(predicted).all()):
            raise DataError(
                "The outputs of the model are NaN or infinite: its numbers, or the "
                "features of these data, are too large. Scale the features as in "
                "training, or train the model again."
            )
        return predicted

    def decide(self, predicted: np.ndarray) -> np.ndarray:
        """Return classes [N], or marks [N, K] of several labels, from probabilities."""
        rows = self.objective_.decide(predicted)
        return rows if self.objective_.kind == "multi_label" else self.classes_[rows]

    def predictions_frame(
        self, names: Any, predicted: np.ndarray, labels: Any = None
    ) -> Any:
        """Return predictions as a table: name, label (if given), predicted, p_CLASS."""
        return predictions_table(self.objective_, names, predicted, labels)

    # --- evaluate ---

    def evaluate(self, X: Any = None, y: Any = None) -> Evaluation:
        """Evaluate on labelled data, or on the test split of the training data."""
        raise NotImplementedError

    def score(self, X: Any = None, y: Any = None) -> float:
        """Return accuracy, micro F1 of several labels, or R^2 of numbers."""
        found = self.evaluate(X, y)
        if self.objective_.kind != "numeric":
            return found.score.value
        table = found.predictions
        return r2(table["label"].to_numpy(float), table["predicted"].to_numpy(float))

    # --- describe ---

    @property
    def validation_metric(self) -> str:
        return self.objective_.metric

    @property
    def linear_description(self) -> str:
        """Return what the linear baseline is."""
        return str(self.linear_)
