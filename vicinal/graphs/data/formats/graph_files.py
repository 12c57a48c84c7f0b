"""Graph files of other programs: GraphML, GEXF, GML, node-link JSON, mtx, mat, npz."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from zipfile import BadZipFile

import numpy as np

from vicinal.core.data.label_parsing import labels_from_array, no_labels, with_labels
from vicinal.core.data.labels import Task
from vicinal.core.data.splits import SPLITS
from vicinal.errors import DataError
from vicinal.graphs.data.convert import (
    check_edge_index,
    check_sparse,
    from_matrix,
    from_networkx,
    is_matrix,
    table_from_edges,
)
from vicinal.graphs.data.detect import ADJACENCY_ARRAYS
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.tables.edge_list import check_memory

NOTE = "vicinal note"
"""graph attribute that carries a note about the file"""

ARRAY_NAMES = {
    "adjacency": ADJACENCY_ARRAYS,
    "weight": ("edge_weight", "edge_weights"),
    "ids": ("ids", "names", "node_ids"),
    "features": ("x", "attr", "features", "X"),
    "labels": ("y", "labels", "label"),
}
"""accepted names of the arrays in an npz"""


def open_with(read: Callable[[Path], Any], path: Path) -> Any:
    """Return read(path); DataError for whatever exception it raises."""
    try:
        return read(path)
    except DataError:
        raise
    except Exception as error:  # every parser has exceptions of its own
        why = str(error).strip().removesuffix(".") or type(error).__name__
        raise DataError(f"{path} cannot be read: {why}.") from error


# --- formats of NetworkX -------------------------------------------------------------


def _read_with_networkx(path: Path, task: Task, target: str | None) -> GraphTable:
    import networkx as nx

    readers: dict[str, Callable[[Path], Any]] = {
        ".graphml": nx.read_graphml,
        ".gexf": _read_gexf,
        ".gml": _read_gml,
        ".json": _read_node_link,
    }
    graph = open_with(readers[path.suffix.lower()], path)
    note = graph.graph.pop(NOTE, None)
    table = from_networkx(graph, task, target)
    return table if note is None else replace(table, notes=[note, *table.notes])


def _read_gml(path: Path) -> Any:
    """Read nodes by label if the labels are unique names, otherwise by id."""
    import networkx as nx

    try:
        return nx.read_gml(path)
    except nx.NetworkXError:  # labels repeat: they are classes
        return nx.read_gml(path, label=cast(Any, None))


def _read_gexf(path: Path) -> Any:
    """Drop the labels if all are unique: they are display names, not classes."""
    import networkx as nx

    graph = nx.read_gexf(path)
    labels = [data.get("label") for _, data in graph.nodes(data=True)]
    if len(set(labels)) == len(labels):
        for _, data in graph.nodes(data=True):
            data.pop("label", None)
    return graph


def _read_node_link(path: Path) -> Any:
    """Read node-link JSON; edges may also refer to positions in the node list (d3)."""
    import networkx as nx

    data = json.loads(path.read_text(encoding="utf-8"))
    edges_key = "links" if "links" in data else "edges"
    id_key = next(
        (k for k in ("id", "name") if all(k in node for node in data["nodes"])), None
    )
    if id_key is None:
        raise DataError(f"{path} has nodes without an id.")
    names = [node[id_key] for node in data["nodes"]]
    known = set(names)
    if len(known) < len(names):
        repeated = next(name for k, name in enumerate(names) if name in names[:k])
        raise DataError(f"{path} lists the node {repeated!r} twice.")
    ends = [edge[end] for edge in data[edges_key] for end in ("source", "target")]
    unknown = next((end for end in ends if end not in known), None)
    numeric_names = any(type(name) is int for name in names)
    by_position = (
        unknown is not None and not numeric_names and _are_positions(ends, len(names))
    )
    if by_position:
        edges = [_resolve_positions(edge, names) for edge in data[edges_key]]
        data = {**data, edges_key: edges}
    elif unknown is not None:
        raise DataError(f"{path} has an edge of {unknown!r}, which is not a node.")
    graph = nx.node_link_graph(data, edges=edges_key, name=id_key)
    if by_position:
        graph.graph[NOTE] = "edges refer to nodes by position, starting with 0"
    return graph


def _are_positions(ends: list[Any], count: int) -> bool:
    return all(type(end) is int and 0 <= end < count for end in ends)


def _resolve_positions(edge: dict[str, Any], names: list[Any]) -> dict[str, Any]:
    ends = {end: names[edge[end]] for end in ("source", "target")}
    return {**edge, **ends}


# --- matrices and arrays -------------------------------------------------------------


def _read_mtx(path: Path, task: Task, target: str | None) -> GraphTable:
    from scipy.io import mmread

    matrix = open_with(mmread, path)
    if not is_matrix(matrix):
        raise DataError(
            f"{path} must hold a square sparse matrix. Got shape {list(matrix.shape)}."
        )
    return from_matrix(matrix)


def _read_mat(path: Path, task: Task, target: str | None) -> GraphTable:
    """Read the only sparse matrix in a MATLAB file."""
    from scipy.io import loadmat

    matrices = [v for v in open_with(loadmat, path).values() if is_matrix(v)]
    if len(matrices) != 1:
        raise DataError(
            f"{path} must hold one square sparse matrix. Got {len(matrices)}."
        )
    return from_matrix(matrices[0])


def _read_npz(path: Path, task: Task, target: str | None) -> GraphTable:
    """Read arrays by their usual names; a sparse one as _data _indices _indptr _shape.

    Edges are pairs [E, 2] or [2, E], or an adjacency; splits are masks or row indices.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        raise DataError(f"{path} cannot be read without unpickling: {error}.") from None
    if {"format", "shape", "data"} <= set(arrays):
        from scipy.sparse import load_npz

        return from_matrix(open_with(load_npz, path))  # written by scipy.sparse
    return _table_from_arrays(arrays, path, task)


