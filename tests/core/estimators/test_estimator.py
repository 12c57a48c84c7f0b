"""Estimators: scikit-learn's verbs by scikit-learn itself, and safe model folders."""

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

from vicinal.core.estimators.estimator import (
    MODEL_FORMAT,
    MODEL_JSON,
    MODEL_TENSORS,
    Estimator,
    read_model,
    read_weights,
    save_model,
)
from vicinal.core.settings import Settings
from vicinal.errors import ModelFileError, NotFittedError, RunError, SettingError


@dataclass(frozen=True, kw_only=True)
class ThresholdSettings(Settings):
    """How a threshold is put."""

    shift: float = 0.0
    """how far from the middle"""

    side: Literal["above", "below"] = "above"
    """where the positive class is"""

    labels: tuple[str, ...] = ("no", "yes")
    """of the two classes"""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require("shift", abs(self.shift) <= 10, "from -10 to 10")


class Threshold(Estimator):
    """A classifier of one threshold between the means of two classes."""

    settings_type = ThresholdSettings
    estimator_type = "classifier"
    network_: float
    side: str

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        self.classes_ = np.unique(y)
        means = [X[y == k, 0].mean() for k in self.classes_]
        self.network_ = float(np.mean(means)) + self.settings.shift
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        self.check_fitted()
        above = X[:, 0] > self.network_
        return self.classes_[(above == (self.side == "above")).astype(int)]

    def score(self, X: np.ndarray, y: np.ndarray) -> float:
        return float((self.predict(X) == y).mean())


class Measure(Threshold):
    """The same as a regressor, to see that the kind is taken from the class."""

    estimator_type = "regressor"


def data() -> tuple[np.ndarray, np.ndarray]:
    y = np.repeat([0, 1], 30)
    return np.random.default_rng(0).normal(4.0 * y[:, None], 0.5, (60, 1)), y


# --- parameters ------------------------------------------------------------------


def test_the_signature_shows_the_settings():
    shown = {
        name: p.default for name, p in inspect.signature(Threshold).parameters.items()
    }
    assert shown == {
        "shift": 0.0,
        "side": "above",
        "labels": ("no", "yes"),
        "random_state": 0,
        "device": "auto",
    }
    kinds = {p.kind for p in inspect.signature(Threshold).parameters.values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}


def test_init_only_stores():
    odd: Any = {"shift": 99.0, "side": "nowhere"}
    assert Threshold(**odd).get_params()["shift"] == 99.0


def test_fit_checks():
    with pytest.raises(SettingError, match="shift must be from -10 to 10"):
        Threshold(shift=99.0).fit(*data())
    with pytest.raises(SettingError, match="side 'nowhere' is not known"):
        Threshold(side="nowhere").fit(*data())


@pytest.mark.parametrize("value", [-1, 1.0, None, "0", True])
def test_the_seed_is_a_whole_number(value):
    with pytest.raises(SettingError, match=r"random_state must be.*Got"):
        Threshold(random_state=value).fit(*data())


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
    ("name", "near"), [("shifted", "shift"), ("random_sate", "random_state")]
)
def test_an_unknown_parameter_brings_the_near_one(name, near):
    wanted = f"Threshold has no parameter '{name}'. Did you mean '{near}'?"
    with pytest.raises(TypeError) as caught:
        Threshold(**{name: 1})  # pyright: ignore[reportArgumentType]
    assert str(caught.value) == wanted
    with pytest.raises(ValueError) as caught:
        Threshold().set_params(**{name: 1})
    assert str(caught.value) == wanted
    with pytest.raises(TypeError, match="Known: device, labels, random_state, shift"):
        Threshold(qqq=1)


def test_repr_shows_what_differs():
    assert repr(Threshold()) == "Threshold()"
    assert repr(Threshold(side="above", shift=0.0, device="auto")) == "Threshold()"
    model = Threshold(side="below", shift=1.5, random_state=3)
    assert repr(model) == "Threshold(random_state=3, shift=1.5, side='below')"
    assert eval(repr(model)).get_params() == model.get_params()


# --- with scikit-learn -----------------------------------------------------------


