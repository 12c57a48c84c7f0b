"""Read many graphs, each with a label, from any source as a `GraphCollection`.

=====================================  ===============================================
a directory of a TU data set           NAME_A.txt, NAME_graph_indicator.txt,
                                       NAME_graph_labels.txt[, NAME_node_labels.txt,
                                       NAME_node_attributes.txt, NAME_edge_labels.txt,
                                       NAME_edge_attributes.txt]
a text file of a GIN data set          see `collection_files`
CSV tables                             edges.csv[, nodes.csv][, graphs.csv], or one CSV
                                       of edges; see `collection_tables`
Python objects                         a list of NetworkX or PyG graphs, with labels y
=====================================  ===============================================

Edges may have features in all of them but GIN data sets; see `edge_features`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypedDict, Unpack

import numpy as np

from vicinal.core.data.label_index import align_labels, is_indexed
from vicinal.core.data.label_parsing import parse_labels, with_labels
from vicinal.core.data.labels import Task
from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoDataError
from vicinal.graphs.data.convert import (
    check_not_heterogeneous,
    from_networkx,
    from_pyg,
    is_networkx,
    is_pyg,
    to_numpy,
)
from vicinal.graphs.data.detect import find_gin_file, tu_dataset_name
from vicinal.graphs.data.edge_features import (
    concatenate_features,
    edges_of_networkx,
    edges_of_pyg,
    edges_of_table,
)
from vicinal.graphs.data.formats.arrays import open_with
from vicinal.graphs.data.formats.collection_files import (
    read_gin_file,
    read_tu_directory,
)
from vicinal.graphs.data.formats.collection_tables import read_tables
from vicinal.graphs.data.from_arrays import from_matrix, is_matrix
from vicinal.graphs.data.graph_collection import GraphCollection, disjoint_union
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.suspicious_columns import (
    drop_named_columns,
    drop_row_numbers,
)
from vicinal.graphs.data.tables.text_files import check_exists
from vicinal.graphs.settings import CollectionColumns


class CollectionColumnNames(TypedDict, total=False):
    """Columns of tables that the user names; see `CollectionColumns`."""

    graph_column: str | None
    id_column: str | None
    source_column: str | None
    destination_column: str | None
    drop_columns: tuple[str, ...] | None


def read_graphs(
    data: Any,
    y: Any = None,
    *,
    task: Task = "auto",
    target: str | None = None,
    **columns: Unpack[CollectionColumnNames],
) -> GraphCollection:
    """Read graphs from a directory, a file, or objects.

    data: a path, a list of graphs, or one graph. y: labels [G], for lists and where the
    files have none. task: how labels are parsed. target: label column of graphs.csv.
    columns: graph_column, id_column, source_column and destination_column name columns
    of tables, drop_columns those that are not read.
    Raises NoDataError if there are no graphs, DataError for a column that there is not.
    """
    names: dict[str, Any] = {**columns}
    named = CollectionColumns.from_dict(names)
    if isinstance(data, GraphCollection):
        graphs, labels = data, None
    elif isinstance(data, (str, PathLike)):
        graphs, labels = _read_path(Path(data), target, named)
    elif is_pyg(data) or is_networkx(data) or is_matrix(data):
        graphs, labels = _drop_named(_from_objects([data]), named)
    elif isinstance(data, Iterable):
        graphs, labels = _drop_named(_from_objects(list(data)), named)
    else:
        raise DataError(
            f"data must be a path or a list of graphs. Got {type(data).__name__}."
        )
    if not len(graphs):
        raise NoDataError("There are no graphs.")
    if isinstance(data, (str, PathLike)):
        graphs = _with_nodes(graphs, drop_row_numbers(graphs.nodes))
    if labels is not None:
        graphs = _add_labels(graphs, labels, task)
    return graphs if y is None else _add_labels(graphs, y, task)


Found = tuple[GraphCollection, Sequence[Any] | None]
"""graphs and their labels, if there are any"""


def _drop_named(found: Found, columns: CollectionColumns) -> Found:
    """Return graphs that no table listed, without the attributes to drop."""
    graphs, labels = found
    return _with_nodes(graphs, drop_named_columns(graphs.nodes, columns)), labels


def _with_nodes(graphs: GraphCollection, nodes: GraphTable) -> GraphCollection:
    """Return the graphs with other columns of nodes, and the notes on them."""
    new = nodes.notes[len(graphs.nodes.notes) :]
    return replace(graphs, nodes=nodes, notes=[*graphs.notes, *new])


def _add_labels(graphs: GraphCollection, y: Any, task: Task) -> GraphCollection:
    import pandas as pd

    notes = []
    if is_indexed(y):
        y, notes = align_labels(graphs.names.tolist(), y, "graph")
    if getattr(y, "ndim", None) == 0 or not hasattr(y, "__iter__"):
        raise DataError(
            f"y must be a list with a label for each graph. Got one value, {y!s:.80}."
        )
    y = list(y)
    if len(y) != len(graphs):
        raise DataError(
            f"y must have a label for each of {pluralize(len(graphs), 'graph')}. Got "
            f"{len(y)}."
        )
    cells = pd.Series(y, dtype=object)
    labels = parse_labels(graphs.names.tolist(), cells, task)
    return with_labels(graphs, labels._replace(notes=[*notes, *labels.notes]))


def _read_path(path: Path, target: str | None, columns: CollectionColumns) -> Found:
    check_exists(path)
    if path.is_file():
        if path.suffix.lower() == ".txt":
            return _drop_named(open_with(read_gin_file, path), columns)
        return read_tables(path, target, columns)
    name, gin_file = tu_dataset_name(path), find_gin_file(path)
    if name is not None:
        found = open_with(lambda folder: read_tu_directory(folder, name), path)
        return _drop_named(found, columns)
    if gin_file is not None:
        return _drop_named(open_with(read_gin_file, gin_file), columns)
    if (path / "edges.csv").exists():
        return read_tables(path, target, columns)
    raise DataError(
        f"{path} holds no graphs. Expected the files of a TU data set, or edges.csv "
        "with a column graph_id."
    )


def _from_objects(graphs: Sequence[Any]) -> Found:
    """Convert NetworkX graphs (label: graph attribute), PyG graphs (y), or matrices."""
    import pandas as pd

    tables, edges, labels, notes = [], [], [], Counter()
    for graph in graphs:
        check_not_heterogeneous(graph)
        if is_pyg(graph):
            labels.append(_label_of(graph, notes))
            tables.append(from_pyg(_without_label(graph), "auto", whole=True))
            edges.append(edges_of_pyg(graph))
        elif is_networkx(graph):  # labels of its nodes are features
            labels.append(graph.graph.get("label"))
            tables.append(from_networkx(graph, "auto", None, whole=True))
            edges.append(edges_of_networkx(graph, tables[-1].ids.tolist()))
        elif is_matrix(graph):
            labels.append(None)
            tables.append(from_matrix(graph))
            edges.append(edges_of_table(tables[-1]))
        else:
            raise DataError(
                "data must be a list of graphs of NetworkX or PyG, or scipy matrices. "
                f"Got a {type(graph).__name__} in it."
            )
    if not tables:
        raise NoDataError("There are no graphs.")
    for table in tables:
        notes.update(table.notes)
        if table.directed:
            notes["directions of edges are ignored: graphs are undirected"] += 1
    sizes = np.array([len(table) for table in tables])
    starts = np.cumsum(sizes) - sizes
    parts = [table.features for table in tables]
    features: Any = None
    if all(part is not None for part in parts):
        frames = all(hasattr(part, "columns") for part in parts)
        widths = sorted({part.shape[1] for part in parts})
        if not frames and len(widths) > 1:
            raise DataError(
                "All graphs must have the same number of node features. Got "
                f"{widths[0]} and {widths[-1]}."
            )
        features = (
            pd.concat(parts, ignore_index=True) if frames else np.concatenate(parts)
        )
    elif any(part is not None for part in parts):
        notes["node features are ignored: some graphs have none"] = len(tables)
    edge_features, edge_notes = concatenate_features(edges)
    shifted = list(zip(edges, starts, strict=True))
    collection = disjoint_union(
        sizes,
        np.concatenate([part.source + start for part, start in shifted]),
        np.concatenate([part.target + start for part, start in shifted]),
        features,
        [str(k) for k in range(len(tables))],
        [name for table in tables for name in table.ids],
        edge_features,
    )
    collection = replace(
        collection,
        notes=[
            *(_in_graphs(note, n, len(tables)) for note, n in notes.items()),
            *edge_notes,
            *collection.notes,
        ],
        quarantined=[row for table in tables for row in table.quarantined],
    )
    has_labels = any(label is not None for label in labels)
    return collection, labels if has_labels else None


def _in_graphs(note: str, count: int, total: int) -> str:
    return note if count == total else f"{note} (in {count:,} of {total:,} graphs)"


def _label_of(graph: Any, notes: Counter[str]) -> Any:
    """Return the only number of y; None if there is none, with a note for several."""
    y = getattr(graph, "y", None)
    if y is None:
        return None
    values = to_numpy(y, "y")
    if values.size != 1:
        notes["y is ignored: it does not have one value for the graph"] += 1
        return None
    return values.item()


def _without_label(graph: Any) -> Any:
    """Return a copy without y, which is the label of the graph and not of its nodes."""
    names = ("x", "edge_index", "edge_weight", "num_nodes")
    return SimpleNamespace(**{name: getattr(graph, name, None) for name in names})
