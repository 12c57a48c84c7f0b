"""Nodes in the forms of published data sets, see `directories`: LINQS, Elliptic, OGB.

Their features are numbers in files without a header, and are read as a matrix.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vicinal.core.data.label_parsing import no_labels, parse_labels
from vicinal.core.data.labels import SPLIT_ALIASES, Task
from vicinal.core.data.splits import TRAIN
from vicinal.errors import DataError
from vicinal.graphs.data.tables.directories import TableFiles
from vicinal.graphs.data.tables.node_list import Nodes, unique_rows
from vicinal.graphs.data.tables.text_files import (
    TableText,
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
    frame = _read_cells(files.nodes, text_columns=(0, -1), min_width=2)
    return _nodes(frame[0], frame.iloc[:, 1:-1], frame.iloc[:, -1], task)


def _read_elliptic(files: TableFiles, task: Task) -> Nodes:
    assert files.nodes is not None and files.labels is not None
    frame = _read_cells(files.nodes, text_columns=(0,))
    labels = _read_cells(files.labels, text_columns=(0, 1), min_width=2)
    label = frame[0].map(labels.drop_duplicates(0).set_index(0)[1]).fillna("")
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
        nodes = _nodes(ids, frame, None, task)
    else:
        labels = _read_cells(files.labels, text_columns=(0,))
        if labels.shape != (len(frame), 1):
            raise DataError(
                f"{files.labels} must have one label for each of {len(frame):,} nodes. "
                f"Got {len(labels):,} rows of {labels.shape[1]}."
            )
        nodes = _nodes(ids, frame, labels[0], task)
    split, notes = _read_ogb_split(files.nodes.parent, len(frame))
    return nodes._replace(split=split, notes=[*nodes.notes, *notes])


def _read_ogb_split(directory: Path, count: int) -> tuple[np.ndarray | None, list[str]]:
    """Return the split [N] of `split/NAME/train.csv` and others, and notes.

    The files hold row numbers, beside the directory `raw` of the tables if there is
    one. Several splits are not read.
    """
    root = directory.parent if directory.name == "raw" else directory
    found = [*(root / "split").iterdir()] if (root / "split").is_dir() else []
    schemes = sorted(path for path in found if _split_files(path))
    names = ", ".join(path.name for path in schemes)
    if len(schemes) != 1:
        return None, [f"several splits are not read: {names}"] if schemes else []
    split = np.full(count, "", dtype="U5")
    for part, file in _split_files(schemes[0]).items():
        rows = _read_cells(file, number_type=np.int64).to_numpy().ravel()
        if len(rows) and (rows.min() < 0 or rows.max() >= count):
            raise DataError(
                f"{file} must hold numbers of nodes from 0 to {count - 1}. Got "
                f"{rows.min() if rows.min() < 0 else rows.max()}."
            )
        split[rows] = part
    return split, [f"the split is that of split/{names}"]


def _split_files(directory: Path) -> dict[str, Path]:
    """Return train.csv, valid.csv and test.csv by the names of their splits."""
    found = {}
    for name in ("train", "valid", "val", "test"):
        for path in (directory / f"{name}.csv.gz", directory / f"{name}.csv"):
            if path.is_file():
                found[SPLIT_ALIASES[name]] = path
    return found if TRAIN in found else {}


def _nodes(names: Any, features: Any, labels: Any, task: Task) -> Nodes:
    ids = names.fillna("").str.strip().tolist()
    rows, quarantined = unique_rows(ids, 1)
    ids = [ids[row] for row in rows]
    parsed = no_labels()
    if labels is not None:
        parsed = parse_labels(ids, labels.iloc[rows], task)
    x = features.to_numpy(np.float32)[rows]
    return Nodes(ids, x, parsed, None, None, quarantined, [])


def _read_cells(
    path: Path,
    text_columns: tuple[int, ...] = (),
    min_width: int = 1,
    number_type: Any = np.float32,
) -> Any:
    """Return the cells of a table without a header: numbers, and some columns of text.

    text_columns: their positions, -1 is the last. DataError for less than `min_width`
    columns.
    """
    import pandas as pd

    form = read_format(path)
    width = len(form.rows[0])
    if width < min_width:
        raise DataError(
            f"{path} must have {min_width} columns or more. Got {width}: "
            f"{form.rows[0][0][:80]!r}."
        )
    texts = {column % width for column in text_columns if column < width}
    try:
        with damage_as_data_error(path), open_text(path) as file:
            text: Any = TableText(file, form.separator, has_comments=False)
            return pd.read_csv(
                text,
                sep=form.pandas_separator,
                header=None,
                dtype={k: str if k in texts else number_type for k in range(width)},  # pyright: ignore[reportArgumentType]
                keep_default_na=True,
            )
    except DataError:
        raise
    except ValueError as error:
        raise DataError(
            f"{path} must hold numbers, without a header: {error}."
        ) from error
