"""The scikit-learn interface of every estimator, and safe model files.

`__init__` only stores; `fit` returns self and sets attributes that end in `_`;
`get_params`, `set_params` and `clone` work as in scikit-learn. The parameters are the
fields of a settings class; they are validated once, in `fit`.
"""

import difflib
import inspect
import os
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np

from vicinal.core.compute.signals import defer_signals
from vicinal.core.settings import Settings, check_seed
from vicinal.core.storage.checkpoint import Tensors, load_tensors, save_tensors
from vicinal.core.storage.files import (
    make_directory,
    read_json,
    refuse_links,
    replace_together,
    sha256,
    write_json,
)
from vicinal.core.storage.run_folder import MODEL_JSON, resume_hint
from vicinal.core.storage.schema import (
    Integer,
    Object,
    Schema,
    SchemaError,
    Text,
)
from vicinal.errors import ModelFileError, NotFittedError, SettingError, TrainingError

MODEL_FORMAT = 2
MODEL_TENSORS = "model.safetensors"

DESCRIPTION: dict[str, Schema] = {
    "format": Integer(),
    "sha256": Text(),
    "estimator": Text(),
    "parameters": Object({"device": Text()}, more=True),
}
"""schema of what model.json holds for every estimator"""


class Estimator:
    """Base of every estimator: the parameters are the fields of `settings_type`."""

    settings_type: ClassVar[type[Settings]]
    estimator_type: ClassVar[Literal["classifier", "regressor"] | None] = None
    """scikit-learn chooses folds and scores by it"""

    fitted_by: ClassVar[str] = "model_"
    """attribute that exists only after `fit`"""

    def __init__(
        self, *, random_state: int = 0, device: str = "auto", **settings: Any
    ) -> None:
        known = self.settings_type.names()
        for name in settings:
            if name not in known:
                names = self._get_param_names()
                raise TypeError(_unknown_parameter(type(self).__name__, name, names))
        self.random_state = random_state
        self.device = device
        defaults = self.settings_type()
        for name in known:
            setattr(self, name, settings.get(name, getattr(defaults, name)))

    def __init_subclass__(cls, **options: Any) -> None:
        """Put the settings into the signature, for help() and scikit-learn."""
        super().__init_subclass__(**options)
        if hasattr(cls, "settings_type"):
            own = inspect.signature(Estimator.__init__).parameters.values()
            own = [p for p in own if p.name in ("random_state", "device")]
            rest = inspect.signature(cls.settings_type).parameters.values()
            cls.__signature__ = inspect.Signature([*rest, *own])

    @classmethod
    def _get_param_names(cls) -> list[str]:
        return sorted([*cls.settings_type.names(), "random_state", "device"])

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name."""
        return {name: getattr(self, name) for name in self._get_param_names()}

    def set_params(self, **parameters: Any) -> Self:
        """Change parameters; the next `fit` uses them."""
        known = self._get_param_names()
        for name, value in parameters.items():
            if name not in known:
                raise SettingError(_unknown_parameter(type(self).__name__, name, known))
            setattr(self, name, value)
        return self

    def validate_settings(self) -> Any:
        """Return the parameters as validated settings; SettingError for a bad value."""
        check_seed(self.random_state, "random_state")
        params = self.json_params()
        values = {name: params[name] for name in self.settings_type.names()}
        return self.settings_type.from_dict(values)

    def json_params(self) -> dict[str, Any]:
        """Return the parameters by name as values that JSON can hold."""
        return {name: _to_json(value) for name, value in self.get_params().items()}

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags, read by pipelines and searches."""
        from sklearn.utils import ClassifierTags, RegressorTags, Tags, TargetTags

        kind = self.estimator_type
        return Tags(
            estimator_type=kind,
            target_tags=TargetTags(required=False),
            classifier_tags=ClassifierTags() if kind == "classifier" else None,
            regressor_tags=RegressorTags() if kind == "regressor" else None,
        )

    def __repr__(self) -> str:
        defaults = type(self)()
        changed = {
            name: value
            for name, value in self.get_params().items()
            if value != getattr(defaults, name)
        }
        arguments = ", ".join(f"{name}={value!r}" for name, value in changed.items())
        return f"{type(self).__name__}({arguments})"

    def check_fitted(self) -> None:
        """Raise NotFittedError before `fit`."""
        if not hasattr(self, self.fitted_by):
            raise NotFittedError(
                f"This {type(self).__name__} is not fitted. Call fit first, or load a "
                "trained model with vicinal.load(path)."
            )


