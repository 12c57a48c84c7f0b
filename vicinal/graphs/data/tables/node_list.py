"""Node lists: tables of nodes with an id, and optionally label, split and features.

An unlabelled node is not quarantined: it has neighbours, and its label is predicted.
"""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vicinal.core.data.csv_tables import clean_cell, named_column
from vicinal.core.data.label_parsing import Labels, parse_labels
from vicinal.core.data.labels import (
    DECIMAL_COMMA,
    THOUSANDS,
    Task,
    note_classes_missing_from_splits,
    parse_number,
)
from vicinal.core.data.names import problem_of_name
from vicinal.core.data.quarantine import Quarantined
from vicinal.errors import DataError, NoDataError, SettingError
from vicinal.graphs.data.tables.column_names import (
    ID_COLUMNS,
    LABEL_COLUMNS,
    lower,
    plain_names,
)
from vicinal.graphs.data.tables.end_columns import (
    cells_as_text,
    check_unique_columns,
    find_column,
)
from vicinal.graphs.data.tables.node_names import (
    SHORTENED,
    SHORTENED_NAME,
    are_float_names,
    is_missing_id,
    restore_names,
)
from vicinal.graphs.data.tables.split_columns import read_split
from vicinal.graphs.data.tables.text_files import (
    SAMPLED_BYTES,
    TableText,
    TextFormat,
    check_exists,
    damage_as_data_error,
    open_text,
    read_format,
)
from vicinal.graphs.data.tables.vectors import expand_vectors
from vicinal.graphs.settings import TableColumns

NODE_COLUMNS = "id[,label,split,...]"


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


def read_node_file(
    path: Path, expected: str = NODE_COLUMNS
) -> tuple[Any, int, list[str]]:
    """Read a table with a header as a DataFrame of texts.

    Also return the line number of its first row, and notes. expected: the columns, for
    the message about an empty file.
    """
    import pandas as pd

    form = read_format(path, expected)
    if form.separator is None and len(form.rows[0]) == 1:  # names may hold spaces
        form = form._replace(separator=",")
    header = _commented_header(form)
    with damage_as_data_error(path), open_text(path) as file, warnings.catch_warnings():
        for _ in range(form.num_skipped):
            file.readline(SAMPLED_BYTES)
        # rows longer than the header would shift or lose cells
        warnings.simplefilter("error", pd.errors.ParserWarning)
        text: Any = TableText(file, form.separator, has_comments=False)
        frame = pd.read_csv(
            text,
            sep=form.pandas_separator,
            header=0 if header is None else None,
            names=form.rows[0] if form.has_row_names else None,
            dtype=str,
            keep_default_na=False,
            index_col=False,
            skip_blank_lines=False,
            skipinitialspace=True,
        )
    names = header or plain_names(list(frame.columns))
    if len(set(names)) == len(names):
        frame.columns = names
    first_line = form.num_skipped + (2 if header is None else 1)
    return frame, first_line, _replace_decimal_commas(frame)


def _commented_header(form: TextFormat) -> list[str] | None:
    """Return the names in a comment such as `# id,label` above the first row."""
    names, usual = form.commented_names or [], {*ID_COLUMNS}
    has_header = bool({*map(lower, form.rows[0])} & usual)
    return names if usual & {*map(lower, names)} and not has_header else None


def _replace_decimal_commas(frame: Any) -> list[str]:
    """Write points in columns of numbers such as 0,5; return notes.

    Where all commas may as well be those of thousands, the column is kept, with a note.
    """
    notes = []
    for name in frame.columns:
        has_comma = frame[name].str.contains(",", regex=False, na=False)
        if not has_comma.any():
            continue
        cells = frame[name].str.strip()
        commas, others = cells[has_comma], cells[~has_comma & (cells != "")].dropna()
        if not commas.map(DECIMAL_COMMA.fullmatch).notna().all():
            continue
        if others.map(parse_number).isna().any():
            continue
        first = commas.iloc[0]
        if commas.map(THOUSANDS.fullmatch).notna().all():
            notes.append(
                f"column {str(name)!r} is read as texts: {first} may have a decimal "
                f"comma or thousands; write it as {first.replace(',', '.')} or "
                f"{first.replace(',', '')}"
            )
            continue
        frame[name] = cells.str.replace(",", ".", regex=False)
        note = f"column {str(name)!r} has a decimal comma: {first} is read as "
        notes.append(note + first.replace(",", "."))
    return notes


def node_names(column: Any) -> list[str]:
    """Return the names of nodes in a column; integers that became 1.0 are restored."""
    names = cells_as_text(column)
    return restore_names(names) if are_float_names(names) else names


