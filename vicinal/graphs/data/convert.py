"""Convert graph objects: NetworkX graphs, PyG Data, our `Graph`, scipy matrices.

None of these libraries is imported: an object is recognised by its attributes.
"""

from typing import Any

import numpy as np
import torch

from vicinal.core.data.label_parsing import (
    Labels,
    labels_from_array,
    no_labels,
    with_labels,
)
from vicinal.core.data.labels import Task
from vicinal.core.data.splits import SPLITS, TRAIN
from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoDataError
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.tables.edge_list import WEIGHT_COLUMNS, merge_duplicate_edges
from vicinal.graphs.data.tables.node_list import ID_COLUMNS, LABEL_COLUMNS, read_nodes

VECTOR_TYPES = (list, tuple, np.ndarray, torch.Tensor)
"""types of vector-valued node attributes"""


def is_networkx(data: Any) -> bool:
    """Return True for a graph of NetworkX."""
    return all(hasattr(data, name) for name in ("nodes", "edges", "is_directed"))


def is_pyg(data: Any) -> bool:
    """Return True for PyG's Data or our `Graph`."""
    return hasattr(data, "edge_index") and hasattr(data, "num_nodes")


def is_matrix(data: Any) -> bool:
    """Return True for a square scipy sparse matrix."""
    return hasattr(data, "tocoo") and data.shape[0] == data.shape[1]


def from_networkx(graph: Any, task: Task, target: str | None) -> GraphTable:
    """Convert a NetworkX graph with its node attributes and edge weights."""
    import pandas as pd

    nodes = list(graph.nodes)
    if not nodes:
        raise NoDataError("The graph has no nodes.")
    ids = [str(node) for node in nodes]
    if len(set(ids)) < len(ids):
        repeated = next(name for name in ids if ids.count(name) > 1)
        raise DataError(
            f"Node names must be unique as text. Got {repeated!r} twice. Rename one."
        )
    frame = pd.DataFrame([dict(graph.nodes[node]) for node in nodes], dtype=object)
    frame, id_notes = _drop_id_attributes(frame, target)
    frame, vector_notes = _expand_vectors(frame, target)
    table = read_nodes(frame, task, target, names=ids)
    row = {node: k for k, node in enumerate(nodes)}
    edges = list(graph.edges(data=True))
    source = np.array([row[u] for u, _, _ in edges], np.int64)
    target_rows = np.array([row[v] for _, v, _ in edges], np.int64)
    key = next((k for k in WEIGHT_COLUMNS if any(k in d for _, _, d in edges)), None)
    weight = None
    if key is not None:
        weight = np.array([_check_weight(d.get(key, 1.0), key) for _, _, d in edges])
    directed = bool(graph.is_directed())
    source, target_rows, weight, _, edge_notes = merge_duplicate_edges(
        source, target_rows, weight, len(ids), directed
    )
    converted = GraphTable(
        ids=np.array(ids, dtype=object),
        source=source,
        target=target_rows,
        directed=directed,
        features=table.features,
        weight=weight,
        split=table.split,
        notes=id_notes + vector_notes + table.notes + edge_notes,
    )
    return with_labels(converted, table.labels)


def _drop_id_attributes(frame: Any, target: str | None) -> tuple[Any, list[str]]:
    """Drop attributes that only repeat the identity of a node; return notes."""
    dropped = [
        name
        for name in frame.columns
        if str(name).lower() in ID_COLUMNS
        and str(name) != target
        and frame[name].astype(str).is_unique
    ]
    notes = [
        f"the attribute {name!r} identifies nodes and is ignored" for name in dropped
    ]
    return frame.drop(columns=dropped), notes


