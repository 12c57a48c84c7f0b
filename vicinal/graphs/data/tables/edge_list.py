"""Edge lists: tables of edges, read in chunks.

Rows that cannot be used are quarantined with their line: an empty end, a node that the
node table does not list, a weight that is negative or not a number. Node names are
texts and are kept as they are.
"""

import csv
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from vicinal.core.compute.memory import free_memory
from vicinal.core.data.csv_tables import (
    describe_parser_error,
    named_column,
    restore_integers,
)
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoDataError
from vicinal.graphs.data.detect import SOURCE_COLUMNS, TARGET_COLUMNS

WEIGHT_COLUMNS = ("weight", "w", "edge_weight")
RELATION_COLUMNS = (
    *("relation", "rel", "edge_type", "type", "predicate", "interaction"),
)
"""columns that usually hold the relation; a note says so where they are not used"""

COLUMNS_WITHOUT_HEADER = ["source", "target", "weight", "time"]
TRIPLE_COLUMNS = ["source", "relation", "target"]
"""columns of a file without a header"""

ROWS_PER_CHUNK = 1_000_000

MOST_QUARANTINED = 1000
"""edges quarantined by name; further ones are only counted"""

COMMENTS = ("#", "%")
"""first characters of comment lines in the edge lists of SNAP and KONECT"""

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


def estimate_num_lines(path: Path) -> float:
    """Estimate the number of lines of a file from its first 64 KiB."""
    with path.open("rb") as file:
        beginning = file.read(1 << 16)
    return path.stat().st_size / max(len(beginning), 1) * beginning.count(b"\n")


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


class _Chunk(NamedTuple):
    """The valid edges of one chunk of rows."""

    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    relation: np.ndarray
    weighted: bool


class EdgeReader:
    """Collects edges from tables.

    ids: names of all nodes, if a table lists them; otherwise every end is a node.
    relation: name of the relation column; None: a single relation.
    """

    def __init__(
        self, ids: Iterable[str] | None = None, relation: str | None = None
    ) -> None:
        self.ids_are_complete, self.relation = ids is not None, relation
        self.quarantined: list[Quarantined] = []
        self._rows = {name: row for row, name in enumerate(ids or ())}
        self._relations: dict[str, int] = {}
        self._unused_columns: set[str] = set()
        self._chunks: list[_Chunk] = []
        self._num_more_quarantined = 0

    @property
    def has_edges(self) -> bool:
        return any(len(chunk.source) for chunk in self._chunks)

    def add(self, frame: Any, first_line: int) -> None:
        """Add the edges of a DataFrame. first_line: of its first row in the file."""
        columns = edge_columns(frame)
        if columns is None:
            raise DataError(
                "The edges must have columns source and target. Got "
                f"{', '.join(map(str, frame.columns))}. Rename the columns."
            )
        names = [cells_as_text(frame[column]) for column in columns[:2]]
        relations = self._read_relations(frame)
        weight = None if columns[2] is None else _parse_weights(frame[columns[2]])
        interleaved = [name for pair in zip(*names, strict=True) for name in pair]
        ends = self._rows_of(interleaved).reshape(-1, 2).T
        empty = np.array([[name == "" for name in column] for column in names])
        checks = [
            (empty.any(axis=0), lambda k: "the source or target is empty"),
            ((ends < 0).any(axis=0), lambda k: _describe_unknown(names, ends, k)),
        ]
        if relations is not None:
            checks.append((relations < 0, lambda k: f"{self.relation} is empty"))
        if weight is not None:
            cells = frame[columns[2]]
            checks += [
                (
                    np.isnan(weight),
                    lambda k: f"weight {cells.iloc[k]!r} is not a number",
                ),
                (weight < 0, lambda k: f"weight {weight[k]:g} is negative"),
            ]
        valid = np.ones(len(frame), bool)
        for invalid, describe in checks:
            for k in np.flatnonzero(invalid & valid).tolist():
                edge = f"{names[0][k]} - {names[1][k]}"
                self._quarantine(edge, f"line {k + first_line}: {describe(k)}")
            valid &= ~invalid
        ones = np.ones(len(frame), np.float32)
        relation = np.empty(0, np.int64) if relations is None else relations[valid]
        self._chunks.append(
            _Chunk(
                ends[0, valid],
                ends[1, valid],
                (ones if weight is None else weight)[valid],
                relation,
                weight is not None,
            )
        )

    def _read_relations(self, frame: Any) -> np.ndarray | None:
        """Return the relation of each edge [n], -1 for an empty cell."""
        known = {str(name).strip().lower(): name for name in frame.columns}
        if self.relation is None:
            candidates = (known[name] for name in RELATION_COLUMNS if name in known)
            several = (name for name in candidates if frame[name].nunique() > 1)
            self._unused_columns |= set(map(str, several))
            return None
        column = named_column(frame.columns, self.relation, "the table of edges")
        cells = cells_as_text(frame[column])
        for name in cells:
            if name:
                self._relations.setdefault(name, len(self._relations))
        return np.array([self._relations.get(name, -1) for name in cells], np.int64)

    def _rows_of(self, names: list[str]) -> np.ndarray:
        """Return the node row of each name [n], -1 for an unknown one."""
        import pandas as pd

        codes, unique = pd.factorize(np.array(names, dtype=object))
        if not self.ids_are_complete:
            for name in unique:
                if name != "":
                    self._rows.setdefault(name, len(self._rows))
        rows = np.array([self._rows.get(name, -1) for name in unique], np.int64)
        return rows[codes] if len(rows) else np.empty(0, np.int64)

    def _quarantine(self, name: str, reason: str) -> None:
        if len(self.quarantined) < MOST_QUARANTINED:
            self.quarantined.append(Quarantined(name, "", reason))
        else:
            self._num_more_quarantined += 1

    def to_edges(self, directed: bool) -> Edges:
        """Return all edges with duplicates merged; NoDataError if there are none."""
        notes = []
        if self._num_more_quarantined:
            notes.append(f"{self._num_more_quarantined:,} more edges are quarantined")
        if not self.has_edges:
            first = self.quarantined[0].reason if self.quarantined else ""
            why = f" The first row: {first}." if first else ""
            raise NoDataError(f"There are no valid edges.{why}")
        source, target, weight, relation = (
            np.concatenate([chunk[k] for chunk in self._chunks]) for k in range(4)
        )
        weighted = any(chunk.weighted for chunk in self._chunks)
        ids = np.array(list(self._rows), dtype=object)
        if self._unused_columns:
            name = sorted(self._unused_columns)[0]
            notes.append(
                f"the column {name!r} of the edges is ignored; to predict edges of "
                f"each relation use --domain links --relation-column {name}"
            )
        source, target, merged_weight, relation, more = merge_duplicate_edges(
            source,
            target,
            weight if weighted else None,
            len(ids),
            directed,
            relation if self.relation else None,
        )
        edges = Edges(
            ids, source, target, merged_weight, self.quarantined, notes + more
        )
        if relation is None:
            return edges
        rank = np.argsort(np.argsort([*self._relations]))
        names = tuple(sorted(self._relations))
        return edges._replace(relation=rank[relation], relations=names)


