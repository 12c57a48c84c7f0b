"""Labels of examples, parsed from the cells of a column or from an array.

Which labels are classes and which are numbers depends on the task. The cells are kept,
so that `with_task` can parse them again without reading the data twice.
"""

from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import numpy as np

from vicinal.core.data.csv_tables import clean_cell, restore_integers
from vicinal.core.data.label_index import align_labels, is_indexed
from vicinal.core.data.labels import (
    Kind,
    Task,
    convert_labels,
    detect_label_kind,
    mostly_numbers,
    note_mixed_types,
    note_numeric_labels,
    note_rare_class,
    note_similar_class_names,
    parse_number,
    remove_unlabelled,
    replace_decimal_commas,
)
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.text import pluralize
from vicinal.errors import DataError

MANY_CLASSES = 10
"""above this number of classes whose names are integers, a note says so"""

FEW_LABELS = 4
"""up to this number of labels, all of them may differ"""


class Labels(NamedTuple):
    """Parsed labels of N examples."""

    values: np.ndarray | None
    """[N] class names, texts `a|b` (multi-label), or numbers; None where unlabelled"""

    kind: Kind
    whole_numbers: bool
    """True if the class names were given as integers"""

    quarantined: list[Quarantined]
    notes: list[str]
    cells: list[Any] | None = None
    """[N] the labels as they were read"""


D = TypeVar("D", bound=Any)
"""a dataclass with the fields labels, kind, whole_numbers, label_source, quarantined
and notes, such as a table of nodes"""


def with_labels(data: D, labels: Labels) -> D:
    """Return the data with these labels in place of the ones read before."""
    old = data.label_source or no_labels()
    return replace(
        data,
        labels=labels.values,
        kind=labels.kind,
        whole_numbers=labels.whole_numbers,
        label_source=labels,
        quarantined=_without(data.quarantined, old.quarantined) + labels.quarantined,
        notes=_without(data.notes, old.notes) + labels.notes,
    )


def _without(items: list[Any], removed: list[Any]) -> list[Any]:
    return [item for item in items if item not in removed]


def has_label(labels: np.ndarray | None, count: int) -> np.ndarray:
    """Return True for each label that is not None, [count]."""
    if labels is None:
        return np.zeros(count, bool)
    return np.array([label is not None for label in labels], dtype=bool)


def no_labels() -> Labels:
    """Return the labels of a data set without any."""
    return Labels(None, "none", False, [], [])


def parse_labels(names: list[str], cells: Any, task: Task) -> Labels:
    """Parse the cells [N] of a label column; None: there is no such column.

    names: [N], of the examples. Raises DataError if the task is regression and
    no cell is a number.
    """
    if cells is None:
        return no_labels()
    cells = restore_integers(cells)
    labels, notes = remove_unlabelled([clean_cell(cell) for cell in cells], task)
    if task in ("auto", "regression"):
        labels, comma_notes = replace_decimal_commas(labels)
        notes += comma_notes
    given = [label for label in labels if label is not None]
    if not given:
        return no_labels()._replace(notes=[*notes, "no label was found"])
    if task == "regression" and all(parse_number(label) is None for label in given):
        raise DataError(
            f"Labels must be numbers for regression. Got {given[0]!r}. Name another "
            "column as the target, or use classification."
        )
    quarantined = []
    if task == "regression" or (task == "auto" and mostly_numbers(labels)):
        for row, label in enumerate(labels):
            if label is not None and parse_number(label) is None:
                reason = f"the label {label!r} is not a number; treated as unlabelled"
                quarantined.append(Quarantined(names[row], label, reason))
                labels[row] = None
        given = [label for label in labels if label is not None]
    kind = detect_label_kind(given, task)
    converted = convert_labels(given, kind)
    values = np.full(len(labels), None, dtype=object)
    values[[label is not None for label in labels]] = converted
    types = {type(cell) for cell, label in zip(cells, labels, strict=True) if label}
    if kind == "single_label":
        notes += note_similar_class_names(set(given)) + note_mixed_types(cells)
        notes += _note_many_classes(given, task) + note_rare_class(given)
    else:
        notes += note_numeric_labels(converted, kind, task)
    whole_numbers = kind == "single_label" and types == {int}
    return Labels(values, kind, whole_numbers, quarantined, notes, list(cells))


def labels_from_array(names: list[str], y: Any, task: Task, unit: str) -> Labels:
    """Parse labels [N] from a list, array or tensor; from pandas or a dict by name.

    None and NaN mean unlabelled, and what `remove_unlabelled` says. unit: singular
    noun, for messages. Raises DataError for a wrong shape or index.
    """
    if y is None:
        return no_labels()
    import pandas as pd

    y, notes = y.detach().cpu().numpy() if hasattr(y, "detach") else y, []
    if getattr(y, "ndim", None) == 0 or not hasattr(y, "__iter__"):
        raise DataError(
            f"y must have shape [{len(names):,}]. Got one value, {y!s:.80}. Pass a "
            f"list with a label for each {unit}."
        )
    if is_indexed(y):
        y, notes = align_labels(names, y, unit)
    if isinstance(y, np.ndarray) and y.size != len(y):
        raise DataError(
            f"y must have shape [{len(names):,}]. Got {list(y.shape)}. Write several "
            f"labels of one {unit} as one text, a|b."
        )
    cells = list(y.ravel() if isinstance(y, np.ndarray) else y)
    if len(cells) != len(names):
        raise DataError(
            f"y must have a label for each of {pluralize(len(names), unit)}. Got "
            f"{len(cells):,}. Use None where a label is missing."
        )
    labels = parse_labels(names, pd.Series(cells, dtype=object), task)
    return labels._replace(notes=[*notes, *labels.notes])


def with_task(data: D, names: list[str], task: Task) -> D:
    """Return the data with the same labels parsed for another task.

    names: [N], of the examples. Labels that were replaced after reading, and have no
    cells, are parsed from their values. Data without labels are returned as they are.
    """
    if data.labels is None:
        return data
    source = data.label_source
    if source is not None and source.cells is not None and source.values is data.labels:
        cells = source.cells
    else:
        cells = data.labels.tolist()
    return with_labels(data, parse_labels(names, cells, task))


def _note_many_classes(given: list[Any], task: Task) -> list[str]:
    """Return notes if the labels may be identifiers or numbers instead of classes."""
    num_classes, notes = len(set(given)), []
    if num_classes > len(given) / 2 and len(given) > FEW_LABELS:
        notes.append(
            f"{len(given):,} labels have {num_classes:,} different values, such as "
            f"{given[0]!r}. If they are identifiers, name another column with --target."
        )
    numbers = task == "auto" and all(parse_number(label) is not None for label in given)
    if numbers and num_classes > MANY_CLASSES:
        notes.append(
            f"the labels are {num_classes} different integers and are treated as "
            "classes; for regression use --task regression"
        )
    return notes


def check_labels_repeat(labels: np.ndarray | None) -> None:
    """Raise DataError if every label is unique: nothing can be learned from those."""
    if labels is not None and len(set(labels)) == len(labels) > FEW_LABELS:
        raise DataError(
            f"Each of the {len(labels):,} labels is unique, such as {labels[0]!r}, so "
            "they are identifiers and not classes. Name a column of classes with "
            "--target, or use --task regression for numbers."
        )
