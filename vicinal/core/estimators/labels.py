"""Labels as targets: classes are matched by name, in every split and every table."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from vicinal.core.objective import MultiLabel, Numeric, Objective, SingleLabel
from vicinal.errors import ClassError, DataError


class LabelledData(Protocol):
    """Examples with labels: the nodes of a graph, graphs, or images."""

    @property
    def labels(self) -> Any:
        """Return [N] class names, texts `a|b`, or numbers; None where missing."""
        ...

    @property
    def label_mask(self) -> np.ndarray:
        """Return [N] bool: examples with a label."""
        ...

    @property
    def kind(self) -> str:
        """Return `single_label`, `multi_label`, `numeric` or `none`."""
        ...

    def __len__(self) -> int: ...


def check_label_kind(
    kind: str, kinds: Sequence[str], estimator: str, unit: str
) -> None:
    """Raise DataError where labels are missing or of a kind that does not fit."""
    if kind == "none":
        raise DataError(
            f"No {unit} has a label. Pass labels as y, put them into a column `label`, "
            "or name their column with target."
        )
    if kind not in kinds:
        other = estimator.replace("Classifier", "Regressor")
        hint = f" Use {other} to predict numbers." if kind == "numeric" else ""
        raise DataError(
            f"{estimator} expects {' or '.join(kinds)} labels. Got {kind} labels.{hint}"
        )


def make_objective(
    data: LabelledData, train_mask: np.ndarray, label_smoothing: float, unit: str
) -> Objective:
    """Return the objective for labels of this kind; classes are those of train_mask.

    The names of several labels per example are those of all labelled examples.
    """
    train_labels = data.labels[train_mask]
    if data.kind == "numeric":
        return Numeric.from_targets(train_labels.astype(float))
    if data.kind == "multi_label":
        texts = data.labels[data.label_mask]
        return MultiLabel(tuple(sorted({k for text in texts for k in text.split("|")})))
    classes = tuple(sorted(set(train_labels)))
    if len(classes) < 2:
        raise DataError(
            f"All labelled {unit}s of the train split are of one class "
            f"({', '.join(classes)}). A classifier needs two or more classes."
        )
    return SingleLabel(classes, label_smoothing)


def usable_rows(data: LabelledData, objective: Objective) -> np.ndarray:
    """Return [N] bool: examples with a label that the objective knows."""
    if data.labels is None or objective.kind != "single_label":
        return data.label_mask
    classes = set(objective.classes)
    return np.array([label in classes for label in data.labels], dtype=bool)


def check_known_class(usable: np.ndarray, objective: Objective, unit: str) -> None:
    """Raise ClassError if no example [N bool] is of a class that the model knows."""
    if not usable.any():
        raise ClassError(
            f"No {unit} is of a class that the model knows. Known: "
            f"{', '.join(objective.classes)}."
        )


def encode_labels(data: LabelledData, objective: Objective) -> np.ndarray:
    """Return targets [N] or [N, K]; 0 where there is no usable label."""
    n = len(data)
    if objective.kind == "single_label":
        y = np.zeros(n, np.int64)
    elif objective.kind == "multi_label":
        y = np.zeros((n, objective.outputs), np.float32)
    else:
        y = np.zeros(n)
    if data.labels is not None:
        usable = usable_rows(data, objective)
        y[usable] = objective.encode(data.labels[usable].tolist())
    return y


def decode_targets(objective: Objective, y: np.ndarray) -> list[Any]:
    """Return the labels of targets y: class names, texts `a|b`, or numbers."""
    if objective.kind == "single_label":
        return [objective.classes[row] for row in y.tolist()]
    return objective.decode(y)


def predictions_table(
    objective: Objective,
    names: Sequence[Any] | np.ndarray,
    predicted: np.ndarray,
    labels: Any = None,
    name_column: str = "id",
) -> Any:
    """Return predictions as a DataFrame: name, label (if given), predicted, p_CLASS.

    predicted: probabilities [N, K], or numbers [N].
    """
    import pandas as pd

    columns: dict[str, Any] = {name_column: list(names)}
    if labels is not None:
        columns["label"] = list(labels)
    columns["predicted"] = objective.decode(predicted)
    if objective.kind == "single_label":
        columns["probability"] = predicted.max(axis=1).round(5)
    for k, name in enumerate(objective.classes):
        columns[f"p_{name}"] = predicted[:, k].round(5)
    return pd.DataFrame(columns)
