"""Features of the edges of whole graphs: types of bonds, distances, weights.

They come from the columns of a table of edges, from PyG's `edge_attr` and
`edge_weight`, from the attributes of edges of NetworkX, from the weights of a matrix,
or from the files `edge_labels` and `edge_attributes` of a TU data set. An edge is
undirected: where both of its directions are listed, the features of the first count.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vicinal.core.data.labels import quote_names
from vicinal.errors import DataError
from vicinal.graphs.data.convert import (
    EDGE_ID_ATTRIBUTES,
    frame_of_attributes,
    to_numpy,
)
from vicinal.graphs.data.from_arrays import check_edge_index
from vicinal.graphs.data.graph_collection import GraphCollection
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.node_features import FeatureEncoder
from vicinal.graphs.data.suspicious_columns import without_row_numbers
from vicinal.graphs.data.tables.vectors import expand_vectors


class ListedEdges:
    """The edges of one graph as its source lists them, with their features."""

    def __init__(self, source: np.ndarray, target: np.ndarray, features: Any) -> None:
        """source, target: [E] rows. features: DataFrame or matrix [E, D], or None."""
        self.source, self.target, self.features = source, target, features

    def __len__(self) -> int:
        return len(self.source)


def edges_of_pyg(graph: Any) -> ListedEdges:
    """Return the edges of PyG's Data; features: edge_attr, and edge_weight.

    Raises DataError for features that are not numbers, or do not fit the edges.
    """
    source, target = check_edge_index(to_numpy(graph.edge_index, "edge_index"))
    parts = []
    for name in ("edge_attr", "edge_weight"):
        values = getattr(graph, name, None)
        if values is None:
            continue
        array = to_numpy(values, name)
        array = array[:, None] if array.ndim == 1 else array
        if array.dtype.kind not in "biuf" or array.shape[:-1] != source.shape:
            raise DataError(
                f"{name} must hold numbers of the shape [{len(source)}, D], a row for "
                f"each edge. Got {array.dtype} {list(array.shape)}."
            )
        parts.append(array.astype(np.float32))
    features = np.concatenate(parts, axis=1) if parts else None
    return ListedEdges(source, target, features)


def edges_of_networkx(graph: Any, names: Sequence[str]) -> ListedEdges:
    """Return the edges of a NetworkX graph between named nodes, with attributes."""
    row = {name: k for k, name in enumerate(names)}
    ends = ((str(u), str(v), data) for u, v, data in graph.edges(data=True))
    edges = [(row[u], row[v], data) for u, v, data in ends if u in row and v in row]
    source, target = (np.array([edge[k] for edge in edges], np.int64) for k in (0, 1))
    frame, _ = expand_vectors(frame_of_attributes([data for *_, data in edges]))
    frame = frame.drop(columns=[k for k in EDGE_ID_ATTRIBUTES if k in frame.columns])
    return ListedEdges(source, target, frame if frame.shape[1] else None)


def edges_of_table(table: GraphTable) -> ListedEdges:
    """Return the edges of a table; features: their weights, if they have any."""
    weight = None if table.weight is None else table.weight[:, None]
    return ListedEdges(table.source, table.target, weight)


def concatenate_features(edges: Sequence[ListedEdges]) -> tuple[Any, list[str]]:
    """Return the features of the edges of all graphs, or None, and notes.

    Raises DataError for matrices of different widths.
    """
    import pandas as pd

    parts = [part.features for part in edges if len(part)]
    given = [part for part in parts if part is not None]
    if not given:
        return None, []
    if len(given) < len(parts):
        return None, ["features of edges are ignored: some graphs have none"]
    frames = [hasattr(part, "columns") for part in given]
    if all(frames):
        return pd.concat(given, ignore_index=True), []
    widths = sorted({part.shape[1] for part in given})
    if any(frames) or len(widths) > 1:
        what = f"{widths[0]} and {widths[-1]}"
        raise DataError(
            "The edges of all graphs must have the same features. Got "
            + ("attributes and arrays." if any(frames) else f"{what} columns.")
        )
    return np.concatenate(given), []


def fit_edge_encoder(data: GraphCollection) -> tuple[FeatureEncoder, list[str]]:
    """Return the encoder of the features of edges, and notes on columns left out.

    Those are columns that number or identify edges, and those that have one value in
    each graph: they are of the graph, and may be its label.
    """
    features = data.nodes.edge_features
    if not hasattr(features, "columns"):
        return FeatureEncoder.from_features(features)
    frame, notes = without_row_numbers(features, unit="edge")
    graphs = data.batch[data.nodes.source]
    several = (data.edge_counts > 1).sum() > 1
    whole = [k for k in frame.columns if several and _is_of_graph(frame[k], graphs)]
    if whole:
        names = quote_names([*map(str, whole)])
        notes.append(
            "columns of edges with one value in each graph, but different ones, are "
            f"ignored: {names}"
        )
    encoder, more = FeatureEncoder.from_features(frame.drop(columns=whole))
    return encoder, [*notes, *more]


def _is_of_graph(column: Any, graphs: np.ndarray) -> bool:
    """Return whether a column has several values, but one in each graph [E]."""
    import pandas as pd

    codes = pd.factorize(column.astype(str))[0]
    pairs = len(np.unique(codes.astype(np.int64) * (int(graphs.max()) + 1) + graphs))
    return len(np.unique(codes)) > 1 and pairs == len(np.unique(graphs))
