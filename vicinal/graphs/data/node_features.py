"""What is known of nodes, as numbers: [N, F] float32 by rules that are said.

======================  =============================================================
a column of             becomes
======================  =============================================================
0 and 1, true, false    itself
numbers                 (value - mean) / spread of the nodes that were there at first
few different texts     a column of 0 and 1 for each
other texts             nothing, and a note: free text is not read
empty cells             0, and a column of 0 and 1 that says so
20 columns of 0 and 1   mostly 0: they say which words there are; each row of them is
or more                 divided by its sum
matrix, mostly 0        each row divided by its sum: shares of words
matrix, other           each column as numbers are
======================  =============================================================

What was learned of the columns is kept with the model, so that nodes that come later
are read alike: a text never seen is 0 in all columns of its own.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from vicinal.core.data.csv_tables import clean
from vicinal.core.data.labels import is_missing, number
from vicinal.core.text import counted
from vicinal.errors import DataError
from vicinal.graphs.sparse.memmap import Make

MOST_TEXTS = 50
"""different texts up to which a column names kinds"""

WORDS = 20
"""columns of 0 and 1 from which on they may be words"""

SPARSE = 0.5
"""share of zeros from which on a matrix without negative numbers counts words"""

SHOWN = 8
"""columns that are named where all are told"""

ROWS = 1 << 16
"""of a matrix, at a time"""


TRUTHS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}


def empty(height: int, width: int) -> np.ndarray:
    """In memory."""
    return np.empty((height, width), np.float32)


@dataclass(frozen=True)
class ColumnEncoder:
    """How one column of a table is read."""

    name: str
    kind: Literal["mark", "number", "text"]
    mean: float = 0.0
    spread: float = 1.0
    texts: tuple[str, ...] = ()
    empties: bool = False
    """whether a column says which cells were empty"""

    @property
    def width(self) -> int:
        """Columns that it becomes."""
        return (len(self.texts) or 1) + self.empties

    @property
    def names(self) -> list[str]:
        """Of what it becomes."""
        own = [f"{self.name}={text}" for text in self.texts] or [self.name]
        return own + ([f"{self.name} is empty"] if self.empties else [])

    def __str__(self) -> str:
        kinds = f" of {counted(len(self.texts), 'kind')}" if self.texts else ""
        return f"{self.name}{kinds}"

    def read(self, cells: list[Any]) -> np.ndarray:
        """[N, width] of N cells; a cell that it cannot read counts as empty."""
        found = np.zeros((len(cells), self.width), np.float32)
        plain = None if self.kind == "text" else _all_numbers(cells)
        if plain is not None:
            found[:, 0] = (plain - self.mean) / self.spread
            return found
        place = {text: k for k, text in enumerate(self.texts)}
        for row, cell in enumerate(cells):
            text = clean(cell)
            if self.kind == "text" and text in place:
                found[row, place[text]] = 1
            value = None if self.kind == "text" else _value(cell)
            if value is not None:
                found[row, 0] = (value - self.mean) / self.spread
            empty = text is None or (self.kind != "text" and value is None)
            if self.empties and empty:
                found[row, -1] = 1
        return found

    def strange(self, cells: list[Any]) -> str:
        """What is to be said of cells that it cannot read; nothing where it can."""
        if self.kind == "text":
            bad = [c for c in cells if clean(c) not in (None, *self.texts)]
            why = "is a text that was not there at first", "none of those that were"
        else:
            bad = [c for c in cells if clean(c) is not None and _value(c) is None]
            why = "is no number", "empty"
        if not bad:
            return ""
        return (
            f"column {self.name!r}: {counted(len(bad), 'cell')} cannot be read: "
            f"{bad[0]!r} {why[0]}, and counts as {why[1]}"
        )


@dataclass(frozen=True)
class FeatureEncoder:
    """How what is known of a graph's nodes is read."""

    form: Literal["table", "words", "numbers", "none", "kept"]
    """kept: a matrix that was read before and is to stay as it is"""

    columns: tuple[ColumnEncoder, ...] = ()
    """of a table"""

    mean: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()
    """of a matrix of numbers"""

    width: int = 0
    """columns that a matrix must have"""

    shares: bool = False
    """of a table: whether its columns of 0 and 1 are divided by their sum in a row"""

    @classmethod
    def of(cls, features: Any) -> tuple["FeatureEncoder", list[str]]:
        """The rules for features as they are, and notes on what is not used."""
        if features is None or features.shape[1] == 0:
            return cls("none"), []
        if hasattr(features, "columns"):
            return _of_table(features)
        return _of_matrix(features)

    def read(self, features: Any, count: int, make: Make = empty) -> np.ndarray:
        """Features [count, F] as float32; DataError where columns are missing.

        make: gives the matrix that those of a matrix are put in.
        """
        if self.form == "none":
            return np.zeros((count, 0), np.float32)
        if self.form == "table":
            return self._read_table(features, count)
        if features is None or features.shape[1] != self.width:
            got = "none" if features is None else str(features.shape[1])
            raise DataError(
                f"The model knows nodes by {self.width} numbers each. Got {got}. Give "
                "new nodes the same columns."
            )
        found = make(count, self.width)
        for own, part, _ in _parts(features):
            found[own] = self._read_rows(part)
        return found

    def _read_rows(self, part: np.ndarray) -> np.ndarray:
        if self.form == "kept":
            return part
        if self.form == "words":
            total = np.abs(part).sum(axis=1, keepdims=True)
            return part / np.where(total > 0, total, 1)
        mean, spread = (np.array(k, np.float32) for k in (self.mean, self.spread))
        return (part - mean) / spread

    def _read_table(self, features: Any, count: int) -> np.ndarray:
        there = [str(name) for name in getattr(features, "columns", ())]
        missing = [c.name for c in self.columns if c.name not in there]
        if missing:
            raise DataError(
                f"The model knows nodes by the column {missing[0]!r}, which is not "
                f"there. Got {', '.join(there) or 'no columns'}. Add it; cells may be "
                "empty."
            )
        if not self.columns or features is None:
            return np.zeros((count, 0), np.float32)
        parts = [c.read(features[c.name].tolist()) for c in self.columns]
        found = np.concatenate(parts, axis=1)
        if self.shares:
            wide = [c.kind == "mark" for c in self.columns for _ in range(c.width)]
            total = found[:, wide].sum(axis=1, keepdims=True)
            found[:, wide] /= np.where(total > 0, total, 1)
        return found

    def strange(self, features: Any) -> list[str]:
        """What is to be said of cells of a table that are not read as they stand."""
        if self.form != "table" or features is None:
            return []
        told = (c.strange(features[c.name].tolist()) for c in self.columns)
        return [line for line in told if line]

    def names(self) -> list[str]:
        """Of the columns F that come out."""
        if self.form == "table":
            return [name for column in self.columns for name in column.names]
        return [str(k) for k in range(self.width)]

    def __str__(self) -> str:
        if self.form == "none":
            return "no features"
        what = {"words": "shares of each row", "numbers": "standardised"}
        if self.form in what:
            return f"{self.width:,} features, {what[self.form]}"
        wide = sum(column.width for column in self.columns)
        told = f"{counted(len(self.columns), 'column')}, {counted(wide, 'feature')}"
        told += ", words as shares of each row" if self.shares else ""
        some = ", ".join(map(str, self.columns[:SHOWN]))
        rest = ", ..." if len(self.columns) > SHOWN else ""
        return f"{told} ({some}{rest})" if some else told

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "FeatureEncoder":
        columns = [
            ColumnEncoder(**c | {"texts": tuple(c["texts"])}) for c in values["columns"]
        ]
        rest = {k: tuple(values[k]) for k in ("mean", "spread")}
        more = {k: values[k] for k in ("width", "shares") if k in values}
        return cls(values["form"], tuple(columns), **rest, **more)


