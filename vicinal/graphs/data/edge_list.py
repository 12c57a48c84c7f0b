"""Edges as rows of a table: ends by name, perhaps a weight; read a part at a time.

What cannot be used is set aside with its line: an end that is empty or that the table
of nodes does not list, a weight that is no number, or below 0. Names are texts and stay
what they are: nothing is renumbered.
"""

import csv
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from vicinal.core.compute.memory import free_memory
from vicinal.core.data.csv_tables import EMPTY, whole_numbers_as_such, why_no_table
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.text import counted
from vicinal.errors import DataError, NoDataError, SettingError, near_names
from vicinal.graphs.data.detect import SOURCE, TARGET

WEIGHT = ("weight", "w", "edge_weight")
RELATION = ("relation", "rel", "edge_type", "type", "predicate", "interaction")
"""columns that usually name the kind of an edge: told of where they are not used"""

UNNAMED = ["source", "target", "weight", "time"]
FACT = ["source", "relation", "target"]
"""columns of a list whose first line does not name them, and of one of facts"""

ROWS = 1_000_000
"""of a file, at a time"""

MOST_TOLD = 1000
"""edges that are set aside by name; of more only the number is kept"""

COMMENTS = ("#", "%")
"""what a line that says nothing begins with in the lists of SNAP and KONECT"""


BYTES = 80
"""an edge takes while it is read, and looked at for repeats"""


def room_for(count: float, where: Path | str) -> None:
    """DataError where there is no memory for so many edges, before it runs out."""
    needed, free = BYTES * count, free_memory()
    if needed > free:
        raise DataError(
            f"{where} holds about {count:,.0f} edges, which take about "
            f"{needed / 1e9:.1f} GB while they are read; {free / 1e9:.1f} GB are free. "
            "Leave edges out, or read them where there is more memory."
        )


def lines_of(path: Path) -> float:
    """About how many lines a file has, by the length of those at its beginning."""
    with path.open("rb") as file:
        begins = file.read(1 << 16)
    return path.stat().st_size / max(len(begins), 1) * begins.count(b"\n")


class Edges(NamedTuple):
    """What was read: rows of ids."""

    ids: np.ndarray
    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray | None
    set_aside: list[Quarantined]
    notes: list[str]
    relation: np.ndarray | None = None
    relations: tuple[str, ...] = ()
    """the kind of each edge as a row of their names, sorted"""


