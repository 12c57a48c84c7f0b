"""What labels are: one name each, several names, or a number; and the notes on them."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from vicinal.errors import DataError

Kind = Literal["single_label", "multi_label", "numeric", "none"]
Task = Literal["auto", "classification", "multilabel", "regression"]

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "holdout": "test",
}
MISSING = ("nan", "<NA>", "NaT")
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
MOST_CLASSES = 30
"""texts that are more different whole numbers than this measure something"""


def kind_of(labels: Sequence[Any], task: Task) -> Kind:
    """What labels are: numbers that measure, several names each, or one name each."""
    named: dict[str, Kind] = {
        "classification": "single_label",
        "multilabel": "multi_label",
        "regression": "numeric",
    }
    if task != "auto":
        return named[task]
    if any("|" in str(label) for label in labels):
        return "multi_label"
    numbers = [number(label) for label in labels]
    if None in numbers:
        return "single_label"
    few = len(set(numbers)) <= MOST_CLASSES
    return "single_label" if few and _all_whole(numbers) else "numeric"


def mostly_numbers(labels: Sequence[str | None]) -> bool:
    """Whether nine in ten labels are numbers, and too many for names of classes.

    The others are then mistakes in a table of amounts.
    """
    given = [label for label in labels if label is not None]
    numbers = [value for label in given if (value := number(label)) is not None]
    return len(set(numbers)) > MOST_CLASSES and 10 * len(numbers) >= 9 * len(given)


def labels_as(labels: Sequence[Any], kind: Kind) -> np.ndarray:
    """Labels [N] as composed texts (NFC), or as numbers; DataError for no number."""
    if kind != "numeric":
        texts = [unicodedata.normalize("NFC", str(label)) for label in labels]
        return np.array(texts, dtype=object)
    numbers = [number(label) for label in labels]
    if None in numbers:
        bad = labels[numbers.index(None)]
        raise DataError(
            f"--task regression wants numbers as labels and got {bad!r}. Name the "
            "column with --target, or train with --task classification."
        )
    return np.array(numbers, dtype=np.float64)


def with_points(labels: Sequence[str | None]) -> tuple[list[str | None], list[str]]:
    """Labels with a point for a decimal comma, and a note where that was done.

    Only where every label is a number once its comma is a point. DataError where all
    commas stand before three digits, which may be thousands (1,250) as well.
    """
    commas = [k for k in labels if k is not None and DECIMAL_COMMA.fullmatch(k)]
    read = [k.replace(",", ".") if k in set(commas) else k for k in labels]
    if not commas or any(k is not None and number(k) is None for k in read):
        return list(labels), []
    if all(THOUSANDS.fullmatch(k) for k in commas):
        raise DataError(
            f"The label {commas[0]!r} may be a decimal number or thousands. Write it "
            f"as {commas[0].replace(',', '.')} or {commas[0].replace(',', '')}."
        )
    point = commas[0].replace(",", ".")
    return read, [f"labels have a decimal comma: {commas[0]} is read as {point}"]


def number(label: Any) -> float | None:
    """A label as a finite number; None where it is none."""
    if "_" in str(label):  # python reads 1_000 as a number, a table does not
        return None
    try:
        value = float(label)
    except (TypeError, ValueError):
        return None
    return value if np.isfinite(value) else None


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN or pandas' NA; the texts `None`, `nan` are not."""
    return value is None or (not isinstance(value, str) and str(value) in MISSING)


def taken_as_amounts(labels: np.ndarray, kind: Kind, task: Task) -> list[str]:
    """A note where whole numbers, which may name classes, were taken as amounts."""
    if task != "auto" or kind != "numeric" or not _all_whole(labels.tolist()):
        return []
    return [
        f"the labels are {len(np.unique(labels))} different whole numbers and are "
        "taken as amounts (regression); if they name classes, say --task classification"
    ]


def look_alikes(classes: set[str]) -> list[str]:
    """A note for each set of class names that differ only in case or spaces."""
    same: dict[str, list[str]] = {}
    for name in sorted(classes):
        same.setdefault(" ".join(name.casefold().split()), []).append(name)
    alike = [names for names in same.values() if len(names) > 1]
    return [
        f"classes whose names differ only in case or spaces: {some(names)}; "
        "they are kept apart, rename one if they are one class"
        for names in alike
    ]


def one_sided(labels: Sequence[str], split: Sequence[str]) -> list[str]:
    """A note for each class that is in train and not in val or test, or the reverse."""
    classes: dict[str, set[str]] = {}
    for label, part in zip(labels, split, strict=True):
        classes.setdefault(part, set()).add(label)
    train, notes = classes.get("train", set()), []
    for part in ("val", "test"):
        there = classes.get(part, set())
        if train and there - train:
            extra = some(sorted(there - train))
            notes.append(f"classes in {part} that train does not have: {extra}")
        if there and train - there:
            missing = some(sorted(train - there))
            notes.append(f"classes in train that {part} does not have: {missing}")
    return notes


def some(names: Sequence[str], most: int = 5) -> str:
    """The first names in quotes, and how many more there are."""
    shown = ", ".join(repr(name) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def _all_whole(numbers: Sequence[float | None]) -> bool:
    return all(n is not None and float(n).is_integer() for n in numbers)