def _expand_vectors(frame: Any, target: str | None) -> tuple[Any, list[str]]:
    """Expand vectors of one length to a column for each number; return notes.

    Attributes that may be labels are not expanded.
    """
    import pandas as pd

    parts, notes = [], []
    for name in frame.columns:
        column = frame[name]
        width = 0
        vectors = [_as_vector(cell) for cell in column]
        if str(name) != target and str(name).lower() not in LABEL_COLUMNS:
            width = _common_length(vectors, column)
        names = [f"{name}[{k}]" for k in range(width)]
        if not width or set(names) & set(frame.columns):
            parts.append(column)
            continue
        missing = np.full(width, None, dtype=object)
        rows = [missing if vector is None else vector for vector in vectors]
        parts.append(pd.DataFrame(rows, columns=names, index=frame.index, dtype=object))
        notes.append(f"the attribute {name!r} is read as {pluralize(width, 'number')}")
    return (pd.concat(parts, axis=1) if parts else frame), notes


def _as_vector(cell: Any) -> np.ndarray | None:
    """Return the numbers [D] of a list, array or tensor; None for anything else."""
    if not isinstance(cell, VECTOR_TYPES):
        return None
    if isinstance(cell, torch.Tensor):
        cell = cell.detach().cpu().double()
    try:
        vector = np.asarray(cell)
    except ValueError:  # ragged lists
        return None
    return vector if vector.ndim == 1 and vector.dtype.kind in "biuf" else None


def _common_length(vectors: list[np.ndarray | None], column: Any) -> int:
    """Return the length of all vectors; 0 if it differs or other values occur."""
    others = column[[vector is None for vector in vectors]]
    lengths = {vector.size for vector in vectors if vector is not None}
    return lengths.pop() if len(lengths) == 1 and others.isna().all() else 0


def _check_weight(value: Any, key: str) -> float:
    is_number = isinstance(value, (int, float, np.integer, np.floating))
    if not is_number or not np.isfinite(value) or value < 0:
        raise DataError(
            f"The edge attribute {key!r} must be a number, 0 or more. Got {value!r}. "
            "Correct it, or remove the attribute."
        )
    return float(value)


def from_pyg(data: Any, task: Task) -> GraphTable:
    """Convert PyG's Data: x, edge_index, y, edge_weight and the masks."""
    count = int(data.num_nodes)
    ids = np.array([str(row) for row in range(count)], dtype=object)
    x, y = getattr(data, "x", None), getattr(data, "y", None)
    weight = getattr(data, "edge_weight", None)
    source, target = check_edge_index(_to_numpy(data.edge_index))
    table = table_from_edges(
        ids,
        source,
        target,
        None if weight is None else _to_numpy(weight),
        features=None if x is None else _to_numpy(x),
        labels=labels_from_array(
            ids.tolist(), None if y is None else _to_numpy(y), task, "node"
        ),
        split=_split_from_masks(data, count),
    )
    if getattr(data, "edge_attr", None) is not None:
        table.notes.append(
            "edge_attr is ignored; edge weights are read from edge_weight"
        )
    return table


def _split_from_masks(data: Any, count: int) -> np.ndarray | None:
    masks = {part: getattr(data, f"{part}_mask", None) for part in SPLITS}
    if masks[TRAIN] is None:
        return None
    split = np.full(count, "", dtype="U5")
    for part, mask in masks.items():
        if mask is None:
            continue
        rows = _to_numpy(mask).astype(bool)
        if rows.shape != (count,):
            raise DataError(
                f"{part}_mask must have shape [{count}]. Got {list(rows.shape)}."
            )
        split[rows] = part
    return split


def check_edge_index(edges: np.ndarray) -> np.ndarray:
    """Return edges [2, E] as int64; DataError for another shape or other numbers."""
    if edges.ndim != 2 or len(edges) != 2:
        raise DataError(
            "edge_index must have shape [2, E]: sources, then targets. Got "
            f"{list(edges.shape)}."
        )
    if edges.dtype.kind not in "iu":
        values = edges.astype(float)
        is_integer = np.isfinite(values) & (values == np.floor(values))
        if not is_integer.all():
            bad = values[~is_integer][0]
            raise DataError(f"edge_index must hold integers. Got {bad}.")
    return edges.astype(np.int64)


