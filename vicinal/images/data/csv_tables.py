"""Tables that list pictures: a CSV as spreadsheets write it, or a DataFrame.

The columns are path, label and split, by any of their usual names in any case. A row
that cannot be used is set aside with its number and the reason.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vicinal.core.data.csv_tables import clean, read_csv, whole_numbers_as_such
from vicinal.core.data.labels import (
    SPLITS,
    Task,
    is_missing,
    kind_of,
    labels_as,
    look_alikes,
    mostly_numbers,
    number,
    one_sided,
    some,
    taken_as_amounts,
    with_points,
)
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.text import counted
from vicinal.errors import DataError, NoDataError
from vicinal.images.data.groups import groups_from_column
from vicinal.images.data.image_table import ImageTable

ENDINGS = frozenset({".csv", ".tsv", ".txt"})
PATH_COLUMNS = ("path", "file", "filename", "file_name", "image", "image_path", "name")
LABEL_COLUMNS = ("label", "class", "labels", "target", "y", "category", "tags")
COLUMNS = "path[,label,split]"
SPLIT_COLUMNS = ("split", "set", "subset", "fold_name")


def from_frame(
    frame: Any,
    root: Path,
    task: Task,
    target: str | None,
    first_line: int,
    group: str | None = None,
) -> ImageTable:
    """A table from a DataFrame; `first_line` is the number of its first row.

    group: the column whose equal cells say what belongs together.
    """
    together = None
    if group is not None:
        column = _column(frame, (group,), "groups", exact=group)
        together = groups_from_column(frame[column].tolist())
    columns = {str(name).strip().lower(): name for name in frame.columns}
    path_column = _column(frame, PATH_COLUMNS, "paths of the pictures")
    wanted = (target,) if target else LABEL_COLUMNS
    label_column = _column(frame, wanted, "labels", exact=target)
    split_column = next((columns[c] for c in SPLIT_COLUMNS if c in columns), None)
    paths = _paths(frame[path_column])
    cells = whole_numbers_as_such(frame[label_column])
    labels, commas = [clean(cell) for cell in cells], []
    if task in ("auto", "regression"):
        labels, commas = with_points(labels)
    parts = [""] * len(paths)
    if split_column is not None:
        parts = [(clean(part) or "").lower() for part in frame[split_column]]
    asked = task == "regression" and any(number(k) is not None for k in labels)
    numbers = asked or (task == "auto" and mostly_numbers(labels))
    keep, set_aside = _sift(paths, labels, cells, parts, first_line, numbers)
    if not keep:
        raise NoDataError(
            f"No row of the table has both a path and a label ({len(paths)} rows). "
            + (f"The first: {set_aside[0].reason}." if set_aside else "")
        )
    kept = [label for i in keep if (label := labels[i]) is not None]
    kind = kind_of(kept, task)
    split = np.array([SPLITS.get(parts[i], "") for i in keep])
    notes = look_alikes(set(kept)) + one_sided(kept, split.tolist())
    explicit_flags = {type(cell) for cell in cells if not is_missing(cell)}
    usable = labels_as(kept, kind)
    notes = notes if kind == "single_label" else taken_as_amounts(usable, kind, task)
    return ImageTable(
        names=[paths[i] for i in keep],
        labels=usable,
        kind=kind,
        groups=None if together is None else together[keep],
        split=split if split_column is not None and any(split) else None,
        root=root,
        whole_numbers=kind == "single_label" and explicit_flags == {int},
        set_aside=set_aside,
        notes=commas + _unknown_parts(parts) + notes,
    )


def _unknown_parts(parts: Sequence[str]) -> list[str]:
    """A note for each word in the split column that names no part."""
    strange = Counter(part for part in parts if part and part not in SPLITS)
    return [
        f"{counted(n, 'row')} with the split {part!r}, set aside: wanted train, val or "
        "test"
        for part, n in strange.items()
    ]


def labels_by_path(path: Path) -> dict[str, str]:
    """What a CSV says each path's label is; DataError for two, or for none."""
    frame = read_csv(path, COLUMNS)
    paths = _paths(frame[_column(frame, PATH_COLUMNS, "paths of the pictures")])
    cells = frame[_column(frame, LABEL_COLUMNS, "labels")]
    found: dict[str, str] = {}
    for line, (name, cell) in enumerate(zip(paths, cells, strict=True), 2):
        label = clean(cell)
        if not name or label is None:
            missing = "path" if not name else "label"
            raise DataError(f"{path}, row {line}: the {missing} is empty. Fill it in.")
        if found.setdefault(name, label) != label:
            raise DataError(
                f"{path}, row {line}: {name} has two labels, {found[name]!r} and "
                f"{label!r}. Leave one row."
            )
    return found


