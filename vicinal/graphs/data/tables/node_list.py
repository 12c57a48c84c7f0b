"""Node lists: tables of nodes with an id, and optionally label, split and features.

An unlabelled node is not quarantined: it has neighbours, and its label is predicted.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vicinal.core.data.csv_tables import clean_cell, named_column, read_csv
from vicinal.core.data.label_parsing import Labels, parse_labels
from vicinal.core.data.labels import (
    SPLIT_ALIASES,
    Task,
    note_classes_missing_from_splits,
)
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoDataError, SettingError
from vicinal.graphs.data.tables.edge_list import cells_as_text, find_column

ID_COLUMNS = ("id", "node_id", "node", "name", "nodeid")
LABEL_COLUMNS = ("label", "class", "y", "labels", "target", "category")
SPLIT_COLUMNS = ("split", "set", "subset", "part")


class Nodes(NamedTuple):
    """A table of nodes."""

    ids: list[str]
    features: Any
    """DataFrame of the other columns; None if there are none"""

    labels: Labels
    split: np.ndarray | None
    groups: np.ndarray | None
    quarantined: list[Quarantined]
    notes: list[str]


def read_nodes(
    frame: Any,
    task: Task,
    target: str | None,
    first_line: int = 0,
    group: str | None = None,
    names: list[str] | None = None,
) -> Nodes:
    """Read the nodes of a DataFrame.

    target: label column. first_line: of the first row in its file. group: column of
    groups. names: of the nodes, if no column holds them; every row is a node then.
    """
    id_column = find_column(frame, ID_COLUMNS) if names is None else None
    if id_column is None and names is None:
        raise DataError(
            f"The nodes must have a column of ids: one of {', '.join(ID_COLUMNS)}. Got "
            f"{', '.join(map(str, frame.columns))}. Rename the column."
        )
    label_column = find_column(frame, LABEL_COLUMNS)
    if target is not None:
        label_column = named_column(frame.columns, target, "the table of nodes")
    group_column = None
    if group is not None:
        group_column = named_column(frame.columns, group, "the table of nodes")
    split_column = find_column(frame, SPLIT_COLUMNS)
    ids, quarantined = names or [], []
    if names is None:
        rows, quarantined = _unique_rows(cells_as_text(frame[id_column]), first_line)
        if not rows:
            raise NoDataError("There are no valid nodes.")
        frame = frame.iloc[rows]
        ids = cells_as_text(frame[id_column])
    cells = None if label_column is None else frame[label_column]
    labels = parse_labels(ids, cells, task)
    split, notes = None, []
    if target is None:
        notes += _note_other_label_columns(frame, label_column)
    if split_column is not None:
        split, split_notes = parse_splits(frame[split_column].tolist())
        notes += split_notes + _note_missing_classes(labels, split)
    used = {id_column, label_column, split_column, group_column}
    rest = frame[[name for name in frame.columns if name not in used]]
    groups = None if group_column is None else _number(frame[group_column].tolist())
    return Nodes(
        ids,
        rest.reset_index(drop=True) if rest.shape[1] else None,
        labels,
        split,
        groups,
        quarantined,
        notes,
    )


def _unique_rows(
    ids: list[str], first_line: int
) -> tuple[list[int], list[Quarantined]]:
    """Return the rows that name a node for the first time; quarantine the others."""
    first: dict[str, int] = {}
    rows, quarantined = [], []
    for row, name in enumerate(ids):
        line = f"line {row + first_line}"
        if not name:
            quarantined.append(Quarantined(name, "", f"{line}: the id is empty"))
        elif name in first:
            reason = f"{line}: duplicate of line {first[name] + first_line}"
            quarantined.append(Quarantined(name, "", reason))
        else:
            first[name] = row
            rows.append(row)
    return rows, quarantined


def _note_other_label_columns(frame: Any, label_column: Any) -> list[str]:
    known = {str(name).strip().lower(): name for name in frame.columns}
    others = [known[name] for name in LABEL_COLUMNS if name in known]
    others = [name for name in others if name != label_column]
    if not others:
        return []
    return [
        f"labels are read from the column {label_column!r}; {others[0]!r} is used as a "
        "feature (choose with --target)"
    ]


def parse_splits(cells: list[Any]) -> tuple[np.ndarray, list[str]]:
    """Return train, val, test or "" for each cell [N], and notes on unknown values."""
    words = [(clean_cell(cell) or "").lower() for cell in cells]
    unknown = sorted({word for word in words if word and word not in SPLIT_ALIASES})
    notes = [
        f"{pluralize(words.count(word), 'node')} with split {word!r}, which is not "
        "train, val or test: their labels are ignored"
        for word in unknown
    ]
    return np.array([SPLIT_ALIASES.get(word, "") for word in words]), notes


def _note_missing_classes(labels: Labels, split: np.ndarray) -> list[str]:
    if labels.values is None or labels.kind != "single_label":
        return []
    pairs = [
        (label, part)
        for label, part in zip(labels.values, split, strict=True)
        if label is not None and part
    ]
    return note_classes_missing_from_splits(
        [label for label, _ in pairs], [part for _, part in pairs]
    )


def _number(cells: list[Any]) -> np.ndarray:
    """Number equal cells alike [N]; an empty cell is a group of its own."""
    numbers: dict[str, int] = {}
    groups = []
    for row, cell in enumerate(cells):
        name = clean_cell(cell)
        key = f"={name}" if name is not None else f"row {row}"
        groups.append(numbers.setdefault(key, len(numbers)))
    return np.array(groups)


def read_node_names(path: Path) -> list[str]:
    """Return the node names of a CSV, from its column of ids."""
    if not path.exists():
        raise NoDataError(
            f"There is nothing at {path}. Check the spelling of the path."
        )
    frame = read_csv(path, "id")
    columns = {str(name).strip().lower(): name for name in frame.columns}
    column = next((columns[name] for name in ID_COLUMNS if name in columns), None)
    if column is None:
        raise SettingError(
            f"{path} has no column of node names: expected one of "
            f"{', '.join(ID_COLUMNS)}."
        )
    return cells_as_text(frame[column])
