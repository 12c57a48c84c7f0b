"""The scikit-learn interface, tested by scikit-learn itself, and safe model files."""

import inspect
import json
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import pytest
import torch
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vicinal.core.estimators import estimator as estimator_module
from vicinal.core.estimators.estimator import (
    MODEL_FORMAT,
    MODEL_JSON,
    MODEL_TENSORS,
    Estimator,
    read_model,
    read_weights,
    refuse_existing_model,
    save_model,
)
from vicinal.core.settings import Settings
from vicinal.core.storage.checkpoint import save_tensors
from vicinal.core.storage.files import sha256
from vicinal.errors import (
    ModelFileError,
    NotFittedError,
    RunError,
    SettingError,
    TrainingError,
)


@dataclass(frozen=True, kw_only=True)
class ThresholdSettings(Settings):
    """Settings of a threshold."""

    shift: float = 0.0
    """distance from the mean of the class means"""

    side: Literal["above", "below"] = "above"
    """side of the positive class"""

    labels: tuple[str, ...] = ("no", "yes")
    """names of the two classes"""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require("shift", abs(self.shift) <= 10, "from -10 to 10")


class Threshold(Estimator):
    """A classifier of one threshold between the means of two classes."""

    settings_type = ThresholdSettings
    estimator_type = "classifier"
    fitted_by = "threshold_"
    threshold_: float
    side: str

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        self.classes_ = np.unique(y)
        means = [X[y == k, 0].mean() for k in self.classes_]
        self.threshold_ = float(np.mean(means)) + self.validate_settings().shift
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        self.check_fitted()
        above = X[:, 0] > self.threshold_
        return self.classes_[(above == (self.side == "above")).astype(int)]

    def score(self, X: np.ndarray, y: np.ndarray) -> float:
        return float((self.predict(X) == y).mean())


class ThresholdRegressor(Threshold):
    """The same as a regressor: scikit-learn reads the type from the class."""

    estimator_type = "regressor"


def make_data() -> tuple[np.ndarray, np.ndarray]:
    y = np.repeat([0, 1], 30)
    return np.random.default_rng(0).normal(4.0 * y[:, None], 0.5, (60, 1)), y


# --- parameters ------------------------------------------------------------------


def test_the_signature_has_the_settings():
    parameters = inspect.signature(Threshold).parameters
    assert {name: p.default for name, p in parameters.items()} == {
        "shift": 0.0,
        "side": "above",
        "labels": ("no", "yes"),
        "random_state": 0,
        "device": "auto",
    }
    kinds = {p.kind for p in parameters.values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}


def test_init_only_stores():
    invalid: Any = {"shift": 99.0, "side": "nowhere"}
    assert Threshold(**invalid).get_params()["shift"] == 99.0


def test_fit_validates_parameters():
    with pytest.raises(SettingError, match="shift must be from -10 to 10"):
        Threshold(shift=99.0).fit(*make_data())
    with pytest.raises(SettingError, match=r"side must be one of .* Got 'nowhere'"):
        Threshold(side="nowhere").fit(*make_data())


@pytest.mark.parametrize("value", [-1, 1.0, None, "0", True])
def test_the_seed_is_a_whole_number(value):
    with pytest.raises(SettingError, match=r"random_state must be.*Got"):
        Threshold(random_state=value).fit(*make_data())


def test_get_and_set_params():
    model = Threshold(shift=1.0)
    assert model.set_params(side="below", random_state=3, device="cpu") is model
    assert model.get_params() == {
        "shift": 1.0,
        "side": "below",
        "labels": ("no", "yes"),
        "random_state": 3,
        "device": "cpu",
    }
    assert Threshold(**model.get_params()).get_params() == model.get_params()


