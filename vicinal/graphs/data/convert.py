"""Convert graph objects: NetworkX graphs, PyG Data, our `Graph`.

None of these libraries is imported: an object is recognised by its attributes.
`from_arrays` converts matrices and arrays.
"""

import warnings
from collections.abc import Container
from typing import Any

import numpy as np
import torch

from vicinal.core.data.claimed_size import check_claimed_size
from vicinal.core.data.label_parsing import (
    labels_from_array,
    no_labels,
    with_labels,
)
from vicinal.core.data.labels import Task, is_missing
from vicinal.core.data.names import problems_of_names
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.data.splits import SPLITS, TRAIN
from vicinal.errors import DataError, IgnoredDataWarning, NoDataError
from vicinal.graphs.data.from_arrays import (
    check_edge_index,
    combine_masks,
    number_nodes,
    table_from_edges,
)
from vicinal.graphs.data.graph_table import FLOAT32, GraphTable, fits_float32
from vicinal.graphs.data.tables.column_names import (
    ID_COLUMNS,
    WEIGHT_COLUMNS,
)
from vicinal.graphs.data.tables.duplicate_edges import merge_duplicate_edges
from vicinal.graphs.data.tables.node_list import Nodes, read_nodes
from vicinal.graphs.data.tables.node_names import is_missing_id
from vicinal.graphs.data.tables.vectors import expand_vectors

EDGE_ATTR_NOTE = "edge_attr is ignored; edge weights are read from edge_weight"

BYTES_PER_CELL = 40
"""memory for the value of one attribute of a node or an edge"""

EDGE_ID_ATTRIBUTES = ("id", "key")
"""attributes that only number the edges"""


def is_networkx(data: Any) -> bool:
    """Return True for a graph of NetworkX."""
    return all(hasattr(data, name) for name in ("nodes", "edges", "is_directed"))


def is_pyg(data: Any) -> bool:
    """Return True for PyG's Data or our `Graph`."""
    return hasattr(data, "edge_index") and hasattr(data, "num_nodes")


def from_networkx(
    graph: Any, task: Task, target: str | None, *, whole: bool = False
) -> GraphTable:
    """Convert a NetworkX graph with its node attributes and edge weights.

    whole: it is one of many graphs. Attributes of nodes such as label and split are
    features then, and `edge_features` reads those of edges.
    """
    nodes, quarantined = _valid_nodes(list(graph.nodes))
    ids = [str(node) for node in nodes]
    if len(set(ids)) < len(ids):
        repeated = next(name for name in ids if ids.count(name) > 1)
        raise DataError(
            f"Node names must be unique as text. Got {repeated!r} twice. Rename one."
        )
    frame = frame_of_attributes([graph.nodes[node] for node in nodes])
    frame, id_notes = _drop_id_attributes(frame, target)
    if not whole:
        table = read_nodes(frame, task, target, names=ids)
    else:
        table = _nodes_with_features(ids, frame)
    row = {node: k for k, node in enumerate(nodes)}
    edges, quarantined_edges = _valid_edges(list(graph.edges(data=True)), row)
    source = np.array([row[u] for u, _, _ in edges], np.int64)
    target_rows = np.array([row[v] for _, v, _ in edges], np.int64)
    key = next((k for k in WEIGHT_COLUMNS if any(k in d for _, _, d in edges)), None)
    weight = None
    if key is not None and not whole:
        weight = np.array([_check_weight(d.get(key, 1.0), key) for _, _, d in edges])
    directed = bool(graph.is_directed())
    source, target_rows, weight, _, edge_notes = merge_duplicate_edges(
        source, target_rows, weight, len(ids), directed
    )
    edge_notes += [] if whole else _note_edge_attributes(edges, key)
    converted = GraphTable(
        ids=np.array(ids, dtype=object),
        source=source,
        target=target_rows,
        directed=directed,
        features=table.features,
        weight=weight,
        split=table.split,
        quarantined=quarantined + quarantined_edges,
        notes=id_notes + table.notes + edge_notes,
    )
    return with_labels(converted, table.labels)


