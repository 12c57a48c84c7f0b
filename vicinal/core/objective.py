"""What is learned: one label per example, several labels, or a number.

An objective knows how labels become targets, which loss the network minimises, how
its outputs become predictions, and by which score they are judged.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vicinal.core import metrics
from vicinal.core.metrics import Groups, Score
from vicinal.errors import ClassError

NO_LABEL = "-"
"""in a table of several labels: an example that has none of them"""


@dataclass(frozen=True)
class SingleLabel:
    """One of K classes per example: softmax and cross-entropy."""

    classes: tuple[str, ...]
    label_smoothing: float = 0.0
    weights: tuple[float, ...] = ()
    """loss weight of each class; empty: all 1"""

    kind: ClassVar[str] = "single_label"
    metric: ClassVar[str] = "accuracy"
    distance_name: ClassVar[str] = "Brier score"

    @property
    def outputs(self) -> int:
        return len(self.classes)

    def encode(self, labels: Collection[Any]) -> np.ndarray:
        """Class rows [N] of class names; ClassError for a name that is not known."""
        rows = {name: row for row, name in enumerate(self.classes)}
        _check_names((str(label) for label in labels), rows)
        return np.array([rows[str(label)] for label in labels], dtype=np.int64)

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        weight = logits.new_tensor(self.weights) if self.weights else None
        smooth = self.label_smoothing
        return F.cross_entropy(logits, y, weight, label_smoothing=smooth)

    def mass(self, y: Tensor) -> float:
        """What a batch's mean loss weighs beside another's."""
        rows = y.tolist()
        return sum(self.weights[k] for k in rows) if self.weights else float(len(rows))

    def predict(self, logits: Tensor) -> np.ndarray:
        """Probabilities [N, K]; each row sums to 1."""
        return torch.softmax(logits.double(), dim=1).numpy()

    def decide(self, predicted: np.ndarray) -> np.ndarray:
        """The class row [N] of largest probability."""
        return predicted.argmax(axis=1)

    def distance(self, y: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """From the truth [N]: sum_k (p_k - [y = k])^2, 0..2 (Brier 1950)."""
        return ((predicted - np.eye(self.outputs)[y]) ** 2).sum(axis=1)

    def decode(self, predicted: np.ndarray) -> list[str]:
        return [self.classes[row] for row in self.decide(predicted)]

    def measure(self, y: np.ndarray, predicted: np.ndarray) -> float:
        return float((self.decide(predicted) == y).mean())

    def score(
        self, y: np.ndarray, decided: np.ndarray, together: Groups = None
    ) -> Score:
        return metrics.accuracy(y, decided, together)

    def more_scores(
        self, y: np.ndarray, decided: np.ndarray, together: Groups = None
    ) -> list[Score]:
        f1 = metrics.f1_macro
        return [metrics.bootstrap("f1_macro", f1, y, decided, together)]

    def constant(self, y: np.ndarray) -> int:
        """The best answer that never looks: the most frequent class of y [N]."""
        return int(np.bincount(y, minlength=self.outputs).argmax())

    def balanced(self, y: np.ndarray) -> "SingleLabel":
        """The same objective with every class of y counting the same.

        A class that y lacks keeps weight 1: smoothing would let a large one rule.
        """
        counts = np.bincount(y, minlength=self.outputs)
        weights = len(y) / (np.count_nonzero(counts) * np.maximum(counts, 1))
        weights[counts == 0] = 1
        return SingleLabel(self.classes, self.label_smoothing, tuple(weights.tolist()))


@dataclass(frozen=True)
class MultiLabel:
    """Any number of K labels per example: K sigmoids and binary cross-entropy."""

    classes: tuple[str, ...]
    weights: tuple[float, ...] = ()
    """loss weight of each label's presence; empty: all 1"""

    kind: ClassVar[str] = "multi_label"
    metric: ClassVar[str] = "f1_micro"
    distance_name: ClassVar[str] = "Brier score"

    @property
    def outputs(self) -> int:
        return len(self.classes)

    def encode(self, labels: Collection[Any]) -> np.ndarray:
        """0/1 marks [N, K]; a label is a list of names or one text `a|b`."""
        rows = {name: row for row, name in enumerate(self.classes)}
        marks = np.zeros((len(labels), len(rows)), dtype=np.float32)
        for mark, label in zip(marks, labels, strict=True):
            names = split_labels(label)
            _check_names(names, rows)
            mark[[rows[name] for name in names]] = 1
        return marks

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        weight = logits.new_tensor(self.weights) if self.weights else None
        return F.binary_cross_entropy_with_logits(logits, y, pos_weight=weight)

    def mass(self, y: Tensor) -> float:
        """What a batch's mean loss weighs beside another's."""
        return float(len(y))

    def predict(self, logits: Tensor) -> np.ndarray:
        """Probability of each label [N, K], each by itself."""
        return torch.sigmoid(logits.double()).numpy()

    def decide(self, predicted: np.ndarray) -> np.ndarray:
        return (predicted >= 0.5).astype(np.int64)

    def distance(self, y: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """From the truth [N]: sum_k (p_k - y_k)^2, 0..K (Brier 1950)."""
        return ((predicted - y) ** 2).sum(axis=1)

    def decode(self, predicted: np.ndarray) -> list[str]:
        return [self._text(marks) for marks in self.decide(predicted)]

    def _text(self, marks: np.ndarray) -> str:
        return "|".join(self.classes[k] for k in np.flatnonzero(marks)) or NO_LABEL

    def measure(self, y: np.ndarray, predicted: np.ndarray) -> float:
        return metrics.f1_micro(y, self.decide(predicted))

    def score(
        self, y: np.ndarray, decided: np.ndarray, together: Groups = None
    ) -> Score:
        f1 = metrics.f1_micro
        return metrics.bootstrap("f1_micro", f1, y, decided, together)

    def more_scores(
        self, y: np.ndarray, decided: np.ndarray, together: Groups = None
    ) -> list[Score]:
        exact = (np.asarray(y) == decided).all(axis=1)
        right = metrics.accuracy(np.ones(len(exact)), exact, together)
        return [right._replace(metric="all_labels_right")]

    def constant(self, y: np.ndarray) -> np.ndarray:
        """The best answer that never looks: marks [K] of the most frequent labels.

        As many of them as give y [N, K] the largest micro F1, which for the first k
        is 2 TP / (marks of y + N k).
        """
        counts = y.sum(axis=0)
        order = np.argsort(-counts, kind="stable")
        said = len(y) * np.arange(1, len(order) + 1)
        f1 = 2 * np.cumsum(counts[order]) / (counts.sum() + said)
        marks = np.zeros(len(order), dtype=np.int64)
        marks[order[: f1.argmax() + 1]] = 1
        return marks

    def balanced(self, y: np.ndarray) -> "MultiLabel":
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

    kind: ClassVar[str] = "numeric"
    metric: ClassVar[str] = "mae"
    distance_name: ClassVar[str] = "mean absolute error"

    @property
    def outputs(self) -> int:
        return 1

    @classmethod
    def of(cls, y: np.ndarray) -> "Numeric":
        """The objective for targets like y [N]: their mean and spread are kept."""
        return cls(float(y.mean()), float(y.std()) or 1.0)

    def encode(self, labels: Collection[Any]) -> np.ndarray:
        return np.asarray(labels, dtype=np.float64)

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        z = (y - self.mean) / self.std
        return F.mse_loss(logits.squeeze(1), z.to(logits.dtype))

    def mass(self, y: Tensor) -> float:
        """What a batch's mean loss weighs beside another's."""
        return float(len(y))

    def predict(self, logits: Tensor) -> np.ndarray:
        """The number [N], in the unit of the target."""
        return (logits.double().squeeze(1) * self.std + self.mean).numpy()

    def decide(self, predicted: np.ndarray) -> np.ndarray:
        return predicted

    def distance(self, y: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """From the truth [N], in the unit of the target: the absolute error."""
        return np.abs(predicted - y)

    def decode(self, predicted: np.ndarray) -> list[float]:
        return predicted.tolist()

    def measure(self, y: np.ndarray, predicted: np.ndarray) -> float:
        return metrics.mae(y, predicted)

    def score(
        self, y: np.ndarray, decided: np.ndarray, together: Groups = None
    ) -> Score:
        return metrics.mean_error(y, decided, together)

    def more_scores(
        self, y: np.ndarray, decided: np.ndarray, together: Groups = None
    ) -> list[Score]:
        others = (("rmse", metrics.rmse), ("r2", metrics.r2))
        return [metrics.bootstrap(name, f, y, decided, together) for name, f in others]

    def constant(self, y: np.ndarray) -> float:
        """The median of y [N], the constant of least absolute error."""
        return float(np.median(y))

    def balanced(self, y: np.ndarray) -> "Numeric":
        return self


Objective = SingleLabel | MultiLabel | Numeric

KINDS: dict[str, type[SingleLabel] | type[MultiLabel] | type[Numeric]] = {
    kind.kind: kind for kind in (SingleLabel, MultiLabel, Numeric)
}


def split_labels(label: Any) -> list[str]:
    """Names in one multi-label cell: `a|b` (or a list) gives [a, b]; `-` gives []."""
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


def _check_names(labels: Any, known: dict[str, int]) -> None:
    strange = sorted({str(label) for label in labels} - set(known))
    if strange:
        raise ClassError(
            f"The model does not know {_list(strange)}. It knows {_list(list(known))}. "
            "Classes are matched by name: rename, or train with them."
        )


def _list(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:20])
    return shown + (f" and {len(names) - 20} more" if len(names) > 20 else "")
