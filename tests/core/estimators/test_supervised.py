"""A domain of points [N, 2], written with the shared base alone."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vicinal.core.data.labels import Kind
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.data.splits import TRAIN, VAL, split_labelled
from vicinal.core.estimators.labels import encode_labels, make_objective
from vicinal.core.estimators.supervised import SupervisedEstimator
from vicinal.core.estimators.supervised_model import FittedModel
from vicinal.core.evaluation.calibration import fit_temperature
from vicinal.core.objective import MultiLabel, Numeric, SingleLabel
from vicinal.core.settings import TrainingSettings
from vicinal.core.training.linear_head import Head, fit_head
from vicinal.errors import (
    DataError,
    ModelFileError,
    QuarantineWarning,
    SettingError,
)


@dataclass(frozen=True, kw_only=True)
class PointSettings(TrainingSettings):
    keep: Literal["auto", "network"] = "auto"
    """network: keep it in any case"""

    val_fraction: float = 0.4
    """fraction of the points for validation"""


@dataclass(frozen=True)
class Points:
    x: np.ndarray
    labels: Any
    quarantined: list[Quarantined] = field(default_factory=list)
    kind: Kind = "single_label"

    @property
    def label_mask(self) -> np.ndarray:
        return np.ones(len(self), bool)

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, kw_only=True)
class FittedPoints(FittedModel):
    points: Points
    y: np.ndarray
    split: np.ndarray
    linear: Head
    network: nn.Module | None = None


class PointClassifier(SupervisedEstimator):
    """Only what a domain has to provide."""

    settings_type = PointSettings
    fitted_type = FittedPoints
    unit = "point"
    kinds = ("single_label",)

    model_: FittedPoints
    points_: Points
    y_: np.ndarray
    split_: np.ndarray

    @property
    def network_name(self) -> str:
        return "perceptron"

    def read(self, X: Any, y: Any = None) -> Points:
        if isinstance(X, Points):
            return X
        return Points(np.asarray(X, np.float32), np.array(y, object))

    def fit_baseline(self, data: Points) -> None:
        fraction = self.settings_.val_fraction
        split = split_labelled(
            data.label_mask, None, data.labels, val=fraction, test=0.2, seed=0
        )
        train = split == TRAIN
        objective = make_objective(data, train, 0.0, self.unit)
        y = encode_labels(data, objective)
        self.model_ = FittedPoints(
            objective=objective,
            quarantine=data.quarantined,
            points=data,
            y=y,
            split=split,
            linear=fit_head(data.x[train], y[train], objective, 1.0),
        )
        self.calibrate()

    def validation_targets(self) -> np.ndarray:
        return self.y_[self.split_ == VAL]

    def validation_logits(self) -> Tensor:
        x = self.points_.x[self.split_ == VAL]
        if self.network_ is None:
            return self.linear_.logits(x)
        return self.network_(torch.from_numpy(x))


class QuickToReject(PointClassifier):
    keep_untested = False


class Product(nn.Module):
    """Logits [N, 2] in proportion to the product of two coordinates."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x: Tensor) -> Tensor:
        score = self.factor * x.prod(dim=1)
        return torch.stack([-score, score], dim=1)