def _to_numpy(values: Any) -> np.ndarray:
    if isinstance(values, torch.Tensor):
        return values.detach().cpu().numpy()
    return np.asarray(values)


def check_sparse(matrix: Any, name: str = "the sparse matrix") -> Any:
    """Return a scipy sparse matrix; DataError where its arrays do not fit its shape.

    scipy does not check the arrays of a compressed matrix: a damaged pointer would make
    it read and write outside of them.
    """
    if hasattr(matrix, "check_format"):  # only compressed matrices have pointers
        try:
            matrix.check_format(full_check=True)
        except (ValueError, TypeError) as error:
            raise DataError(f"{name} is damaged: {error}.") from error
    return matrix


def from_matrix(matrix: Any, features: Any = None) -> GraphTable:
    """Convert a scipy sparse adjacency [N, N]: rows are sources, columns targets."""
    coo = check_sparse(matrix, "the adjacency").tocoo()
    ids = np.array([str(row) for row in range(coo.shape[0])], dtype=object)
    weight = np.asarray(coo.data, np.float32)
    return table_from_edges(
        ids,
        coo.row.astype(np.int64),
        coo.col.astype(np.int64),
        None if (weight == 1).all() else weight,
        features=features,
        labels=no_labels(),
    )


def table_from_edges(
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
    """Make a table from edges as rows of `ids`.

    directed: None: undirected if every edge is listed in both directions with the same
    weight. Raises DataError for a row that does not exist and for an invalid weight.
    """
    n = len(ids)
    if not n:
        raise NoDataError("The graph has no nodes.")
    weight = None if weight is None else np.ravel(weight)
    _check_edges(source, target, weight, n)
    symmetric = is_symmetric(source, target, weight, n)
    directed = not symmetric if directed is None else directed
    if symmetric and not directed:  # list each edge once
        half = source <= target
        source, target = source[half], target[half]
        weight = None if weight is None else weight[half]
    source, target, weight, _, notes = merge_duplicate_edges(
        source, target, weight, n, directed
    )
    if features is not None and features.shape[0] != n:
        raise DataError(
            f"The features must have a row for each of {n:,} nodes. Got "
            f"{pluralize(features.shape[0], 'row')}."
        )
    table = GraphTable(
        ids=ids,
        source=source,
        target=target,
        directed=directed,
        features=features,
        weight=weight,
        split=split,
        notes=notes,
    )
    return with_labels(table, labels)


def _check_edges(
    source: np.ndarray, target: np.ndarray, weight: np.ndarray | None, n: int
) -> None:
    if weight is not None and len(weight) != len(source):
        raise DataError(
            f"There must be a weight for each of {len(source):,} edges. Got "
            f"{len(weight):,}."
        )
    least = min(int(ends.min(initial=0)) for ends in (source, target))
    most = max(int(ends.max(initial=-1)) for ends in (source, target))
    if least < 0 or most >= n:
        bad = least if least < 0 else most
        raise DataError(f"Edges must hold node indices 0 to {n - 1}. Got {bad}.")
    if weight is not None and not (np.isfinite(weight) & (weight >= 0)).all():
        raise DataError(
            "Edge weights must be finite and 0 or more. Correct them, or leave "
            "them out."
        )


def is_symmetric(
    source: np.ndarray, target: np.ndarray, weight: np.ndarray | None, n: int
) -> bool:
    """Return True if each edge is listed in both directions with the same weight."""
    outgoing, incoming = (np.bincount(end, minlength=n) for end in (source, target))
    if not np.array_equal(outgoing, incoming):  # cheap, and decides most cases
        return False
    forward, backward = source * n + target, target * n + source
    values = np.ones(len(forward)) if weight is None else weight
    order, other = np.lexsort((values, forward)), np.lexsort((values, backward))
    return bool(
        np.array_equal(forward[order], backward[other])
        and np.array_equal(values[order], values[other])
    )
