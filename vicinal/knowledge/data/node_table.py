"""Tables of entities: readable names, types and further columns."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vicinal.core.data.csv_tables import clean_cell
from vicinal.core.data.labels import parse_number, quote_names
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoDataError
from vicinal.graphs.data.formats.graph_files import read_parquet
from vicinal.graphs.data.tables.directories import table_suffix
from vicinal.graphs.data.tables.end_columns import cells_as_text, check_unique_columns
from vicinal.graphs.data.tables.node_list import read_node_file
from vicinal.graphs.data.tables.node_names import is_missing_id
from vicinal.graphs.data.tables.text_files import check_exists
from vicinal.knowledge.data.columns import letters
from vicinal.knowledge.data.files import TEXT_SUFFIXES
from vicinal.knowledge.data.names import clean_name, count_entities

EXPECTED = "id[,label,type,...]"
ID_NAMES = ("id", "entityid", "nodeid", "entity", "node", "iri", "uri", "name")
LABEL_NAMES = ("label", "name", "title", "entitylabel", "entityname", "nodename")
TYPE_NAMES = ("type", "class", "kind", "entitytype", "nodetype", "category")
"""names in lower case without punctuation, those that are preferred first"""

NAMES_SHOWN = 3


class NodeTable(NamedTuple):
    """Labels, types and further columns of E entities."""

    labels: np.ndarray | None
    """[E] object, "" where unknown"""

    types: np.ndarray | None
    """[E] object, "" where unknown"""

    columns: dict[str, np.ndarray]
    quarantined: list[Quarantined]
    notes: list[str]


def read_node_table(data: Any, entities: np.ndarray) -> NodeTable:
    """Read a table of entities: a CSV, TSV or Parquet file, or a DataFrame.

    entities: [E] names in the triples. Raises DataError if the table has none of them.
    """
    frame, first_line, notes = _open(data, entities)
    check_unique_columns(frame, "nodes")
    rows = {name: row for row, name in enumerate(entities.tolist())}
    names, id_column, id_notes = _names_of_rows(frame, rows)
    reader = _NodeRows(frame.drop(columns=id_column), names, rows, first_line)
    labels, label_notes = reader.take_texts(LABEL_NAMES)
    types, type_notes = reader.take_texts(TYPE_NAMES)
    notes += [*id_notes, *label_notes, *type_notes, *reader.notes(len(entities))]
    columns = {str(name): reader.column(name) for name in reader.rest}
    return NodeTable(labels, types, columns, reader.quarantined, notes)


def _open(data: Any, entities: np.ndarray) -> tuple[Any, int, list[str]]:
    """Return a DataFrame, the line of its first row, and notes."""
    if hasattr(data, "columns") and hasattr(data, "iloc"):
        return data, 0, []
    if not isinstance(data, (str, PathLike)):
        kind = type(data).__name__
        raise DataError(f"nodes must be a path or a DataFrame. Got {kind}.")
    path = Path(data)
    check_exists(path)
    suffix = table_suffix(path)
    if suffix == ".parquet":
        return read_parquet(path), 0, []
    if suffix not in TEXT_SUFFIXES:
        known = ", ".join((*TEXT_SUFFIXES, ".parquet"))
        raise DataError(f"{path} must be a table of nodes: {known}.")
    frame, first_line, notes = read_node_file(path, EXPECTED)
    if clean_name(str(frame.columns[0])) in set(entities.tolist()):
        note = f"the first line of {path.name} is no header: it names an entity"
        return _with_header_as_row(frame), first_line - 1, [*notes, note]
    return frame, first_line, notes


def _with_header_as_row(frame: Any) -> Any:
    """Return a table without a header: columns id and label, or id, column 2, ..."""
    import pandas as pd

    width = frame.shape[1]
    names = [f"column {k + 1}" for k in range(1, width)] if width != 2 else ["label"]
    cells = [[str(name) for name in frame.columns], *frame.to_numpy().tolist()]
    return pd.DataFrame(cells, columns=pd.Index(["id", *names]), dtype=object)


def _names_of_rows(
    frame: Any, rows: dict[str, int]
) -> tuple[list[str], Any, list[str]]:
    """Return the names of the entities in each row, their column, and notes.

    It is the first of the usual names of ids, unless another one has more entities.
    """
    if not frame.shape[1] or not len(frame):
        raise NoDataError(f"The table of nodes is empty. Expected columns {EXPECTED}.")
    by_name = {letters(name): name for name in reversed([*frame.columns])}
    usual = [by_name[name] for name in ID_NAMES if name in by_name]
    candidates = usual or [frame.columns[0]]
    names = {column: _names(frame[column]) for column in candidates}
    counts = {column: len(rows.keys() & set(names[column])) for column in candidates}
    best = max(candidates, key=lambda column: counts[column])
    if not counts[best]:
        raise DataError(
            f"No entity of the triples ({quote_names([*rows], NAMES_SHOWN)}) is in the "
            f"column {str(best)!r} of the table of nodes "
            f"({quote_names(names[best], NAMES_SHOWN)}). Both must use the same names."
        )
    notes = []
    if best is not candidates[0] or not usual:
        notes.append(f"nodes are named by the column {str(best)!r}")
    return names[best], best, notes


def _names(column: Any) -> list[str]:
    return [clean_name(cell) for cell in cells_as_text(column)]


class _NodeRows:
    """The rows of known entities.

    frame: columns other than the ids. names: the id of each row. rows: the row of each
    entity in the triples.
    """

    def __init__(
        self, frame: Any, names: list[str], rows: dict[str, int], first_line: int
    ) -> None:
        cells = {name: [*map(clean_cell, cells_as_text(frame[name]))] for name in frame}
        self.rest = [*cells]
        """columns that have not been taken yet"""

        self.quarantined: list[Quarantined] = []
        self._cells, self._num_entities = cells, len(rows)
        self._num_repeated, self._unknown = 0, dict[str, None]()
        self._entities, self._selected = list[int](), list[int]()
        first = dict[str, int]()
        content = [*zip(*cells.values(), strict=True)] if cells else [()] * len(names)
        for row, name in enumerate(names):
            self._add(row, name, first, content, first_line)
            if first.get(name) != row:
                continue
            if name in rows:
                self._entities.append(rows[name])
                self._selected.append(row)
            else:
                self._unknown[name] = None

    def _add(
        self,
        row: int,
        name: str,
        first: dict[str, int],
        content: Sequence[tuple[Any, ...]],
        first_line: int,
    ) -> None:
        """Remember the first row of a name; count or quarantine what cannot be used."""
        is_blank = is_missing_id(name)
        if is_blank and not any(cell is not None for cell in content[row]):
            return
        line = f"nodes line {row + first_line}"
        if is_blank:
            self.quarantined.append(Quarantined(line, "", "the id is empty"))
        elif (other := first.setdefault(name, row)) != row:
            if content[other] == content[row]:
                self._num_repeated += 1
            else:
                reason = f"{name!r} has other cells in line {other + first_line}"
                self.quarantined.append(Quarantined(line, "", reason))

    def take_texts(self, usual: Sequence[str]) -> tuple[np.ndarray | None, list[str]]:
        """Return the texts [E] of a column with one of the usual names, and a note.

        None if there is no such column.
        """
        by_name = {letters(name): name for name in reversed(self.rest)}
        column = next((by_name[k] for k in usual if k in by_name), None)
        if column is None:
            return None, []
        self.rest.remove(column)
        texts = np.full(self._num_entities, "", object)
        texts[self._entities] = [self._cells[column][k] or "" for k in self._selected]
        return texts, [f"{usual[0]}s of entities are read from {str(column)!r}"]

    def column(self, name: Any) -> np.ndarray:
        """Return the cells [E] of a column: numbers if all are, otherwise texts."""
        cells = self._cells[name]
        given = {cell for cell in cells if cell is not None}
        numbers: dict[str | None, float | None] = {k: parse_number(k) for k in given}
        if given and None not in numbers.values():
            numbers[None] = np.nan
            values = np.full(self._num_entities, np.nan)
            values[self._entities] = [numbers[cells[k]] for k in self._selected]
            return values
        texts = np.full(self._num_entities, None, object)
        texts[self._entities] = [cells[k] for k in self._selected]
        return texts

    def notes(self, num_entities: int) -> list[str]:
        """Return what the table repeats, and which entities only one table has."""
        notes = []
        if self._num_repeated:
            count = pluralize(self._num_repeated, "repeated row")
            notes.append(f"{count} of the table of nodes; each is used once")
        if self._unknown:
            names = quote_names([*self._unknown], NAMES_SHOWN)
            count = pluralize(len(self._unknown), "row")
            notes.append(
                f"{count} of the table of nodes not used: no triple has them ({names})"
            )
        if missing := num_entities - len(self._entities):
            notes.append(f"{count_entities(missing)} not in the table of nodes")
        return notes
