"""scikit-learn's verbs, and the model folder they save to.

`__init__` only stores; `fit` returns self and sets attributes that end in `_`;
`get_params`, `set_params` and `clone` work as in scikit-learn. The parameters are the
fields of a settings class, so they are said once, with their unit, and checked in
`fit`.
"""

import difflib
import inspect
import os
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np

from vicinal.core.settings import Settings, is_whole
from vicinal.core.storage.checkpoint import Tensors, load_tensors, save_tensors
from vicinal.core.storage.files import make_folder, read_json, sha256, write_json
from vicinal.core.storage.run_folder import how_to_resume
from vicinal.errors import ModelFileError, NotFittedError, SettingError

MODEL_FORMAT = 1
MODEL_JSON, MODEL_TENSORS = "model.json", "model.safetensors"


class Estimator:
    """Base of every estimator: parameters from settings, and safe model files."""

    settings_type: ClassVar[type[Settings]]
    estimator_type: ClassVar[Literal["classifier", "regressor"] | None] = None
    """what scikit-learn takes it for, when it chooses folds and scores"""

    fitted_by: ClassVar[str] = "network_"
    """the attribute that only fit sets"""

    def __init__(
        self, *, random_state: int = 0, device: str = "auto", **settings: Any
    ) -> None:
        known = self.settings_type.names()
        for name in settings:
            if name not in known:
                names = self._get_param_names()
                raise TypeError(_unknown(type(self).__name__, name, names))
        self.random_state = random_state
        self.device = device
        defaults = self.settings_type()
        for name in known:
            setattr(self, name, settings.get(name, getattr(defaults, name)))

    def __init_subclass__(cls, **options: Any) -> None:
        """Show the settings in the signature, for help() and scikit-learn."""
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
        """Parameters by name, as scikit-learn's."""
        return {name: getattr(self, name) for name in self._get_param_names()}

    def set_params(self, **parameters: Any) -> Self:
        """Change parameters; the next `fit` uses them."""
        known = self._get_param_names()
        for name, value in parameters.items():
            if name not in known:
                raise SettingError(_unknown(type(self).__name__, name, known))
            setattr(self, name, value)
        return self

    @property
    def settings(self) -> Any:
        """The parameters as checked settings; SettingError for one out of range."""
        if not is_whole(self.random_state, 0):
            raise SettingError(
                "random_state must be a whole number, 0 or more. "
                f"Got {self.random_state!r} instead."
            )
        given = self.plain_params()
        values = {name: given[name] for name in self.settings_type.names()}
        return self.settings_type.from_dict(values)

    def plain_params(self) -> dict[str, Any]:
        """Parameters by name in the form that JSON takes."""
        return {name: _plain(value) for name, value in self.get_params().items()}

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks before it searches, pipes or cross-validates."""
        from sklearn.utils import ClassifierTags, RegressorTags, Tags, TargetTags

        kind = self.estimator_type
        return Tags(
            estimator_type=kind,
            target_tags=TargetTags(required=False),
            classifier_tags=ClassifierTags() if kind == "classifier" else None,
            regressor_tags=RegressorTags() if kind == "regressor" else None,
        )

    def __repr__(self) -> str:
        plain = type(self)()
        told = self.get_params().items()
        told = {k: v for k, v in told if v != getattr(plain, k)}
        inside = ", ".join(f"{name}={value!r}" for name, value in told.items())
        return f"{type(self).__name__}({inside})"

    def check_fitted(self) -> None:
        if not hasattr(self, self.fitted_by):
            raise NotFittedError(
                f"This {type(self).__name__} has not learned yet. Call fit first, or "
                "load a trained one with vicinal.load(path)."
            )


def _plain(value: Any) -> Any:
    """A numpy number as Python's, a path as text; JSON takes nothing else."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value.item() if isinstance(value, np.generic) else value


def _unknown(owner: str, name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(known)}."
    return f"{owner} has no parameter {name!r}.{hint}"


def save_model(
    folder: str | Path, description: dict[str, Any], tensors: Tensors
) -> Path:
    """Write model.safetensors and model.json; the JSON last, with the other's hash."""
    folder = Path(folder)
    make_folder(folder)
    save_tensors(folder / MODEL_TENSORS, tensors, {})
    digest = sha256(folder / MODEL_TENSORS)
    head = {"format": MODEL_FORMAT, "sha256": digest}
    write_json(folder / MODEL_JSON, description | head)
    return folder


def read_model(folder: str | Path) -> dict[str, Any]:
    """The description of a saved model; ModelFileError says what is wrong with it."""
    path = Path(folder) / MODEL_JSON
    try:
        description = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        raise ModelFileError(
            f"There is no model in {folder}: {MODEL_JSON} is missing. "
            + (
                how_to_resume(Path(folder))
                or "Name the folder that `vicinal train` or `save` wrote."
            )
        ) from None
    except ValueError as error:
        raise ModelFileError(
            f"{path} is damaged: {error}. Copy the model again, or train it anew."
        ) from error
    if not isinstance(description, dict) or description.get("format") != MODEL_FORMAT:
        raise ModelFileError(
            f"{path} is of a format that this version of vicinal does not read "
            f"(wanted {MODEL_FORMAT}). Update vicinal, or train again."
        )
    return description


def read_weights(folder: str | Path, description: dict[str, Any]) -> Tensors:
    """The tensors of a saved model, checked against the hash in its description."""
    path = Path(folder) / MODEL_TENSORS
    tensors, _ = load_tensors(path)
    if sha256(path) != description.get("sha256"):
        raise ModelFileError(
            f"{path} is not the file that {MODEL_JSON} beside it describes "
            "(their hashes differ). Copy both files again from where they came."
        )
    return tensors
