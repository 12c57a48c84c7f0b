"""Columns whose cells are vectors: lists, arrays, or texts such as [0.1, 0.2]."""

import re
from typing import Any

import numpy as np

from vicinal.core.data.claimed_size import check_claimed_size
from vicinal.core.data.csv_tables import clean_cell
from vicinal.core.text import pluralize

BRACKETS = re.compile(r"\s*[\[(]([^\[\]()]*)[\])]\s*")
SEPARATORS = re.compile(r"[\s,;]+")
BYTES_PER_NUMBER = 16
"""memory for a number of a vector: it is copied once"""


def expand_vectors(frame: Any) -> tuple[Any, list[str]]:
    """Return the table with a column for each number of vectors, and notes.

    All vectors of a column must have the same length; missing cells are allowed.
    """
    import pandas as pd

    parts, notes = [], []
    for name in frame.columns:
        matrix, note = _matrix_of(str(name), frame[name].tolist())
        notes += [note] if note else []
        names = [f"{name}[{k}]" for k in range(0 if matrix is None else len(matrix.T))]
        if matrix is None or set(names) & set(frame.columns):
            parts.append(frame[[name]])
        else:
            parts.append(pd.DataFrame(matrix, columns=names, index=frame.index))
    return (pd.concat(parts, axis=1) if notes else frame), notes


def _matrix_of(name: str, cells: list[Any]) -> tuple[np.ndarray | None, str]:
    """Return the vectors [N, D] in cells, None if they are none; and a note, or ""."""
    first = next((cell for cell in cells if _is_given(cell)), None)
    if isinstance(first, str) and first.strip()[:1] == "[" and "..." in first:
        note = f"column {name!r} holds vectors that were cut (...); write all numbers"
        return None, note
    if first is None or _vector(first) is None:
        return None, ""
    vectors = [_vector(cell) if _is_given(cell) else None for cell in cells]
    lengths = {len(vector) for vector in vectors if vector is not None}
    num_given = sum(map(_is_given, cells))
    if num_given > sum(vector is not None for vector in vectors) or len(lengths) > 1:
        return None, ""
    width = lengths.pop()
    if not width:
        return None, ""
    _check_num_cells(name, len(cells), width, num_given)
    missing = np.full(width, np.nan)
    rows = [missing if vector is None else vector for vector in vectors]
    return np.array(rows), f"column {name!r} is read as {pluralize(width, 'number')}"


def _check_num_cells(name: str, num_rows: int, width: int, num_given: int) -> None:
    """Raise DataError for a matrix that is far larger than the vectors that are given.

    name: of the column of `num_rows` cells, of which `num_given` hold `width` numbers.
    """
    check_claimed_size(
        BYTES_PER_NUMBER * num_rows * width,
        BYTES_PER_NUMBER * num_given * width,
        f"{name!r} has {num_rows:,} rows of {width:,} numbers, {num_given:,} of them "
        "given",
        "Give all nodes a vector, or drop the column.",
    )


def _is_given(cell: Any) -> bool:
    return not isinstance(cell, str | float | None) or clean_cell(cell) is not None


def _vector(cell: Any) -> np.ndarray | None:
    """Return the numbers [D] of a cell; None if it is no vector."""
    if isinstance(cell, str):
        match = BRACKETS.fullmatch(cell)
        if match is None:
            return None
        cell = SEPARATORS.split(match[1].strip(" ,;")) if match[1].strip() else []
    elif not isinstance(cell, (list, tuple, np.ndarray)):
        return None
    try:
        vector = np.asarray(cell, float)
    except (TypeError, ValueError):
        return None
    return vector if vector.ndim == 1 else None