def merge_duplicate_edges(
    source: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None,
    num_nodes: int,
    directed: bool,
    relation: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None, list[str]]:
    """Return each edge once, in the order of first occurrence, and notes.

    Weights of duplicates are added. In an undirected graph u - v and v - u are the same
    edge. Edges of different relations are different.
    """
    if directed:
        keys = source * num_nodes + target
    else:
        keys = np.minimum(source, target)
        keys *= num_nodes
        keys += np.maximum(source, target)
    if relation is not None:
        keys += relation * num_nodes**2
    key, order = torch.from_numpy(keys).sort(stable=True)
    del keys  # these arrays are large, and freed as soon as possible
    is_new = torch.ones(len(key), dtype=torch.bool)
    is_new[1:] = key[1:] != key[:-1]
    del key
    first = order[is_new].numpy()  # first of equal ones: the sort is stable
    num_duplicates = len(is_new) - len(first)
    if not num_duplicates:
        return source, target, weight, relation, []
    by_position = np.argsort(first)
    effect = "their weights are added" if weight is not None else "each counts once"
    notes = [f"{pluralize(num_duplicates, 'duplicate edge')} merged; {effect}"]
    if weight is not None:
        group = is_new.cumsum(0).numpy() - 1
        totals = np.bincount(group, weight[order.numpy()])
        weight = totals[by_position].astype(np.float32)
    kept = first[by_position]
    del first, by_position, order, is_new
    relation = None if relation is None else relation[kept]
    return source[kept], target[kept], weight, relation, notes


def cells_as_text(column: Any) -> list[str]:
    """Return the cells of a column as stripped texts; missing ones as ""."""
    cells = column.tolist()
    if not all(type(cell) is str for cell in cells):
        cells = restore_integers(column)
        cells = ["" if _is_missing(cell) else str(cell) for cell in cells]
    return [cell.strip() for cell in cells]


def _is_missing(cell: Any) -> bool:
    return cell is None or cell != cell or str(cell) == "<NA>"


