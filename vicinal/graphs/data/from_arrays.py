"""Make a `GraphTable` from arrays: edges as rows of nodes, or a sparse adjacency.

What the arrays claim is checked first: shapes, integers, indices, numbers of nodes.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from vicinal.core.data.claimed_size import check_claimed_size
from vicinal.core.data.label_parsing import Labels, no_labels, with_labels
from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoDataError
from vicinal.graphs.data.graph_table import FLOAT32, GraphTable, fits_float32
from vicinal.graphs.data.tables.duplicate_edges import merge_duplicate_edges

BYTES_PER_NODE = 250
"""memory for a node: its name, and its rows in other arrays"""

MOST_EXACT = 2**53
"""up to here floating-point numbers hold every integer"""


def is_matrix(data: Any) -> bool:
    """Return True for a square scipy sparse matrix."""
    return hasattr(data, "tocoo") and len(set(data.shape)) == 1 < len(data.shape)


def check_edge_index(edges: np.ndarray) -> np.ndarray:
    """Return edges [2, E] as int64; DataError for another shape or other numbers."""
    if edges.ndim != 2 or len(edges) != 2:
        raise DataError(
            "edge_index must have shape [2, E]: sources, then targets. Got "
            f"{list(edges.shape)}."
        )
    return to_integers(edges, "edge_index")


def to_integers(values: np.ndarray, name: str) -> np.ndarray:
    """Return values as int64; DataError for other numbers. name: for the message."""
    if values.dtype.kind not in "iuf":
        raise DataError(f"{name} must hold integers. Got {values.dtype}.")
    if values.dtype.kind == "f":
        is_integer = (np.abs(values) <= MOST_EXACT) & (values == np.floor(values))
        if not is_integer.all():
            bad = values[~is_integer][0]
            raise DataError(f"{name} must hold integers. Got {bad}.")
    elif values.dtype.itemsize == 8 and values.dtype.kind == "u":
        if values.max(initial=0) > np.iinfo(np.int64).max:
            raise DataError(
                f"{name} must hold integers below 2^63. Got {values.max()}."
            )
    return values.astype(np.int64)


def number_nodes(count: int, num_bytes: float, source: str) -> np.ndarray:
    """Return the names 0, 1, ... of nodes [N].

    num_bytes: the size of the arrays that number them. source: what they are, for the
    message. Raises DataError for a number that the arrays cannot account for.
    """
    check_claimed_size(
        BYTES_PER_NODE * count,
        num_bytes,
        f"{source} has {pluralize(count, 'node')}",
        "Number the nodes 0, 1, ... without gaps, or write the edges as CSV: there the "
        "ends are names.",
    )
    return np.array([str(row) for row in range(count)], dtype=object)


def combine_masks(
    masks: Mapping[str, np.ndarray], count: int
) -> tuple[np.ndarray | None, list[str]]:
    """Return the split [N] of masks [N] by split, None where nothing is true; notes.

    A node in several splits belongs to the last of them. Raises DataError for a mask of
    another shape.
    """
    split = np.full(count, "", dtype="U5")
    times = np.zeros(count, np.int64)
    for part, mask in masks.items():
        rows = mask[:, 0] if mask.ndim == 2 and mask.shape[1] == 1 else mask
        if rows.ndim == 2 and len(rows) == count:
            raise DataError(
                f"{part}_mask has {rows.shape[1]} splits: its shape is "
                f"{list(rows.shape)}. Choose one of them in each mask, for example "
                f"data.{part}_mask = data.{part}_mask[:, 0]."
            )
        if rows.shape != (count,):
            raise DataError(
                f"{part}_mask must have shape [{count}]. Got {list(rows.shape)}: the "
                f"{part} split must be a mask of {count:,} nodes."
            )
        rows = rows.astype(bool)
        split[rows] = part
        times += rows
    several = int((times > 1).sum())
    notes = []
    if several:
        notes.append(
            f"{pluralize(several, 'node')} in several of {', '.join(masks)}: the last "
            "of them counts"
        )
    return (split if times.any() else None), notes


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


def from_matrix(
    matrix: Any, features: Any = None, ids: np.ndarray | None = None
) -> GraphTable:
    """Convert a scipy sparse adjacency [N, N]: rows are sources, columns targets.

    ids: [N] names of the nodes; None: 0, 1, ...
    """
    if not is_matrix(matrix):
        raise DataError(
            "The adjacency must be a square matrix [N, N]. Got shape "
            f"{list(matrix.shape)}."
        )
    if matrix.dtype.kind not in "biuf":
        raise DataError(f"The adjacency must hold numbers. Got {matrix.dtype}.")
    if ids is None:
        parts = ("data", "indices", "indptr", "row", "col", "offsets")
        arrays = [features, *(getattr(matrix, name, None) for name in parts)]
        num_bytes = sum(getattr(array, "nbytes", 0) for array in arrays)
        num_bytes = max(num_bytes, 16 * matrix.nnz)
        ids = number_nodes(matrix.shape[0], num_bytes, "The adjacency")
    coo = check_sparse(matrix, "the adjacency").tocoo()
    if num_zeros := int((coo.data == 0).sum()):
        coo = coo.copy()
        coo.eliminate_zeros()
    check_weights(coo.data)
    weight = np.asarray(coo.data, np.float32)
    table = table_from_edges(
        ids,
        coo.row.astype(np.int64),
        coo.col.astype(np.int64),
        None if (weight == 1).all() else weight,
        features=features,
        labels=no_labels(),
    )
    if num_zeros:
        zeros = pluralize(num_zeros, "stored zero")
        table.notes.append(f"{zeros} of the adjacency not read as edges")
    return table


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
    if weight is not None:
        weight = np.ravel(weight)
        if weight.dtype.kind not in "biuf":
            raise DataError(f"Edge weights must be numbers. Got {weight.dtype}.")
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
    features = None if features is None else _check_features(features, n)
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


def _check_features(features: Any, n: int) -> Any:
    """Return features [N, F]; those [N] are one column. DataError for others."""
    if features.dtype.kind not in "biuf":
        raise DataError(f"The features must be numbers. Got {features.dtype}.")
    if features.ndim not in (1, 2):
        raise DataError(
            f"The features must have shape [{n}, F]. Got {list(features.shape)}."
        )
    if features.shape[0] != n:
        raise DataError(
            f"The features must have a row for each of {n:,} nodes. Got "
            f"{pluralize(features.shape[0], 'row')}."
        )
    return features.reshape(n, 1) if features.ndim == 1 else features


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
    if weight is not None:
        check_weights(weight)


def check_weights(weight: np.ndarray) -> None:
    """Raise DataError for weights that are negative or no numbers of float32."""
    if not (fits_float32(weight) & (weight >= 0)).all():
        raise DataError(
            "Edge weights must be finite and 0 or more; float32 holds 0 and numbers "
            f"from {FLOAT32.tiny:.2g} to {FLOAT32.max:.2g}. Correct or scale them, or "
            "leave them out."
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
