"""Labels as targets: classes are matched by name, in every split and every table."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from vicinal.core.data.label_parsing import check_labels_repeat
from vicinal.core.data.labels import Kind
from vicinal.core.data.splits import TEST, TRAIN, UNUSED
from vicinal.core.objective import MultiLabel, Numeric, Objective, SingleLabel
from vicinal.core.text import pluralize
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
    def kind(self) -> Kind:
        """Return the kind of the labels."""
        ...

    def __len__(self) -> int: ...


class SplitData(LabelledData, Protocol):
    """Labelled data that may come with a split of the user's."""

    @property
    def split(self) -> np.ndarray | None:
        """Return [N] train, val, test, or "" where not given; None: no split."""
        ...

    @property
    def notes(self) -> list[str]:
        """Return what the reader of the data noticed; more may be appended."""
        ...


def check_label_kind(
    kind: Kind, kinds: Sequence[Kind], estimator: str, unit: str
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


def objective_and_split(
    data: SplitData, split: np.ndarray, label_smoothing: float, unit: str
) -> tuple[Objective, np.ndarray]:
    """Return the objective, and the split [N] without examples of unknown classes.

    Classes that the train split lacks are unknown; the notes of the data name them.
    DataError if all labels differ, and as for `make_objective`.
    """
    if data.kind == "single_label" and data.label_mask.all():
        check_labels_repeat(data.labels)
    objective = make_objective(data, split == TRAIN, label_smoothing, unit)
    unknown = data.label_mask & ~usable_rows(data, objective)
    if unknown.any():
        names = ", ".join(sorted(set(data.labels[unknown])))
        data.notes.append(f"classes without a training {unit}, left out: {names}")
    return objective, np.where(unknown, UNUSED, split)


def rows_to_score(
    data: SplitData, objective: Objective, unit: str
) -> tuple[np.ndarray, list[str]]:
    """Return the indices of the examples to evaluate a model on, and notes.

    Those of the test split if the data have one, of classes that the model knows.
    ClassError if there are none.
    """
    scored, notes = data.label_mask, []
    if data.split is not None and (data.split == TEST).any():
        scored = scored & (data.split == TEST)
        notes.append(f"only {unit}s of the test split are scored")
    usable = scored & usable_rows(data, objective)
    left_out = int((scored & ~usable).sum())
    if left_out:
        notes.append(f"{pluralize(left_out, unit)} of unknown classes left out")
    check_known_class(usable, objective, unit)
    return np.flatnonzero(usable), notes


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
