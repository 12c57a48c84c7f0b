"""Triples with a number for some of the entities: the target."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from vicinal.core.data.labels import is_missing, parse_number, quote_names
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.text import pluralize
from vicinal.errors import DataError, SettingError, suggest_names
from vicinal.knowledge.data.read import read_triples
from vicinal.knowledge.data.triple_table import TripleTable
from vicinal.knowledge.settings import TripleColumns
from vicinal.knowledge.triple_graph import TripleGraph

MIN_LABELLED = 20
"""entities with a target that a model needs"""

MIN_FOLD = 4
"""entities with a target in a fold, below which a rank correlation means nothing"""

MAX_TARGET = 1e30


@dataclass(frozen=True)
class ImportanceTable:
    """A knowledge graph and a target for some of its E entities."""

    triples: TripleTable
    """as they were read"""

    target: np.ndarray
    """[E] float64, NaN where it is not known"""

    target_name: str
    """of the column; empty: there is no target"""

    quarantined: list[Quarantined]
    notes: list[str]

    @cached_property
    def graph(self) -> TripleGraph:
        """Return the triples of all splits together, each once."""
        table = self.triples
        splits = (table.triples, table.validation, table.test)
        known = np.concatenate([k for k in splits if k is not None])
        return TripleGraph(
            np.unique(known, axis=0), table.num_entities, table.num_relations
        )

    @property
    def entities(self) -> np.ndarray:
        """Return [E] the names of entities."""
        return self.triples.entities

    @property
    def labelled(self) -> np.ndarray:
        """Return the entities with a target, ascending."""
        return np.flatnonzero(~np.isnan(self.target))


def read_importance(
    data: Any,
    nodes: Any = None,
    target: str | None = None,
    columns: TripleColumns | None = None,
    *,
    required: bool = True,
) -> ImportanceTable:
    """Read triples and a table of nodes with a target.

    data, nodes, columns: as for `read_triples`, or a `TripleTable`. target: a column of
    nodes; None: the only one with numbers. Raises DataError where there is no target;
    if none is required, only for a target that the nodes do not have.
    """
    table = data if isinstance(data, TripleTable) else None
    if table is None:
        table = read_triples(data, nodes, columns)
    elif nodes is not None:
        raise SettingError("nodes must be None where X is a TripleTable.")
    if target is None and not required and len(_numeric(table)) != 1:
        return table_of(table, np.full(table.num_entities, np.nan), "")
    name = target_column(table, target)
    cells = table.columns[name]
    values, quarantined = numbers_of(cells, table.entities, name)
    return table_of(table, values, name, quarantined)


def table_with_target(
    table: TripleTable, y: Mapping[Any, Any], name: str = "target"
) -> ImportanceTable:
    """Return triples with a target given by the names of entities.

    y: a mapping or a pandas Series; None and NaN: not known. Raises DataError for a
    name that no triple has or that is there twice, and for a value that is no number.
    """
    rows = {str(entity): row for row, entity in enumerate(table.entities)}
    cells = np.full(table.num_entities, None, object)
    unknown = [str(k) for k in y.keys() if str(k) not in rows]
    if unknown:
        raise DataError(
            f"{pluralize(len(unknown), 'name')} of y in no triple "
            f"({quote_names(unknown[:3])}). Expected names of entities."
        )
    repeated = [name for name, n in Counter(map(str, y.keys())).items() if n > 1]
    if repeated:
        raise DataError(
            f"{pluralize(len(repeated), 'name')} of y repeated "
            f"({quote_names(repeated[:3])}). Expected one number for each entity."
        )
    for key, value in y.items():
        cells[rows[str(key)]] = None if is_missing(value) else str(value)
    values, bad = numbers_of(cells, table.entities, name)
    if bad:
        raise DataError(f"y must hold numbers. Got {bad[0].label} for {bad[0].name}.")
    return table_of(table, values, name)


def table_of(
    table: TripleTable,
    target: np.ndarray,
    name: str,
    quarantined: list[Quarantined] | None = None,
) -> ImportanceTable:
    """Return a table with a target [E], and notes on it and on what is not used."""
    notes = list(table.notes)
    unused = [column for column in table.columns if column != name]
    if unused:
        notes.append(f"columns of the nodes not used: {quote_names(unused)}")
    if table.types is not None:
        notes.append("types of the nodes are not used")
    if table.validation is not None or table.test is not None:
        notes.append("the triples of all splits are used together, as one graph")
    rows = [*table.quarantined, *(quarantined or [])]
    return ImportanceTable(table, target, name, rows, notes)


def target_column(table: TripleTable, target: str | None) -> str:
    """Return the column that is predicted; DataError where none fits."""
    numeric = _numeric(table)
    if target is not None:
        if target in table.columns:
            return target
        hint = (
            suggest_names(target, list(table.columns))
            if table.columns
            else ("Give a table of nodes with --nodes FILE.")
        )
        raise DataError(f"The table of nodes has no column {target!r}. {hint}")
    if len(numeric) == 1:
        return numeric[0]
    if not numeric:
        raise DataError(
            "There is no target to predict. Give a table of nodes that has a column of "
            "numbers: --nodes FILE --target COLUMN."
        )
    raise DataError(
        f"Several columns of the nodes hold numbers ({quote_names(numeric)}). Choose "
        "one with --target COLUMN."
    )


def _numeric(table: TripleTable) -> list[str]:
    """Return the columns of the nodes that hold numbers."""
    return [name for name, cells in table.columns.items() if cells.dtype != object]


def numbers_of(
    cells: np.ndarray, entities: np.ndarray, name: str
) -> tuple[np.ndarray, list[Quarantined]]:
    """Return the numbers [E] of cells, NaN for blank ones, and the bad ones."""
    values, bad = np.full(len(cells), np.nan), []
    for row, cell in enumerate(cells.tolist()):
        if cell is None or cell != cell:
            continue
        number = cell if isinstance(cell, float) else parse_number(str(cell))
        if number is None or not abs(number) <= MAX_TARGET:
            reason = f"{name} must be a number up to {MAX_TARGET:g}"
            bad.append(Quarantined(str(entities[row]), str(cell), reason))
        else:
            values[row] = number
    return values, bad


def check_target(table: ImportanceTable, folds: int) -> None:
    """Raise DataError where the target cannot be learned, or tested in these folds."""
    known = table.target[table.labelled]
    needed = max(MIN_LABELLED, MIN_FOLD * folds)
    if len(known) < needed:
        raise DataError(
            f"{len(known):,} entities of the triples have a target "
            f"({table.target_name!r}). At least {needed} are needed to learn from and "
            f"to test on in {folds} folds."
        )
    if known.min() == known.max():
        raise DataError(
            f"All targets ({table.target_name!r}) are {known[0]:g}. There is nothing "
            "to learn."
        )