def read_npy_directory(path: Path, task: Task) -> GraphTable:
    """Read the same arrays from a directory of .npy files, memory-mapped."""
    arrays: dict[str, np.ndarray] = {}
    for file in sorted(path.glob("*.npy")):
        try:
            arrays[file.stem] = np.load(file, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError) as error:
            raise DataError(f"{file} cannot be read as an array: {error}.") from None
    return _table_from_arrays(arrays, path, task)


def _table_from_arrays(
    arrays: dict[str, np.ndarray], path: Path, task: Task
) -> GraphTable:
    by_role = {
        role: _find_array(arrays, names, path) for role, names in ARRAY_NAMES.items()
    }
    edges, features = by_role["adjacency"], by_role["features"]
    if edges is None:
        raise DataError(
            f"{path} must hold edges: one of {', '.join(ADJACENCY_ARRAYS)}. Got "
            f"{', '.join(arrays)}."
        )
    if hasattr(edges, "tocoo"):
        table = from_matrix(edges, features)
    else:
        table = _table_from_pairs(edges, features, by_role["labels"], by_role["weight"])
    ids = by_role["ids"]
    if ids is not None:
        names = np.array([str(name) for name in np.ravel(ids)], dtype=object)
        if len(names) != len(table) or len(set(names)) < len(names):
            raise DataError(
                f"{path} must hold a different name for each of {len(table):,} nodes. "
                f"Got {len(names):,}, {len(set(names)):,} of them different."
            )
        table = replace(table, ids=names)
    table = replace(table, split=_split_from_arrays(arrays, len(table), path))
    labels = by_role["labels"]
    if labels is None:
        return table
    given = labels_from_array(table.ids.tolist(), labels, task, "node")
    return with_labels(table, given)


def _find_array(
    arrays: dict[str, np.ndarray], names: tuple[str, ...], path: Path
) -> Any:
    """Return the first array of these names, dense or sparse; None if there is none.

    path: of the file, for messages. DataError for a damaged sparse array.
    """
    from scipy.sparse import csr_matrix

    for name in names:
        if name in arrays:
            return arrays[name]
        parts = [f"{name}_{k}" for k in ("data", "indices", "indptr")]
        if all(part in arrays for part in parts):
            where = f"the sparse array {name} in {path}"
            try:
                shape = tuple(arrays[f"{name}_shape"].tolist())
                matrix = csr_matrix(tuple(arrays[k] for k in parts), shape=shape)
            except (KeyError, ValueError, TypeError) as error:
                raise DataError(f"{where} is damaged: {error}.") from error
            return check_sparse(matrix, where)
    return None


def _table_from_pairs(
    edges: np.ndarray, features: Any, labels: Any, weight: Any
) -> GraphTable:
    pairs = edges.T if edges.ndim == 2 and edges.shape[1] == 2 else edges
    if pairs.ndim != 2 or len(pairs) != 2:
        raise DataError(f"Edges must have shape [E, 2]. Got {list(edges.shape)}.")
    check_memory(pairs.shape[1], "The array of edges")
    source, target = pairs = check_edge_index(pairs)
    num_rows = [len(labels)] if labels is not None else []
    num_rows += [features.shape[0]] if features is not None else []
    count = max([*num_rows, int(pairs.max(initial=-1)) + 1])
    ids = np.array([str(row) for row in range(count)], dtype=object)
    return table_from_edges(
        ids,
        source,
        target,
        weight,
        features=features,
        labels=no_labels(),
        directed=False,  # nothing in the file says that they are directed
    )


def _split_from_arrays(
    arrays: dict[str, np.ndarray], count: int, path: Path
) -> np.ndarray | None:
    """Return the split [N] from masks or row indices; None if there are none."""
    split = np.full(count, "", dtype="U5")
    for part in SPLITS:
        names = (part, f"{part}_mask", f"{part}_idx", f"idx_{part}")
        rows = _find_array(arrays, names, path)
        if rows is None:
            continue
        try:
            split[rows] = part
        except IndexError as error:
            raise DataError(
                f"The {part} split must be a mask of {count:,} nodes, or row indices "
                f"below that: {error}."
            ) from None
    return split if (split != "").any() else None


READERS: dict[str, Callable[[Path, Task, str | None], GraphTable]] = {
    ".graphml": _read_with_networkx,
    ".gexf": _read_with_networkx,
    ".gml": _read_with_networkx,
    ".json": _read_with_networkx,
    ".npz": _read_npz,
    ".mtx": _read_mtx,
    ".mat": _read_mat,
}
