"""Correct labels from a CSV, without moving a file.

The CSV has a row for each image whose label is wrong: its path, as in data/index.csv
and label_issues.csv of a run, and the correct label. The label `-` leaves the image out
(with several labels per image it means none of the classes, as everywhere). Other
columns are ignored, so an edited label_issues.csv can be used directly.
"""

from collections import Counter
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from vicinal.core.data.labels import convert_labels, quote_names
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.objective import split_labels
from vicinal.core.text import pluralize
from vicinal.errors import DataError, suggest_names
from vicinal.images.data.image_table import ImageTable
from vicinal.images.data.sources.csv_tables import read_label_corrections
from vicinal.images.data.sources.file_search import match_names

MAX_COMPARED = 10_000
"""names that a misspelt path is compared with: this takes a second"""

LEAVE_OUT = "-"
"""the label of an image that is to be left out"""


def correct_labels(table: ImageTable, path: str | Path) -> ImageTable:
    """Return the table with the labels of a CSV, and a note on how many changed.

    Raises DataError, and changes nothing, for a path that the table does not have, an
    unknown class, a path with two labels, or a label of the wrong kind.
    """
    corrections = read_label_corrections(Path(path))
    rows = _find_rows(table, list(corrections), str(path))
    left_out_label = None if table.kind == "multi_label" else LEAVE_OUT
    pairs = list(zip(rows, corrections.values(), strict=True))
    left_out = [row for row, label in pairs if label == left_out_label]
    corrected = {row: label for row, label in pairs if label != left_out_label}
    _check_classes(table, list(corrected.values()), str(path))
    values = convert_labels(list(corrected.values()), table.kind)
    labels = table.labels.copy()
    pairs = zip(corrected, values, strict=True)
    num_changed = sum(labels[row] != value for row, value in pairs)
    labels[list(corrected)] = values
    note = f"{pluralize(int(num_changed), 'label')} corrected by {path}"
    if left_out:
        note += f", {pluralize(len(left_out), 'image')} left out"
    keep = np.ones(len(table), dtype=bool)
    keep[left_out] = False
    quarantined = [
        Quarantined(table.names[row], str(table.labels[row]), f"left out by {path}")
        for row in left_out
    ]
    return replace(
        replace(table, labels=labels).rows(keep),
        quarantined=[*table.quarantined, *quarantined],
        notes=[*table.notes, note],
    )


def _find_rows(table: ImageTable, paths: list[str], source: str) -> list[int]:
    """Return the row of each path, given relative to the data or in full."""
    row_of = {name: row for row, name in enumerate(table.names)}
    row_of |= {str(table.path(row)): row for row in range(len(table))}
    missing = [path for path in paths if path not in row_of]
    found, _ = match_names(missing, table.names, "")
    row_of |= {path: row_of[name] for path, name in found.items()}
    missing = [path for path in missing if path not in found]
    if missing:
        hint = _suggest_name(missing[0], table.names)
        verb = "is" if len(missing) == 1 else "are"
        raise DataError(
            f"{source} names {pluralize(len(missing), 'file')} that {verb} not in the "
            f"data: {quote_names(missing, 3)}.{hint} Write paths as in data/index.csv "
            "of a run."
        )
    rows = [row_of[path] for path in paths]
    repeated = [row for row, n in Counter(rows).items() if n > 1]
    if repeated:
        name = table.names[repeated[0]]
        raise DataError(f"{source} names {name} twice. Keep one row.")
    return rows


def _suggest_name(path: str, names: list[str]) -> str:
    """Suggest the name that was meant: same file name, or similar spelling."""
    file_name = Path(path).name
    matches = [name for name in names if Path(name).name == file_name][:1]
    matches = matches or get_close_matches(path, names[:MAX_COMPARED], n=1)
    return f" Did you mean {matches[0]!r}?" if matches else ""


def _check_classes(table: ImageTable, labels: list[str], source: str) -> None:
    """Raise DataError for a class that no image of the table has: likely a typo."""
    if table.kind == "numeric":
        return
    multi_label, classes = table.kind == "multi_label", set(table.classes)
    names = {
        name
        for label in labels
        for name in (split_labels(label) if multi_label else [label])
    }
    unknown = sorted(names - classes)
    if unknown:
        hint = suggest_names(unknown[0], table.classes)
        raise DataError(
            f"{source} gives classes that no image has: {quote_names(unknown, 3)}. "
            f"{hint} A new class needs images of its own in the data."
        )
