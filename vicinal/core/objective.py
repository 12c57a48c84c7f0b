"""Objectives: classification with one or several labels, regression of one or several
numbers.

An objective encodes labels as targets, and defines the loss, the predictions and the
metric.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vicinal.core import metrics
from vicinal.core.data.labels import Kind
from vicinal.core.metrics import Groups, Score
from vicinal.core.storage.schema import ListOf, Number, Object, OneOf, Text
from vicinal.errors import ClassError, DataError

NO_LABEL = "-"
"""the label of an example without any label (multi-label)"""


MAX_TARGET = 1e70
"""largest magnitude of numeric labels: scores take the fourth power of errors"""


@dataclass(frozen=True)
class SingleLabel:
    """One of K classes per example: softmax and cross-entropy."""

    classes: tuple[str, ...]
    label_smoothing: float = 0.0
    weights: tuple[float, ...] = ()
    """loss weight of each class; empty: all 1"""

    kind: ClassVar[Kind] = "single_label"
    metric: ClassVar[str] = "accuracy"
    distance_name: ClassVar[str] = "Brier score"

    @property
    def outputs(self) -> int:
        return len(self.classes)

    def encode(self, labels: Collection[Any]) -> np.ndarray:
        """Return class rows [N] of class names; ClassError for an unknown name."""
        rows = {name: row for row, name in enumerate(self.classes)}
        _check_names((str(label) for label in labels), rows)
        return np.array([rows[str(label)] for label in labels], dtype=np.int64)

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        weight = logits.new_tensor(self.weights) if self.weights else None
        smooth = self.label_smoothing
        return F.cross_entropy(logits, y, weight, label_smoothing=smooth)

    def batch_weight(self, y: Tensor) -> float:
        """Return the weight of a batch's mean loss in a mean over batches."""
        rows = y.tolist()
        return sum(self.weights[k] for k in rows) if self.weights else float(len(rows))

    def predict(self, logits: Tensor) -> np.ndarray:
        """Return probabilities [N, K]; each row sums to 1."""
        return torch.softmax(logits.double(), dim=1).numpy()

    def decide(self, predicted: np.ndarray) -> np.ndarray:
        """Return the class rows [N] of largest probability."""
        return predicted.argmax(axis=1)

    def distance(self, y: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Return Brier scores [N]: sum_k (p_k - [y = k])^2, 0..2 (Brier 1950)."""
        return ((predicted - np.eye(self.outputs)[y]) ** 2).sum(axis=1)

    def decode(self, predicted: np.ndarray) -> list[str]:
        return [self.classes[row] for row in self.decide(predicted)]

    def metric_value(self, y: np.ndarray, predicted: np.ndarray) -> float:
        return float((self.decide(predicted) == y).mean())

    def score(
        self, y: np.ndarray, decisions: np.ndarray, groups: Groups = None
    ) -> Score:
        return metrics.accuracy(y, decisions, groups)

    def secondary_scores(
        self, y: np.ndarray, decisions: np.ndarray, groups: Groups = None
    ) -> list[Score]:
        f1 = metrics.f1_macro
        return [metrics.bootstrap("f1_macro", f1, y, decisions, groups)]

    def constant_baseline(self, y: np.ndarray) -> int:
        """Return the best constant prediction: the most frequent class of y [N]."""
        return int(np.bincount(y, minlength=self.outputs).argmax())

    def with_class_weights(self, y: np.ndarray) -> "SingleLabel":
        """Return the objective with loss weights that balance the classes of y.

        A class without examples keeps weight 1, because label smoothing uses it too.
        """
        counts = np.bincount(y, minlength=self.outputs)
        weights = len(y) / (np.count_nonzero(counts) * np.maximum(counts, 1))
        weights[counts == 0] = 1
        return SingleLabel(self.classes, self.label_smoothing, tuple(weights.tolist()))


@dataclass(frozen=True)
class MultiLabel:
    """Any number of K labels per example: K sigmoids and binary cross-entropy.

    A target that is NaN is unknown: it is not part of the loss.
    """

    classes: tuple[str, ...]
    weights: tuple[float, ...] = ()
    """loss weight of the positive examples of each label; empty: all 1"""

    kind: ClassVar[Kind] = "multi_label"
    metric: ClassVar[str] = "f1_micro"
    distance_name: ClassVar[str] = "Brier score"

    @property
    def outputs(self) -> int:
        return len(self.classes)

    def encode(self, labels: Collection[Any]) -> np.ndarray:
        """Return indicators [N, K]; a label is a list of names or one text `a|b`."""
        rows = {name: row for row, name in enumerate(self.classes)}
        y = np.zeros((len(labels), len(rows)), dtype=np.float32)
        for indicators, label in zip(y, labels, strict=True):
            names = split_labels(label)
            _check_names(names, rows)
            indicators[[rows[name] for name in names]] = 1
        return y

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        weight = logits.new_tensor(self.weights) if self.weights else None
        loss = F.binary_cross_entropy_with_logits
        if not y.isnan().any():
            return loss(logits, y, pos_weight=weight)
        known = y.nan_to_num()
        return mean_of_known(
            loss(logits, known, pos_weight=weight, reduction="none"), y
        )

    def batch_weight(self, y: Tensor) -> float:
        """Return the weight of a batch's mean loss in a mean over batches."""
        return float(len(y))

    def predict(self, logits: Tensor) -> np.ndarray:
        """Return the probability of each label [N, K]."""
        return torch.sigmoid(logits.double()).numpy()

    def decide(self, predicted: np.ndarray) -> np.ndarray:
        return (predicted >= 0.5).astype(np.int64)

    def distance(self, y: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Return Brier scores [N]: sum_k (p_k - y_k)^2, 0..K (Brier 1950)."""
        return ((predicted - y) ** 2).sum(axis=1)

    def decode(self, predicted: np.ndarray) -> list[str]:
        return [self._join(row) for row in self.decide(predicted)]

    def _join(self, indicators: np.ndarray) -> str:
        return "|".join(self.classes[k] for k in np.flatnonzero(indicators)) or NO_LABEL

    def metric_value(self, y: np.ndarray, predicted: np.ndarray) -> float:
        return metrics.f1_micro(y, self.decide(predicted))

    def score(
        self, y: np.ndarray, decisions: np.ndarray, groups: Groups = None
    ) -> Score:
        f1 = metrics.f1_micro
        return metrics.bootstrap("f1_micro", f1, y, decisions, groups)

    def secondary_scores(
        self, y: np.ndarray, decisions: np.ndarray, groups: Groups = None
    ) -> list[Score]:
        exact = (np.asarray(y) == decisions).all(axis=1)
        subset = metrics.accuracy(np.ones(len(exact)), exact, groups)
        return [subset._replace(metric="all_labels_right")]

    def constant_baseline(self, y: np.ndarray) -> np.ndarray:
        """Return the best constant prediction: indicators [K] of the frequent labels.

        As many as maximise micro F1 on y [N, K], which for the first k is
        2 TP / (labels of y + N k).
        """
        counts = y.sum(axis=0)
        order = np.argsort(-counts, kind="stable")
        predicted = len(y) * np.arange(1, len(order) + 1)
        f1 = 2 * np.cumsum(counts[order]) / (counts.sum() + predicted)
        indicators = np.zeros(len(order), dtype=np.int64)
        indicators[order[: f1.argmax() + 1]] = 1
        return indicators

    def with_class_weights(self, y: np.ndarray) -> "MultiLabel":
        present = y.sum(axis=0)
        weights = (len(y) - present) / np.maximum(present, 1)
        return MultiLabel(self.classes, tuple(np.maximum(weights, 1e-3).tolist()))


@dataclass(frozen=True)
class Numeric:
    """A number per example: squared error on the standardised target."""

    mean: float = 0.0
    std: float = 1.0
    unit: str = ""
    classes: tuple[str, ...] = field(default=(), repr=False)

    kind: ClassVar[Kind] = "numeric"
    metric: ClassVar[str] = "mae"
    distance_name: ClassVar[str] = "mean absolute error"

    @property
    def outputs(self) -> int:
        return 1

    @classmethod
    def from_targets(cls, y: np.ndarray) -> "Numeric":
        """Return the objective with the mean and standard deviation of y [N].

        DataError for numbers whose squares are not finite, or 0 though they differ.
        """
        largest = float(np.abs(y).max(initial=0.0))
        spread = float(np.ptp(y)) if largest <= MAX_TARGET else 0.0
        if largest > MAX_TARGET or 0 < spread < 1 / MAX_TARGET:
            raise DataError(
                f"Numeric labels must be numbers from -{MAX_TARGET:g} to "
                f"{MAX_TARGET:g} that differ by more than {1 / MAX_TARGET:g}. Got "
                f"numbers up to {largest:g} that differ by up to {np.ptp(y):g}. Give "
                "them in another unit."
            )
        return cls(float(y.mean()), float(y.std()) or 1.0)

    def encode(self, labels: Collection[Any]) -> np.ndarray:
        return np.asarray(labels, dtype=np.float64)

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        z = (y - self.mean) / self.std
        return F.mse_loss(logits.squeeze(1), z.to(logits.dtype))

    def batch_weight(self, y: Tensor) -> float:
        """Return the weight of a batch's mean loss in a mean over batches."""
        return float(len(y))

    def predict(self, logits: Tensor) -> np.ndarray:
        """Return numbers [N] in the unit of the target."""
        return (logits.double().squeeze(1) * self.std + self.mean).numpy()

    def decide(self, predicted: np.ndarray) -> np.ndarray:
        return predicted

    def distance(self, y: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Return absolute errors [N] in the unit of the target."""
        return np.abs(predicted - y)

    def decode(self, predicted: np.ndarray) -> list[float]:
        return predicted.tolist()

    def metric_value(self, y: np.ndarray, predicted: np.ndarray) -> float:
        return metrics.mae(y, predicted)

    def score(
        self, y: np.ndarray, decisions: np.ndarray, groups: Groups = None
    ) -> Score:
        return metrics.mean_absolute_error(y, decisions, groups)

    def secondary_scores(
        self, y: np.ndarray, decisions: np.ndarray, groups: Groups = None
    ) -> list[Score]:
        others = (("rmse", metrics.rmse), ("r2", metrics.r2))
        return [metrics.bootstrap(name, f, y, decisions, groups) for name, f in others]

    def constant_baseline(self, y: np.ndarray) -> float:
        """Return the median of y [N], the constant of least absolute error."""
        return float(np.median(y))

    def with_class_weights(self, y: np.ndarray) -> "Numeric":
        return self


@dataclass(frozen=True)
class MultiNumeric:
    """T numbers per example: squared errors on the standardised targets.

    A target that is NaN is unknown: it is not part of the loss.
    """

    names: tuple[str, ...]
    means: tuple[float, ...]
    stds: tuple[float, ...]
    classes: tuple[str, ...] = field(default=(), repr=False)

    kind: ClassVar[Kind] = "multi_numeric"
    metric: ClassVar[str] = "nrmse"
    distance_name: ClassVar[str] = "mean squared standardised error"

    @property
    def outputs(self) -> int:
        return len(self.names)

    @classmethod
    def from_targets(cls, names: Collection[str], y: np.ndarray) -> "MultiNumeric":
        """Return the objective of targets y [N, T], as `Numeric.from_targets`."""
        each = [Numeric.from_targets(column[~np.isnan(column)]) for column in y.T]
        means, stds = tuple(k.mean for k in each), tuple(k.std for k in each)
        return cls(tuple(names), means, stds)

    def encode(self, labels: Collection[Any]) -> np.ndarray:
        return np.asarray(labels, dtype=np.float64)

    def standardize(self, y: np.ndarray) -> np.ndarray:
        """Return targets [N, T] in standard deviations from their means."""
        return (y - np.array(self.means)) / np.array(self.stds)

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        z = (y - y.new_tensor(self.means)) / y.new_tensor(self.stds)
        errors = (logits - z.nan_to_num().to(logits.dtype)) ** 2
        return mean_of_known(errors, y)

    def batch_weight(self, y: Tensor) -> float:
        """Return the weight of a batch's mean loss in a mean over batches."""
        return float(len(y))

    def predict(self, logits: Tensor) -> np.ndarray:
        """Return numbers [N, T] in the units of the targets."""
        z = logits.double().numpy()
        return z * np.array(self.stds) + np.array(self.means)

    def decide(self, predicted: np.ndarray) -> np.ndarray:
        return predicted

    def distance(self, y: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Return mean squared standardised errors [N]; NaN without any target."""
        return row_mean(((predicted - y) / np.array(self.stds)) ** 2)

    def decode(self, predicted: np.ndarray) -> list[list[float]]:
        return predicted.tolist()

    def metric_value(self, y: np.ndarray, predicted: np.ndarray) -> float:
        """Return the root mean squared standardised error, averaged over targets."""
        errors = ((predicted - y) / np.array(self.stds)) ** 2
        return float(np.sqrt(row_mean(errors.T)).mean())

    def score(
        self, y: np.ndarray, decisions: np.ndarray, groups: Groups = None
    ) -> Score:
        return metrics.bootstrap("nrmse", self.metric_value, y, decisions, groups)

    def secondary_scores(
        self, y: np.ndarray, decisions: np.ndarray, groups: Groups = None
    ) -> list[Score]:
        return []

    def constant_baseline(self, y: np.ndarray) -> np.ndarray:
        """Return the means [T], the constants of least squared error."""
        return np.array(self.means)

    def with_class_weights(self, y: np.ndarray) -> "MultiNumeric":
        return self


Objective = SingleLabel | MultiLabel | Numeric | MultiNumeric

CLASSES = ListOf(Text(), 1, unique=True)
SCHEMA = OneOf(
    "kind",
    {
        "single_label": Object(
            {
                "classes": CLASSES,
                "label_smoothing": Number(0, 1),
                "weights": ListOf(Number(above=0)),
            }
        ),
        "multi_label": Object({"classes": CLASSES, "weights": ListOf(Number(above=0))}),
        "numeric": Object(
            {
                "mean": Number(-10 * MAX_TARGET, 10 * MAX_TARGET),
                "std": Number(above=0, high=10 * MAX_TARGET),
                "unit": Text(),
                "classes": ListOf(Text(), 0, 0),
            }
        ),
        "multi_numeric": Object(
            {
                "names": ListOf(Text(), 1, unique=True),
                "means": ListOf(Number(-10 * MAX_TARGET, 10 * MAX_TARGET), 1),
                "stds": ListOf(Number(above=0, high=10 * MAX_TARGET), 1),
                "classes": ListOf(Text(), 0, 0),
            }
        ),
    },
)
"""schema of what `to_dict` returns"""

KINDS: dict[str, Callable[..., Objective]] = {
    kind.kind: kind for kind in (SingleLabel, MultiLabel, Numeric, MultiNumeric)
}


def mean_of_known(losses: Tensor, y: Tensor) -> Tensor:
    """Return the mean of losses [N, K] whose target y [N, K] is not NaN; 0 for none."""
    known = ~y.isnan()
    return (losses * known).sum() / known.sum().clamp(min=1)


def row_mean(values: np.ndarray) -> np.ndarray:
    """Return the mean of each row of values [N, K] but for NaN; NaN where all are."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0).sum(axis=1)
    return np.where(known.any(axis=1), total, np.nan) / np.maximum(known.sum(axis=1), 1)


def split_labels(label: Any) -> list[str]:
    """Return the names in a multi-label cell: `a|b` gives [a, b]; `-` gives []."""
    names = label.split("|") if isinstance(label, str) else [str(k) for k in label]
    return [name.strip() for name in names if name.strip() not in ("", NO_LABEL)]


def to_dict(objective: Objective) -> dict[str, Any]:
    values = {name: getattr(objective, name) for name in objective.__dict__}
    return {"kind": objective.kind, **values}


def from_dict(values: dict[str, Any]) -> Objective:
    rest: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
    }
    return KINDS[rest.pop("kind")](**rest)


def _check_names(labels: Any, classes: dict[str, int]) -> None:
    unknown = sorted({str(label) for label in labels} - set(classes))
    if unknown:
        raise ClassError(
            f"Unknown classes: {_list(unknown)}. The model's classes are "
            f"{_list(list(classes))}. Classes are matched by name: rename them, or "
            "train with them."
        )


def _list(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:20])
    return shown + (f" and {len(names) - 20} more" if len(names) > 20 else "")
