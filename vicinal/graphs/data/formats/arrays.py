"""Arrays by name: .npz, a directory of .npy, one .npy; dense and sparse."""

import zipfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vicinal.core.data.claimed_size import check_claimed_size, check_npy_header
from vicinal.core.data.label_parsing import labels_from_array, no_labels, with_labels
from vicinal.core.data.names import problems_of_names
from vicinal.core.data.splits import SPLITS
from vicinal.errors import DataError
from vicinal.graphs.data.detect import ADJACENCY_ARRAYS
from vicinal.graphs.data.formats.forms import ReadOptions
from vicinal.graphs.data.from_arrays import (
    check_edge_index,
    check_sparse,
    combine_masks,
    from_matrix,
    number_nodes,
    table_from_edges,
    to_integers,
)
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.tables.edge_list import check_memory
from vicinal.graphs.data.tables.node_names import is_missing_id

MATRIX_ARRAYS = ("adj", "adjacency", "A")
"""those of ADJACENCY_ARRAYS that may be a dense matrix [N, N]"""

ARRAY_NAMES = {
    "adjacency": ADJACENCY_ARRAYS,
    "weight": ("edge_weight", "edge_weights"),
    "ids": ("ids", "names", "node_ids"),
    "features": ("x", "attr", "features", "X"),
    "labels": ("y", "labels", "label"),
}
"""accepted names of the arrays in an npz"""

DENSE = ("weight", "ids", "labels")

SPLIT_NAMES = {
    part: (part, f"{part}_mask", f"{part}_idx", f"idx_{part}") for part in SPLITS
}

INDEX_PARTS = ("indices", "indptr", "row", "col", "offsets", "shape")
"""parts of a sparse array that hold integers; scipy would truncate other numbers"""


def open_with(read: Callable[[Path], Any], path: Path) -> Any:
    """Return read(path); DataError for whatever exception it raises."""
    try:
        return read(path)
    except DataError:
        raise
    except RecursionError as error:
        raise DataError(f"{path} cannot be read: it is nested too deeply.") from error
    except MemoryError as error:
        raise DataError(
            f"{path} cannot be read: it claims more memory than there is. If it is not "
            "damaged, use a machine with more memory."
        ) from error
    except Exception as error:  # every parser has exceptions of its own
        why = str(error).strip().removesuffix(".") or type(error).__name__
        raise DataError(f"{path} cannot be read: {why}.") from error