def listed_in(path: Path) -> ImageTable:
    """The pictures that a CSV lists, without labels; paths are beside the CSV."""
    return listed(read_csv(path, COLUMNS), path.parent, path.name, first_line=2)


def listed(frame: Any, root: Path, name: str, first_line: int = 0) -> ImageTable:
    """The pictures that a DataFrame of some name lists, without labels."""
    paths = _paths(frame[_column(frame, PATH_COLUMNS, "paths of the pictures")])
    table = ImageTable.unlabelled([path for path in paths if path], root=root)
    aside = [
        Quarantined(name, "", f"row {line} has no path")
        for line, path in enumerate(paths, first_line)
        if not path
    ]
    return replace(table, set_aside=aside)


def _paths(column: Any) -> list[str]:
    return ["" if is_missing(path) else str(path).strip() for path in column]


def _column(
    frame: Any, wanted: Sequence[str], what: str, exact: str | None = None
) -> Any:
    names = list(frame.columns)
    if exact in names:
        return exact
    known = {str(name).strip().lower(): name for name in names}
    for name in wanted:
        if name.lower() in known:
            return known[name.lower()]
    told = f"a column {exact!r}" if exact else f"one of {', '.join(wanted)}"
    named = {id(LABEL_COLUMNS): " Name it with --target."}
    cure = named.get(id(wanted), " Rename the column." if not exact else "")
    if wanted is PATH_COLUMNS and len(names) in (2, 3):
        cure += " A list of edges has the columns source,target[,weight]."
    raise DataError(
        f"The table has no column for the {what}: wanted {told}, "
        f"got {', '.join(map(str, names))}.{cure}"
    )


def _sift(
    paths: list[str],
    labels: list[str | None],
    cells: list[Any],
    parts: list[str],
    first_line: int,
    numbers: bool,
) -> tuple[list[int], list[Quarantined]]:
    """Rows that say something usable, and those that do not, with the reason."""
    seen: dict[str, set[str]] = {}
    for path, label in zip(paths, labels, strict=True):
        if label is not None:
            seen.setdefault(path, set()).add(label)
    keep: list[int] = []
    aside: list[Quarantined] = []
    taken: set[str] = set()
    for row, (path, label, part) in enumerate(zip(paths, labels, parts, strict=True)):
        where = f"row {row + first_line}"
        if not path:
            reason = f"{where} has no path"
        elif label is None:
            reason = f"{where} has an empty label" + _spelling(cells[row])
        elif part and part not in SPLITS:
            reason = f"{where} has split {part!r}; wanted train, val or test"
        elif numbers and number(label) is None:
            reason = f"{where}: the label {label!r} is not a number"
        elif len(seen[path]) > 1:
            names = some(sorted(seen[path]))
            reason = f"{where}: this path is listed with different labels: {names}"
        elif path in taken:
            reason = f"{where}: this path is listed before"
        else:
            taken.add(path)
            keep.append(row)
            continue
        aside.append(Quarantined(path, label or "", reason))
    return keep, aside


def _spelling(cell: Any) -> str:
    """How an empty label was spelled, where it was."""
    if not isinstance(cell, str) or not cell.strip():
        return ""
    return f": {cell.strip()!r} counts as empty in a table (a folder may be called so)"
