"""Labels: their kind (one class, several, a number), parsing and warnings."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, Literal

import numpy as np

from vicinal.core.domain import Task
from vicinal.errors import DataError

Kind = Literal["single_label", "multi_label", "numeric", "multi_numeric", "none"]
TASK_OF_KIND: dict[Kind, str] = {
    "single_label": "classification",
    "multi_label": "multilabel",
    "numeric": "regression",
    "multi_numeric": "regression",
    "none": "none",
}

SPLIT_ALIASES = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "eval": "val",
    "evaluation": "val",
    "test": "test",
    "testing": "test",
    "tst": "test",
    "holdout": "test",
}
MISSING = ("nan", "<NA>", "NaT")
"""texts of missing values of numpy and pandas"""

UNLABELLED = frozenset(
    {"?", "-", "--", ".", "unknown", "unlabelled", "unlabeled", "no label", "undefined"}
)
"""labels, in lower case, that mean none, besides missing cells"""

DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
RARE_FRACTION, MANY_LABELS = 0.05, 100
"""a class below this fraction of at least so many labels is rare, if there are up to 20
classes"""

MAX_INTEGER_CLASSES = 30
"""more distinct integers than this are a regression target"""


def describe_task(kind: Kind, unit: str, labels: np.ndarray | None = None) -> str:
    """Return the task and what the labels are.

    unit: singular of what is labelled; labels: numbers [N], whose range is shown.
    """
    what = {
        "single_label": f"one class per {unit}",
        "multi_label": f"several classes per {unit}",
        "numeric": f"a number per {unit}",
        "multi_numeric": f"several numbers per {unit}",
        "none": "no labels",
    }[kind]
    if kind == "numeric" and labels is not None:
        what += f", {labels.min():g} to {labels.max():g}"
    return f"{TASK_OF_KIND[kind]} ({what})"


def detect_label_kind(labels: Sequence[Any], task: Task) -> Kind:
    """Return the kind of labels: numeric, multi-label or single-label."""
    kinds: dict[str, Kind] = {
        "classification": "single_label",
        "multilabel": "multi_label",
        "regression": "numeric",
    }
    if task != "auto":
        return kinds[task]
    if have_several_classes(labels, task):
        return "multi_label"
    numbers = [parse_number(label) for label in labels]
    if None in numbers:
        return "single_label"
    few = len(set(numbers)) <= MAX_INTEGER_CLASSES
    return "single_label" if few and _all_integers(numbers) else "numeric"


def have_several_classes(labels: Sequence[Any], task: Task) -> bool:
    """Return whether a label may be several classes, written a|b, or - for none."""
    if task != "auto":
        return task == "multilabel"
    return any("|" in str(label) for label in labels)


def remove_unlabelled(
    labels: Sequence[str | None], task: Task, classes: Collection[str] = ()
) -> tuple[list[str | None], list[str]]:
    """Return labels with None for those that mean unlabelled, and notes that say so.

    They are the words of `UNLABELLED`, and -1 among two or more classes that are 0, 1,
    2... or texts. Where numbers are predicted -1 is a value, and it is a class if -1
    and 1 are all of them. classes: names that are classes in any case, of a model.
    """
    given = {label for label in labels if label is not None} - {*classes}
    words = {label for label in given if label.casefold() in UNLABELLED}
    minus_one = {label for label in given - words if parse_number(label) == -1}
    others, notes = given - words - minus_one, []
    numeric = task == "regression" or (task == "auto" and mostly_numbers(labels))
    if minus_one and _are_texts_or_from_0(others, task):
        words |= minus_one
    elif minus_one and numeric and all((parse_number(k) or 0) >= 0 for k in others):
        notes.append("-1 is read as a number; leave cells without a label empty")
    for word in sorted(words):
        count = sum(label == word for label in labels)
        notes.append(
            f"{count:,} of {len(labels):,} are unlabelled (label {word!r}); rename it "
            "if it is a class"
        )
    return [None if label in words else label for label in labels], notes


def _are_texts_or_from_0(labels: set[str], task: Task) -> bool:
    """Return True if the labels are two or more classes: texts, or 0, 1, 2..."""
    numbers = {parse_number(label) for label in labels}
    if task != "regression" and len(labels) > 1 and numbers == {None}:
        return True
    if task == "regression" or len(numbers) < 2 or not _all_integers([*numbers]):
        return False
    few = task != "auto" or len(numbers) <= MAX_INTEGER_CLASSES
    return few and all(n is not None and n >= 0 for n in numbers)


def mostly_numbers(labels: Sequence[str | None]) -> bool:
    """Return True if 90 % of the labels are numbers, and too many to be classes.

    The others are then errors in a regression target.
    """
    present = [label for label in labels if label is not None]
    numbers = [v for label in present if (v := parse_number(label)) is not None]
    many = len(set(numbers)) > MAX_INTEGER_CLASSES
    return many and 10 * len(numbers) >= 9 * len(present)


def convert_labels(labels: Sequence[Any], kind: Kind) -> np.ndarray:
    """Return labels [N] as text (NFC), or as numbers; DataError for other text."""
    if kind != "numeric":
        texts = [unicodedata.normalize("NFC", str(label)) for label in labels]
        return np.array(texts, dtype=object)
    numbers = [parse_number(label) for label in labels]
    if None in numbers:
        bad = labels[numbers.index(None)]
        raise DataError(
            f"--task regression needs numbers as labels. Got {bad!r}. Name the "
            "column with --target, or train with --task classification."
        )
    return np.array(numbers, dtype=np.float64)


def replace_decimal_commas(
    labels: Sequence[str | None],
) -> tuple[list[str | None], list[str]]:
    """Return labels with points for decimal commas, and a note if there were any.

    Only if every label is then a number. DataError if all commas are followed by three
    digits, which may as well be thousands (1,250).
    """
    commas = [k for k in labels if k is not None and DECIMAL_COMMA.fullmatch(k)]
    parsed = [k.replace(",", ".") if k in set(commas) else k for k in labels]
    if not commas or any(k is not None and parse_number(k) is None for k in parsed):
        return list(labels), []
    if all(THOUSANDS.fullmatch(k) for k in commas):
        raise DataError(
            f"The label {commas[0]!r} is ambiguous: decimal comma or thousands. Write "
            f"it as {commas[0].replace(',', '.')} or {commas[0].replace(',', '')}."
        )
    point = commas[0].replace(",", ".")
    return parsed, [f"labels have a decimal comma: {commas[0]} is read as {point}"]


def parse_number(label: Any) -> float | None:
    """Return a label as a finite number; None if it is not one (True is a class)."""
    if "_" in str(label) or isinstance(label, bool):  # Python reads 1_000 as a number
        return None
    try:
        value = float(label)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if np.isfinite(value) else None


def is_missing(value: Any) -> bool:
    """Return True for None, NaN and pandas' NA, not for the texts `None` and `nan`."""
    return value is None or (not isinstance(value, str) and str(value) in MISSING)


