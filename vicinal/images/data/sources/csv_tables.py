"""Read tables of images: a CSV as spreadsheet programs write it, or a DataFrame.

The columns are path, label and split, by any of their usual names, in any case. A row
that cannot be used is quarantined with its row number and the reason.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vicinal.core.data.csv_tables import (
    clean_cell,
    named_column,
    read_csv,
    restore_integers,
    unescape_formula,
)
from vicinal.core.data.image_names import PATH_COLUMNS
from vicinal.core.data.labels import (
    SPLIT_ALIASES,
    Task,
    convert_labels,
    detect_label_kind,
    have_several_classes,
    is_missing,
    merge_spellings,
    mostly_numbers,
    note_classes_missing_from_splits,
    note_mixed_types,
    note_numeric_labels,
    note_similar_class_names,
    parse_number,
    quote_names,
    remove_unlabelled,
    replace_decimal_commas,
)
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoDataError
from vicinal.images.data.image_table import ImageTable
from vicinal.images.data.sources.file_search import find_files
from vicinal.images.data.sources.groups import groups_from_column
from vicinal.images.data.sources.one_hot import read_one_hot

CSV_SUFFIXES = frozenset({".csv", ".tsv", ".txt"})
LABEL_COLUMNS = ("label", "class", "labels", "target", "y", "category", "tags")
SPLIT_COLUMNS = ("split", "set", "subset", "fold_name")
COLUMNS = "path[,label,split]"


def table_from_frame(
    frame: Any,
    root: Path,
    task: Task,
    target: str | None,
    first_line: int,
    group_column: str | None = None,
    table_name: str | None = None,
    classes: Collection[str] = (),
) -> ImageTable:
    """Convert a DataFrame to an `ImageTable`.

    target: the label column; None: the first of LABEL_COLUMNS, or a column of 0 and 1
    per class. first_line: row number of the first row in messages. group_column: rows
    with equal cells form a group. table_name: of its file, beside which files are
    searched. classes: see `read_images`.
    """
    groups, group_names = None, []
    if group_column is not None:
        group_names = [named_column(frame.columns, group_column, "the table")]
        groups = groups_from_column(frame[group_names[0]].tolist())
    path_column = _find_column(frame, PATH_COLUMNS, "image paths")
    other_columns = [path_column, *_split_column(frame), *group_names]
    one_hot = None
    if target is None and _first_column(frame, LABEL_COLUMNS) is None:
        one_hot = read_one_hot(frame.drop(columns=other_columns), task)
    if one_hot is not None:
        label_columns, task = one_hot.columns, one_hot.task
    elif target:
        label_columns = [named_column(frame.columns, target, "the table")]
    else:
        label_columns = [_find_column(frame, LABEL_COLUMNS, "labels")]
    found = find_files(_clean_paths(frame[path_column]), root, table_name)
    paths = found.paths
    cells = one_hot.cells if one_hot else restore_integers(frame[label_columns[0]])
    labels, label_notes = list[str | None](one_hot.cells if one_hot else ()), []
    if one_hot is None:
        labels = [clean_cell(cell) for cell in cells]
        if not have_several_classes(labels, task):  # where - is none of the classes
            labels, label_notes = remove_unlabelled(labels, task, classes)
    if task in ("auto", "regression"):
        labels, comma_notes = replace_decimal_commas(labels)
        label_notes += comma_notes
    splits, has_split = _split_cells(frame)
    regression = task == "regression" and any(
        parse_number(label) is not None for label in labels
    )
    numeric = regression or (task == "auto" and mostly_numbers(labels))
    keep, quarantined = _select_rows(
        paths, labels, cells, splits, first_line, numeric, found.reasons
    )
    if not keep:
        first = f" The first: {quarantined[0].reason}." if quarantined else ""
        raise NoDataError(
            "No row of the table has both a path and a label "
            f"({pluralize(len(paths), 'row')}).{first}"
        )
    kept = [label for i in keep if (label := labels[i]) is not None]
    kind = detect_label_kind(kept, task)
    split = np.array([SPLIT_ALIASES.get(splits[i], "") for i in keep])
    values = convert_labels(kept, kind)
    if kind == "single_label":
        spelled, notes = merge_spellings(values.tolist(), split.tolist())
        values = np.array(spelled, dtype=object)
        notes += note_similar_class_names(set(spelled)) + note_mixed_types(cells)
        notes += note_classes_missing_from_splits(spelled, split.tolist())
    else:
        notes = note_numeric_labels(values, kind, task)
    notes = [*found.notes, *(one_hot.notes if one_hot else []), *label_notes, *notes]
    notes += _note_unknown_splits(splits)
    unused = set(frame.columns) - {*other_columns, *label_columns}
    if unused:
        notes.append(f"columns not used: {quote_names(sorted(map(str, unused)))}")
    cell_types = {type(cells[i]) for i in keep}
    return ImageTable(
        names=[paths[i] for i in keep],
        labels=values,
        kind=kind,
        groups=None if groups is None else groups[keep],
        split=split if has_split and any(split) else None,
        root=root,
        whole_numbers=kind == "single_label" and cell_types == {int},
        quarantined=quarantined,
        declared_classes=frozenset(one_hot.classes if one_hot else ()),
        notes=notes,
    )


def _split_column(frame: Any) -> list[Any]:
    """Return the name of the split column, if there is one."""
    column = _first_column(frame, SPLIT_COLUMNS)
    return [] if column is None else [column]


def _split_cells(frame: Any) -> tuple[list[str], bool]:
    """Return the split of each row in lower case, and whether the column exists."""
    for column in _split_column(frame):
        return [(clean_cell(cell) or "").lower() for cell in frame[column]], True
    return [""] * len(frame), False


def _note_unknown_splits(splits: Sequence[str]) -> list[str]:
    """Return a note for each word in the split column that is not a split."""
    unknown = Counter(split for split in splits if split and split not in SPLIT_ALIASES)
    return [
        f"{pluralize(n, 'row')} quarantined: the split {split!r} must be train, val or "
        "test"
        for split, n in unknown.items()
    ]


def read_label_corrections(path: Path) -> dict[str, str]:
    """Return the label of each path of a CSV; DataError for a path with two or none.

    It may be an edited label_issues.csv, in which formulas are escaped.
    """
    frame = read_csv(path, COLUMNS).map(unescape_formula)
    paths = _clean_paths(frame[_find_column(frame, PATH_COLUMNS, "image paths")])
    cells = frame[_find_column(frame, LABEL_COLUMNS, "labels")]
    labels: dict[str, str] = {}
    for line, (name, cell) in enumerate(zip(paths, cells, strict=True), 2):
        label = clean_cell(cell)
        if not name or label is None:
            missing = "path" if not name else "label"
            raise DataError(f"{path}, row {line}: the {missing} is empty. Fill it in.")
        if labels.setdefault(name, label) != label:
            raise DataError(
                f"{path}, row {line}: {name} has two labels, {labels[name]!r} and "
                f"{label!r}. Keep one row."
            )
    return labels


def read_path_list(path: Path) -> ImageTable:
    """Return an unlabelled table of the images in a CSV, relative to the CSV."""
    frame = read_csv(path, COLUMNS)
    return paths_from_frame(frame, path.parent, path.name, first_line=2)


def paths_from_frame(
    frame: Any, root: Path, table_name: str | None = None, first_line: int = 0
) -> ImageTable:
    """Return an unlabelled table of the images in a DataFrame.

    table_name: of its file, beside which files are searched.
    """
    cells = _clean_paths(frame[_find_column(frame, PATH_COLUMNS, "image paths")])
    found = find_files(cells, root, table_name)
    names = [path for path in found.paths if path and path not in found.reasons]
    table = ImageTable.unlabelled(names, root=root)
    quarantined = [
        Quarantined(table_name or "the table", "", f"row {line} has no path")
        for line, path in enumerate(found.paths, first_line)
        if not path
    ]
    quarantined += [Quarantined(path, "", why) for path, why in found.reasons.items()]
    return replace(table, quarantined=quarantined, notes=found.notes)


def _clean_paths(column: Any) -> list[str]:
    return ["" if is_missing(path) else str(path).strip() for path in column]


def _first_column(frame: Any, accepted: Sequence[str]) -> Any:
    """Return the first accepted column name, in any case, or None."""
    by_lower = {str(name).strip().lower(): name for name in frame.columns}
    return next((by_lower[name] for name in accepted if name in by_lower), None)


def _find_column(frame: Any, accepted: Sequence[str], content: str) -> Any:
    """Return the first accepted column name that the table has; DataError if none."""
    column, names = _first_column(frame, accepted), list(frame.columns)
    if column is not None:
        return column
    cure = " Rename the column."
    if accepted is LABEL_COLUMNS:
        cure = " Name it with --target."
    if accepted is PATH_COLUMNS and len(names) in (2, 3):
        cure += " A list of edges has the columns source,target[,weight]."
    raise DataError(
        f"The table has no column for the {content}: expected one of "
        f"{', '.join(accepted)}, got {', '.join(map(str, names))}.{cure}"
    )


def _select_rows(
    paths: list[str],
    labels: list[str | None],
    cells: list[Any],
    splits: list[str],
    first_line: int,
    numeric: bool,
    unclear: dict[str, str],
) -> tuple[list[int], list[Quarantined]]:
    """Return the usable rows, and the others with the reason.

    unclear: reasons against paths.
    """
    labels_of: dict[str, set[str]] = {}
    for path, label in zip(paths, labels, strict=True):
        if label is not None:
            labels_of.setdefault(path, set()).add(label)
    keep: list[int] = []
    quarantined: list[Quarantined] = []
    used: set[str] = set()
    for row, (path, label, split) in enumerate(zip(paths, labels, splits, strict=True)):
        line = f"row {row + first_line}"
        if not path:
            reason = f"{line} has no path"
        elif path in unclear:
            reason = f"{line}: {unclear[path]}"
        elif label is None:
            reason = f"{line} has an empty label" + _explain_empty(cells[row])
        elif split and split not in SPLIT_ALIASES:
            reason = f"{line}: split {split!r} must be train, val or test"
        elif numeric and parse_number(label) is None:
            reason = f"{line}: the label {label!r} is not a number"
        elif len(labels_of[path]) > 1:
            names = quote_names(sorted(labels_of[path]))
            reason = f"{line}: this path is listed with different labels: {names}"
        elif path in used:
            reason = f"{line}: this path was listed before"
        else:
            used.add(path)
            keep.append(row)
            continue
        quarantined.append(Quarantined(path, label or "", reason))
    return keep, quarantined


def _explain_empty(cell: Any) -> str:
    """Explain a label such as `NA`, `unknown` or -1 that counts as empty."""
    text = "" if is_missing(cell) else str(cell).strip()
    if not text:
        return ""
    return (
        f": {text!r} counts as empty in a table (a class directory may have that name)"
    )