def test_clone():
    model = Threshold(shift=1.5, labels=("a", "b"), random_state=7).fit(*data())
    copied = clone(model)
    assert type(copied) is Threshold and copied.get_params() == model.get_params()
    assert not hasattr(copied, "network_")


def test_the_kind_is_known():
    assert is_classifier(Threshold()) and not is_regressor(Threshold())
    assert is_regressor(Measure()) and not is_classifier(Measure())

    class Neither(Threshold):
        estimator_type = None

    assert not is_classifier(Neither()) and not is_regressor(Neither())


def test_search_pipeline_and_cross_validation():
    X, y = data()
    scores = cross_val_score(Threshold(), X, y, cv=3)
    assert scores.tolist() == [1, 1, 1]
    grid = {"shift": [9.0, 0.0], "side": ["above", "below"]}
    search = GridSearchCV(Threshold(), grid)
    assert search.fit(X, y).best_params_ == {"shift": 0.0, "side": "above"}
    pipeline = make_pipeline(StandardScaler(), Threshold()).fit(X, y)
    assert (pipeline.predict(X) == y).all()


def test_not_fitted_is_said():
    with pytest.raises(NotFittedError, match=r"Threshold has not learned yet\..*fit"):
        Threshold().predict(data()[0])
    Threshold().fit(*data()).check_fitted()


# --- model folders ---------------------------------------------------------------

TENSORS = {"w": torch.randn(3, 4), "b": torch.randn(3)}
DESCRIPTION = {"estimator": "Threshold", "classes": ["Öl", "b"], "mean": 0.1}


@pytest.fixture
def folder(tmp_path):
    return save_model(tmp_path / "a" / "model", DESCRIPTION, TENSORS)


def test_a_model_comes_back(folder):
    description = read_model(folder)
    assert DESCRIPTION.items() <= description.items()
    tensors = read_weights(folder, description)
    assert tensors.keys() == TENSORS.keys()
    assert all(tensors[name].equal(t) for name, t in TENSORS.items())
    assert {p.name for p in folder.iterdir()} == {MODEL_JSON, MODEL_TENSORS}


def test_a_description_that_was_read_may_be_saved_again(folder):
    fresh = {"w": torch.zeros(2)}
    save_model(folder, read_model(folder), fresh)
    assert read_weights(folder, read_model(folder))["w"].tolist() == [0, 0]


def test_a_saved_model_does_not_follow_the_network(tmp_path):
    w = torch.ones(3)
    folder = save_model(tmp_path, {}, {"w": w})
    w.zero_()
    assert read_weights(folder, read_model(folder))["w"].tolist() == [1, 1, 1]


def test_weights_that_were_tampered_with_are_refused(folder):
    description = read_model(folder)
    path = folder / MODEL_TENSORS
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=r"hashes differ.*Copy both"):
        read_weights(folder, description)


def test_weights_of_another_model_are_refused(folder, tmp_path):
    other = save_model(tmp_path / "other", DESCRIPTION, {"w": torch.ones(2)})
    with pytest.raises(ModelFileError, match="hashes differ"):
        read_weights(other, read_model(folder))
    with pytest.raises(ModelFileError, match="hashes differ"):
        read_weights(folder, {"format": MODEL_FORMAT})


def test_missing_parts_are_named(folder, tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path, tmp_path / "missing", tmp_path / "file"):
        with pytest.raises(ModelFileError, match=r"There is no model in .*model\.json"):
            read_model(place)
    description = read_model(folder)
    (folder / MODEL_TENSORS).unlink()
    with pytest.raises(ModelFileError, match="There is no file"):
        read_weights(folder, description)


@pytest.mark.parametrize("data", ["", "{", '{"format": 1'])
def test_a_damaged_description_is_refused(folder, data):
    (folder / MODEL_JSON).write_text(data)
    with pytest.raises(ModelFileError, match=r"model\.json is damaged"):
        read_model(folder)


@pytest.mark.parametrize("value", [[], None, {}, {"format": MODEL_FORMAT + 1}])
def test_another_format_is_refused(folder, value):
    (folder / MODEL_JSON).write_text(json.dumps(value))
    with pytest.raises(ModelFileError, match=r"does not read \(wanted 1\)"):
        read_model(folder)


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        save_model(tmp_path / "file" / "model", DESCRIPTION, TENSORS)
