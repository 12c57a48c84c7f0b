"""Add new nodes to the graph that a model was trained on (inductive prediction).

Nothing is trained again: the fitted feature encoder reads the columns of the new nodes,
and their edges connect them to known nodes or to each other.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from vicinal.core.data.csv_tables import clean_cell
from vicinal.core.text import pluralize
from vicinal.errors import DataError
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.node_features import FeatureEncoder, degree_features
from vicinal.graphs.data.tables.column_names import lower
from vicinal.graphs.data.tables.duplicate_edges import merge_duplicate_edges
from vicinal.graphs.data.tables.edge_file import EdgeFile, EdgeFrame, open_edges
from vicinal.graphs.data.tables.edge_list import EdgeReader
from vicinal.graphs.data.tables.end_columns import find_column
from vicinal.graphs.data.tables.node_list import (
    Nodes,
    find_id_column,
    read_node_file,
    read_nodes,
)
from vicinal.graphs.nodes.labelled_graph import LabelledGraph
from vicinal.graphs.settings import TableColumns


class ExtendedGraph(NamedTuple):
    """A graph with new nodes appended."""

    table: GraphTable
    labelled_graph: LabelledGraph
    new_rows: np.ndarray
    """rows of the new nodes"""


def extend_graph(
    table: GraphTable,
    labelled_graph: LabelledGraph,
    encoder: FeatureEncoder,
    nodes: Any,
    edges: Any,
    columns: TableColumns | None = None,
) -> ExtendedGraph:
    """Return the graph with the nodes and edges of two tables appended.

    nodes, edges: DataFrames or files; edges may be None. columns: their names. Rows
    that cannot be used are in the new table's `quarantined`. DataError if a node is in
    the graph already.
    """
    columns = columns or TableColumns()
    source = None if edges is None else open_edges(edges, columns)
    new = _read_new_nodes(nodes, columns, table, source)
    ids, features, notes = _encodable(new, encoder)
    known_ids = set(table.ids)
    repeated = [name for name in ids if name in known_ids]
    if repeated:
        raise DataError(
            f"The node {repeated[0]!r} is in the graph already. Remove it from the new "
            "nodes, and ask for it by its name."
        )
    reader = _read_new_edges(source, [*table.ids, *ids], columns)
    extended = GraphTable(
        ids=np.array([*table.ids, *ids], dtype=object),
        directed=table.directed,
        id_column=table.id_column,
        quarantined=new.quarantined + reader.quarantined,
        max_bytes=table.max_bytes,
        **_merge_edges(table, reader, len(ids)),
    )
    extended.notes[:0] = notes
    extended.notes.extend(encoder.describe_unreadable(features))
    x = torch.from_numpy(encoder.transform(features, len(ids)))
    if encoder.kind == "none":
        x = degree_features(extended.adjacency)
    else:
        x = torch.cat([labelled_graph.x, x])
    y, train_mask = labelled_graph.y, labelled_graph.train_mask
    labelled = LabelledGraph(
        x,
        extended.adjacency,
        extended.edge_weight,
        np.concatenate([y, np.zeros((len(ids), *y.shape[1:]), y.dtype)]),
        np.concatenate([train_mask, np.zeros(len(ids), bool)]),
    )
    return ExtendedGraph(extended, labelled, np.arange(len(table), len(extended.ids)))


def _read_new_edges(
    source: EdgeFile | EdgeFrame | None, ids: list[str], columns: TableColumns
) -> EdgeReader:
    reader = EdgeReader(ids, columns=columns)
    if source is not None:
        for frame, line_of in source.read(reader.rows):
            reader.add(frame, line_of)
    return reader


def _merge_edges(table: GraphTable, reader: EdgeReader, num_new: int) -> dict[str, Any]:
    """Return source, target, weight and notes of the old and the new edges."""
    source, target, weight = table.source, table.target, table.weight
    notes: list[str] = []
    if reader.has_edges:
        new = reader.to_edges(table.directed)
        notes += new.notes
        if weight is not None or new.weight is not None:
            old_weight = _ones_if_none(weight, source)
            new_weight = _ones_if_none(new.weight, new.source)
            weight = np.concatenate([old_weight, new_weight])
        source = np.concatenate([source, new.source])
        target = np.concatenate([target, new.target])
        between_known = np.maximum(new.source, new.target) < len(table)
        if between_known.any():  # may repeat an edge of the graph
            edges = source, target, weight, len(table) + num_new, table.directed
            source, target, weight, _, merge_notes = merge_duplicate_edges(*edges)
            notes += merge_notes
    return {"source": source, "target": target, "weight": weight, "notes": notes}


def _read_new_nodes(
    nodes: Any,
    columns: TableColumns,
    table: GraphTable,
    edges: EdgeFile | EdgeFrame | None,
) -> Nodes:
    """Return the new nodes of a graph, from a table; edges: theirs.

    Their names are in the column of the other nodes' names, or in the one that names
    the ends of new edges.
    """
    if nodes is None:
        raise DataError(
            "New nodes must be listed in a table: an id each, and the columns of the "
            "other nodes. Got edges alone; add the table with --new-nodes."
        )
    frame, first_line, file_notes = nodes, 0, []
    if isinstance(nodes, (str, os.PathLike)):
        frame, first_line, file_notes = read_node_file(Path(nodes), "id[,...]")
    elif not hasattr(nodes, "columns"):
        raise DataError(
            f"New nodes must be a path or a DataFrame. Got {type(nodes).__name__}."
        )
    frame, known, trained = columns.drop_from(frame), set(table.ids), table.id_column
    has_column = trained is not None and find_column(frame, [lower(trained)])
    if has_column and columns.id_column is None:
        columns = replace(columns, id_column=trained)
    ends = [] if edges is None else [names - known for names in edges.first_ends()]
    frame, id_column, notes = find_id_column(frame, columns, ends)
    listed = read_nodes(frame, "auto", None, first_line, id_column=id_column)
    return listed._replace(notes=[*file_notes, *notes])


def _encodable(
    nodes: Nodes, encoder: FeatureEncoder
) -> tuple[list[str], Any, list[str]]:
    """Return the names and features of new nodes as the encoder takes them; notes."""
    features, notes = nodes.features, nodes.notes
    if encoder.kind in ("bag_of_words", "numeric") and features is not None:
        numbers = features.apply(_to_numeric)
        empty = np.argwhere(numbers.isna().to_numpy()).tolist()
        cells = [features.iloc[row, column] for row, column in empty]
        bad = [cell for cell in cells if clean_cell(cell) is not None]
        if bad:
            count = f"{pluralize(len(bad), 'cell')} of the new nodes"
            notes = [*notes, f"{count} such as {bad[0]!r} not a number, read as 0"]
        features = numbers.to_numpy(np.float32)
    return nodes.ids, features, notes


def _to_numeric(column: Any) -> Any:
    import pandas as pd

    return pd.to_numeric(column, errors="coerce")


def _ones_if_none(weight: np.ndarray | None, like: np.ndarray) -> np.ndarray:
    return np.ones(len(like), np.float32) if weight is None else weight