def read_npz(path: Path, options: ReadOptions) -> GraphTable:
    """Read arrays by their usual names; a sparse one as _data _indices _indptr _shape.

    Edges are pairs [E, 2] or [2, E], or an adjacency; splits are masks or row indices.
    """
    arrays = open_with(load_arrays, path)
    if {"format", "shape", "data"} <= set(arrays):  # written by scipy.sparse
        from scipy.sparse import load_npz

        check_parts(arrays, str(path))
        return from_matrix(open_with(load_npz, path))
    return _table_from_arrays(arrays, path, options)


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz, whose sizes are checked first."""
    file_bytes = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        members = [m for m in archive.infolist() if m.filename.endswith(".npy")]
        check_claimed_size(
            sum(member.file_size for member in members),
            file_bytes,
            f"{path} holds compressed arrays",
            "If it is not damaged, save them with np.savez, or as a sparse array.",
        )
        for member in members:
            with archive.open(member) as file:
                name = member.filename.removesuffix(".npy")
                where = f"the array {name} in {path}"
                check_npy_header(file, member.file_size, where)
    with np.load(path, allow_pickle=False) as file:
        return {m.filename[:-4]: file[m.filename[:-4]] for m in members}


def read_npy_directory(path: Path, options: ReadOptions) -> GraphTable:
    """Read the same arrays from a directory of .npy files, memory-mapped."""
    files = sorted(path.glob("[!.]*.npy"))  # hidden files hold no arrays
    arrays = {file.stem: open_npy(file) for file in files}
    return _table_from_arrays(arrays, path, options)


def open_npy(path: Path) -> np.ndarray:
    """Return the array of an .npy file, memory-mapped."""
    try:
        with path.open("rb") as file:
            check_npy_header(file, path.stat().st_size, str(path))
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except DataError:
        raise
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read as an array: {error}.") from None


def read_npy(path: Path, options: ReadOptions) -> GraphTable:
    """Read a dense adjacency [N, N], or pairs of edges [E, 2] or [2, E]."""
    return table_from_array(open_npy(path), str(path), options.directed)


def table_from_array(
    array: np.ndarray, where: str, directed: bool = False
) -> GraphTable:
    """Make a table from a dense adjacency [N, N], or pairs of edges [E, 2] or [2, E].

    where: subject of messages. directed: whether pairs are; an adjacency shows it.
    """
    if array.ndim == 2 and array.shape[0] == array.shape[1]:
        return from_matrix(sparse_from_dense(array, where))
    if array.ndim != 2 or 2 not in array.shape:
        raise DataError(
            f"{where} must be a square adjacency matrix [N, N], or edges [E, 2] as "
            f"pairs of nodes. Got shape {list(array.shape)}."
        )
    return _table_from_pairs(array, directed=directed)


def sparse_from_dense(array: np.ndarray, where: str) -> Any:
    """Return a dense adjacency [N, N] as a scipy sparse matrix."""
    from scipy.sparse import coo_matrix

    if array.dtype.kind not in "biuf":
        raise DataError(f"{where} must hold numbers. Got {array.dtype}.")
    check_memory(int(np.count_nonzero(array)), where)
    return coo_matrix(array)


def _table_from_arrays(
    arrays: dict[str, np.ndarray], path: Path, options: ReadOptions
) -> GraphTable:
    by_role = {
        role: _find_array(arrays, names, path) for role, names in ARRAY_NAMES.items()
    }
    for role, array in by_role.items():
        is_sparse = hasattr(array, "tocoo")
        if array is not None and (not array.shape or (is_sparse and role in DENSE)):
            raise DataError(f"The {role} in {path} must be a dense array with rows.")
    edges, features = by_role["adjacency"], by_role["features"]
    if edges is None:
        raise DataError(
            f"{path} must hold edges: one of {', '.join(ADJACENCY_ARRAYS)}. Got "
            f"{', '.join(arrays)}."
        )
    name = next((n for n in ADJACENCY_ARRAYS if n in arrays), "")
    if name in MATRIX_ARRAYS and edges.ndim == 2 and edges.shape[0] == edges.shape[1]:
        edges = sparse_from_dense(edges, f"the adjacency in {path}")
    if hasattr(edges, "tocoo"):
        table = from_matrix(edges, features)
    else:
        table = _table_from_pairs(
            edges,
            features,
            by_role["labels"],
            by_role["weight"],
            directed=options.directed,
        )
    if by_role["ids"] is not None:
        table = replace(table, ids=_check_ids(by_role["ids"], len(table), path))
    table = _add_split(table, arrays, path)
    labels = by_role["labels"]
    if labels is None:
        return table
    given = labels_from_array(table.ids.tolist(), labels, options.task, "node")
    return with_labels(table, given)


def _find_array(
    arrays: dict[str, np.ndarray], names: tuple[str, ...], path: Path
) -> Any:
    """Return the first array of these names, dense or sparse; None if there is none.

    path: of the file, for messages. DataError for a damaged sparse array.
    """
    for name in names:
        if name in arrays:
            return arrays[name]
        parts = {k: arrays.get(f"{name}_{k}") for k in ("data", "indices", "indptr")}
        if all(part is not None for part in parts.values()):
            parts["shape"] = arrays.get(f"{name}_shape")
            return compressed_matrix(parts, f"the sparse array {name} in {path}")
    return None


def compressed_matrix(parts: dict[str, Any], where: str, column: bool = False) -> Any:
    """Return a csr matrix from its arrays data, indices, indptr and shape.

    column: whether it is compressed by columns (csc). where: subject of messages.
    DataError if they do not fit each other.
    """
    from scipy.sparse import csc_matrix, csr_matrix

    check_parts(parts, where)
    shape = parts["shape"]
    if shape is None or shape.shape != (2,):
        raise DataError(f"{where} is damaged: it has no shape of two numbers.")
    make = csc_matrix if column else csr_matrix
    arrays = tuple(parts[name] for name in ("data", "indices", "indptr"))
    try:
        matrix = make(arrays, shape=tuple(shape.tolist()))
    except (ValueError, TypeError) as error:
        raise DataError(f"{where} is damaged: {error}.") from error
    return check_sparse(matrix, where)


def check_parts(parts: dict[str, Any], where: str) -> None:
    """Raise DataError if parts of a sparse array are not integers within its shape.

    scipy would cut off larger ones to 32 bits. where: subject of messages.
    """
    given = {name: parts[name] for name in INDEX_PARTS if parts.get(name) is not None}
    for name, part in given.items():
        if part.dtype.kind not in "iu":
            raise DataError(
                f"{where} is damaged: its {name} must be integers. Got {part.dtype}."
            )
    longest = int(given["shape"].max(initial=0)) if "shape" in given else 0
    longest = max(longest, *(len(part) for part in given.values() if part.ndim))
    for name, part in given.items():
        if part.max(initial=0) > longest:
            raise DataError(
                f"{where} is damaged: its {name} must be at most {longest:,}. Got "
                f"{part.max():,}."
            )


def _table_from_pairs(
    edges: np.ndarray,
    features: Any = None,
    labels: Any = None,
    weight: Any = None,
    *,
    directed: bool,
) -> GraphTable:
    pairs = edges.T if edges.ndim == 2 and edges.shape[1] == 2 else edges
    if pairs.ndim != 2 or len(pairs) != 2:
        raise DataError(f"Edges must have shape [E, 2]. Got {list(edges.shape)}.")
    check_memory(pairs.shape[1], "The array of edges")
    source, target = pairs = check_edge_index(pairs)
    given = [array for array in (labels, features) if array is not None]
    num_rows = [array.shape[0] for array in given if array.ndim]
    count = max([int(pairs.max(initial=-1)) + 1, *num_rows])
    num_bytes = pairs.nbytes + sum(getattr(array, "nbytes", 0) for array in given)
    return table_from_edges(
        number_nodes(count, num_bytes, "The array of edges"),
        source,
        target,
        weight,
        features=features,
        labels=no_labels(),
        directed=directed,  # nothing in the file says so
    )


def _check_ids(ids: np.ndarray, count: int, path: Path) -> np.ndarray:
    """Return the names of nodes as texts [N]; DataError if they are not valid names."""
    names = np.array([str(name) for name in np.ravel(ids)], dtype=object)
    if len(names) != count or len(set(names)) < len(names):
        raise DataError(
            f"{path} must hold a different name for each of {count:,} nodes. "
            f"Got {len(names):,}, {len(set(names)):,} of them different."
        )
    for name, problem in problems_of_names(names).items():
        raise DataError(f"{path}: {problem}: {name!r}. Rename the node.")
    check_no_missing_name(names, path)
    return names


def check_no_missing_name(names: Iterable[str], path: Path) -> None:
    """Raise DataError if a node has no name: rows of arrays cannot be left out."""
    missing = next(filter(is_missing_id, names), None)
    if missing is not None:
        raise DataError(f"{path} must name each node. Got {missing!r}. Name the node.")


def _add_split(
    table: GraphTable, arrays: dict[str, np.ndarray], path: Path
) -> GraphTable:
    """Return the table with its split from masks or row indices, if there are any."""
    given = {
        part: _find_array(arrays, names, path) for part, names in SPLIT_NAMES.items()
    }
    masks = {
        part: _to_mask(np.asarray(rows), part, len(table))
        for part, rows in given.items()
        if rows is not None
    }
    split, notes = combine_masks(masks, len(table))
    return replace(table, split=split, notes=[*table.notes, *notes])


def _to_mask(rows: np.ndarray, part: str, count: int) -> np.ndarray:
    """Return a mask [N] from a mask of truth values or of 0 and 1, or row indices."""
    if rows.dtype.kind == "b" or rows.ndim > 1:
        return rows
    indices = to_integers(rows, f"The {part} split")
    is_mask = len(indices) == count and count > 2 and set(indices.tolist()) <= {0, 1}
    if is_mask:
        return indices.astype(bool)
    if len(indices) and (indices.min() < 0 or indices.max() >= count):
        bad = indices.min() if indices.min() < 0 else indices.max()
        raise DataError(
            f"The {part} split must be a mask of {count:,} nodes, or row indices "
            f"below that. Got {bad:,}."
        )
    mask = np.zeros(count, bool)
    mask[indices] = True
    return mask