def _nodes_with_features(ids: list[str], frame: Any) -> Nodes:
    """Return nodes whose attributes are all features."""
    frame, notes = expand_vectors(frame)
    features = frame if frame.shape[1] else None
    return Nodes(ids, features, no_labels(), None, None, [], notes)


def _valid_nodes(nodes: list[Any]) -> tuple[list[Any], list[Quarantined]]:
    """Return the nodes whose names can be used, and the others, quarantined."""
    problems = problems_of_names(map(str, nodes))
    missing = {str(node) for node in nodes if _is_missing(node)}
    problems |= dict.fromkeys(missing, "the name is missing")
    if problems:
        nodes = [node for node in nodes if str(node) not in problems]
    if not nodes:
        why = "".join(f" The first node: {p}." for p in list(problems.values())[:1])
        raise NoDataError(f"The graph has no nodes.{why}")
    return nodes, [Quarantined(name, "", why) for name, why in problems.items()]


def _is_missing(node: Any) -> bool:
    """Return True for NaN and the like, or such a text; "" is a name."""
    return is_missing(node) or (node != "" and is_missing_id(str(node)))


def _valid_edges(
    edges: list[tuple[Any, Any, dict]], row: dict[Any, int]
) -> tuple[list[tuple[Any, Any, dict]], list[Quarantined]]:
    """Return the edges between nodes of `row`, and the others, quarantined."""
    valid = [edge for edge in edges if edge[0] in row and edge[1] in row]
    if len(valid) == len(edges):
        return edges, []
    others = ((u, v) for u, v, _ in edges if u not in row or v not in row)
    reason = "one of its nodes is quarantined"
    return valid, [Quarantined(f"{u} - {v}", "", reason) for u, v in others]


def frame_of_attributes(attributes: list[dict[Any, Any]]) -> Any:
    """Return attributes of nodes, or edges, as a table with a row for each.

    Its columns have texts as names.
    """
    import pandas as pd

    keys = {key for values in attributes for key in values}
    names = {str(key) for key in keys}
    if len(names) < len(keys):
        texts = [str(key) for key in keys]
        repeated = next(name for name in texts if texts.count(name) > 1)
        raise DataError(
            "Names of attributes must be unique as text. Got "
            f"{repeated!r} twice. Rename one."
        )
    _check_num_cells(len(attributes), len(names), sum(map(len, attributes)))
    rows = [{k: _without_tensor(v) for k, v in row.items()} for row in attributes]
    return pd.DataFrame(rows, dtype=object).rename(columns=str)


def _without_tensor(value: Any) -> Any:
    """Return the number or array of a tensor; any other value as it is."""
    if not isinstance(value, torch.Tensor):
        return value
    value = value.detach().cpu()
    array = (value.double() if value.is_floating_point() else value).numpy()
    return array if array.ndim else array.item()


def _check_num_cells(num_rows: int, num_columns: int, num_values: int) -> None:
    """Raise DataError for a table of attributes that is far larger than its values."""
    check_claimed_size(
        BYTES_PER_CELL * num_rows * num_columns,
        BYTES_PER_CELL * num_values,
        f"The graph has {num_columns:,} attributes of {num_rows:,} nodes or edges",
        "Give them the same few attributes, or save features as arrays (npz).",
    )


def _note_edge_attributes(edges: list[tuple[Any, Any, dict]], weight: Any) -> list[str]:
    """Return a note that names the edge attributes other than the weight and ids."""
    names = {str(name) for _, _, data in edges for name in data}
    ignored = sorted(names - {str(weight), *EDGE_ID_ATTRIBUTES})
    if not ignored:
        return []
    return [
        f"attributes of edges are ignored, except weights: {', '.join(ignored[:10])}"
        + (f" and {len(ignored) - 10:,} more" if len(ignored) > 10 else "")
    ]


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


