"""Cells of edges: weights, and the direction in tables of Gephi."""

from typing import Any

import numpy as np

from vicinal.core.data.labels import DECIMAL_COMMA
from vicinal.graphs.data.graph_table import fits_float32
from vicinal.graphs.data.tables.column_names import lower

DIRECTIONS = frozenset({"directed", "undirected"})
"""cells of the column Type in tables of Gephi"""


def holds_directions(column: Any) -> bool:
    """Return True for a column Type of Gephi."""
    if lower(column.name) != "type":
        return False
    return {lower(cell) for cell in column.unique()} <= DIRECTIONS | {""}


def read_directions(frame: Any) -> np.ndarray | None:
    """Return 1 for each edge of type Directed, 0 for others; None if there is none."""
    for name in frame.columns:
        if holds_directions(frame[name]):
            return np.array([lower(cell) == "directed" for cell in frame[name]], int)
    return None


def parse_weights(column: Any) -> tuple[np.ndarray, bool]:
    """Return numbers [n] of float32, NaN for others, and whether they have commas."""
    import pandas as pd

    numbers = np.asarray(pd.to_numeric(column, errors="coerce"), np.float64)
    has_commas = False
    if np.isnan(numbers).any():
        cells = column.astype(str).str.strip()
        has_commas = bool(cells.map(DECIMAL_COMMA.fullmatch).notna().any())
        cells = cells.str.replace(",", ".") if has_commas else cells
        numbers = np.asarray(pd.to_numeric(cells, errors="coerce"), np.float64)
    usable = np.where(fits_float32(numbers), numbers, np.nan)
    return usable.astype(np.float32), has_commas
