"""Read one graph from any source as a `GraphTable`.

=====================================  ===============================================
two tables                             nodes.csv `id[,label,split,...]`, edges.csv
                                       `source,target[,weight]`, in one directory or
                                       named separately; see `tables.directories`
one edge list                          CSV, TSV, or the formats of SNAP and KONECT
GraphML, GEXF, GML, Pajek, adjlist     as NetworkX and others write them
JSON                                   node-link, adjacency, Cytoscape
adjacency matrix                       a table of text with or without names, npy
npz, mtx, mat                          a sparse adjacency; npz with features and labels
Parquet                                the tables above, if pyarrow is installed
a directory of .npy                    the arrays of such an npz, memory-mapped
NetworkX, PyG, scipy                   Python objects
=====================================  ===============================================
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np

from vicinal.core.data.csv_tables import named_column
from vicinal.core.data.label_index import align_labels, is_pandas
from vicinal.core.data.label_parsing import labels_from_array, with_labels
from vicinal.core.data.labels import Task
from vicinal.errors import DataError, SettingError
from vicinal.graphs.data.convert import (
    check_not_heterogeneous,
    from_networkx,
    from_pyg,
    is_networkx,
    is_pyg,
    warn_edge_attr_ignored,
)
from vicinal.graphs.data.detect import EDGE_LIST_SUFFIXES
from vicinal.graphs.data.formats.arrays import read_npy_directory, table_from_array
from vicinal.graphs.data.formats.forms import ReadOptions, file_form
from vicinal.graphs.data.formats.graph_files import (
    READERS,
    is_networkx_edge_list,
    read_graph_file,
    read_networkx_edge_list,
    read_parquet,
)
from vicinal.graphs.data.from_arrays import from_matrix, is_matrix
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.suspicious_columns import (
    drop_named_columns,
    drop_row_numbers,
    note_leaking_columns,
)
from vicinal.graphs.data.tables.column_names import (
    GRAPH_COLUMNS,
    ID_COLUMNS,
    are_unclear_ends,
    lower,
    named_ends,
    paired_ends,
)
from vicinal.graphs.data.tables.directories import (
    TableFiles,
    competing_edges,
    find_tables,
    table_suffix,
)
from vicinal.graphs.data.tables.edge_file import EdgeFile, EdgeFrame, open_edges
from vicinal.graphs.data.tables.edge_list import EdgeReader, Edges
from vicinal.graphs.data.tables.graph_column import GraphColumn
from vicinal.graphs.data.tables.node_list import (
    NODE_COLUMNS,
    Nodes,
    find_id_column,
    read_node_file,
    read_nodes,
)
from vicinal.graphs.data.tables.published import read_published
from vicinal.graphs.data.tables.text_files import check_exists, read_format
from vicinal.graphs.settings import TableColumns

PUBLISHED_EDGES = {"LINQS": ["target", "source"], "OGB": ["source", "target"]}
"""columns of edges in files without a header; LINQS lists the cited paper first"""


class ColumnNames(TypedDict, total=False):
    """Columns of tables that the user names; see `TableColumns` for the first ones."""

    id_column: str | None
    source_column: str | None
    destination_column: str | None
    weight_column: str | None
    drop_columns: tuple[str, ...] | None
    group_column: str | None
    """of the nodes; nodes of a group stay in one split"""

    relation_column: str | None
    """of the edges; None: a single relation"""

    time_column: str | None
    """of the nodes; kept among the features, even if it numbers the rows"""


def read_graph(
    data: Any,
    y: Any = None,
    *,
    edges: Any = None,
    task: Task = "auto",
    target: str | None = None,
    directed: bool = False,
    keep_order: bool = False,
    **columns: Unpack[ColumnNames],
) -> GraphTable:
    """Read a graph from a path, two tables, or an object.

    data: a directory, a file, a DataFrame of nodes or edges, a graph of NetworkX or
        PyG, or a scipy sparse adjacency.
    y: labels [N] in the order of the nodes; a dict or Series by the names of the nodes,
        or a Series with the index of the DataFrame `data`; None: unlabelled.
    edges: a file or DataFrame of edges, if `data` holds only nodes.
    task: how labels are parsed.
    target: the column, or node attribute, of labels.
    directed: whether edges are directed, where the source does not say: tables, arrays
        of pairs, adjacency lists.
    keep_order: whether u - v and v - u of a table are two edges, even if undirected:
        the columns may name different kinds of nodes.
    columns: id_column, source_column, destination_column and weight_column name columns
        of tables, drop_columns those that are not read; group_column: of the nodes,
        nodes of a group stay in one split; time_column: of the nodes, kept whatever it
        holds; relation_column: of the edges.

    Raises NoDataError if there are no nodes or edges, DataError if the source is not
    understood, or if its tables list several graphs whose nodes have the same names.
    """
    names: dict[str, Any] = {**columns}
    group, relation, time = (
        names.pop(f"{kind}_column", None) for kind in ("group", "relation", "time")
    )
    named = TableColumns.from_dict(names)
    options = ReadOptions(task, target, directed)
    if isinstance(data, GraphTable):
        table = data
    elif isinstance(data, (str, os.PathLike)) or hasattr(data, "columns"):
        source = _Source(edges, options, group, keep_order, relation, named)
        table = drop_row_numbers(source.read(data), kept=time)
    else:
        table = drop_named_columns(_from_object(data, edges, options), named)
    if directed and not table.directed and table is not data:
        note = "directed has no effect: the edges are undirected, as the graph says"
        table = table.replace(notes=[*table.notes, note])
    if group is not None and table.groups is None:
        raise SettingError(
            f"The group column {group!r} needs a table of nodes; there is none."
        )
    if relation is not None and table.relation is None:
        raise SettingError(
            f"The relation column {relation!r} needs a table of edges; there is none."
        )
    if y is not None:
        table = _add_labels(table, y, task, None if edges is None else data)
    return table if isinstance(data, GraphTable) else note_leaking_columns(table)


def _add_labels(table: GraphTable, y: Any, task: Task, nodes: Any) -> GraphTable:
    """Return the table with labels; a Series may have the index of the nodes."""
    names, notes = table.ids.tolist(), []
    if is_pandas(y) and is_pandas(nodes) and len(nodes) == len(table):
        y, notes = align_labels(names, y, "node", nodes.index)
    table = with_labels(table, labels_from_array(names, y, task, "node"))
    return table.replace(notes=[*table.notes, *notes])


def _from_object(data: Any, edges: Any, options: ReadOptions) -> GraphTable:
    if edges is not None:
        raise DataError(
            "edges must be None unless data is a table of nodes; this graph has edges."
        )
    check_not_heterogeneous(data)
    if is_pyg(data):
        table = from_pyg(data, options.task)
        warn_edge_attr_ignored(table.notes)
        return table
    if is_networkx(data):
        return from_networkx(data, options.task, options.target)
    if is_matrix(data):
        return from_matrix(data)
    if isinstance(data, np.ndarray):
        return table_from_array(data, "data", options.directed)
    raise DataError(
        "data must be a path, a DataFrame of nodes (with edges=), a graph of NetworkX "
        f"or PyG, or an adjacency (NumPy, scipy). Got {type(data).__name__}."
    )


@dataclass(frozen=True)
class _Source:
    """The options of `read_graph` for paths and tables."""

    edges: Any
    options: ReadOptions
    group_column: str | None
    keep_order: bool
    relation_column: str | None
    columns: TableColumns

    def read(self, data: Any) -> GraphTable:
        if hasattr(data, "columns"):
            return self._read_frame(data)
        path = Path(data)
        check_exists(path)
        return self._read_directory(path) if path.is_dir() else self._read_file(path)

    def _read_frame(self, frame: Any) -> GraphTable:
        if self.edges is not None:
            return self._read_tables(frame, 0, self.edges)
        names = list(frame.columns)
        ends = named_ends(names) or paired_ends(names)
        if self.columns.source_column or ends is not None or are_unclear_ends(names):
            return self._read_edge_table(frame)
        raise DataError(
            "The DataFrame lists nodes. Pass their edges as edges=. If it lists edges, "
            "name the columns of their ends with source_column and destination_column."
        )

    def _read_directory(self, path: Path) -> GraphTable:
        files, edges = find_tables(path), path / "edges.parquet"
        if files is None or files.edges is None:
            if any(path.glob("[!.]*.npy")):
                table = read_npy_directory(path, self.options)
                return drop_named_columns(table, self.columns)
            if edges.exists():
                nodes = path / "nodes.parquet"
                if not nodes.exists():
                    return self._read_edge_table(read_parquet(edges))
                return self._read_tables(read_parquet(nodes), 0, read_parquet(edges))
            raise _no_edges(path)
        if files.nodes is None:
            table = self._read_edge_table(files.edges)
        elif files.form != "tables":
            table = self._read_published(files)
        else:
            table = self._read_node_file(files.nodes, files.edges)
        if files.others:
            names = ", ".join(file.name for file in files.others)
            table.notes.append(f"files of the directory that are not read: {names}")
        return table

    def _read_published(self, files: TableFiles) -> GraphTable:
        for name in (self.options.target, self.columns.id_column):
            if name is not None:
                raise SettingError(
                    f"The files of {files.form} have no header, so their nodes have no "
                    f"column {name!r}: leave it out."
                )
        nodes = read_published(files, self.options.task)
        source = open_edges(files.edges, self.columns, PUBLISHED_EDGES.get(files.form))
        return self._combine(nodes, self._read_edges(source, nodes.ids))

    def _read_file(self, path: Path) -> GraphTable:
        suffix = table_suffix(path)
        if file_form(path) == ".parquet":
            return self._read_frame(read_parquet(path))
        is_text = suffix in EDGE_LIST_SUFFIXES and file_form(path) == ".gz"
        if self.edges is None and not is_text:
            table = read_graph_file(path, self.options)
            if table is not None:
                return drop_named_columns(table, self.columns)
        if suffix not in EDGE_LIST_SUFFIXES:
            known = ", ".join((*EDGE_LIST_SUFFIXES, *READERS))
            raise DataError(
                f"{path} is not a graph file. Its suffix must be one of {known}."
            )
        if self.edges is not None:
            return self._read_node_file(path, self.edges)
        if is_networkx_edge_list(path):
            table = read_networkx_edge_list(path, self.options)
            return drop_named_columns(table, self.columns)
        if not self.columns.source_column:
            _check_not_node_table(path)
        if self.options.target is not None:
            raise SettingError(
                f"The target {self.options.target!r} is a column of nodes, but {path} "
                "lists edges. Pass the table of nodes as DATA and "
                f"{path.name} as --edges."
            )
        return self._read_edge_table(path)

    def _read_node_file(self, path: Path, edges: Any) -> GraphTable:
        frame, first_line, notes = read_node_file(path)
        table = self._read_tables(frame, first_line, edges)
        return table.replace(notes=[*notes, *table.notes])

    def _read_tables(self, frame: Any, first_line: int, edges: Any) -> GraphTable:
        """Read nodes from one table and edges from another."""
        names = list(frame.columns)
        frame = self.columns.drop_from(frame)
        source = open_edges(edges, self.columns)
        ends = source.first_ends()
        frame, id_column, notes = find_id_column(frame, self.columns, ends)
        options = self.options
        graphs = GraphColumn((options.target, self.group_column))
        graphs.add(frame, [id_column], "of the nodes is used as a feature")
        nodes = read_nodes(
            frame,
            options.task,
            options.target,
            first_line,
            self.group_column,
            id_column=id_column,
        )
        nodes.notes[:0] = notes
        found = self._read_edges(source, nodes.ids, graphs, names)
        return self._combine(nodes, found).replace(id_column=str(id_column))

    def _read_edge_table(self, edges: Any) -> GraphTable:
        """Read a table of edges whose ends are the nodes."""
        if self.columns.id_column is not None:
            raise SettingError(
                f"The id column {self.columns.id_column!r} needs a table of nodes; "
                "there is none."
            )
        source = open_edges(edges, self.columns)
        return self._combine(None, self._read_edges(source, None))

    def _read_edges(
        self,
        source: EdgeFile | EdgeFrame,
        ids: list[str] | None,
        graphs: GraphColumn | None = None,
        node_columns: Iterable[Any] = (),
    ) -> Edges:
        reader = EdgeReader(ids, self.relation_column, self.columns, source.kinds)
        graphs = graphs or GraphColumn()
        names_relations = lower(self.relation_column) in GRAPH_COLUMNS
        for table, line_of in source.read(reader.rows):
            reader.add(table, line_of)
            if not names_relations:
                graphs.add(table, reader.end_columns, "of the edges is ignored")
        for name in self.columns.drop_columns or ():
            known = [*node_columns, *reader.names_of_columns]
            named_column(known, name, "the tables")
        directed, notes = self.options.directed, graphs.notes + source.notes
        if source.directed_by and not (directed or self.keep_order):
            directed = True
            notes.append(f"the edges are directed: {source.directed_by} says so")
        read = reader.to_edges(directed, self.keep_order)
        return read._replace(notes=notes + read.notes)

    def _combine(self, nodes: Nodes | None, edges: Edges) -> GraphTable:
        table = GraphTable(
            ids=edges.ids,
            source=edges.source,
            target=edges.target,
            directed=edges.directed,
            weight=edges.weight,
            relation=edges.relation,
            relations=edges.relations,
            quarantined=edges.quarantined,
            notes=edges.notes,
            sides=edges.sides,
            end_columns=edges.end_columns,
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


def _no_edges(path: Path) -> DataError:
    """Return the error about a directory without a table of edges, or with several."""
    several = ", ".join(file.name for file in competing_edges(path))
    if several:
        return DataError(
            f"The directory {path} has several files of edges: {several}. Keep one, or "
            "pass the file of the nodes and, with --edges, that of the edges."
        )
    return DataError(
        f"The directory {path} has no edges.csv. Expected nodes.csv ({NODE_COLUMNS}) "
        "and edges.csv (source,target[,weight])."
    )


def _check_not_node_table(path: Path) -> None:
    """Raise DataError for a table of nodes without edges."""
    cells = [lower(cell) for cell in read_format(path).rows[0]]
    if len(cells) > 1 and set(cells) & set(ID_COLUMNS) and named_ends(cells) is None:
        raise DataError(
            f"{path} lists nodes. Pass the file of their edges with --edges, or put "
            "both into one directory as nodes.csv and edges.csv. If it lists edges, "
            "name the columns of their ends with --source-column and "
            "--destination-column."
        )
