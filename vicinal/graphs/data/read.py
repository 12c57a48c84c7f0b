"""Read one graph from any source as a `GraphTable`.

=====================================  ===============================================
two CSV files                          nodes.csv `id[,label,split,...]`, edges.csv
                                       `source,target[,weight]`, in one directory or
                                       named separately
one edge list                          CSV, TSV, or the formats of SNAP and KONECT
GraphML, GEXF, GML, JSON               as NetworkX writes them (JSON: node-link)
npz, mtx, mat                          a sparse adjacency; npz with features and labels
a directory of .npy                    the arrays of such an npz, memory-mapped
NetworkX, PyG, scipy                   Python objects
=====================================  ===============================================
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vicinal.core.data.csv_tables import read_csv
from vicinal.core.data.label_index import align_labels, is_pandas
from vicinal.core.data.label_parsing import labels_from_array, with_labels
from vicinal.core.data.labels import Task
from vicinal.errors import DataError, NoDataError, SettingError
from vicinal.graphs.data.convert import (
    from_matrix,
    from_networkx,
    from_pyg,
    is_matrix,
    is_networkx,
    is_pyg,
)
from vicinal.graphs.data.detect import GRAPH_COLUMNS
from vicinal.graphs.data.formats.graph_files import (
    READERS,
    open_with,
    read_npy_directory,
)
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.tables.edge_list import (
    EdgeReader,
    Edges,
    check_memory,
    edge_columns,
    estimate_num_lines,
    find_column,
    read_edge_file,
)
from vicinal.graphs.data.tables.graph_column import GraphColumn
from vicinal.graphs.data.tables.node_list import ID_COLUMNS, Nodes, read_nodes

EDGE_LIST_SUFFIXES = (".csv", ".tsv", ".txt", ".edges", ".edgelist", ".el")
NODE_COLUMNS = "id[,label,split,...]"


def read_graph(
    data: Any,
    y: Any = None,
    *,
    edges: Any = None,
    task: Task = "auto",
    target: str | None = None,
    group_column: str | None = None,
    directed: bool = False,
    relation_column: str | None = None,
) -> GraphTable:
    """Read a graph from a path, two tables, or an object.

    data: a directory, a file, a DataFrame of nodes or edges, a graph of NetworkX or
        PyG, or a scipy sparse adjacency.
    y: labels [N] in the order of the nodes; a dict or Series by the names of the nodes,
        or a Series with the index of the DataFrame `data`; None: unlabelled.
    edges: a file or DataFrame of edges, if `data` holds only nodes.
    task: how labels are parsed.
    target: the column, or node attribute, of labels.
    group_column: of the nodes; nodes of a group stay in one split.
    directed: whether the edges of tables are directed; other sources say so themselves.
    relation_column: of a table of edges; None: a single relation.

    Raises NoDataError if there are no nodes or edges, DataError if the source is not
    understood, or if its tables list several graphs whose nodes have the same names.
    """
    if isinstance(data, GraphTable):
        table = data
    elif isinstance(data, (str, os.PathLike)) or hasattr(data, "columns"):
        source = _Source(edges, task, target, group_column, directed, relation_column)
        table = source.read(data)
    else:
        table = _from_object(data, edges, task, target)
    if group_column is not None and table.groups is None:
        raise SettingError(
            f"The group column {group_column!r} needs a table of nodes; there is none."
        )
    if relation_column is not None and table.relation is None:
        raise SettingError(
            f"The relation column {relation_column!r} needs a table of edges; there is "
            "none."
        )
    if y is None:
        return table
    return _add_labels(table, y, task, None if edges is None else data)


def _add_labels(table: GraphTable, y: Any, task: Task, nodes: Any) -> GraphTable:
    """Return the table with labels; a Series may have the index of the nodes."""
    names, notes = table.ids.tolist(), []
    if is_pandas(y) and is_pandas(nodes) and len(nodes) == len(table):
        y, notes = align_labels(names, y, "node", nodes.index)
    table = with_labels(table, labels_from_array(names, y, task, "node"))
    return table.replace(notes=[*table.notes, *notes])


def _from_object(data: Any, edges: Any, task: Task, target: str | None) -> GraphTable:
    if edges is not None:
        raise DataError(
            "edges must be None unless data is a table of nodes; this graph has edges."
        )
    if is_pyg(data):
        return from_pyg(data, task)
    if is_networkx(data):
        return from_networkx(data, task, target)
    if is_matrix(data):
        return from_matrix(data)
    raise DataError(
        "data must be a path, a DataFrame of nodes (with edges=), a graph of NetworkX "
        f"or PyG, or a scipy sparse adjacency. Got {type(data).__name__}."
    )


@dataclass(frozen=True)
class _Source:
    """The options of `read_graph` for paths and tables."""

    edges: Any
    task: Task
    target: str | None
    group_column: str | None
    directed: bool
    relation_column: str | None

    def read(self, data: Any) -> GraphTable:
        if hasattr(data, "columns"):
            return self._read_frame(data)
        path = Path(data)
        if not path.exists():
            raise _not_found(path)
        return self._read_directory(path) if path.is_dir() else self._read_file(path)

    def _read_frame(self, frame: Any) -> GraphTable:
        if self.edges is not None:
            return self._read_tables(frame, 0, self.edges)
        if edge_columns(frame) is not None:
            return self._read_edge_table(frame)
        raise DataError("The DataFrame lists nodes. Pass their edges as edges=.")

    def _read_directory(self, path: Path) -> GraphTable:
        nodes, edges = path / "nodes.csv", path / "edges.csv"
        if not edges.exists() and any(path.glob("*.npy")):
            return read_npy_directory(path, self.task)
        if not edges.exists():
            raise DataError(
                f"The directory {path} has no edges.csv. Expected nodes.csv "
                f"({NODE_COLUMNS}) and edges.csv (source,target[,weight])."
            )
        if not nodes.exists():
            return self._read_edge_table(edges)
        return self._read_tables(read_csv(nodes, NODE_COLUMNS), 2, edges)

    def _read_file(self, path: Path) -> GraphTable:
        suffix = path.suffix.lower()
        if suffix in READERS:
            return READERS[suffix](path, self.task, self.target)
        if suffix not in EDGE_LIST_SUFFIXES:
            known = ", ".join((*EDGE_LIST_SUFFIXES, *READERS))
            raise DataError(
                f"{path} is not a graph file. Its suffix must be one of {known}."
            )
        if self.edges is not None:
            return self._read_tables(read_csv(path, NODE_COLUMNS), 2, self.edges)
        if _is_networkx_edge_list(path):
            import networkx as nx

            graph = open_with(nx.read_edgelist, path)
            return from_networkx(graph, self.task, self.target)
        _check_not_node_table(path)
        if self.target is not None:
            raise SettingError(
                f"The target {self.target!r} is a column of nodes, but {path} lists "
                f"edges. Pass the table of nodes as DATA and {path.name} as --edges."
            )
        return self._read_edge_table(path)

    def _read_tables(self, frame: Any, first_line: int, edges: Any) -> GraphTable:
        """Read nodes from one table and edges from another."""
        graphs = GraphColumn((self.target, self.group_column))
        if (ids := find_column(frame, ID_COLUMNS)) is not None:
            graphs.add(frame, [ids], "of the nodes is used as a feature")
        nodes = read_nodes(frame, self.task, self.target, first_line, self.group_column)
        return self._combine(nodes, self._read_edges(edges, nodes.ids, graphs))

    def _read_edge_table(self, edges: Any) -> GraphTable:
        """Read a table of edges whose ends are the nodes."""
        return self._combine(None, self._read_edges(edges, None, GraphColumn()))

    def _read_edges(
        self, edges: Any, ids: list[str] | None, graphs: GraphColumn
    ) -> Edges:
        reader = EdgeReader(ids, self.relation_column)
        names_relations = (self.relation_column or "").strip().lower() in GRAPH_COLUMNS
        for table, line in _edge_tables(edges):
            reader.add(table, line)
            columns = edge_columns(table)
            if columns is not None and not names_relations:
                graphs.add(table, columns[:2], "of the edges is ignored")
        read = reader.to_edges(self.directed)
        return read._replace(notes=graphs.notes + read.notes)

    def _combine(self, nodes: Nodes | None, edges: Edges) -> GraphTable:
        table = GraphTable(
            ids=edges.ids,
            source=edges.source,
            target=edges.target,
            directed=self.directed,
            weight=edges.weight,
            relation=edges.relation,
            relations=edges.relations,
            quarantined=edges.quarantined,
            notes=edges.notes,
        )
        if nodes is None:
            return table
        table = table.replace(
            features=nodes.features,
            split=nodes.split,
            groups=nodes.groups,
            quarantined=nodes.quarantined + edges.quarantined,
            notes=nodes.notes + edges.notes,
        )
        return with_labels(table, nodes.labels)


def _edge_tables(edges: Any) -> Iterator[tuple[Any, int]]:
    """Yield tables of edges, and the line number of the first row of each."""
    if hasattr(edges, "columns"):
        yield edges, 0
        return
    path = Path(edges)
    if not path.exists():
        raise _not_found(path)
    check_memory(estimate_num_lines(path), path)
    yield from read_edge_file(path)


def _not_found(path: Path) -> NoDataError:
    return NoDataError(f"There is nothing at {path}. Check the spelling of the path.")


def _is_networkx_edge_list(path: Path) -> bool:
    """Return True for an edge list written by NetworkX: `a b {'weight': 2}`."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = next((line for line in file if line.strip("# \n")), "").strip()
    return " {" in first and first.endswith("}")


def _check_not_node_table(path: Path) -> None:
    """Raise DataError for a table of nodes without edges."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        header = file.readline().strip().lower()
    cells = [cell.strip().strip('"') for cell in header.replace(";", ",").split(",")]
    if len(cells) > 1 and set(cells) & set(ID_COLUMNS):
        raise DataError(
            f"{path} lists nodes. Pass the file of their edges with --edges, or put "
            "both into one directory as nodes.csv and edges.csv."
        )