class EdgeReader:
    """Collects edges from tables, one after the other.

    ids: the names of all nodes, where a table lists them; else each end is a node.
    relation: the column that names the kind of an edge; None: there is one kind.
    """

    def __init__(
        self, ids: Iterable[str] | None = None, relation: str | None = None
    ) -> None:
        self.closed, self.relation = ids is not None, relation
        self.relations: dict[str, int] = {}
        self.passed_over: set[str] = set()
        self.rows = {name: row for row, name in enumerate(ids or ())}
        self.parts: list[tuple[np.ndarray, ...]] = []
        self.set_aside: list[Quarantined] = []
        self.untold = 0

    def add(self, frame: Any, first_line: int) -> None:
        """Edges of a DataFrame whose first row is so many lines down its file."""
        columns = edge_columns(frame)
        if columns is None:
            told = ", ".join(map(str, frame.columns))
            raise DataError(
                f"The edges have no columns source and target. Got {told}. Rename the "
                "columns of the two ends."
            )
        names = [texts(frame[column]) for column in columns[:2]]
        relations = self._relations_of(frame)
        weight = None if columns[2] is None else _weights(frame[columns[2]])
        in_turns = [name for pair in zip(*names, strict=True) for name in pair]
        ends = self._rows_of(in_turns).reshape(-1, 2).T
        empty = np.array([[text == "" for text in own] for own in names])
        reasons = [
            (empty.any(axis=0), lambda k: "an end is empty"),
            ((ends < 0).any(axis=0), lambda k: _unknown(names, ends, k)),
        ]
        if relations is not None:
            reasons.append((relations < 0, lambda k: f"its {self.relation} is empty"))
        if weight is not None:
            given = frame[columns[2]]
            reasons += [
                (np.isnan(weight), lambda k: f"its weight {given.iloc[k]!r} is none"),
                (weight < 0, lambda k: f"its weight {weight[k]:g} is below 0"),
            ]
        good = np.ones(len(frame), bool)
        for wrong, why in reasons:
            for k in np.flatnonzero(wrong & good):
                row = int(k)
                name = f"{names[0][row]} - {names[1][row]}"
                self._aside(name, f"line {row + first_line}: {why(row)}")
            good &= ~wrong
        own = np.ones(len(frame), np.float32) if weight is None else weight
        relations = np.empty(0, np.int64) if relations is None else relations[good]
        self.parts.append(
            (*ends[:, good], own[good], relations, np.array(weight is not None))
        )

    def _relations_of(self, frame: Any) -> np.ndarray | None:
        """[n] the kind of each edge, -1 for an empty cell; None: they are of one."""
        known = {str(name).strip().lower(): name for name in frame.columns}
        if self.relation is None:
            named = (known[k] for k in RELATION if k in known)
            several = (name for name in named if frame[name].nunique() > 1)
            self.passed_over |= set(map(str, several))
            return None
        column = known.get(self.relation.strip().lower())
        if column is None:
            raise SettingError(
                f"The edges have no column {self.relation!r}. "
                f"{near_names(self.relation, map(str, frame.columns))}"
            )
        cells = texts(frame[column])
        for name in cells:
            if name:
                self.relations.setdefault(name, len(self.relations))
        return np.array([self.relations.get(name, -1) for name in cells], np.int64)

    def _rows_of(self, names: list[str]) -> np.ndarray:
        """[n] the row of each name, -1 for one that is not there."""
        import pandas as pd

        codes, different = pd.factorize(np.array(names, dtype=object))
        if not self.closed:
            for name in different:
                if name != "":
                    self.rows.setdefault(name, len(self.rows))
        places = np.array([self.rows.get(name, -1) for name in different], np.int64)
        return places[codes] if len(places) else np.empty(0, np.int64)

    def _aside(self, name: str, reason: str) -> None:
        if len(self.set_aside) < MOST_TOLD:
            self.set_aside.append(Quarantined(name, "", reason))
        else:
            self.untold += 1

    def edges(self, directed: bool) -> Edges:
        """All that was read, each edge once; NoDataError for none."""
        notes = []
        if self.untold:
            notes.append(f"{self.untold:,} more edges are set aside")
        if not any(len(part[0]) for part in self.parts):
            why = f" The first: {self.set_aside[0].reason}." if self.set_aside else ""
            raise NoDataError(f"There is no edge that could be used.{why}")
        source, target, weight, relations = (
            np.concatenate([part[k] for part in self.parts]) for k in range(4)
        )
        weighted = any(bool(part[4]) for part in self.parts)
        ids = np.array(list(self.rows), dtype=object)
        if self.passed_over:
            one = sorted(self.passed_over)[0]
            notes.append(
                f"the column {one} of the edges is not used; `vicinal train` learns "
                f"edges of each relation with --task links --relation-column {one}"
            )
        kept = once(
            source,
            target,
            weight if weighted else None,
            len(ids),
            directed,
            relations if self.relation else None,
        )
        source, target, own, relations, more = kept
        read = Edges(ids, source, target, own, self.set_aside, notes + more)
        if relations is None:
            return read
        names = sorted(self.relations)
        place = np.argsort(np.argsort([*self.relations]))
        return read._replace(relation=place[relations], relations=tuple(names))


def once(
    source: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None,
    num_nodes: int,
    directed: bool,
    relations: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None, list[str]]:
    """Each edge once, in the order in which it came first, and notes.

    Weights of repeats are added up. Without a direction u - v and v - u are one edge.
    Edges of other relations do not repeat each other.
    """
    if directed:
        keys = source * num_nodes + target
    else:
        keys = np.minimum(source, target)
        keys *= num_nodes
        keys += np.maximum(source, target)
    if relations is not None:
        keys += relations * num_nodes**2
    key, place = torch.from_numpy(keys).sort(stable=True)
    del keys  # of many edges each of these is large
    new = torch.ones(len(key), dtype=torch.bool)
    new[1:] = key[1:] != key[:-1]
    del key
    first = place[new].numpy()  # of equal ones: the sort keeps their order
    notes, repeats = [], len(new) - len(first)
    if not repeats:
        return source, target, weight, relations, notes
    order = np.argsort(first)
    if repeats:
        what = "weights are added up" if weight is not None else "they count once"
        notes.append(f"{counted(repeats, 'edge')} repeat others; {what}")
    if weight is not None:
        member = new.cumsum(0).numpy() - 1
        weight = np.bincount(member, weight[place.numpy()])[order].astype(np.float32)
    kept = first[order]
    del first, order, place, new
    relations = None if relations is None else relations[kept]
    return source[kept], target[kept], weight, relations, notes


def texts(column: Any) -> list[str]:
    """Names of nodes as texts; empty cells are empty."""
    cells = column.tolist()
    if not all(type(cell) is str for cell in cells):
        cells = whole_numbers_as_such(column)
        cells = ["" if _is_none(cell) else str(cell) for cell in cells]
    return [cell.strip() for cell in cells]


