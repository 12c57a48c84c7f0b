"""Graphs that are objects already: of NetworkX, of PyG, of scipy, and our own.

None of these libraries is imported: an object is known by what it has.
"""

from typing import Any

import numpy as np
import torch

from vicinal.core.data.labels import Task
from vicinal.core.data.splits import TEST, TRAIN, VAL
from vicinal.core.text import counted
from vicinal.errors import DataError, NoDataError
from vicinal.graphs.data.edge_list import WEIGHT, once
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.node_list import ID, LABEL, Labels, label_cells, read_nodes


def is_networkx(data: Any) -> bool:
    return all(hasattr(data, name) for name in ("nodes", "edges", "is_directed"))


def is_tensors(data: Any) -> bool:
    """Whether it is a graph of tensors: PyG's Data, or a Graph of ours."""
    return hasattr(data, "edge_index") and hasattr(data, "num_nodes")


def is_matrix(data: Any) -> bool:
    """Whether it is a square matrix of scipy."""
    return hasattr(data, "tocoo") and data.shape[0] == data.shape[1]


def from_networkx(graph: Any, task: Task, target: str | None) -> GraphTable:
    """Nodes with their attributes; `weight` of the edges."""
    import pandas as pd

    names = list(graph.nodes)
    if not names:
        raise NoDataError("The graph has no nodes.")
    ids = [str(name) for name in names]
    if len(set(ids)) < len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise DataError(
            f"Two nodes are called {twice!r} once their names are texts. Rename one."
        )
    frame = pd.DataFrame([dict(graph.nodes[name]) for name in names], dtype=object)
    frame, told = _without_names(frame, target)
    frame, spread = _spread_out(frame, target)
    found = read_nodes(frame, task, target, names=ids)
    place = {name: row for row, name in enumerate(names)}
    ends = list(graph.edges(data=True))
    source = np.array([place[u] for u, _, _ in ends], np.int64)
    target_rows = np.array([place[v] for _, v, _ in ends], np.int64)
    key = next((k for k in WEIGHT if any(k in d for _, _, d in ends)), None)
    weight, notes = None, []
    if key is not None:
        weight = np.array([_number(d.get(key, 1.0), key) for _, _, d in ends])
    directed = bool(graph.is_directed())
    source, target_rows, weight, _, notes = once(
        source, target_rows, weight, len(ids), directed
    )
    return GraphTable(
        ids=np.array(ids, dtype=object),
        source=source,
        target=target_rows,
        directed=directed,
        features=found.features,
        weight=weight,
        labels=found.labels.values,
        kind=found.labels.kind,
        whole_numbers=found.labels.whole_numbers,
        split=found.split,
        set_aside=found.labels.set_aside,
        notes=told + spread + found.notes + found.labels.notes + notes,
    )


def _without_names(frame: Any, target: str | None) -> tuple[Any, list[str]]:
    """Attributes of nodes without those that only name them again, and notes."""
    named = [
        name
        for name in frame.columns
        if str(name).lower() in ID
        and str(name) != target
        and frame[name].astype(str).is_unique
    ]
    told = [f"the attribute {name!r} names nodes and is not used" for name in named]
    return frame.drop(columns=named), told


def _spread_out(frame: Any, target: str | None) -> tuple[Any, list[str]]:
    """Attributes that are vectors of one length as a column for each number, and a note
    for each; those that may be labels stay as they are."""
    import pandas as pd

    parts, told = [], []
    for name in frame.columns:
        column, may_be_labels = frame[name], str(name).lower() in LABEL
        vectors = [_vector(cell) for cell in column]
        width = _width(vectors, column)
        if may_be_labels or str(name) == target:
            width = 0
        names = [f"{name}[{k}]" for k in range(width)]
        if not width or set(names) & set(frame.columns):
            parts.append(column)
            continue
        empty = np.full(width, None, dtype=object)
        rows = [empty if vector is None else vector for vector in vectors]
        parts.append(pd.DataFrame(rows, columns=names, index=frame.index, dtype=object))
        told.append(f"the attribute {name!r} is read as {counted(width, 'number')}")
    return (pd.concat(parts, axis=1) if parts else frame), told


