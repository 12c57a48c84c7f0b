"""Nodes and pairs of nodes as a user names them: words two by two, or a CSV."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vicinal.core.data.csv_tables import read_csv
from vicinal.errors import NoDataError, SettingError, suggest_names
from vicinal.graphs.data.tables.end_columns import cells_as_text, edge_columns


def named_pairs(
    words: Sequence[str],
    relations: Sequence[str],
    relation: str | None = None,
    relation_column: str | None = None,
) -> list[tuple[str, ...]]:
    """Return (source, target), or (source, relation, target) where there are relations.

    words: names two by two, or one CSV with the columns source and target. relations:
    those that the model knows. A pair has the `relation` asked for, or the one in the
    CSV's column `relation_column`, or each in turn. Raises SettingError for an odd
    number of names and for a CSV without these columns.
    """
    own: list[str] | None = None
    if len(words) == 1 and Path(words[0]).suffix.lower() == ".csv":
        frame = read_csv(Path(words[0]), "source,target")
        ends = edge_columns(frame)
        if ends is None:
            raise SettingError(f"{words[0]} has no columns source and target.")
        sources, targets = (cells_as_text(frame[name]) for name in ends[:2])
        if relation is None and relation_column in frame.columns:
            own = cells_as_text(frame[relation_column])
    elif len(words) % 2:
        raise SettingError(
            f"Names come in pairs, two for each edge. Got {len(words)}: "
            f"{' '.join(words[:5])}."
        )
    else:
        sources, targets = words[::2], words[1::2]
    pairs = list(zip(sources, targets, strict=True))
    if own is not None:
        return [(a, r, b) for (a, b), r in zip(pairs, own, strict=True)]
    if relation is None and not relations:
        return [*pairs]
    wanted = relations if relation is None else (relation,)
    return [(a, r, b) for a, b in pairs for r in wanted]


def rows_of_names(ids: np.ndarray, names: Iterable[Any]) -> np.ndarray:
    """Return the rows [n] of names among `ids`; NoDataError for an unknown one."""
    rows = {name: row for row, name in enumerate(ids)}
    texts = [str(name) for name in names]
    found = [rows.get(name, -1) for name in texts]
    if -1 in found:
        unknown = texts[found.index(-1)]
        raise NoDataError(
            f"There is no node {unknown!r}. {suggest_names(unknown, rows, 10)}"
        )
    return np.array(found, np.int64)
