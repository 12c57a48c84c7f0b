"""Nodes as rows of a table: a name each, perhaps a label, a part, and what is known.

A node without a label is not set aside: it has neighbours, and is to be predicted.
"""

from typing import Any, NamedTuple

import numpy as np

from vicinal.core.data.csv_tables import clean, whole_numbers_as_such
from vicinal.core.data.labels import (
    SPLITS,
    Kind,
    Task,
    kind_of,
    labels_as,
    look_alikes,
    mostly_numbers,
    number,
    one_sided,
    taken_as_amounts,
    with_points,
)
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.text import counted
from vicinal.errors import DataError, NoDataError, near_names
from vicinal.graphs.data.edge_list import texts

ID = ("id", "node_id", "node", "name", "nodeid")
LABEL = ("label", "class", "y", "labels", "target", "category")
SPLIT = ("split", "set", "subset", "part")


MANY_NUMBERS = 10
"""different whole numbers above which it is said that they are taken as classes"""


class Labels(NamedTuple):
    """What is known of nodes' classes or amounts."""

    values: np.ndarray | None
    """[N] as `GraphTable.labels`"""

    kind: Kind
    whole_numbers: bool
    set_aside: list[Quarantined]
    notes: list[str]


class Nodes(NamedTuple):
    """What was read of a table of nodes."""

    ids: list[str]
    features: Any
    """DataFrame of the other columns; None where there are none"""

    labels: Labels
    split: np.ndarray | None
    groups: np.ndarray | None
    set_aside: list[Quarantined]
    notes: list[str]


def read_nodes(
    frame: Any,
    task: Task,
    target: str | None,
    first_line: int = 0,
    group: str | None = None,
    names: list[str] | None = None,
) -> Nodes:
    """Nodes of a DataFrame whose first row is so many lines down its file.

    target: the column of labels; group: of what belongs together. names: of the nodes,
    where no column has them: every row is one then.
    """
    known = {str(name).strip().lower(): name for name in frame.columns}

    def column(names: tuple[str, ...]) -> Any | None:
        return next((known[name] for name in names if name in known), None)

    own = column(ID) if names is None else None
    if own is None and names is None:
        raise DataError(
            f"The nodes have no column for their names: wanted one of {', '.join(ID)}. "
            f"Got {', '.join(map(str, frame.columns))}. Rename the column."
        )
    wanted = (_exact(frame, target),) if target is not None else ()
    labels = wanted[0] if wanted else column(LABEL)
    together = None if group is None else _exact(frame, group)
    part = column(SPLIT)
    ids, set_aside = names or [], []
    if names is None:
        keep, set_aside = _sift(texts(frame[own]), first_line)
        if not keep:
            raise NoDataError("There is no node that could be used.")
        frame = frame.iloc[keep]
        ids = texts(frame[own])
    found = label_cells(ids, None if labels is None else frame[labels], task)
    split, notes = None, []
    others = [known[name] for name in LABEL if name in known and known[name] != labels]
    if target is None and others:
        notes.append(
            f"labels are the column {labels!r}; {others[0]!r} is read as a feature "
            "(--target takes another)"
        )
    if part is not None:
        split, notes = parts_of(frame[part].tolist())
        notes += _sides(found, split)
    used = {own, labels, part, together}
    rest = frame[[name for name in frame.columns if name not in used]]
    return Nodes(
        ids,
        rest.reset_index(drop=True) if rest.shape[1] else None,
        found,
        split,
        None if together is None else _numbered(frame[together].tolist()),
        set_aside,
        notes,
    )


def _exact(frame: Any, name: str) -> Any:
    for column in frame.columns:
        if str(column) == name:
            return column
    raise DataError(
        f"There is no column {name!r} of the nodes. "
        f"{near_names(name, map(str, frame.columns))}"
    )


def _sift(ids: list[str], first_line: int) -> tuple[list[int], list[Quarantined]]:
    """Rows that name a node for the first time; the others, with the reason."""
    seen: dict[str, int] = {}
    keep, aside = [], []
    for row, name in enumerate(ids):
        line = f"line {row + first_line}"
        if not name:
            aside.append(Quarantined(name, "", f"{line}: the node has no name"))
        elif name in seen:
            before = f"listed before, in line {seen[name] + first_line}"
            aside.append(Quarantined(name, "", f"{line}: this node is {before}"))
        else:
            seen[name] = row
            keep.append(row)
    return keep, aside


