"""Tables of graph collections.

edges.csv `graph_id,source,target`; nodes.csv `graph_id,id,...` (optional); graphs.csv
`graph_id,label` (optional). Or one CSV of edges with a column `label`.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vicinal.core.data.csv_tables import is_empty, named_column, read_csv
from vicinal.core.data.labels import quote_names
from vicinal.core.data.names import problem_of_name, problems_of_names
from vicinal.core.data.quarantine import Quarantined
from vicinal.errors import DataError, NoDataError
from vicinal.graphs.data.graph_collection import GraphCollection, disjoint_union
from vicinal.graphs.data.tables.column_names import (
    GRAPH_COLUMNS,
    ID_COLUMNS,
    lower,
)
from vicinal.graphs.data.tables.end_columns import (
    cells_as_text,
    end_columns,
    find_column,
)
from vicinal.graphs.data.tables.node_names import is_missing_id
from vicinal.graphs.settings import CollectionColumns

GRAPH_LABEL_COLUMNS = ("label", "class", "y")

NodeKey = tuple[str, str]
"""name of the graph, name of the node"""


class _EdgeTable(NamedTuple):
    """The columns of a table of edges, as texts."""

    path: Path
    frame: Any
    graphs: list[str]
    sources: list[str]
    targets: list[str]
    read: list[Any]
    """the columns of the three"""

    notes: list[str]


def read_tables(
    path: Path, target: str | None, columns: CollectionColumns
) -> tuple[GraphCollection, list[Any] | None]:
    """Read a directory of tables, or one table of edges: graphs and their labels.

    target: the label column. columns: others that the user named. Raises DataError for
    a column that there is not.
    """
    edges = _read_edge_table(path, target, columns)
    nodes, features, quarantined = _read_node_table(path, edges, columns)
    if not nodes:
        raise NoDataError(f"{path} has no valid nodes.")
    graph_numbers: dict[str, int] = {}
    for graph, _ in nodes:
        graph_numbers.setdefault(graph, len(graph_numbers))
    batch = np.array([graph_numbers[graph] for graph, _ in nodes])
    order = np.argsort(batch, kind="stable")
    row = {nodes[k]: new_row for new_row, k in enumerate(order)}
    rows, (sources, targets), quarantined_edges = _resolve_edges(edges, row)
    if features is not None:
        features = features.iloc[order].reset_index(drop=True)
        features = features if features.shape[1] else None
    labels, label_column = _read_graph_labels(path, edges, target, columns)
    graphs = disjoint_union(
        np.bincount(batch),
        sources,
        targets,
        features,
        list(graph_numbers),
        [nodes[k][1] for k in order],
        _edge_features(edges, label_column, rows),
    )
    quarantined += quarantined_edges
    if labels is not None:
        quarantined += [
            Quarantined(name, str(labels[name]), "there is a label, but no such graph")
            for name in labels
            if name and name not in graph_numbers
        ]
    notes = [*edges.notes, *graphs.notes]
    graphs = replace(graphs, quarantined=quarantined, notes=notes)
    if labels is None:
        return graphs, None
    import pandas as pd

    return graphs, pd.Series([labels.get(name) for name in graph_numbers]).tolist()


def _read_edge_table(
    path: Path, target: str | None, columns: CollectionColumns
) -> _EdgeTable:
    file = path if path.is_file() else path / "edges.csv"
    frame = columns.drop_from(read_csv(file, "graph_id,source,target"))
    graph = _graph_column(frame, columns, file.name)
    if graph is None:
        raise DataError(
            f"{file} must have a column graph_id, besides source and target. Got "
            f"{', '.join(map(str, frame.columns))}. Name it with --graph-column."
        )
    label = find_column(frame, [lower(target)] if target else GRAPH_LABEL_COLUMNS)
    named = columns.source_column, columns.destination_column
    if lower(label) in map(lower, named):
        label = None
    others = [name for name in frame.columns if name not in (graph, label)]
    ends, notes = end_columns(others, columns)
    if label is not None and None in named:
        _check_ends([*others, label], ends, label, columns)
    read = [graph, *ends]
    cells = (cells_as_text(frame[name]) for name in read)
    return _EdgeTable(file, frame, *cells, read=read, notes=notes)


def _check_ends(
    names: list[Any], ends: tuple[Any, Any], label: Any, columns: CollectionColumns
) -> None:
    """Raise DataError if a table without labels would have other ends.

    names: of columns. Graphs to predict are read without knowing which column of the
    training graphs had the labels.
    """
    try:
        others, _ = end_columns(names, columns)
    except DataError:
        return
    if {*others} != {*ends}:
        raise DataError(
            f"The column {label!r} of labels may be taken for an end of edges. Name "
            f"the ends: --source-column {ends[0]} --destination-column {ends[1]}."
        )


def _graph_column(frame: Any, columns: CollectionColumns, table: str) -> Any | None:
    """Return the column that names the graph; None if none has a usual name.

    Raises DataError if the table has no column of the name that the user gave.
    """
    if columns.graph_column is None:
        return find_column(frame, GRAPH_COLUMNS)
    return named_column(frame.columns, columns.graph_column, table)


def _edge_features(edges: _EdgeTable, label: Any, rows: list[int]) -> Any:
    """Return the columns of edges that are not read otherwise; None if there are none.

    label: the column of the labels of graphs, if the edges have it. rows: of the table
    that are edges.
    """
    read = [*edges.read, *([] if label is None else [label])]
    frame = edges.frame.drop(columns=read)
    return frame.iloc[rows] if frame.shape[1] else None


def _read_node_table(
    path: Path, edges: _EdgeTable, columns: CollectionColumns
) -> tuple[list[NodeKey], Any, list[Quarantined]]:
    """Return the nodes, their features, and quarantined rows.

    Without nodes.csv the nodes are the ends of the edges, without features.
    """
    file = path / "nodes.csv"
    if not file.exists():
        _check_dropped(columns, edges.path)
        if columns.id_column is not None:
            edges.notes.append(
                f"id_column {columns.id_column!r} is not used: there is no nodes.csv"
            )
        triples = zip(edges.graphs, edges.sources, edges.targets, strict=True)
        bad = problems_of_names([*edges.graphs, *edges.sources, *edges.targets])
        given = (row for row in triples if not any(map(is_empty, row)))
        valid = (row for row in given if not bad.keys() & {*row})
        ends = ((g, v) for g, *vs in valid for v in vs)
        return list(dict.fromkeys(ends)), None, []
    _check_dropped(columns, edges.path, file)
    frame = columns.drop_from(read_csv(file, "graph_id,id,..."))
    graph = _graph_column(frame, columns, file.name)
    node = find_column(frame, ID_COLUMNS)
    if columns.id_column is not None:
        node = named_column(frame.columns, columns.id_column, file.name)
    if graph is None or node is None:
        raise DataError(
            f"{file} must have columns {columns.graph_column or 'graph_id'} and id. "
            f"Got {', '.join(map(str, frame.columns))}. Name others with "
            "--graph-column and --id-column."
        )
    keys = list(
        zip(cells_as_text(frame[graph]), cells_as_text(frame[node]), strict=True)
    )
    rows, quarantined = _unique_rows(keys)
    features = frame.drop(columns=[graph, node]).iloc[rows]
    return [keys[row] for row in rows], features, quarantined


def _check_dropped(columns: CollectionColumns, *files: Path) -> None:
    """Raise DataError if none of the tables has a column that is to be dropped."""
    if columns.drop_columns:
        names = [name for file in files for name in read_csv(file, "").columns]
        for name in columns.drop_columns:
            named_column(names, name, " or ".join(file.name for file in files))


def _unique_rows(keys: list[NodeKey]) -> tuple[list[int], list[Quarantined]]:
    """Return the rows that name a node for the first time; quarantine the others."""
    first: dict[NodeKey, int] = {}
    rows, quarantined = [], []
    for row, (graph, name) in enumerate(keys):
        line = row + 2
        if is_missing_id(graph) or is_missing_id(name):
            reason = f"line {line}: the id or graph_id is empty"
            quarantined.append(Quarantined(name, "", reason))
        elif problem := problem_of_name(f"{graph} {name}"):
            quarantined.append(Quarantined(name, "", f"line {line}: {problem}"))
        elif (graph, name) in first:
            where = f"duplicate of line {first[graph, name]} in graph {graph!r}"
            quarantined.append(Quarantined(name, "", f"line {line}: {where}"))
        else:
            first[graph, name] = line
            rows.append(row)
    return rows, quarantined


def _resolve_edges(
    edges: _EdgeTable, row: dict[NodeKey, int]
) -> tuple[list[int], np.ndarray, list[Quarantined]]:
    """Return which rows are edges, their ends as rows of nodes [2, E], and the others.

    The others are quarantined.
    """
    rows, ends, quarantined = [], [], []
    triples = zip(edges.graphs, edges.sources, edges.targets, strict=True)
    for line, (graph, source, target) in enumerate(triples, 2):
        if (graph, source) in row and (graph, target) in row:
            ends.append((row[graph, source], row[graph, target]))
            rows.append(line - 2)
            continue
        unknown = source if (graph, source) not in row else target
        problem = problem_of_name(f"{graph} {source} {target}")
        reason = problem or f"graph {graph!r} has no node {unknown!r}"
        if any(map(is_empty, (graph, unknown))):
            reason = "the graph_id, source or target is empty"
        edge = f"{source} - {target}"
        quarantined.append(Quarantined(edge, "", f"line {line}: {reason}"))
    return rows, np.array(ends, np.int64).reshape(-1, 2).T, quarantined


def _read_graph_labels(
    path: Path, edges: _EdgeTable, target: str | None, columns: CollectionColumns
) -> tuple[dict[str, Any] | None, Any]:
    """Return labels by graph name from graphs.csv, or from the table of edges.

    Also the column of the edges that holds them; None if none does.
    """
    file, frame = edges.path, edges.frame
    if (path / "graphs.csv").exists():
        file = path / "graphs.csv"
        frame = read_csv(file, "graph_id,label")
    graph = find_column(frame, (lower(columns.graph_column or ""), *GRAPH_COLUMNS))
    if graph is None:
        graph = find_column(frame, ID_COLUMNS)
    ends = edges.read[1:] if frame is edges.frame else []
    column = find_column(frame.drop(columns=ends), GRAPH_LABEL_COLUMNS)
    if target is not None:
        column = named_column(frame.columns, target, file.name)
    if column is None and frame is edges.frame:
        return None, None
    if graph is None:
        raise DataError(
            f"{file} must have a column {columns.graph_column or 'graph_id'}. Got "
            f"{', '.join(map(str, frame.columns))}."
        )
    if column is None:
        others = quote_names([str(name) for name in frame.columns if name != graph])
        other = f", unless --target names another column ({others})" if others else ""
        edges.notes.append(
            f"{file.name} has no column label: the graphs are unlabelled{other}"
        )
        return None, None
    labels: dict[str, Any] = {}
    cells = zip(cells_as_text(frame[graph]), frame[column].tolist(), strict=True)
    for name, label in cells:
        other = labels.setdefault(name, label)
        if other != label and not (other != other and label != label):
            raise DataError(
                f"Graph {name!r} must have one label. Got {other!r} and {label!r}."
            )
    return labels, column if frame is edges.frame else None