def _is_none(cell: Any) -> bool:
    return cell is None or cell != cell or str(cell) == "<NA>"


def edge_columns(frame: Any) -> tuple[Any, Any, Any | None] | None:
    """Columns of source, target and weight; None where they are not named so."""
    known = {str(name).strip().lower(): name for name in frame.columns}

    def of(names: tuple[str, ...]) -> Any | None:
        return next((known[name] for name in names if name in known), None)

    source, target = of(SOURCE), of(TARGET)
    return None if source is None or target is None else (source, target, of(WEIGHT))


def _weights(column: Any) -> np.ndarray:
    """Numbers [n], NaN for what is none; an empty cell is none."""
    import pandas as pd

    found = np.asarray(pd.to_numeric(column, errors="coerce"), np.float32)
    return np.where(np.isfinite(found), found, np.nan)


def _unknown(names: list[list[str]], ends: np.ndarray, k: int) -> str:
    side = 0 if ends[0, k] < 0 else 1
    return f"there is no node {names[side][k]!r}"


def read_edge_file(path: Path) -> Iterator[tuple[Any, int]]:
    """Tables of a file's edges, so many rows at a time, and the line of their first.

    The columns are named by the first line if that names source and target; else they
    are source, target and, if there are more, weight and time (KONECT), which is not
    used; or source, relation and target, where the third is no number and names nodes
    that the first does. Cells stand apart by comma, semicolon, tab or spaces. DataError
    where a line has more or fewer cells.
    """
    import pandas as pd

    head, skipped = _first_line(path)
    separator = max(",;\t", key=head.count)
    spaced = separator not in head
    cells = head.split() if spaced else head.split(separator)
    cells = [cell.strip().strip('"') for cell in cells]
    named = edge_columns(pd.DataFrame(columns=cells)) is not None
    timed = len(cells) == 4 and all(map(_is_amount, cells[2:]))
    if not named and len(cells) not in (2, 3) and not timed:
        raise DataError(
            f"{path} is no list of edges: its first line names no columns source and "
            f"target, and 2 or 3 cells were wanted. Got {len(cells)}: {head[:80]!r}"
        )
    line, names = skipped + (2 if named else 1), UNNAMED[: len(cells)]
    if not named and _are_facts(path, None if spaced else separator):
        names = FACT
    try:
        with path.open(encoding="utf-8-sig") as file:
            for _ in range(skipped):
                file.readline()
            tables = pd.read_csv(
                file,
                sep=r"\s+" if spaced else separator,
                header=0 if named else None,
                names=None if named else names,
                dtype=str,
                keep_default_na=False,
                chunksize=ROWS,
                index_col=False,
                comment=None if named else "#",
            )
            while (table := _next(tables)) is not None:
                yield table, line
                line += len(table)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not written in UTF-8 (byte {error.start}). Save it as UTF-8 "
            "and try again."
        ) from error
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        why = why_no_table(error)
        raise DataError(f"{path} cannot be read as a table: {why}.") from error


def _is_amount(text: str) -> bool:
    try:
        return np.isfinite(float(text))
    except ValueError:
        return False


def _are_facts(path: Path, separator: str | None) -> bool:
    """Whether the first lines are of two nodes with a relation between them: most of
    the third cells are no numbers, and some are nodes that the first names."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        begins = file.read(1 << 16)
    lines = begins.splitlines()
    if len(begins) == 1 << 16:  # the last may be cut
        lines = lines[:-1]
    told = [line for line in lines if line.strip() and not line.startswith(COMMENTS)]
    rows = [line.split() for line in told]
    if separator is not None:
        rows = list(csv.reader(told, delimiter=separator))
    if not rows or any(len(row) != 3 for row in rows):
        return False
    if 2 * sum(_is_amount(row[2]) for row in rows) > len(rows):
        return False
    first, _, third = (
        {cell.strip() for cell in own} for own in zip(*rows, strict=True)
    )
    return bool(first & third)


def _next(tables: Iterator[Any]) -> Any:
    """The next part; rows with cells too many are an error, where pandas warns."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return next(tables, None)


def _first_line(path: Path) -> tuple[str, int]:
    """The first line that says something, and how many there are before it."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            for k, line in enumerate(file):
                if line.strip() and not line.startswith(COMMENTS):
                    return line.rstrip("\n"), k
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not written in UTF-8 (byte {error.start}). Save it as UTF-8 "
            "and try again."
        ) from error
    raise NoDataError(f"{path} is empty. Wanted: the columns source,target[,weight].")


def is_empty(text: str) -> bool:
    """Whether a cell says nothing."""
    return text.strip().lower() in EMPTY
