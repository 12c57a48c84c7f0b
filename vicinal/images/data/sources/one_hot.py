"""Read labels from a table with a column per class, of 0 and 1 (ISIC, CelebA)."""

import unicodedata
from typing import Any, NamedTuple

import numpy as np

from vicinal.core.data.csv_tables import clean_cell
from vicinal.core.data.labels import Task, quote_names
from vicinal.errors import DataError

VALUES = {
    **dict.fromkeys(("1", "1.0", "true"), True),
    **dict.fromkeys(("0", "0.0", "-1", "-1.0", "false"), False),
}
"""what cells, in lower case, mean; -1 does beside 1 alone (CelebA)"""


class OneHotLabels(NamedTuple):
    """Labels of N rows, from K columns of 0 and 1."""

    columns: list[Any]
    classes: list[str]
    """[K] names of the columns"""

    cells: list[str | None]
    """[N] `a`, or `a|b` if a row may have several; None if a cell is empty"""

    task: Task
    notes: list[str]


def read_one_hot(frame: Any, task: Task) -> OneHotLabels | None:
    """Return the labels of the columns that hold only 0 and 1; None: fewer than two.

    One class per image if each row has exactly one 1. Raises DataError if that is asked
    for and some row has not, if classes have the same name, and where -1 may mean
    unknown (CheXpert).
    """
    texts = {column: list(map(clean_cell, frame[column])) for column in frame.columns}
    columns = [name for name, cells in texts.items() if _is_binary(cells)]
    if len(columns) < 2 or task == "regression":
        return None
    _check_minus_one(columns, texts)
    classes = [unicodedata.normalize("NFC", str(name)).strip() for name in columns]
    if len(set(classes)) < len(classes):
        raise DataError(f"Two columns of {quote_names(classes)} have the same name.")
    cells = np.array([texts[name] for name in columns], dtype=object).T  # [N, K]
    complete = np.array([None not in row for row in cells])
    ones = np.array(
        [[bool(cell and VALUES[cell.lower()]) for cell in row] for row in cells]
    )
    counts = ones[complete].sum(axis=1)
    single = bool((counts == 1).all())
    if task == "classification" and not single:
        row = int(np.flatnonzero(complete)[np.flatnonzero(counts != 1)[0]])
        raise DataError(
            f"The columns {quote_names(columns)} must have one 1 per row for --task "
            f"classification. Got {int(ones[row].sum())} in row {row}, counted from 0. "
            "Use --task multilabel, or name a column of labels with --target."
        )
    single = single and task != "multilabel"
    if not single and any("|" in name for name in classes):
        raise DataError(
            "Names of classes must not contain |, which separates several labels. "
            f"Rename the columns of {quote_names(columns)} that do."
        )
    labels = [
        ("|".join(name for name, one in zip(classes, row, strict=True) if one) or "-")
        if is_complete
        else None
        for row, is_complete in zip(ones, complete, strict=True)
    ]
    kind = "one class" if single else "several classes"
    note = f"a column per class, of 0 and 1: {quote_names(columns)}; {kind} per image"
    task = "classification" if single else "multilabel"
    return OneHotLabels(columns, classes, labels, task, [note])


def _check_minus_one(columns: list[Any], texts: dict[Any, list[str | None]]) -> None:
    """Raise DataError if columns hold both 0 and -1: -1 may then mean unknown."""
    values = {cell.lower() for name in columns for cell in texts[name] if cell}
    if values & {"0", "0.0", "false"} and values & {"-1", "-1.0"}:
        raise DataError(
            f"The columns {quote_names(columns)} hold both 0 and -1. Write 0 or 1, and "
            "leave a cell empty where it is unknown; or name a column with --target."
        )


def _is_binary(cells: list[str | None]) -> bool:
    """Return whether all cells that are not empty are 0, 1 or -1."""
    given = {cell.lower() for cell in cells if cell is not None}
    return bool(given) and given <= set(VALUES)