def exclusive_or(n: int = 200) -> tuple[np.ndarray, list[str]]:
    """Return points [n, 2] whose class, mostly, is the sign of the product."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 2)).astype(np.float32)
    is_equal = (x.prod(axis=1) > 0) ^ (rng.random(n) < 0.1)
    return x, np.where(is_equal, "same", "other").tolist()


RIGHT, WRONG = 1.0, -1.0  # the classes in order: other, same


def test_without_networks_the_linear_baseline_is_the_model():
    model = PointClassifier()
    assert model.fit(*exclusive_or()) is model
    assert model.history_ == [] and model.final_networks == []
    assert model.model_description == "the linear baseline"
    logits = model.linear_.logits(model.points_.x[model.split_ == VAL])
    y = model.y_[model.split_ == VAL]
    expected = fit_temperature(logits, y, model.objective_, careful=True)
    assert model.temperature_ == expected != 1.0
    assert list(PointClassifier().fit_epochs(*exclusive_or())) == []
    untested = PointClassifier(val_fraction=0.0).fit(*exclusive_or())
    assert model.comparison_text == untested.comparison_text == ""


@pytest.mark.parametrize(
    ("factor", "keep", "kept"),
    [
        (RIGHT, "auto", True),
        (WRONG, "auto", False),
        (WRONG, "network", True),
    ],
)
def test_a_network_is_kept_if_it_is_better_or_asked_for(factor, keep, kept):
    model = PointClassifier(keep=keep).fit(*exclusive_or())
    linear_temperature = model.temperature_
    network = Product(factor).train()
    model.keep_if_better(network)
    assert model.final_networks == ([network] if kept else [])
    assert not network.training
    assert model.comparison_ is not None
    assert model.comparison_.better is (factor == RIGHT)
    y = model.validation_targets()
    with torch.no_grad():
        logits = model.validation_logits()
    expected = fit_temperature(logits, y, model.objective_, careful=True)
    assert model.temperature_ == expected
    assert (model.temperature_ == linear_temperature) is not kept
    assert (model.model_description == "perceptron") is kept


@pytest.mark.parametrize(
    ("estimator", "keep", "kept"),
    [
        (PointClassifier, "auto", True),
        (QuickToReject, "auto", False),
        (QuickToReject, "network", True),
    ],
)
def test_without_a_validation_split_a_network_is_not_compared(estimator, keep, kept):
    model = estimator(keep=keep, val_fraction=0.0).fit(*exclusive_or())
    network = Product(WRONG)
    model.keep_if_better(network)
    assert model.final_networks == ([network] if kept else [])
    assert model.comparison_ is None and model.temperature_ == 1.0
    verdict = "the network is kept" if kept else "the network is not kept"
    assert model.comparison_text == f"no validation split to compare on: {verdict}"


@pytest.mark.parametrize("deterministic", [False, True])
def test_a_trainer_is_as_deterministic_as_the_settings_ask(deterministic):
    model = PointClassifier(deterministic=deterministic, epochs=1, lr=0.1)
    model.fit(*exclusive_or())
    trainer = model.make_trainer(
        Product(RIGHT), Batches(), lambda _: (0.0, 0.0),
        settings=model.settings_, started_at=0.0,
    )  # fmt: skip
    assert trainer.runtime.deterministic is deterministic


class Batches:
    """A loader that is never asked for a batch."""

    steps = 1

    def batches(self, epoch: int, start: int) -> Any:
        raise AssertionError("no batch is needed")

    def shard(self, rank: int, world_size: int) -> "Batches":
        return self


def test_the_weights_of_the_best_epoch_are_kept():
    model = PointClassifier(epochs=3, lr=0.1).fit(*exclusive_or())
    network, losses, factors = Product(RIGHT), iter([0.5, 0.1, 0.9]), []

    def validate(_: nn.Module) -> tuple[float, float]:
        factors.append(network.factor.item())
        return next(losses), 0.5

    trainer = model.make_trainer(
        network, AllPoints(model), validate,
        settings=model.settings_, started_at=0.0,
    )  # fmt: skip
    epochs = list(model.run_trainer(trainer))
    assert [epoch.best for epoch in epochs] == [True, True, False]
    assert len({RIGHT, *factors}) == 4  # each epoch changed the weight
    assert network.factor.item() == factors[1]
    assert model.history_ == epochs


class AllPoints(Batches):
    """A loader of one batch: all points."""

    def __init__(self, model: PointClassifier) -> None:
        self.batch = torch.from_numpy(model.points_.x), torch.from_numpy(model.y_)

    def batches(self, epoch: int, start: int) -> Any:
        yield self.batch


def test_the_warning_about_quarantine_names_the_line_that_called_fit():
    x, y = exclusive_or()
    points = Points(x, np.array(y, object), [Quarantined("p7", "same", "not finite")])
    with pytest.warns(QuarantineWarning, match="1 row quarantined.*p7") as warned:
        PointClassifier().fit(points)
    assert warned[0].filename == __file__


def test_quarantined_rows_are_named_before_a_failure_that_they_cause():
    rows = [Quarantined("p7", "same", "not finite")]
    points = Points(np.zeros((9, 2), np.float32), np.array(["other"] * 9), rows)
    with (
        pytest.warns(QuarantineWarning, match="not finite"),
        pytest.raises(DataError, match="of one class"),
    ):
        PointClassifier().fit(points)


class OnAnyDevice(PointClassifier):
    cpu_only = ""


def test_networks_are_trained_on_the_cpu_unless_a_domain_says_otherwise():
    for fit in (PointClassifier(device="cuda").fit, PointClassifier(device="mps").fit):
        with pytest.raises(SettingError, match="networks are trained on the CPU"):
            fit(*exclusive_or())
    OnAnyDevice().check_device()
    if not torch.cuda.is_available():
        with pytest.raises(SettingError, match="cuda"):
            OnAnyDevice(device="cuda").fit(*exclusive_or())


def test_what_a_resumed_run_must_have_in_common():
    def fingerprint(seed: int = 0, swapped: bool = False, **settings: Any) -> str:
        x, y = exclusive_or()
        model = Resumable(random_state=seed, **settings)
        model.fit(x[::-1] if swapped else x, y)
        return model.fingerprint()

    first = fingerprint()
    assert fingerprint(minutes=0.5, checkpoint_seconds=1.0) == first
    others = [
        fingerprint(seed=1),
        fingerprint(swapped=True),
        fingerprint(epochs=7),
        fingerprint(val_fraction=0.3),
    ]
    assert len({first, *others}) == 5


class Resumable(PointClassifier):
    def training_data(self) -> list[np.ndarray]:
        return [self.points_.x, self.y_, self.split_]


@pytest.mark.parametrize(
    "value", [0, -1.0, 1e-320, 101, float("nan"), float("inf"), "1", None]
)
def test_a_saved_temperature_out_of_its_range_is_refused(value):
    model = FittedModel(objective=SingleLabel(("a", "b")), constant_baseline=[0])
    saved = model.shared_description()
    message = "temperature must be a number from 0.01 to 100"
    with pytest.raises(ModelFileError, match=message):
        FittedModel.shared_fields(saved | {"temperature": value})
    assert FittedModel.shared_fields(saved)["temperature"] == 1


SINGLE, MULTI = SingleLabel(("a", "b")), MultiLabel(("a", "b"))


@pytest.mark.parametrize(
    ("objective", "logits", "temperature"),
    [
        (SINGLE, [[0.0, float("nan")]], 1.0),
        (SINGLE, [[0.0, float("inf")]], 1.0),
        (SINGLE, [[0.0, 3e38]], 0.01),
        (MULTI, [[0.0, float("inf")]], 1.0),
        (MULTI, [[0.0, -3e38]], 0.01),
        (Numeric(), [[float("nan")]], 1.0),
        (Numeric(0.0, 1e300), [[3e38]], 1.0),
    ],
)
def test_outputs_that_are_not_finite_are_no_prediction(objective, logits, temperature):
    model: Any = PointClassifier()
    model.model_ = FittedModel(objective=objective, temperature=temperature)
    width = objective.outputs
    assert len(model.predict_from_logits(torch.ones(3, width))) == 3
    assert len(model.predict_from_logits(torch.ones(0, width))) == 0
    with pytest.raises(DataError, match="outputs of the model are NaN or infinite"):
        model.predict_from_logits(torch.tensor(logits))


@pytest.mark.parametrize(
    ("objective", "constant", "message"),
    [
        (SINGLE, [], "a list of length 1 with rows from 0 to 1. Got"),
        (SINGLE, [0, 1], "a list of length 1 with rows from 0 to 1. Got"),
        (SINGLE, [2], "a list of length 1 with rows from 0 to 1. Got"),
        (MULTI, [1], "a list of length 2 with rows from 0 to 1. Got"),
        (MULTI, [1, 2], "a list of length 2 with rows from 0 to 1. Got"),
        (Numeric(), [], "a list of length 1 with numbers. Got"),
    ],
)
def test_a_constant_baseline_is_one_of_its_objective(objective, constant, message):
    right = [0.0] * (objective.outputs if objective is MULTI else 1)
    model = FittedModel(objective=objective, constant_baseline=right)
    saved = model.shared_description()
    assert FittedModel.shared_fields(saved)["constant_baseline"] == right
    with pytest.raises(ValueError, match=message):
        FittedModel.shared_fields(saved | {"constant_baseline": constant})


@pytest.mark.parametrize("name", ["b", "1.5", "", "\u0661", "1_0", " 1", "9" * 5000])
def test_integer_classes_are_whole_numbers(name):
    model = FittedModel(
        objective=SingleLabel(("-1", name)), constant_baseline=[0], integer_classes=True
    )
    with pytest.raises(ValueError, match="integer_classes must be false where a class"):
        FittedModel.shared_fields(model.shared_description())
    names = ("-1", "10", "9" * 30)
    model = replace(model, objective=SingleLabel(names))
    FittedModel.shared_fields(model.shared_description())
    assert model.classes.tolist() == [-1, 10, int("9" * 30)]
