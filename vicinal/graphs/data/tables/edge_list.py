"""Edge lists: tables of edges, read in chunks.

Rows that cannot be used are quarantined with their line: an empty end, a node that the
node table does not list, a weight that is negative or not a number. Node names are
texts and are kept as they are, but integers that became 1.0 are restored.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vicinal.core.compute.memory import free_memory
from vicinal.core.data.csv_tables import is_empty, named_column
from vicinal.core.data.labels import quote_names
from vicinal.core.data.names import problem_of_name
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoDataError
from vicinal.graphs.data.tables.column_names import (
    GRAPH_COLUMNS,
    RELATION_COLUMNS,
    is_number,
    lower,
    may_be_weight,
)
from vicinal.graphs.data.tables.duplicate_edges import merge_duplicate_edges
from vicinal.graphs.data.tables.edge_cells import (
    describe_weight,
    distinct_cells,
    holds_directions,
    parse_weights,
    read_directions,
)
from vicinal.graphs.data.tables.end_columns import (
    cells_as_text,
    end_columns,
    weight_column_of,
)
from vicinal.graphs.data.tables.node_names import (
    SHORTENED,
    SHORTENED_NAME,
    are_float_names,
    restore_names,
)
from vicinal.graphs.data.tables.sides import separate_sides
from vicinal.graphs.settings import TableColumns

EMPTY_END, UNKNOWN_END, SHORTENED_END, INVALID_END = -1, -2, -3, -4
"""in place of the row of an end that is not a node"""

MOST_QUARANTINED = 1000
"""edges quarantined by name; further ones are only counted"""

LineOf = Callable[[int], int]
"""the line in a file of a row of a table; of a DataFrame the row itself"""

BYTES_PER_EDGE = 80
"""memory needed while edges are read and duplicates merged"""


def check_memory(num_edges: float, source: Path | str) -> None:
    """Raise DataError if there is not enough memory to read the edges."""
    needed, free = BYTES_PER_EDGE * num_edges, free_memory()
    if needed > free:
        raise DataError(
            f"{source} holds about {num_edges:,.0f} edges, which need about "
            f"{needed / 1e9:.1f} GB of memory to read; {free / 1e9:.1f} GB are free. "
            "Remove edges, or use a machine with more memory."
        )


class Edges(NamedTuple):
    """Edges as rows of node names."""

    ids: np.ndarray
    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray | None
    quarantined: list[Quarantined]
    notes: list[str]
    relation: np.ndarray | None = None
    relations: tuple[str, ...] = ()
    """the relation of each edge as an index into their sorted names"""

    directed: bool = False
    sides: np.ndarray | None = None
    """0 for sources and 1 for targets, where these are of different kinds"""

    end_columns: tuple[str, str] = ("source", "target")
    """names of the columns of source and target"""


class _Chunk(NamedTuple):
    """The valid edges of one chunk of rows."""

    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    relation: np.ndarray
    is_directed: np.ndarray
    weighted: bool


class EdgeReader:
    """Collects edges from tables.

    ids: names of all nodes, if a table lists them; otherwise every end is a node.
    relation: name of the relation column; None: a single relation. columns: names of
    the others. kinds: names of two kinds of nodes, if sources and targets are different
    nodes even with equal names.
    """

    def __init__(
        self,
        ids: Iterable[str] | None = None,
        relation: str | None = None,
        columns: TableColumns | None = None,
        kinds: tuple[str, str] | None = None,
    ) -> None:
        self.kinds = kinds
        self.ids_are_complete, self.relation = ids is not None, relation
        self.columns = columns or TableColumns()
        self.quarantined: list[Quarantined] = []
        self.names_of_columns: list[str] = []
        self.end_columns: tuple[Any, Any] = ("source", "target")
        self.rows: dict[str, int] = {name: row for row, name in enumerate(ids or ())}
        self._relations: dict[str, int] = {}
        self._notes: dict[str, None] = {}
        self._unused: dict[str, bool] = {}
        self._unused_relation: str | None = None
        self._float_columns: dict[str, bool] = {}
        self._missing_nodes: set[str] = set()
        self._chunks: list[_Chunk] = []
        self._num_more_quarantined = 0

    @property
    def has_edges(self) -> bool:
        return any(len(chunk.source) for chunk in self._chunks)

    def add(self, frame: Any, line_of: LineOf) -> None:
        """Add the edges of a DataFrame. line_of: the line of each row, for messages."""
        self.names_of_columns = list(map(str, frame.columns))
        frame = self.columns.drop_from(frame)
        (source, target), note = end_columns(frame.columns, self.columns)
        self.end_columns = source, target
        self._notes |= dict.fromkeys(note)
        names = [self._read_names(frame[column]) for column in (source, target)]
        weight_column = weight_column_of(frame, self.columns)
        relations, is_directed = self._read_relations(frame), read_directions(frame)
        weight = None if weight_column is None else self._read_weights(frame)
        interleaved = [name for pair in zip(*names, strict=True) for name in pair]
        ends = self._rows_of(interleaved).reshape(-1, 2).T
        checks = [
            (ends == kind).any(axis=0)
            for kind in (EMPTY_END, SHORTENED_END, UNKNOWN_END, INVALID_END)
        ]
        reasons = [
            lambda k: "the source or target is empty",
            lambda k: _describe_end(names, ends, k, SHORTENED_END, "{} " + SHORTENED),
            lambda k: _describe_end(names, ends, k, UNKNOWN_END, "there is no node {}"),
            lambda k: _describe_invalid(names, ends, k),
        ]
        if relations is not None:
            checks.append(relations < 0)
            reasons.append(lambda k: f"{self.relation} is empty")
        if weight is not None:
            cells = frame[weight_column]
            checks += [np.isnan(weight), weight < 0]
            reasons += [
                lambda k: describe_weight(cells.iloc[k]),
                lambda k: f"weight {weight[k]:g} is negative",
            ]
        valid = np.ones(len(frame), bool)
        for invalid, describe in zip(checks, reasons, strict=True):
            for k in np.flatnonzero(invalid & valid).tolist():
                edge = f"{names[0][k]} - {names[1][k]}"
                self._quarantine(edge, f"line {line_of(k)}: {describe(k)}")
            valid &= ~invalid
        self._note_unused_columns(frame, (source, target, weight_column))
        ones = np.ones(len(frame), np.float32)
        nothing = np.empty(0, np.int64)
        self._chunks.append(
            _Chunk(
                ends[0, valid],
                ends[1, valid],
                (ones if weight is None else weight)[valid],
                nothing if relations is None else relations[valid],
                nothing if is_directed is None else is_directed[valid],
                weight is not None,
            )
        )

    def _read_names(self, column: Any) -> list[str]:
        """Return the names of nodes in a column; floats decide by the first chunk."""
        names = cells_as_text(column)
        key = str(column.name)
        if key not in self._float_columns:
            self._float_columns[key] = are_float_names(names)
            if self._float_columns[key]:
                was, is_now = names[0], restore_names(names[:1])[0]
                self._notes[f"ends of edges such as {was} are read as {is_now}"] = None
        return restore_names(names) if self._float_columns[key] else names

    def _read_weights(self, frame: Any) -> np.ndarray:
        column = frame[weight_column_of(frame, self.columns)]
        text = f"the weights in {str(column.name)!r} have a decimal comma"
        note = f"{text}: 0,5 is read as 0.5"
        weight, has_commas = parse_weights(column, note in self._notes)
        self._notes |= {note: None} if has_commas else {}
        return weight

    def _read_relations(self, frame: Any) -> np.ndarray | None:
        """Return the relation of each edge [n], -1 for an empty cell."""
        known = {lower(name): name for name in frame.columns}
        if self.relation is None:
            candidates = (known[name] for name in RELATION_COLUMNS if name in known)
            several = [k for k in candidates if len(distinct_cells(frame[k])) > 1]
            if several and not holds_directions(frame[several[0]]):
                self._unused_relation = self._unused_relation or str(several[0])
            return None
        column = named_column(frame.columns, self.relation, "the table of edges")
        cells = cells_as_text(frame[column])
        for name in cells:
            if name:
                self._relations.setdefault(name, len(self._relations))
        return np.array([self._relations.get(name, -1) for name in cells], np.int64)

    def _rows_of(self, names: list[str]) -> np.ndarray:
        """Return the node row of each name [n], or why there is none."""
        import pandas as pd

        codes, unique = pd.factorize(np.array(names, dtype=object))
        rows = np.array([self._row_of(name) for name in unique], np.int64)
        self._missing_nodes |= set(unique[rows == UNKNOWN_END].tolist())
        return rows[codes] if len(rows) else np.empty(0, np.int64)

    def _row_of(self, name: str) -> int:
        if (row := self.rows.get(name)) is not None:
            return row
        if is_empty(name):
            return EMPTY_END
        if SHORTENED_NAME.fullmatch(name):
            return SHORTENED_END
        if problem_of_name(name):
            return INVALID_END
        if self.ids_are_complete:
            return UNKNOWN_END
        return self.rows.setdefault(name, len(self.rows))

    def _quarantine(self, name: str, reason: str) -> None:
        if len(self.quarantined) < MOST_QUARANTINED:
            self.quarantined.append(Quarantined(name, "", reason))
        else:
            self._num_more_quarantined += 1

    def _note_unused_columns(self, frame: Any, used: Sequence[Any]) -> None:
        """Remember the columns that hold something and are not read; if numbers."""
        relation = lower(self.relation)
        for name in frame.columns:
            is_read = name in used or lower(name) in (relation, *GRAPH_COLUMNS)
            if is_read or str(name) in self._unused or holds_directions(frame[name]):
                continue
            first = next(filter(None, cells_as_text(frame[name])), None)
            if first is not None:
                numeric = is_number(first) and may_be_weight(name)
                self._unused[str(name)] = numeric

    def _collect_notes(self) -> list[str]:
        notes = [*self._notes]
        if self._num_more_quarantined:
            notes.append(f"{self._num_more_quarantined:,} more edges are quarantined")
        if self._missing_nodes:
            names = sorted(self._missing_nodes)
            notes.append(
                f"{pluralize(len(names), 'node')} of edges missing in the table of "
                f"nodes: {quote_names(names)}; their edges are quarantined"
            )
        relation = self._unused_relation
        if relation is not None:
            notes.append(
                f"the column {relation!r} of the edges is ignored; to predict edges of "
                f"each relation use --domain links --relation-column {relation}"
            )
        others = [name for name in self._unused if name != relation]
        if others:
            weighted = any(chunk.weighted for chunk in self._chunks)
            numeric = [] if weighted else [k for k in others if self._unused[k]]
            hint = f" (--weight-column {numeric[0]} reads weights)" if numeric else ""
            notes.append(f"columns of the edges ignored: {quote_names(others)}{hint}")
        return notes

    def to_edges(self, directed: bool, keep_order: bool = False) -> Edges:
        """Return all edges with duplicates merged; NoDataError if there are none.

        A column Type of Gephi decides whether they are directed. keep_order: u - v and
        v - u are two edges, though they have no direction.
        """
        notes = self._collect_notes()
        if not self.has_edges:
            first = self.quarantined[0].reason if self.quarantined else ""
            why = f" The first row: {first}." if first else ""
            if self._missing_nodes:
                names = quote_names([*self.rows], 3)
                why += f" The table of nodes names {names}."
            raise NoDataError(f"There are no valid edges.{why}")
        source, target, weight, relation, is_directed = (
            np.concatenate([chunk[k] for chunk in self._chunks]) for k in range(5)
        )
        if is_directed.any() and not (directed or keep_order):
            directed = True
            notes.append("the edges are directed: the column Type says so")
        if len(is_directed) == len(source) and directed and not is_directed.all():
            both = np.flatnonzero((is_directed == 0) & (source != target))
            order = np.concatenate([np.arange(len(source)), both])
            ends = np.stack([source, target])[:, order]
            ends[:, len(source) :] = ends[::-1, len(source) :]
            (source, target), weight = ends, weight[order]
            relation = relation[order] if len(relation) else relation
            count = pluralize(len(both), "edge")
            notes.append(f"{count} of type Undirected read in both directions")
        weighted = any(chunk.weighted for chunk in self._chunks)
        ids, sides = np.array(list(self.rows), dtype=object), None
        ends_of = self.kinds or (str(self.end_columns[0]), str(self.end_columns[1]))
        if self.ids_are_complete:
            self._check_kinds(source, target)
        else:
            forced = self.kinds is not None
            found = separate_sides(ids, source, target, ends_of, forced=forced)
            if found is not None:
                ids, source, target, sides, more = found
                notes += more
        source, target, merged_weight, relation, more = merge_duplicate_edges(
            source,
            target,
            weight if weighted else None,
            len(ids),
            directed or keep_order,
            relation if self.relation else None,
        )
        edges = Edges(
            ids,
            source,
            target,
            merged_weight,
            self.quarantined,
            notes + more,
            directed=directed or keep_order,
            sides=sides,
            end_columns=ends_of,
        )
        if relation is None:
            return edges
        rank = np.argsort(np.argsort([*self._relations]))
        names = tuple(sorted(self._relations))
        return edges._replace(relation=rank[relation], relations=names)

    def _check_kinds(self, source: np.ndarray, target: np.ndarray) -> None:
        """Raise DataError if nodes of a table are sources and targets of two kinds."""
        shared = [] if self.kinds is None else np.intersect1d(source, target)
        if len(shared):
            name = [*self.rows][shared[0]]
            raise DataError(
                f"{name!r} is a node of {' and of '.join(self.kinds or ())}, but the "
                "table of nodes lists it once. Give the nodes of both kinds different "
                "names, or read the edges without a table of nodes."
            )


def _describe_end(
    names: list[list[str]], ends: np.ndarray, k: int, kind: int, text: str
) -> str:
    side = 0 if ends[0, k] == kind else 1
    return text.format(repr(names[side][k]))


def _describe_invalid(names: list[list[str]], ends: np.ndarray, k: int) -> str:
    side = 0 if ends[0, k] == INVALID_END else 1
    return problem_of_name(names[side][k]) or ""
