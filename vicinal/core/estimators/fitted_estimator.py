"""What every estimator with a fitted model shares: its fields, networks and files.

The result of `fit` is one immutable value, `model_`; a step of training replaces it.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from torch import Tensor, nn

from vicinal.core.compute.runtime import find_device
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.estimators.estimator import (
    Estimator,
    check_description,
    read_weights,
    refuse_existing_model,
    save_model,
)
from vicinal.core.estimators.model_choice import describe_choice, describe_untested
from vicinal.core.evaluation.significance import PairedComparison
from vicinal.core.storage.run_folder import MODEL_JSON
from vicinal.core.training.fingerprint import fingerprint
from vicinal.core.training.history import Epoch
from vicinal.core.training.trainer import Trainer
from vicinal.errors import SettingError


class FittedEstimator(Estimator):
    """Base of estimators whose `fit` sets an immutable `model_`.

    A field of the fitted model is an attribute that ends in an underscore:
    `estimator.history_` is `estimator.model_.history`.
    """

    unit: ClassVar[str]
    """one example: image, node, pair, graph"""

    fitted_type: ClassVar[Any]
    """class of `model_`, with `schema`, `to_files` and `from_files`"""

    baseline_name: ClassVar[str] = "linear baseline"
    """what a network has to beat"""

    cpu_only: ClassVar[str] = "networks"
    """networks that are trained on the CPU, for the error; empty: on any device"""

    settings_: Any
    """validated settings of the last `fit`"""

    model_: Any
    history_: list[Epoch]
    comparison_: PairedComparison | None
    untested_: bool
    quarantine_: list[Quarantined]
    network_: Any
    """the network that predicts; None: the baseline does"""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Return a field of the fitted model."""
            is_field = name.endswith("_") and not name.startswith("_")
            if is_field and name != "model_" and "model_" in vars(self):
                value = getattr(vars(self)["model_"], name[:-1], self)
                if value is not self:
                    return value
            kind = type(self).__name__
            raise AttributeError(f"{kind!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse to set a field of the fitted model, which is immutable."""
        model = vars(self).get("model_")
        if model is not None and name.endswith("_") and hasattr(model, name[:-1]):
            raise AttributeError(f"{name} is read-only; use update({name[:-1]}=...)")
        super().__setattr__(name, value)

    def update(self, **fields: Any) -> None:
        """Replace fields of the fitted model."""
        self.model_ = replace(self.model_, **fields)

    # --- fit ---

    def start_fit(self) -> None:
        """Validate the parameters, once for this fit."""
        self.settings_ = self.validate_settings()
        self.check_device()

    def check_data(self, data: Any) -> None:
        """Raise SettingError or DataError before anything is computed.

        Validates the parameters; data: as `fit` reads them.
        """
        self.validate_settings()
        self.check_device()

    def check_device(self) -> None:
        """Raise SettingError for a device that the model cannot be trained on."""
        if self.cpu_only and self.device not in ("auto", "cpu"):
            raise SettingError(
                f"device must be 'auto' or 'cpu': {self.cpu_only} are trained on the "
                f"CPU. Got {self.device!r} instead."
            )
        find_device(self.device)

    def training_data(self) -> Iterable[Tensor | np.ndarray]:
        """Yield what a resumed training must have in common with its beginning.

        Encoded features, edges if there are any, targets, and the split.
        """
        raise NotImplementedError

    @property
    def fingerprint_texts(self) -> list[str]:
        """Return what else it must have in common, as texts."""
        return []

    def fingerprint(self) -> str:
        """Return a hash of the training data, the classes, and the settings.

        Settings that may change when a run is resumed are not part of it.
        """
        fixed = {
            name: value
            for name, value in self.settings_.to_dict().items()
            if name not in self.settings_.free_on_resume
        }
        settings = json.dumps([type(self).__name__, int(self.random_state), fixed])
        return fingerprint([settings, *self.fingerprint_texts], self.training_data())

    def run_trainer(self, trainer: Trainer) -> Iterator[Epoch]:
        """Train, keep the history, and load the best epoch's weights."""
        self.update(history=trainer.progress.history)  # of the epochs before resuming
        for epoch in trainer.epochs():
            self.update(history=trainer.progress.history)
            yield epoch
        trainer.load_best()

    # --- describe ---

    @property
    def final_networks(self) -> list[nn.Module]:
        """Return the networks that predict; none: the baseline does."""
        return [] if self.network_ is None else [self.network_]

    @property
    def validation_metric(self) -> str:
        """Return the name of the score of each epoch on the validation split."""
        raise NotImplementedError

    @property
    def network_name(self) -> str:
        """Return the kind of network that is trained."""
        raise NotImplementedError

    @property
    def model_description(self) -> str:
        """Return what predicts: the baseline or the network."""
        return self.network_name if self.final_networks else f"the {self.baseline_name}"

    @property
    def comparison_text(self) -> str:
        """Return how the network compared with the baseline, in one sentence.

        Empty where no network was trained, and for a loaded model.
        """
        if self.untested_:
            return describe_untested(len(self.final_networks))
        return describe_choice(self.comparison_, bool(self.final_networks))

    # --- save and load ---

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the model to a directory: safetensors and JSON.

        ModelFileError where the directory holds a model already, unless overwrite.
        """
        self.check_fitted()
        if not overwrite:
            refuse_existing_model(path)
        description, tensors = self.model_.to_files()
        shared = {"estimator": type(self).__name__, "parameters": self.json_params()}
        return save_model(path, shared | description, tensors)

    @classmethod
    def restore(cls, directory: str | Path, description: dict[str, Any]) -> Self:
        """Return the estimator that `save` wrote to a directory."""
        schema = cls.fitted_type.schema
        check_description(Path(directory) / MODEL_JSON, description, schema)
        estimator = cls(**description["parameters"])
        estimator.settings_ = estimator.validate_settings()
        tensors = read_weights(directory, description)
        estimator.model_ = cls.fitted_type.from_files(
            description, tensors, estimator.settings_
        )
        return estimator
