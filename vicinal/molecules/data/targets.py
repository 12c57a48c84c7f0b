"""Targets of molecules: what they are, and their conversion to numbers."""

import numpy as np

from vicinal.core.data.labels import (
    Task,
    mostly_numbers,
    parse_number,
    remove_unlabelled,
    replace_decimal_commas,
)
from vicinal.errors import ClassError, DataError, SettingError, suggest_names

POSITIVE = frozenset(
    ("active", "positive", "yes", "true", "toxic", "hit", "binder", "soluble")
)
"""names of classes, in lower case, that come second of two"""


def choose_task(cells: np.ndarray, task: Task) -> str:
    """Return classification or regression, for targets [N, T] as texts.

    Raises DataError if they are of both kinds.
    """
    if task == "multilabel":
        raise DataError(
            "Molecules have targets and no lists of labels. Name columns of 0 and 1 "
            "with --target-columns, and use --task classification."
        )
    if task != "auto" or not cells.size:
        return "classification" if task == "auto" else task
    kinds = {_kind_of_target(column) for column in cells.T}
    if len(kinds) > 1:
        raise DataError(
            "Some targets are classes and some are numbers. Name those of one kind "
            "with --target-columns, or choose with --task."
        )
    return kinds.pop()


def clean_targets(
    cells: np.ndarray, names: list[str], task: Task
) -> tuple[np.ndarray, list[str]]:
    """Return targets with points for decimal commas, None for `unknown`; and notes."""
    cleaned, notes = cells.copy(), []
    for t, name in enumerate(names):
        column, found = remove_unlabelled(cells[:, t].tolist(), task)
        if task != "classification":
            column, commas = replace_decimal_commas(column)
            found += commas
        cleaned[:, t] = column
        notes += [f"{name}: {note}" for note in found]
    return cleaned, notes


def _kind_of_target(cells: np.ndarray) -> str:
    column = cells.tolist()
    if mostly_numbers(column):
        return "regression"
    numbers = {parse_number(cell) for cell in column if cell is not None}
    whole = None in numbers or all(float(v or 0).is_integer() for v in numbers)
    return "classification" if whole else "regression"


def convert_targets(
    cells: np.ndarray, task: str, positive: str | None = None
) -> tuple[np.ndarray, list[tuple[str, ...]], dict[int, str]]:
    """Return targets [N, T], the classes of each, and reasons against rows.

    positive: the second of two classes. Raises ClassError if no target has it, and
    SettingError if the targets are numbers or of more than two classes.
    """
    targets = np.full(cells.shape, np.nan)
    bad: dict[int, str] = {}
    classes: list[tuple[str, ...]] = []
    for t, column in enumerate(cells.T):
        if task == "regression":
            for k, cell in enumerate(column):
                value = None if cell is None else parse_number(cell)
                if cell is not None and value is None:
                    bad.setdefault(k, f"the target {cell!r} is not a number")
                targets[k, t] = np.nan if value is None else value
            continue
        names = [None if cell is None else _class_name(cell) for cell in column]
        found = sorted({name for name in names if name is not None}, key=_class_order)
        if len(found) == 2 and _comes_second(found, positive):
            found.reverse()  # the second class is the one whose probability is shown
        classes.append(tuple(found))
        position = {name: k for k, name in enumerate(found)}
        targets[:, t] = [np.nan if n is None else position[n] for n in names]
    if positive is not None:
        _check_positive(positive, classes)
    return targets, classes, bad


def _comes_second(classes: list[str], positive: str | None) -> bool:
    """Return whether the first of two classes is the positive one."""
    if positive is not None and _class_name(positive) in classes:
        return classes[0] == _class_name(positive)
    return classes[0].lower() in POSITIVE


def _check_positive(positive: str, classes: list[tuple[str, ...]]) -> None:
    """Raise ClassError or SettingError if no target has this class, of two."""
    if not classes:
        raise SettingError(
            f"positive_class must be None: the targets are numbers. Got {positive!r}."
        )
    known = sorted({name for own in classes for name in own})
    if _class_name(positive) not in known:
        raise ClassError(
            f"There is no class {positive!r}. {suggest_names(positive, known)}"
        )
    if all(len(own) > 2 for own in classes if _class_name(positive) in own):
        raise SettingError(
            "positive_class must be None: there are more than two classes. Got "
            f"{positive!r}."
        )


def _class_name(cell: str) -> str:
    """Return the name of a class: 1.0 beside blanks is 1."""
    value = parse_number(cell)
    return str(int(value)) if value is not None and value.is_integer() else cell


def _class_order(name: str) -> tuple[float, str]:
    value = parse_number(name)
    return (float("inf") if value is None else value, name)
