"""Nodes in the forms of published data sets, see `directories`: LINQS, Elliptic, OGB.

Their features are numbers in files without a header, and are read as a matrix.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vicinal.core.data.label_parsing import no_labels, parse_labels
from vicinal.core.data.labels import Task
from vicinal.errors import DataError
from vicinal.graphs.data.tables.directories import TableFiles
from vicinal.graphs.data.tables.node_list import Nodes, unique_rows
from vicinal.graphs.data.tables.text_files import (
    damage_as_data_error,
    open_text,
    read_format,
)


def read_published(files: TableFiles, task: Task) -> Nodes:
    """Read the nodes of a published data set."""
    readers: dict[str, Callable[..., Nodes]] = {
        "LINQS": _read_linqs,
        "Elliptic": _read_elliptic,
        "OGB": _read_ogb,
    }
    nodes = readers[files.form](files, task)
    nodes.notes.append(f"read as the files of {files.form}")
    return nodes


def _read_linqs(files: TableFiles, task: Task) -> Nodes:
    assert files.nodes is not None
    frame = _read_cells(files.nodes, text_columns=(0, -1))
    return _nodes(frame[0], frame.iloc[:, 1:-1], frame.iloc[:, -1], task)


def _read_elliptic(files: TableFiles, task: Task) -> Nodes:
    assert files.nodes is not None and files.labels is not None
    frame = _read_cells(files.nodes, text_columns=(0,))
    labels = _read_cells(files.labels, text_columns=(0, 1)).drop_duplicates(0)
    label = frame[0].map(labels.set_index(0)[1]).fillna("")
    return _nodes(frame[0], frame.iloc[:, 1:], label, task)


def _read_ogb(files: TableFiles, task: Task) -> Nodes:
    import pandas as pd

    assert files.nodes is not None
    counts = [path for path in files.others if path.name.startswith("num-node-list")]
    if counts and len(_read_cells(counts[0])) > 1:
        raise DataError(
            f"{files.nodes.parent} holds many graphs in the form of OGB, which is not "
            "read. Write edges.csv, nodes.csv and graphs.csv with a column graph_id."
        )
    frame = _read_cells(files.nodes)
    ids = pd.Series(range(len(frame))).astype(str)
    if files.labels is None:
        return _nodes(ids, frame, None, task)
    labels = _read_cells(files.labels, text_columns=(0,))
    if labels.shape != (len(frame), 1):
        raise DataError(
            f"{files.labels} must have one label for each of {len(frame):,} nodes. Got "
            f"{len(labels):,} rows of {labels.shape[1]}."
        )
    return _nodes(ids, frame, labels[0], task)


def _nodes(names: Any, features: Any, labels: Any, task: Task) -> Nodes:
    ids = names.fillna("").str.strip().tolist()
    rows, quarantined = unique_rows(ids, 1)
    ids = [ids[row] for row in rows]
    parsed = no_labels()
    if labels is not None:
        parsed = parse_labels(ids, labels.iloc[rows], task)
    x = features.to_numpy(np.float32)[rows]
    return Nodes(ids, x, parsed, None, None, quarantined, [])


def _read_cells(path: Path, text_columns: tuple[int, ...] = ()) -> Any:
    """Return the cells of a table without a header: numbers, and some columns of text.

    text_columns: their positions, -1 is the last.
    """
    import pandas as pd

    form = read_format(path)
    width = len(form.rows[0])
    texts = {column % width for column in text_columns if column < width}
    try:
        with damage_as_data_error(path), open_text(path) as file:
            return pd.read_csv(
                file,
                sep=r"\s+" if form.separator is None else form.separator,
                header=None,
                dtype={k: str if k in texts else np.float32 for k in range(width)},  # pyright: ignore[reportArgumentType]
                keep_default_na=True,
            )
    except ValueError as error:
        raise DataError(
            f"{path} must hold numbers, without a header: {error}."
        ) from error