def label_cells(ids: list[str], column: Any, task: Task) -> Labels:
    """What the cells of a column [N] say; None where there is no column."""
    if column is None:
        return Labels(None, "none", False, [], [])
    cells = whole_numbers_as_such(column)
    labels, notes = [clean(cell) for cell in cells], []
    if task in ("auto", "regression"):
        labels, notes = with_points(labels)
    given = [label for label in labels if label is not None]
    if not given:
        return Labels(None, "none", False, [], ["no node has a label"])
    aside = []
    if task == "regression" and all(number(label) is None for label in given):
        raise DataError(
            f"Numbers were wanted as labels. Got {given[0]!r}. Name another column as "
            "the target, or classify the nodes."
        )
    if task == "regression" or (task == "auto" and mostly_numbers(labels)):
        for row, label in enumerate(labels):
            if label is not None and number(label) is None:
                why = f"the label {label!r} is not a number: it counts as none"
                aside.append(Quarantined(ids[row], label, why))
                labels[row] = None
        given = [label for label in labels if label is not None]
    kind = kind_of(given, task)
    usable = labels_as(given, kind)
    values = np.full(len(labels), None, dtype=object)
    values[[label is not None for label in labels]] = usable
    explicit_flags = {type(c) for c, label in zip(cells, labels, strict=True) if label}
    whole = kind == "single_label" and explicit_flags == {int}
    if kind == "single_label":
        notes += look_alikes(set(given)) + _many_classes(given, task)
    else:
        notes += taken_as_amounts(usable, kind, task)
    return Labels(values, kind, whole, aside, notes)


FEW = 4
"""labels up to which nothing is said of how many are different"""


def _many_classes(given: list[Any], task: Task) -> list[str]:
    """Notes where labels may be no classes."""
    classes, notes = len(set(given)), []
    if classes > len(given) / 2 and len(given) > FEW:
        notes.append(
            f"{len(given):,} labels are {classes:,} different ones, such as "
            f"{given[0]!r}: are they names? (--target takes another column)"
        )
    numbers = task == "auto" and all(number(label) is not None for label in given)
    if numbers and classes > MANY_NUMBERS:
        notes.append(
            f"the labels are {classes} different whole numbers and are taken as "
            "classes; if they are amounts, say --task regression"
        )
    return notes


def refuse_names(labels: np.ndarray) -> None:
    """DataError where each of all examples, nodes or graphs, has a label of its own:
    nothing can be learned of a class that has one."""
    if len(set(labels)) == len(labels) > FEW:
        raise DataError(
            f"Each of {len(labels):,} labels is another, such as {labels[0]!r}: these "
            "are names, and nothing can be learned of a class that is there once. Name "
            "a column of classes with --target; for amounts say --task regression."
        )


def parts_of(cells: list[Any]) -> tuple[np.ndarray, list[str]]:
    """train, val, test [N], or empty, and a note on words that are none of them."""
    words = [(clean(cell) or "").lower() for cell in cells]
    strange = sorted({word for word in words if word and word not in SPLITS})
    notes = [
        f"{counted(words.count(word), 'node')} of the part {word!r}, which is none of "
        "train, val and test: their labels are not used"
        for word in strange
    ]
    return np.array([SPLITS.get(word, "") for word in words]), notes


def _sides(labels: Labels, split: np.ndarray) -> list[str]:
    if labels.values is None or labels.kind != "single_label":
        return []
    pairs = [
        (label, part)
        for label, part in zip(labels.values, split, strict=True)
        if label is not None and part
    ]
    return one_sided([label for label, _ in pairs], [part for _, part in pairs])


def _numbered(cells: list[Any]) -> np.ndarray:
    """[N] the same number for equal cells; an empty one is a group of its own."""
    numbers: dict[str, int] = {}
    found = []
    for row, cell in enumerate(cells):
        name = clean(cell)
        key = f"={name}" if name is not None else f"row {row}"
        found.append(numbers.setdefault(key, len(numbers)))
    return np.array(found)