def _check_weight(value: Any, key: str) -> float:
    is_number = isinstance(value, (int, float, np.integer, np.floating))
    try:
        number = float(value) if is_number else -1.0
    except OverflowError:  # an integer beyond any float
        number = float("inf")
    if number < 0 or not fits_float32(np.asarray(number)):
        raise DataError(
            f"The edge attribute {key!r} must be a number, 0 or more. Got "
            f"{value!r:.40}. Correct it, or remove the attribute; float32 holds 0 and "
            f"numbers from {FLOAT32.tiny:.2g} to {FLOAT32.max:.2g}."
        )
    return number


def from_pyg(data: Any, task: Task, *, whole: bool = False) -> GraphTable:
    """Convert PyG's Data: x, edge_index, y, edge_weight and the masks.

    whole: it is one of many graphs; `edge_features` reads the weights and features of
    its edges.
    """
    x, y = getattr(data, "x", None), getattr(data, "y", None)
    weight = None if whole else getattr(data, "edge_weight", None)
    if data.edge_index is None:
        raise DataError(
            "The graph has no edge_index. Set it to the edges [2, E]: sources, then "
            "targets (T.ToSparseTensor moves them to adj_t; leave it out)."
        )
    source, target = check_edge_index(to_numpy(data.edge_index, "edge_index"))
    if data.num_nodes is None:
        raise NoDataError("The graph has no nodes.")
    count = int(data.num_nodes)
    features = None if x is None else to_numpy(x, "x")
    num_bytes = 2 * source.nbytes + getattr(features, "nbytes", 0)
    ids = number_nodes(count, num_bytes, "The graph")
    split, notes = _split_from_masks(data, count)
    table = table_from_edges(
        ids,
        source,
        target,
        None if weight is None else to_numpy(weight, "edge_weight"),
        features=features,
        labels=labels_from_array(
            ids.tolist(), None if y is None else to_numpy(y, "y"), task, "node"
        ),
        split=split,
    )
    table.notes.extend(notes)
    if getattr(data, "edge_attr", None) is not None:
        table.notes.append(EDGE_ATTR_NOTE)
    return table


def warn_edge_attr_ignored(notes: Container[str]) -> None:
    """Issue an IgnoredDataWarning if the notes of graphs say that of edge_attr."""
    if EDGE_ATTR_NOTE in notes:
        warnings.warn(EDGE_ATTR_NOTE, IgnoredDataWarning, stacklevel=4)


def check_not_heterogeneous(data: Any) -> None:
    """Raise DataError for a graph with nodes or edges of several types."""
    if hasattr(data, "edge_types") and hasattr(data, "node_types"):
        kinds = [*map(str, data.node_types)]
        raise DataError(
            f"The graph is heterogeneous, with nodes of the types {', '.join(kinds)}. "
            "Expected one edge_index and one x: convert it with data.to_homogeneous()."
        )


def _split_from_masks(data: Any, count: int) -> tuple[np.ndarray | None, list[str]]:
    masks = {part: getattr(data, f"{part}_mask", None) for part in SPLITS}
    given = {
        part: to_numpy(mask, f"{part}_mask")
        for part, mask in masks.items()
        if mask is not None
    }
    if given and TRAIN not in given:
        raise DataError(
            f"Expected train_mask beside {' and '.join(f'{p}_mask' for p in given)}. "
            "Set it, or leave out all masks."
        )
    return combine_masks(given, count)


def to_numpy(values: Any, name: str) -> np.ndarray:
    """Return a tensor or array-like as an array; name: for messages."""
    if not isinstance(values, torch.Tensor):
        return np.asarray(values)
    if values.layout != torch.strided:
        raise DataError(f"{name} must be dense. Got a {values.layout} tensor.")
    return values.detach().cpu().numpy()