def _of_table(frame: Any) -> tuple[FeatureEncoder, list[str]]:
    columns, notes = [], []
    for name in frame.columns:
        column, note = _column(str(name), frame[name].tolist())
        notes += [note] if note else []
        columns += [column] if column is not None else []
    marks = [c.name for c in columns if c.kind == "mark"]
    return FeatureEncoder(
        "table", tuple(columns), shares=_are_words(frame, marks)
    ), notes


def _are_words(frame: Any, marks: list[str]) -> bool:
    """Whether columns of 0 and 1 are many, and mostly 0."""
    if len(marks) < WORDS:
        return False
    there = {str(name): name for name in frame.columns}
    ones = sum(
        _value(cell) == 1.0
        for name in marks
        for cell in frame[there[name]].tolist()[:200]
    )
    seen = len(marks) * min(len(frame), 200)
    return ones <= (1 - SPARSE) * seen


def _column(name: str, cells: list[Any]) -> tuple[ColumnEncoder | None, str]:
    """How a column is read, if it is, and what is to be said of it."""
    plain = _all_numbers(cells)
    if plain is not None and len(cells):
        return _amounts(name, plain.tolist(), empties=False), ""
    given = [cell for cell in cells if clean(cell) is not None]
    empties = len(given) < len(cells)
    if not given:
        return None, f"column {name!r} is empty and is not used"
    values = [_value(cell) for cell in given]
    numbers = [value for value in values if value is not None]
    mostly = 10 * len(numbers) >= 9 * len(values) or all(map(_is_amount, given))
    if numbers and len(numbers) < len(values) and mostly:
        strange = next(c for c, v in zip(given, values, strict=True) if v is None)
        told = len(values) - len(numbers)
        many = told > 1
        what = f"{counted(told, 'cell')} {'are' if many else 'is'} no finite number"
        note = (
            f"column {name!r}: {what}{'s' if many else ''}, such as {strange!r}, and "
            f"count{'' if many else 's'} as empty"
        )
        return _amounts(name, numbers, empties=True), note
    if len(numbers) == len(values):
        return _amounts(name, numbers, empties), ""
    texts = sorted({str(clean(cell)) for cell in given})
    if len(texts) > max(2, min(MOST_TEXTS, len(given) // 2)):
        return None, (
            f"column {name!r} has {len(texts):,} different texts and is not used: free "
            "text is not read"
        )
    return ColumnEncoder(name, "text", texts=tuple(texts), empties=empties), ""


def _all_numbers(cells: list[Any]) -> np.ndarray | None:
    """Cells as finite numbers [N], if all of them are: as one by one, but sooner."""
    import pandas as pd

    given: Any = pd.Series(cells, dtype=object)
    found = np.asarray(pd.to_numeric(given, errors="coerce"), float)
    return found if np.isfinite(found).all() else None


def _amounts(name: str, numbers: list[float], empties: bool) -> ColumnEncoder:
    if set(numbers) <= {0.0, 1.0}:
        return ColumnEncoder(name, "mark", empties=empties)
    spread = float(np.std(numbers)) or 1.0
    return ColumnEncoder(name, "number", float(np.mean(numbers)), spread, (), empties)


def _is_amount(cell: Any) -> bool:
    """Whether a cell is a number, were it infinite."""
    try:
        float(cell)
    except (TypeError, ValueError):
        return _value(cell) is not None
    return True


def _value(cell: Any) -> float | None:
    """A finite number, or a truth value as 0 or 1; None for another cell."""
    if is_missing(cell):
        return None
    if isinstance(cell, (bool, np.bool_)):
        return float(cell)
    return TRUTHS.get(str(cell).strip().lower(), number(cell))


def _of_matrix(features: Any) -> tuple[FeatureEncoder, list[str]]:
    """The rules for a matrix [N, F], read twice, some rows at a time."""
    count, width = features.shape
    bad = zeros = 0
    least, total = 0.0, np.zeros(width)
    for _, part, strange in _parts(features):
        bad, zeros = bad + strange, zeros + int((part == 0).sum())
        least = min(least, float(part.min(initial=0)))
        total += part.sum(axis=0, dtype=float)
    notes = [f"{bad:,} features are no finite numbers and count as 0"] if bad else []
    if zeros >= SPARSE * count * width and least >= 0:
        return FeatureEncoder("words", width=width), notes
    mean, square = total / max(count, 1), np.zeros(width)
    for _, part, _ in _parts(features):
        square += np.square(part - mean).sum(axis=0)
    spread = np.sqrt(square / max(count, 1))
    spread = np.where(spread > 1e-6, spread, 1.0)
    both = tuple(mean.tolist()), tuple(spread.tolist())
    return FeatureEncoder("numbers", (), *both, width), notes


def _parts(features: Any) -> Iterator[tuple[slice, np.ndarray, int]]:
    """Rows of a matrix, dense or scipy's sparse, as float32, some at a time; how many
    of their numbers are none, which are 0 here."""
    rows = features.tocsr() if hasattr(features, "tocsr") else features
    for begin in range(0, features.shape[0], ROWS):
        own = slice(begin, min(begin + ROWS, features.shape[0]))
        part = rows[own]
        part = part.toarray() if hasattr(part, "toarray") else part
        part = np.asarray(part, dtype=np.float32)
        bad = ~np.isfinite(part)
        yield own, np.where(bad, np.float32(0), part), int(bad.sum())