def _vector(cell: Any) -> np.ndarray | None:
    """Numbers [D] of a list, an array or a tensor; None for anything else."""
    if not isinstance(cell, VECTORS):
        return None
    if isinstance(cell, torch.Tensor):
        cell = cell.detach().cpu().double()
    try:
        found = np.asarray(cell)
    except ValueError:  # lists of several lengths
        return None
    return found if found.ndim == 1 and found.dtype.kind in "biuf" else None


def _width(vectors: list[np.ndarray | None], column: Any) -> int:
    """How many numbers each cell of a column has; 0 where they are not of one length,
    or something else is there."""
    there = [vector is not None for vector in vectors]
    others = column[[not own for own in there]]
    sizes = {vector.size for vector in vectors if vector is not None}
    return sizes.pop() if len(sizes) == 1 and others.isna().all() else 0


VECTORS = (list, tuple, np.ndarray, torch.Tensor)
"""what an attribute of a node may hold its numbers in"""


def _number(value: Any, key: str) -> float:
    real = isinstance(value, (int, float, np.integer, np.floating))
    if not real or not np.isfinite(value) or value < 0:
        raise DataError(
            f"An edge's {key} is {value!r}, where a number of 0 or more was wanted. "
            "Mend it, or take the attribute away."
        )
    return float(value)


def from_tensors(data: Any, task: Task) -> GraphTable:
    """PyG's Data: x, edge_index, y, edge_weight and the masks; nodes are numbered."""
    count = int(data.num_nodes)
    ids = np.array([str(row) for row in range(count)], dtype=object)
    x, y = getattr(data, "x", None), getattr(data, "y", None)
    labels = of_rows(ids.tolist(), None if y is None else _array(y), task)
    masks = {part: getattr(data, f"{part}_mask", None) for part in (TRAIN, VAL, TEST)}
    split = None
    if masks[TRAIN] is not None:
        split = np.full(count, "", dtype="U5")
        for part, mask in masks.items():
            if mask is None:
                continue
            own = _array(mask).astype(bool)
            if own.shape != (count,):
                raise DataError(
                    f"{part}_mask must be [{count}]. Got {list(own.shape)}."
                )
            split[own] = part
    source, target = whole(_array(data.edge_index))
    weight = getattr(data, "edge_weight", None)
    table = with_edges(
        ids,
        source,
        target,
        None if weight is None else _array(weight),
        features=None if x is None else _array(x),
        labels=labels,
        split=split,
    )
    if getattr(data, "edge_attr", None) is not None:
        table.notes.append("edge_attr is not used; weights of edges are edge_weight")
    return table


def whole(edges: np.ndarray) -> np.ndarray:
    """Edges as rows of nodes, [2, E] int64; DataError for another shape, and where
    they are no whole numbers."""
    if edges.ndim != 2 or len(edges) != 2:
        raise DataError(
            f"Edges must be [2, E], sources above targets. Got {list(edges.shape)}."
        )
    if edges.dtype.kind not in "iu":
        rows = edges.astype(float)
        if not (np.isfinite(rows) & (rows == np.floor(rows))).all():
            bad = rows[~(np.isfinite(rows) & (rows == np.floor(rows)))][0]
            raise DataError(f"Edges must name nodes by whole numbers. Got {bad}.")
    return edges.astype(np.int64)


def _array(values: Any) -> np.ndarray:
    if isinstance(values, torch.Tensor):
        return values.detach().cpu().numpy()
    return np.asarray(values)


