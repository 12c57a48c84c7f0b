"""Labels put right by a table, without moving a file.

A `labels.csv` has a row for each picture whose label was wrong: its path, as
data/index.csv and suspects.csv of a run have it, and the label it should have. A label
of `-` leaves the picture out (of several labels a picture it is what it is everywhere:
none of them). Other columns are not looked at, so that suspects.csv can be edited and
given as it is.
"""

from collections import Counter
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from vicinal.core.data.labels import labels_as, some
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.objective import split_labels
from vicinal.core.text import counted
from vicinal.errors import DataError, near_names
from vicinal.images.data.csv_tables import labels_by_path
from vicinal.images.data.image_table import ImageTable

MOST_COMPARED = 10_000
"""names that a misspelt one is compared with: it takes a second"""

LEAVE_OUT = "-"
"""the label of a picture that is to be left out"""


def corrected(table: ImageTable, path: str | Path) -> ImageTable:
    """The table with the labels that a CSV gives; a note tells how many changed.

    Raises DataError, and changes nothing, for a path that the table does not have, a
    class that no picture has, a path given two labels, or a label of the wrong kind.
    """
    given = labels_by_path(Path(path))
    rows = _rows_of(table, list(given), str(path))
    leave = None if table.kind == "multi_label" else LEAVE_OUT
    pairs = list(zip(rows, given.values(), strict=True))
    out = [row for row, label in pairs if label == leave]
    new = {row: label for row, label in pairs if label != leave}
    _check_classes(table, list(new.values()), str(path))
    values = labels_as(list(new.values()), table.kind)
    labels = table.labels.copy()
    changed = sum(labels[row] != v for row, v in zip(new, values, strict=True))
    labels[list(new)] = values
    told = f"{counted(int(changed), 'label')} changed by {path}"
    if out:
        told += f", {counted(len(out), 'picture')} left out by it"
    keep = np.ones(len(table), dtype=bool)
    keep[out] = False
    why = f"left out by {path}"
    aside = [Quarantined(table.names[r], str(table.labels[r]), why) for r in out]
    kept = replace(table, labels=labels).rows(keep)
    return replace(
        kept, set_aside=[*table.set_aside, *aside], notes=[*table.notes, told]
    )


def _rows_of(table: ImageTable, paths: list[str], source: str) -> list[int]:
    """The row of each path, relative to the data's folder or whole."""
    rows = {name: row for row, name in enumerate(table.names)}
    rows |= {str(table.path(row)): row for row in range(len(table))}
    missing = [path for path in paths if path not in rows]
    if missing:
        hint = _perhaps(missing[0], table.names)
        raise DataError(
            f"{source} names {counted(len(missing), 'file')} that the data do not "
            f"have: {some(missing, 3)}.{hint} Paths are written as in data/index.csv "
            "of a run."
        )
    found = [rows[path] for path in paths]
    twice = [row for row, n in Counter(found).items() if n > 1]
    if twice:
        raise DataError(f"{source} names {table.names[twice[0]]} twice. Leave one row.")
    return found


def _perhaps(path: str, names: list[str]) -> str:
    """A name that may have been meant: the same file elsewhere, or a near spelling."""
    own = Path(path).name
    close = [name for name in names if Path(name).name == own][:1]
    close = close or get_close_matches(path, names[:MOST_COMPARED], n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _check_classes(table: ImageTable, labels: list[str], source: str) -> None:
    """DataError for a class that no picture of the table has: a slip of the pen."""
    if table.kind == "numeric":
        return
    many, known = table.kind == "multi_label", set(table.classes)
    names = {k for label in labels for k in (split_labels(label) if many else [label])}
    strange = sorted(names - known)
    if strange:
        hint = near_names(strange[0], table.classes)
        raise DataError(
            f"{source} gives classes that no picture has: {some(strange, 3)}. {hint} "
            "A new class needs pictures of its own in the data."
        )