def _to_json(value: Any) -> Any:
    """Return a numpy number as Python's, also in a tuple or list, a path as text."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if type(value) in (tuple, list):
        return type(value)(map(_to_json, value))
    return value.item() if isinstance(value, np.generic) else value


def _unknown_parameter(estimator: str, name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else f" Known: {', '.join(known)}."
    return f"{estimator} has no parameter {name!r}.{hint}"


def refuse_existing_model(directory: str | Path) -> None:
    """Raise ModelFileError where a directory holds a model already."""
    if (Path(directory) / MODEL_JSON).exists():
        raise ModelFileError(
            f"There is a model in {directory} already. Choose another directory, or "
            "replace the model with save(path, overwrite=True)."
        )


def save_model(
    directory: str | Path, description: dict[str, Any], tensors: Tensors
) -> Path:
    """Write model.safetensors, then model.json with the hash of the former."""
    directory = Path(directory)
    make_directory(directory)
    flaw = describe_not_finite(tensors)
    if flaw:
        raise TrainingError(
            f"The model cannot be saved: {flaw}. Features or targets may be too large: "
            "scale them to numbers below 1e6, and train again."
        )
    weights, model = (
        refuse_links(directory, directory / name)
        for name in (MODEL_TENSORS, MODEL_JSON)
    )
    # the one file holds the hash of the other
    with defer_signals(), replace_together(weights, model) as (new_weights, new_model):
        save_tensors(new_weights, tensors, {}, checksum=False)
        head = {"format": MODEL_FORMAT, "sha256": sha256(new_weights)}
        write_json(new_model, description | head)
    return directory


def read_model(directory: str | Path) -> dict[str, Any]:
    """Return the description of a saved model; ModelFileError where there is none."""
    path = Path(directory) / MODEL_JSON
    try:
        description = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        raise ModelFileError(
            f"There is no model in {directory}: {MODEL_JSON} is missing. "
            + (
                resume_hint(Path(directory))
                or "Name the directory that `vicinal train` or `save` wrote."
            )
        ) from None
    except (ValueError, OSError) as error:
        raise ModelFileError(
            f"{path} is damaged: {error}. Copy the model again, or train again."
        ) from error
    if not isinstance(description, dict) or "format" not in description:
        raise ModelFileError(f"{path} does not describe a model. Train again.")
    if description["format"] != MODEL_FORMAT:
        older = description["format"] in [*range(MODEL_FORMAT)]
        raise ModelFileError(
            f"{path} was written by {'an older' if older else 'a newer'} version of "
            f"vicinal (format {description['format']}, this version reads format "
            f"{MODEL_FORMAT}); {'train again' if older else 'update vicinal'}."
        )
    check_description(path, description, Object({}, DESCRIPTION, more=True))
    return description


def check_description(path: Path, description: dict[str, Any], schema: Schema) -> None:
    """Raise ModelFileError for a model.json that a schema does not allow."""
    try:
        schema.check(description)
    except SchemaError as error:
        raise ModelFileError(
            f"{path} does not describe a model: {error}. Copy the model again, or "
            "train again."
        ) from error


def read_weights(directory: str | Path, description: dict[str, Any]) -> Tensors:
    """Return the tensors of a saved model, checked against the hash in model.json."""
    path = Path(directory) / MODEL_TENSORS
    tensors, _ = load_tensors(path)
    if sha256(path) != description.get("sha256"):
        raise ModelFileError(
            f"{path} is not the file that {MODEL_JSON} beside it describes (the "
            "hashes differ). Copy both files again from their source."
        )
    _refuse_not_finite(path, tensors)
    return tensors


def load_finite(path: Path) -> Tensors:
    """Return the tensors of a file; ModelFileError for numbers that are not finite."""
    tensors, _ = load_tensors(path)
    _refuse_not_finite(path, tensors)
    return tensors


def _refuse_not_finite(path: Path, tensors: Tensors) -> None:
    flaw = describe_not_finite(tensors)
    if flaw:
        raise ModelFileError(
            f"{path} holds no usable model: {flaw}. Train it again, or copy it again "
            "from its source."
        )


def describe_not_finite(tensors: Tensors) -> str:
    """Return which tensor holds NaN or infinite numbers; "" if none does.

    A threshold may be infinite: nothing is above it.
    """
    for name, t in tensors.items():
        if not t.is_floating_point() or bool(t.isfinite().all()):
            continue
        if name.endswith("threshold") and not bool(t.isnan().any()):
            continue
        count = int((~t.isfinite()).sum())
        return f"{count:,} of {t.numel():,} numbers of {name} are NaN or infinite"
    return ""
