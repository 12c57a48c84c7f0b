"""Cells of edges: weights, and the direction in tables of Gephi."""

from typing import Any

import numpy as np

from vicinal.core.data.labels import DECIMAL_COMMA, THOUSANDS, parse_number
from vicinal.errors import DataError
from vicinal.graphs.data.graph_table import fits_float32
from vicinal.graphs.data.tables.column_names import lower

MOST_SHOWN = 40
"""characters of a cell in messages"""

DIRECTIONS = frozenset({"directed", "undirected"})
"""cells of the column Type in tables of Gephi"""


def holds_directions(column: Any) -> bool:
    """Return True for a column Type of Gephi."""
    if lower(column.name) != "type":
        return False
    return distinct_cells(column) <= DIRECTIONS | {""}


def distinct_cells(column: Any) -> set[str]:
    """Return the different cells of a column in lower case; lists are texts."""
    try:
        return {lower(cell) for cell in column.unique()}
    except TypeError:  # lists have no hash
        return {lower(cell) for cell in column}


def read_directions(frame: Any) -> np.ndarray | None:
    """Return 1 for each edge of type Directed, 0 for others; None if there is none."""
    for name in frame.columns:
        if holds_directions(frame[name]):
            return np.array([lower(cell) == "directed" for cell in frame[name]], int)
    return None


def parse_weights(column: Any, has_commas: bool = False) -> tuple[np.ndarray, bool]:
    """Return numbers [n] of float32, NaN for others, and whether they have commas.

    has_commas: whether earlier weights have a decimal comma. DataError if all commas
    may as well be those of thousands.
    """
    import pandas as pd

    numbers = _to_numbers(column)
    found = False
    if np.isnan(numbers).any():
        cells = column.astype(str).str.strip()
        is_comma = cells.map(DECIMAL_COMMA.fullmatch).notna()
        commas = cells[is_comma]
        found = bool(is_comma.any())
        if found and not has_commas and commas.map(THOUSANDS.fullmatch).notna().all():
            raise DataError(
                f"The weight {commas.iloc[0]!r} is ambiguous: decimal comma or "
                f"thousands. Write it as {commas.iloc[0].replace(',', '.')} or "
                f"{commas.iloc[0].replace(',', '')}."
            )
        cells = cells.str.replace(",", ".") if found else cells
        numbers = np.asarray(pd.to_numeric(cells, errors="coerce"), np.float64)
    usable = np.where(fits_float32(numbers), numbers, np.nan)
    return usable.astype(np.float32), found


def _to_numbers(column: Any) -> np.ndarray:
    """Return numbers [n], NaN for what is none, and for integers beyond any float."""
    import pandas as pd

    try:
        return np.asarray(pd.to_numeric(column, errors="coerce"), np.float64)
    except OverflowError:
        return np.array([parse_number(cell) for cell in column], np.float64)


def describe_weight(cell: Any) -> str:
    """Return why the weight in a cell cannot be used."""
    number = parse_number(cell)
    if number is None:
        shown = str(cell).strip()[:MOST_SHOWN]
        return f"weight {shown} is not a finite number" if shown else "weight is empty"
    return f"weight {cell} is too {'large' if abs(number) > 1 else 'small'} for float32"