def note_numeric_labels(labels: np.ndarray, kind: Kind, task: Task) -> list[str]:
    """Return a note if integers, which may be classes, are a regression target."""
    if task != "auto" or kind != "numeric" or not _all_integers(labels.tolist()):
        return []
    return [
        f"the labels are {len(np.unique(labels))} distinct integers, so the task is "
        "regression; if they are classes, use --task classification"
    ]


def note_similar_class_names(classes: set[str]) -> list[str]:
    """Return a note for each set of class names that differ only in case or spaces."""
    groups = [("differ only in case or spaces", n) for n in _similar_names(classes)]
    numbers: dict[float, list[str]] = {}
    for name in sorted(classes):
        if (number := parse_number(name)) is not None:
            numbers.setdefault(number, []).append(name)
    groups += [("are the same number", n) for n in numbers.values() if len(n) > 1]
    return [
        f"classes whose names {how}: {quote_names(names)}; "
        "they are treated as different classes; rename one if they are the same"
        for how, names in groups
    ]


def note_mixed_types(cells: Sequence[Any]) -> list[str]:
    """Return a note if a number and a text, such as 0 and `0`, are one class."""
    is_text = {isinstance(cell, str) for cell in cells if not is_missing(cell)}
    if len(is_text) < 2:
        return []
    texts = {cell.strip() for cell in cells if isinstance(cell, str)}
    others = {str(cell) for cell in cells if not isinstance(cell, str)}
    both = sorted(texts & others)
    if not both:
        return []
    return [
        f"labels given as numbers and as texts are one class each: {quote_names(both)}"
    ]


def merge_spellings(
    labels: Sequence[str], split: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Return labels in one spelling where splits differ in case or spaces; notes.

    `Cat` of train and `cat` of test are one class, unless a split has both. The
    spelling of train is taken.
    """
    splits: dict[str, set[str]] = {}
    for label, name in zip(labels, split, strict=True):
        splits.setdefault(label, set()).add(name)
    renamed, notes = dict[str, str](), []
    for names in _similar_names(set(splits)):
        all_splits = [name for label in names for name in splits[label]]
        if len(all_splits) > len(set(all_splits)):
            continue
        first = next((name for name in names if "train" in splits[name]), names[0])
        renamed |= dict.fromkeys(names, first)
        notes.append(
            f"the splits spell one class differently: {quote_names(names)} are read as "
            f"{first!r}"
        )
    return [renamed.get(label, label) for label in labels], notes


def _similar_names(classes: set[str]) -> list[list[str]]:
    """Return the sets of names that differ only in case, spaces or underscores."""
    variants: dict[str, list[str]] = {}
    for name in sorted(classes):
        key = " ".join(name.casefold().replace("_", " ").split())
        variants.setdefault(key, []).append(name)
    return [names for names in variants.values() if len(names) > 1]


def note_rare_class(labels: Sequence[str]) -> list[str]:
    """Return a note if few of many labels are of a class, which accuracy hides."""
    counts = Counter(labels)
    name, count = min(counts.items(), key=lambda item: item[1])
    rare = count < RARE_FRACTION * len(labels) and len(counts) <= 1 / RARE_FRACTION
    if not rare or len(labels) < MANY_LABELS:
        return []
    return [
        f"the class {name!r} has {count:,} of {len(labels):,} labels: accuracy says "
        "little about it, f1_macro counts every class alike"
    ]


def note_classes_missing_from_splits(
    labels: Sequence[str], split: Sequence[str]
) -> list[str]:
    """Return a note on classes that only the train split has, or lacks."""
    classes: dict[str, set[str]] = {}
    for label, name in zip(labels, split, strict=True):
        classes.setdefault(name, set()).add(label)
    train, notes = classes.get("train", set()), []
    for name in ("val", "test"):
        own = classes.get(name, set())
        if train and own - train:
            extra = quote_names(sorted(own - train))
            notes.append(f"classes in {name} that are missing in train: {extra}")
        if own and train - own:
            missing = quote_names(sorted(train - own))
            notes.append(f"classes in train that are missing in {name}: {missing}")
    return notes


def quote_names(names: Sequence[str], limit: int = 5) -> str:
    """Return the first names in quotes, and the number of others."""
    shown = ", ".join(repr(name) for name in names[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")


def _all_integers(numbers: Sequence[float | None]) -> bool:
    return all(n is not None and float(n).is_integer() for n in numbers)