@pytest.mark.parametrize(
    ("name", "similar"), [("shifted", "shift"), ("random_sate", "random_state")]
)
def test_an_unknown_parameter_suggests_a_similar_one(name, similar):
    message = f"Threshold has no parameter '{name}'. Did you mean '{similar}'?"
    with pytest.raises(TypeError) as caught:
        Threshold(**{name: 1})  # pyright: ignore[reportArgumentType]
    assert str(caught.value) == message
    with pytest.raises(ValueError) as caught:
        Threshold().set_params(**{name: 1})
    assert str(caught.value) == message
    with pytest.raises(TypeError, match="Known: device, labels, random_state, shift"):
        Threshold(qqq=1)


def test_repr_shows_non_default_parameters():
    assert repr(Threshold()) == "Threshold()"
    assert repr(Threshold(side="above", shift=0.0, device="auto")) == "Threshold()"
    model = Threshold(side="below", shift=1.5, random_state=3)
    assert repr(model) == "Threshold(random_state=3, shift=1.5, side='below')"
    assert eval(repr(model)).get_params() == model.get_params()


# --- with scikit-learn -----------------------------------------------------------


def test_clone_copies_parameters_alone():
    model = Threshold(shift=1.5, labels=("a", "b"), random_state=7).fit(*make_data())
    copied = clone(model)
    assert type(copied) is Threshold and copied.get_params() == model.get_params()
    assert not hasattr(copied, "network_")


def test_scikit_learn_recognises_the_estimator_type():
    assert is_classifier(Threshold()) and not is_regressor(Threshold())
    assert is_regressor(ThresholdRegressor()) and not is_classifier(
        ThresholdRegressor()
    )

    class OtherEstimator(Threshold):
        estimator_type = None

    assert not is_classifier(OtherEstimator()) and not is_regressor(OtherEstimator())


def test_grid_search_pipeline_and_cross_validation():
    X, y = make_data()
    scores = cross_val_score(Threshold(), X, y, cv=3)
    assert scores.tolist() == [1, 1, 1]
    grid = {"shift": [9.0, 0.0], "side": ["above", "below"]}
    search = GridSearchCV(Threshold(), grid)
    assert search.fit(X, y).best_params_ == {"shift": 0.0, "side": "above"}
    pipeline = make_pipeline(StandardScaler(), Threshold()).fit(X, y)
    assert (pipeline.predict(X) == y).all()


def test_predict_before_fit_raises():
    with pytest.raises(NotFittedError, match=r"Threshold is not fitted\. Call fit"):
        Threshold().predict(make_data()[0])
    Threshold().fit(*make_data()).check_fitted()


# --- model directories -----------------------------------------------------------

TENSORS = {"w": torch.randn(3, 4), "b": torch.randn(3)}
DESCRIPTION = {"estimator": "Threshold", "classes": ["Öl", "b"], "mean": 0.1}


@pytest.fixture
def directory(tmp_path):
    return save_model(tmp_path / "a" / "model", DESCRIPTION, TENSORS)


def test_a_model_survives_saving(directory):
    description = read_model(directory)
    assert DESCRIPTION.items() <= description.items()
    tensors = read_weights(directory, description)
    assert tensors.keys() == TENSORS.keys()
    assert all(tensors[name].equal(t) for name, t in TENSORS.items())
    assert {p.name for p in directory.iterdir()} == {MODEL_JSON, MODEL_TENSORS}


def test_a_loaded_description_can_be_saved_again(directory):
    fresh = {"w": torch.zeros(2)}
    save_model(directory, read_model(directory), fresh)
    assert read_weights(directory, read_model(directory))["w"].tolist() == [0, 0]


def test_saved_weights_are_a_copy(tmp_path):
    w = torch.ones(3)
    directory = save_model(tmp_path, {}, {"w": w})
    w.zero_()
    assert read_weights(directory, read_model(directory))["w"].tolist() == [1, 1, 1]