def find_id_column(
    frame: Any, columns: TableColumns, ends: Iterable[set[str]] = ()
) -> tuple[Any, Any, list[str]]:
    """Return the table, the column of the nodes' names, and notes.

    It is the one that the user named, or the one of the usual names (`ID_COLUMNS`);
    unless it names few of the nodes in `ends`, some sources and some targets, and
    another column does, or the index, which is then a column of the table that is
    returned. Raises DataError if there is none.
    """
    check_unique_columns(frame, "nodes")
    named, indexed = columns.id_column, _with_index(frame)
    if named is not None:
        table = frame if find_column(frame, [lower(named)]) is not None else indexed
        return table, named_column(table.columns, named, "the table of nodes"), []
    usual = find_column(frame, ID_COLUMNS) or find_column(indexed, ID_COLUMNS)
    wanted: set[str] = set()
    for names in map(list, ends):
        wanted |= set(restore_names(names) if are_float_names(names) else names)

    def share(column: Any) -> float:
        cells = indexed[column]
        names = set(cells[cells.isin(wanted)])  # quick, and enough for most tables
        if 2 * len(names) < len(wanted):
            names = wanted & set(node_names(cells))
        return len(names) / max(len(wanted), 1)

    best, notes = usual, []
    if wanted and (usual is None or share(usual) < 0.5):
        others = [k for k in indexed.columns if k != usual and are_unique(indexed[k])]
        other = max(others, key=share, default=None)
        if other is not None and share(other) >= 0.5:
            note = f"nodes are named by the column {str(other)!r}, as in the edges"
            best, notes = other, [f"{note}; --id-column names another"]
    if best is None:
        raise DataError(
            f"The nodes must have a column of ids: one of {', '.join(ID_COLUMNS)}. Got "
            f"{', '.join(map(str, frame.columns))}. Rename the column, or name it with "
            "--id-column."
        )
    return (frame if best in frame.columns else indexed), best, notes


def are_unique(column: Any) -> bool:
    """Return True if all cells differ; lists and other vectors name nothing."""
    try:
        return bool(column.is_unique)
    except TypeError:  # they have no hash
        return False


def _with_index(frame: Any) -> Any:
    """Return a DataFrame whose index is the last column, unless it numbers the rows."""
    import pandas as pd

    if isinstance(frame.index, pd.RangeIndex) and frame.index.name is None:
        return frame
    name = "index" if frame.index.name is None else frame.index.name
    return frame if name in frame.columns else frame.assign(**{str(name): frame.index})


def read_nodes(
    frame: Any,
    task: Task,
    target: str | None,
    first_line: int = 0,
    group: str | None = None,
    names: list[str] | None = None,
    id_column: Any = None,
) -> Nodes:
    """Read the nodes of a DataFrame.

    target: label column. first_line: of the first row in its file. group: column of
    groups. names: of the nodes, if no column holds them; every row is a node then.
    id_column: None: one of the usual names.
    """
    if id_column is None and names is None:
        frame, id_column, _ = find_id_column(frame, TableColumns())
    label_column = find_column(frame, LABEL_COLUMNS)
    if target is not None:
        label_column = named_column(frame.columns, target, "the table of nodes")
    group_column = None
    if group is not None:
        group_column = named_column(frame.columns, group, "the table of nodes")
    ids, quarantined, notes = names or [], [], []
    if names is None:
        all_ids = node_names(frame[id_column])
        if (first := cells_as_text(frame[id_column].head(1))) != all_ids[:1]:
            notes.append(f"names of nodes such as {first[0]} are read as {all_ids[0]}")
        rows, quarantined = unique_rows(all_ids, first_line)
        if not rows:
            raise NoDataError("There are no valid nodes.")
        frame, ids = frame.iloc[rows], [all_ids[row] for row in rows]
    cells = None if label_column is None else frame[label_column]
    labels = parse_labels(ids, cells, task)
    if target is None:
        notes += _note_other_label_columns(frame, label_column)
    used = {id_column, label_column, group_column}
    rest = frame[[name for name in frame.columns if name not in used]]
    rest, split, split_notes = read_split(rest)
    notes += split_notes
    if split is not None:
        notes += _note_missing_classes(labels, split)
    rest, vector_notes = expand_vectors(rest)
    notes += vector_notes
    groups = None if group_column is None else _number(frame[group_column].tolist())
    return Nodes(
        ids,
        rest.reset_index(drop=True).rename(columns=str) if rest.shape[1] else None,
        labels,
        split,
        groups,
        quarantined,
        notes,
    )


def unique_rows(ids: list[str], first_line: int) -> tuple[list[int], list[Quarantined]]:
    """Return the rows that name a node for the first time; quarantine the others."""
    first: dict[str, int] = {}
    rows, quarantined = [], []
    for row, name in enumerate(ids):
        line = f"line {row + first_line}"
        if is_missing_id(name):
            quarantined.append(Quarantined(name, "", f"{line}: the id is empty"))
        elif SHORTENED_NAME.fullmatch(name):
            reason = f"{line}: the id {SHORTENED}"
            quarantined.append(Quarantined(name, "", reason))
        elif problem := problem_of_name(name):
            quarantined.append(Quarantined(name, "", f"{line}: {problem}"))
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


def read_node_names(path: Path, columns: TableColumns | None = None) -> list[str]:
    """Return the node names of a table, from its column of ids."""
    check_exists(path)
    frame, _, _ = read_node_file(path, "id")
    named = columns.id_column if columns is not None else None
    usual = ID_COLUMNS if named is None else (lower(named), *ID_COLUMNS)
    column = find_column(frame, usual)
    if column is None:
        raise SettingError(
            f"{path} has no column of node names: expected one of {', '.join(usual)}."
        )
    return node_names(frame[column])