def find_column(frame: Any, names: Iterable[str]) -> Any | None:
    """Return the first column of these names, in any case; None if there is none."""
    known = {str(name).strip().lower(): name for name in frame.columns}
    return next((known[name] for name in names if name in known), None)


def edge_columns(frame: Any) -> tuple[Any, Any, Any | None] | None:
    """Return the columns of source, target and weight; None if not named so."""
    source = find_column(frame, SOURCE_COLUMNS)
    target = find_column(frame, TARGET_COLUMNS)
    if source is None or target is None:
        return None
    return source, target, find_column(frame, WEIGHT_COLUMNS)


def _parse_weights(column: Any) -> np.ndarray:
    """Return finite numbers [n], NaN for anything else."""
    import pandas as pd

    numbers = np.asarray(pd.to_numeric(column, errors="coerce"), np.float32)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _describe_unknown(names: list[list[str]], ends: np.ndarray, k: int) -> str:
    side = 0 if ends[0, k] < 0 else 1
    return f"there is no node {names[side][k]!r}"


def read_edge_file(path: Path) -> Iterator[tuple[Any, int]]:
    """Yield tables of a file's edges and the line number of their first row.

    The header names the columns; without a header (no source and target) they are
    source, target[, weight[, time]], or source, relation, target if the third is not
    numeric and shares names with the first. The separator is a comma, semicolon, tab or
    spaces. Raises DataError where a line has more or fewer cells.
    """
    import pandas as pd

    header, num_skipped = _first_line(path)
    separator = max(",;\t", key=header.count)
    spaces = separator not in header
    cells = header.split() if spaces else header.split(separator)
    cells = [cell.strip().strip('"') for cell in cells]
    has_header = edge_columns(pd.DataFrame(columns=cells)) is not None
    has_time = len(cells) == 4 and all(map(_is_number, cells[2:]))
    if not has_header and len(cells) not in (2, 3) and not has_time:
        raise DataError(
            f"{path} is not an edge list: the first line must name the columns source "
            f"and target, or have 2 or 3 cells. Got {len(cells)}: {header[:80]!r}"
        )
    line = num_skipped + (2 if has_header else 1)
    names = COLUMNS_WITHOUT_HEADER[: len(cells)]
    if not has_header and _are_triples(path, None if spaces else separator):
        names = TRIPLE_COLUMNS
    try:
        with path.open(encoding="utf-8-sig") as file:
            for _ in range(num_skipped):
                file.readline()
            chunks = pd.read_csv(
                file,
                sep=r"\s+" if spaces else separator,
                header=0 if has_header else None,
                names=None if has_header else names,
                dtype=str,
                keep_default_na=False,
                chunksize=ROWS_PER_CHUNK,
                index_col=False,
                comment=None if has_header else "#",
            )
            while (chunk := _next_chunk(chunks)) is not None:
                yield chunk, line
                line += len(chunk)
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error) from error
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        why = describe_parser_error(error)
        raise DataError(f"{path} cannot be read as a table: {why}.") from error


def _is_number(text: str) -> bool:
    try:
        return np.isfinite(float(text))
    except ValueError:
        return False


def _are_triples(path: Path, separator: str | None) -> bool:
    """Return True if the first lines are triples (source, relation, target).

    Most of the third cells are then not numeric, and some of them are also sources.
    """
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        beginning = file.read(1 << 16)
    lines = beginning.splitlines()
    if len(beginning) == 1 << 16:  # the last line may be incomplete
        lines = lines[:-1]
    lines = [line for line in lines if line.strip() and not line.startswith(COMMENTS)]
    rows = [line.split() for line in lines]
    if separator is not None:
        rows = list(csv.reader(lines, delimiter=separator))
    if not rows or any(len(row) != 3 for row in rows):
        return False
    if 2 * sum(_is_number(row[2]) for row in rows) > len(rows):
        return False
    first, _, third = (
        {cell.strip() for cell in column} for column in zip(*rows, strict=True)
    )
    return bool(first & third)


def _next_chunk(chunks: Iterator[Any]) -> Any:
    """Return the next chunk; rows with too many cells raise instead of warn."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return next(chunks, None)


def _first_line(path: Path) -> tuple[str, int]:
    """Return the first line that is not a comment, and the number of lines before."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            for k, line in enumerate(file):
                if line.strip() and not line.startswith(COMMENTS):
                    return line.rstrip("\n"), k
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error) from error
    raise NoDataError(f"{path} is empty. Expected columns source,target[,weight].")


def _not_utf8(path: Path, error: UnicodeDecodeError) -> DataError:
    return DataError(
        f"{path} is not encoded in UTF-8 (byte {error.start}). Save it as UTF-8 and "
        "try again."
    )