def test_modified_weights_are_refused(directory):
    description = read_model(directory)
    path = directory / MODEL_TENSORS
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"hashes differ.*Copy both"):
        read_weights(directory, description)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path, value):
    """They would predict NaN, or one class for everything, without any error."""
    tensors = {"w": torch.tensor([1.0, value])}
    with pytest.raises(TrainingError, match="1 of 2 numbers of w"):
        save_model(tmp_path / "model", DESCRIPTION, tensors)
    directory = save_model(tmp_path / "model", DESCRIPTION, {"w": torch.ones(2)})
    path = directory / MODEL_TENSORS
    save_tensors(path, tensors, {})
    description = read_model(directory) | {"sha256": sha256(path)}
    with pytest.raises(ModelFileError, match="holds no usable model: 1 of 2"):
        read_weights(directory, description)


@pytest.mark.parametrize("name", [MODEL_JSON, MODEL_TENSORS])
def test_a_model_is_not_written_through_a_link(directory, tmp_path, name):
    (directory / name).unlink()
    (directory / name).symlink_to(tmp_path / "victim")
    with pytest.raises(RunError, match="symbolic link"):
        save_model(directory, DESCRIPTION, TENSORS)
    assert not (tmp_path / "victim").exists()


def test_weights_of_another_model_are_refused(directory, tmp_path):
    other = save_model(tmp_path / "other", DESCRIPTION, {"w": torch.ones(2)})
    with pytest.raises(ModelFileError, match="hashes differ"):
        read_weights(other, read_model(directory))
    with pytest.raises(ModelFileError, match="hashes differ"):
        read_weights(directory, {"format": MODEL_FORMAT})


def test_missing_files_are_named(directory, tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "missing", tmp_path / "file"):
        with pytest.raises(ModelFileError, match=r"There is no model in .*model\.json"):
            read_model(path)
    description = read_model(directory)
    (directory / MODEL_TENSORS).unlink()
    with pytest.raises(ModelFileError, match="There is no file"):
        read_weights(directory, description)


@pytest.mark.parametrize("text", ["", "{", '{"format": 1'])
def test_a_damaged_description_is_refused(directory, text):
    (directory / MODEL_JSON).write_text(text)
    with pytest.raises(ModelFileError, match=r"model\.json is damaged"):
        read_model(directory)


@pytest.mark.parametrize("value", [[], None, {}])
def test_json_that_describes_no_model_is_refused(directory, value):
    (directory / MODEL_JSON).write_text(json.dumps(value))
    with pytest.raises(ModelFileError, match="does not describe a model"):
        read_model(directory)


@pytest.mark.parametrize(
    ("model_format", "message"),
    [
        (MODEL_FORMAT - 1, r"written by an older version of vicinal.*; train again"),
        (MODEL_FORMAT + 1, r"written by a newer version of vicinal.*; update vicinal"),
    ],
)
def test_another_format_is_refused(directory, model_format, message):
    (directory / MODEL_JSON).write_text(json.dumps({"format": model_format}))
    with pytest.raises(ModelFileError, match=message):
        read_model(directory)


def test_an_existing_model_is_refused(directory, tmp_path):
    refuse_existing_model(tmp_path)
    with pytest.raises(ModelFileError, match=r"There is a model in .* already"):
        refuse_existing_model(directory)


def test_an_unwritable_path_raises(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        save_model(tmp_path / "file" / "model", DESCRIPTION, TENSORS)


@pytest.mark.parametrize("moment", ["save_tensors", "write_json"])
def test_an_interrupted_save_leaves_the_old_model(directory, monkeypatch, moment):
    """Also between the two files: the old description has the hash of old weights."""
    plain = getattr(estimator_module, moment)

    def interrupted(*args: Any, **options: Any) -> None:
        plain(*args, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(estimator_module, moment, interrupted)
    before = read_weights(directory, read_model(directory))
    with pytest.raises(KeyboardInterrupt):
        save_model(directory, DESCRIPTION, {"w": torch.full((2,), 9.0)})
    after = read_weights(directory, read_model(directory))
    assert after.keys() == before.keys()
    assert all(after[name].equal(before[name]) for name in after)
    names = {path.name for path in directory.iterdir()}
    assert names == {MODEL_JSON, MODEL_TENSORS}
