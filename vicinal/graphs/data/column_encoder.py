"""ColumnEncoder: one column of a table of nodes as numbers; see `node_features`."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np

from vicinal.core.data.csv_tables import clean_cell
from vicinal.core.data.labels import is_missing, parse_number
from vicinal.core.text import pluralize

MOST_CATEGORIES = 50
"""a column with more different texts is free text"""

LARGEST = float(np.finfo(np.float32).max)
"""a number above it is not finite as float32"""

ISO_DATE = re.compile(r"\d{4}[-/]\d\d[-/]\d\d([ T]\d\d:\d\d.*)?")
OTHER_DATE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}")

TRUTH_VALUES = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}


@dataclass(frozen=True)
class ColumnEncoder:
    """The encoding of one column of a table."""

    name: str
    kind: Literal["binary", "numeric", "date", "categorical", "several"]
    mean: float = 0.0
    std: float = 1.0
    categories: tuple[str, ...] = ()
    missing_indicator: bool = False

    @property
    def width(self) -> int:
        """The number of encoded columns."""
        return (len(self.categories) or 1) + self.missing_indicator

    @property
    def feature_names(self) -> list[str]:
        """The names of the encoded columns."""
        names = [f"{self.name}={text}" for text in self.categories] or [self.name]
        return names + ([f"{self.name} is missing"] if self.missing_indicator else [])

    def __str__(self) -> str:
        if not self.categories:
            return self.name
        return f"{self.name}: {len(self.categories)} categories"

    def transform(self, cells: list[Any]) -> np.ndarray:
        """Encode N cells: [N, width]. Unreadable cells count as missing."""
        x = np.zeros((len(cells), self.width), np.float32)
        categorical = self.kind in ("categorical", "several")
        numbers = None
        if self.kind in ("binary", "numeric"):
            numbers = _all_numbers(cells)
        if numbers is not None:
            x[:, 0] = (numbers - self.mean) / self.std
            return x
        column = {text: k for k, text in enumerate(self.categories)}
        for row, cell in enumerate(cells):
            text = clean_cell(cell)
            for part in self._categories_of(text) if categorical else ():
                if part in column:
                    x[row, column[part]] = 1
            value = None if categorical else self._parse(cell)
            if value is not None:
                x[row, 0] = (value - self.mean) / self.std
            missing = text is None or (not categorical and value is None)
            if self.missing_indicator and missing:
                x[row, -1] = 1
        return x

    def _categories_of(self, text: str | None) -> list[str]:
        if text is None:
            return []
        return _split_texts(text) if self.kind == "several" else [text]

    def _parse(self, cell: Any) -> float | None:
        return _parse_date(cell) if self.kind == "date" else parse_value(cell)

    def describe_unreadable(self, cells: list[Any]) -> str:
        """Describe cells that cannot be encoded; "" if there are none."""
        given = [cell for cell in cells if clean_cell(cell) is not None]
        if self.categories:
            known = set(self.categories)
            bad = [
                k
                for k in given
                if not known.issuperset(self._categories_of(clean_cell(k)))
            ]
            reason = "not in the training graph, encoded as 0"
        else:
            bad = [cell for cell in given if self._parse(cell) is None]
            what = "date" if self.kind == "date" else "number"
            reason = f"not a {what}, treated as missing"
        if not bad:
            return ""
        count = pluralize(len(bad), "cell")
        return f"column {self.name!r}: {count} such as {bad[0]!r:.40} {reason}"


def encoder_of_column(name: str, cells: list[Any]) -> tuple[ColumnEncoder | None, str]:
    """Return the encoder of a column, None if it is ignored; and a note, or ""."""
    numbers = None if (are_codes := _are_codes(cells)) else _all_numbers(cells)
    if numbers is not None and len(cells):
        return _numeric_encoder(name, numbers.tolist(), has_missing=False), ""
    given = [cell for cell in cells if clean_cell(cell) is not None]
    has_missing = len(given) < len(cells)
    if not given:
        return None, f"column {name!r} is empty and is ignored"
    if are_codes:
        code = next(cell.strip() for cell in given if _is_code(cell))
        encoder, note = _text_encoder(name, given, has_missing)
        return (
            encoder,
            note or f"column {name!r}: codes such as {code!r} are categories",
        )
    if None not in (dates := [_parse_date(cell) for cell in given]):
        days = [day for day in dates if day is not None]
        spread = float(np.std(days)) or 1.0
        mean = float(np.mean(days))
        encoder = ColumnEncoder(name, "date", mean, spread, (), has_missing)
        return encoder, f"column {name!r} holds dates, read as numbers of days"
    values = [parse_value(cell) for cell in given]
    finite = [value for value in values if value is not None]
    mostly_numeric = 10 * len(finite) >= 9 * len(values) or all(map(_is_number, given))
    if finite and len(finite) < len(values) and mostly_numeric:
        bad = next(c for c, value in zip(given, values, strict=True) if value is None)
        count = pluralize(len(values) - len(finite), "cell")
        reason = f"such as {bad!r:.40} not a finite number, treated as missing"
        encoder = _numeric_encoder(name, finite, has_missing=True)
        return encoder, f"column {name!r}: {count} {reason}"
    if len(finite) == len(values):
        return _numeric_encoder(name, finite, has_missing), ""
    return _text_encoder(name, given, has_missing)


def _text_encoder(
    name: str, given: list[Any], has_missing: bool
) -> tuple[ColumnEncoder | None, str]:
    """Return the encoder of texts, None if they are free text; and a note, or ""."""
    texts = sorted({str(clean_cell(cell)) for cell in given})
    parts = sorted({part for text in texts for part in _split_texts(text)})
    most = max(2, min(MOST_CATEGORIES, len(given) // 2))
    if any("|" in text for text in texts) and len(parts) <= most:
        encoder = ColumnEncoder(
            name, "several", categories=tuple(parts), missing_indicator=has_missing
        )
        return encoder, f"column {name!r} holds several texts a cell, split at |"
    if len(texts) > most:
        why = "free text"
        if OTHER_DATE.fullmatch(texts[0]):
            why = f"dates such as {texts[0]} must be written as 2015-04-13"
        return None, (
            f"column {name!r} has {len(texts):,} different texts and is ignored ({why})"
        )
    encoder = ColumnEncoder(
        name, "categorical", categories=tuple(texts), missing_indicator=has_missing
    )
    return encoder, ""


def _split_texts(text: str) -> list[str]:
    return [part.strip() for part in text.split("|") if part.strip()]


def _are_codes(cells: list[Any]) -> bool:
    """Return True if a text of digits with a leading zero is among them: 02139."""
    if not any(isinstance(cell, str) for cell in cells[:100]):
        return False
    return any(map(_is_code, {cell for cell in cells if isinstance(cell, str)}))


def _is_code(cell: Any) -> bool:
    return isinstance(cell, str) and re.fullmatch(r"\s*0\d+\s*", cell) is not None


def _parse_date(cell: Any) -> float | None:
    """Return an ISO date, or a datetime, as days since 1970; None for another cell."""
    if isinstance(cell, str):
        if not ISO_DATE.fullmatch(cell.strip()):
            return None
        try:
            cell = datetime.fromisoformat(cell.strip().replace("/", "-"))
        except ValueError:
            return None
    if not isinstance(cell, datetime) or cell != cell:
        return None
    return cell.replace(tzinfo=cell.tzinfo or UTC).timestamp() / 86400


def _all_numbers(cells: list[Any]) -> np.ndarray | None:
    """Return the cells as numbers [N] if all are finite numbers; fast."""
    import pandas as pd

    column: Any = pd.Series(cells, dtype=object)
    try:
        numbers = np.asarray(pd.to_numeric(column, errors="coerce"), float)
    except OverflowError:  # an integer beyond any float
        return None
    return numbers if (np.abs(numbers) <= LARGEST).all() else None


def _numeric_encoder(
    name: str, numbers: list[float], has_missing: bool
) -> ColumnEncoder:
    if set(numbers) <= {0.0, 1.0}:
        return ColumnEncoder(name, "binary", missing_indicator=has_missing)
    mean, std = float(np.mean(numbers)), float(np.std(numbers)) or 1.0
    return ColumnEncoder(name, "numeric", mean, std, (), has_missing)


def _is_number(cell: Any) -> bool:
    """Return True for a number, even an infinite one."""
    try:
        float(cell)
    except OverflowError:  # an integer beyond any float
        return True
    except (TypeError, ValueError):
        return parse_value(cell) is not None
    return True


def parse_value(cell: Any) -> float | None:
    """Return a finite number, or a truth value as 0 or 1; None for another cell."""
    if is_missing(cell):
        return None
    if isinstance(cell, (bool, np.bool_)):
        return float(cell)
    value = TRUTH_VALUES.get(str(cell).strip().lower(), parse_number(cell))
    return value if value is not None and abs(value) <= LARGEST else None