def of_rows(ids: list[str], y: Any, task: Task) -> Labels:
    """Labels from a list or array [N]: None, NaN and, in an array, -1 are none."""
    if y is None:
        return label_cells(ids, None, task)
    import pandas as pd

    y = _array(y) if isinstance(y, torch.Tensor) else y
    if isinstance(y, np.ndarray) and y.size != len(y):
        raise DataError(
            f"y must be a label for each node, [{len(ids):,}]. Got {list(y.shape)}. "
            "Several labels of a node are one text, a|b."
        )
    cells = list(y.ravel() if isinstance(y, np.ndarray) else y)
    if len(cells) != len(ids):
        raise DataError(
            f"y must have a label for each of {len(ids):,} nodes. Got {len(cells):,}; "
            "None is for a node without."
        )
    if isinstance(y, np.ndarray) and y.dtype.kind == "i":
        cells = [None if cell == -1 else int(cell) for cell in cells]
    return label_cells(ids, pd.Series(cells, dtype=object), task)


def from_matrix(matrix: Any, features: Any = None) -> GraphTable:
    """scipy's sparse adjacency [N, N]: row the source, column the target."""
    found = matrix.tocoo()
    ids = np.array([str(row) for row in range(found.shape[0])], dtype=object)
    weight = np.asarray(found.data, np.float32)
    return with_edges(
        ids,
        found.row.astype(np.int64),
        found.col.astype(np.int64),
        None if (weight == 1).all() else weight,
        features=features,
        labels=label_cells([], None, "auto"),
    )


def with_edges(
    ids: np.ndarray,
    source: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None,
    *,
    features: Any,
    labels: Labels,
    split: np.ndarray | None = None,
    directed: bool | None = None,
) -> GraphTable:
    """A table of edges in rows.

    directed: None: only where they are not all there both ways, equally heavy.
    DataError for a row that is not there, and for a weight below 0 or no number.
    """
    n = len(ids)
    if not n:
        raise NoDataError("The graph has no nodes.")
    weight = None if weight is None else np.ravel(weight)
    if weight is not None and len(weight) != len(source):
        raise DataError(
            f"There must be a weight for each of {len(source):,} edges. Got "
            f"{len(weight):,}."
        )
    least = min(int(ends.min(initial=0)) for ends in (source, target))
    most = max(int(ends.max(initial=-1)) for ends in (source, target))
    if least < 0 or most >= n:
        bad = least if least < 0 else most
        raise DataError(f"Edges name node {bad}, where there are 0 to {n - 1}.")
    if weight is not None and not (np.isfinite(weight) & (weight >= 0)).all():
        raise DataError(
            "Weights of edges must be finite and 0 or more. Mend them, or leave them "
            "out."
        )
    twice = both_ways(source, target, weight, n)
    directed = not twice if directed is None else directed
    if twice and not directed:  # once is enough
        half = source <= target
        source, target = source[half], target[half]
        weight = None if weight is None else weight[half]
    source, target, weight, _, notes = once(source, target, weight, n, directed)
    if features is not None and features.shape[0] != n:
        raise DataError(
            f"There must be features for each of {n:,} nodes. Got "
            f"{counted(features.shape[0], 'row')}."
        )
    return GraphTable(
        ids=ids,
        source=source,
        target=target,
        directed=directed,
        features=features,
        weight=weight,
        labels=labels.values,
        kind=labels.kind,
        whole_numbers=labels.whole_numbers,
        split=split,
        set_aside=labels.set_aside,
        notes=labels.notes + notes,
    )


def both_ways(
    source: np.ndarray, target: np.ndarray, weight: np.ndarray | None, n: int
) -> bool:
    """Whether each edge is there the other way too, as heavy as this way."""
    outgoing, incoming = (np.bincount(end, minlength=n) for end in (source, target))
    if not np.array_equal(outgoing, incoming):  # soon told, and of most it tells
        return False
    out, back = source * n + target, target * n + source
    own = np.ones(len(out)) if weight is None else weight
    order, other = np.lexsort((own, out)), np.lexsort((own, back))
    return bool(
        np.array_equal(out[order], back[other])
        and np.array_equal(own[order], own[other])
    )
