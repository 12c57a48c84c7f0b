"""Nodes that came later: they join the graph that was learned from.

Nothing is learned anew. What was learned of columns reads the newcomers' columns, and
their edges lead to the nodes that are there, or to each other.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from vicinal.core.data.csv_tables import read_csv
from vicinal.core.data.quarantine import Quarantined
from vicinal.errors import DataError
from vicinal.graphs.data.degree_features import place_of
from vicinal.graphs.data.edge_list import EdgeReader, once, read_edge_file
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.node_features import FeatureEncoder
from vicinal.graphs.data.node_list import read_nodes
from vicinal.graphs.nodes.labelled_graph import LabelledGraph


class ExtendedGraph(NamedTuple):
    """A graph with newcomers in it."""

    table: GraphTable
    known: LabelledGraph
    new: np.ndarray
    """rows of the newcomers"""


def joined(
    table: GraphTable,
    known: LabelledGraph,
    columns: FeatureEncoder,
    nodes: Any,
    edges: Any,
) -> ExtendedGraph:
    """The graph with the nodes of a table in it.

    nodes, edges: DataFrames or files; edges may be None: there are none. What of them
    cannot be used is in the graph's `set_aside`. DataError for a newcomer that is there
    already, and where the model knows nodes by features and there are none.
    """
    names, features, aside = _listed(nodes, columns)
    there = set(table.ids)
    twice = [name for name in names if name in there]
    if twice:
        raise DataError(
            f"The node {twice[0]!r} is in the graph already. Leave it out, or ask for "
            "it by its name."
        )
    reader = EdgeReader([*table.ids, *names])
    if edges is not None:
        parts = [(edges, 0)] if hasattr(edges, "columns") else None
        for frame, line in parts or read_edge_file(Path(edges)):
            reader.add(frame, line)
    source, target, weight = table.source, table.target, table.weight
    notes = []
    if any(len(part[0]) for part in reader.parts):
        found = reader.edges(table.directed)
        notes += found.notes
        if weight is not None or found.weight is not None:
            weight = np.concatenate(
                [_ones(weight, source), _ones(found.weight, found.source)]
            )
        source = np.concatenate([source, found.source])
        target = np.concatenate([target, found.target])
        old = np.maximum(found.source, found.target) < len(table)
        if old.any():  # some may be there already
            given = source, target, weight, len(table) + len(names), table.directed
            source, target, weight, _, more = once(*given)
            notes += more
    ids = np.array([*table.ids, *names], dtype=object)
    whole = GraphTable(
        ids=ids,
        source=source,
        target=target,
        directed=table.directed,
        weight=weight,
        set_aside=aside + reader.set_aside,
        notes=notes,
        max_bytes=table.max_bytes,
    )
    count = len(names)
    x = torch.from_numpy(columns.read(features, count))
    notes.extend(columns.strange(features))
    if columns.form == "none":
        x = place_of(whole.adjacency)
    else:
        x = torch.cat([known.x, x])
    y = np.concatenate([known.y, np.zeros((count, *known.y.shape[1:]), known.y.dtype)])
    train_mask = np.concatenate([known.train_mask, np.zeros(count, bool)])
    whole_known = LabelledGraph(x, whole.adjacency, whole.edge_weight, y, train_mask)
    return ExtendedGraph(whole, whole_known, np.arange(len(table), len(ids)))


def _listed(
    nodes: Any, columns: FeatureEncoder
) -> tuple[list[str], Any, list[Quarantined]]:
    """Names and features of the newcomers, and rows that cannot be used."""
    if nodes is None:
        raise DataError(
            "Newcomers are listed in a table of nodes: an id each, and the columns of "
            "the others."
        )
    given = hasattr(nodes, "columns")
    frame = nodes if given else read_csv(Path(nodes), "id[,...]")
    found = read_nodes(frame, "auto", None, 0 if given else 2)
    features = found.features
    if columns.form in ("words", "numbers") and features is not None:
        features = features.apply(_as_numbers).to_numpy(np.float32)
    return found.ids, features, found.set_aside


def _as_numbers(column: Any) -> Any:
    import pandas as pd

    return pd.to_numeric(column, errors="coerce")


def _ones(weight: np.ndarray | None, like: np.ndarray) -> np.ndarray:
    return np.ones(len(like), np.float32) if weight is None else weight
