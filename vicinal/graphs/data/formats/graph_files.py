"""Graph files of other programs, by their form; see `forms`."""

import re
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np

from vicinal.core.data.claimed_size import check_claimed_size
from vicinal.core.text import pluralize
from vicinal.errors import DataError, MissingExtraError
from vicinal.graphs.data.convert import from_networkx
from vicinal.graphs.data.formats.adjacency_table import read_adjacency_table
from vicinal.graphs.data.formats.arrays import (
    check_no_missing_name,
    open_with,
    read_npy,
    read_npz,
    sparse_from_dense,
)
from vicinal.graphs.data.formats.forms import (
    UNREAD_FORMS,
    ReadOptions,
    file_form,
    other_form_note,
    unread_form,
)
from vicinal.graphs.data.formats.json_graphs import NOTES, read_json
from vicinal.graphs.data.formats.matlab import read_mat
from vicinal.graphs.data.formats.pajek import read_pajek
from vicinal.graphs.data.from_arrays import from_matrix, is_matrix
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.tables.text_files import (
    SAMPLED_BYTES,
    damage_as_data_error,
    open_text,
)

BYTES_PER_BYTE = 50
"""memory for each byte of a text that NetworkX reads"""

BYTES_PER_CELL = 8
"""memory for each cell of a Parquet file"""

NO_COMMENT = "\0"
"""what NetworkX looks for within lines: names may hold #"""

GRAPH_ELEMENT = re.compile(r"<(\w+:)?graph[\s>]")
XML_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def read_graph_file(path: Path, options: ReadOptions) -> GraphTable | None:
    """Return the graph of a file; None for tables of edges or nodes.

    Raises DataError for a form that is not read, with a hint how to convert it.
    """
    form = file_form(path)
    if form in UNREAD_FORMS:
        raise unread_form(path, form)
    if form in READERS:
        table = READERS[form](path, options)
        return table.replace(notes=[*other_form_note(path, form), *table.notes])
    return _read_adjacency(path)


def _read_adjacency(path: Path) -> GraphTable | None:
    """Return the graph of a table of text that is an adjacency matrix, else None."""
    from scipy.sparse import coo_matrix

    cells = read_adjacency_table(path)
    if cells is None:
        return None
    if cells.names is not None and len(set(cells.names)) < cells.size:
        raise DataError(f"{path} must have a different name for each row.")
    check_no_missing_name(cells.names or (), path)
    ends = tuple(np.array(ends, np.int64) for ends in (cells.rows, cells.columns))
    shape = (cells.size, cells.size)
    matrix = coo_matrix((np.array(cells.values), ends), shape=shape)
    names = None if cells.names is None else np.array(cells.names, dtype=object)
    table = from_matrix(matrix, ids=names)
    notes = [f"{path.name} is read as an adjacency matrix: rows are sources"]
    if cells.num_blank:
        notes.append(f"{pluralize(cells.num_blank, 'empty cell')} read as 0")
    return table.replace(notes=[*notes, *table.notes])


def read_parquet(path: Path) -> Any:
    """Return the table of a Parquet file, which needs pyarrow."""
    import pandas as pd

    if find_spec("pyarrow") is None:
        raise MissingExtraError(
            f"{path} is a Parquet file, which pyarrow reads. Install it (pip install "
            "pyarrow), or save the table as CSV."
        )
    open_with(_check_parquet_size, path)
    return open_with(pd.read_parquet, path)


def _check_parquet_size(path: Path) -> None:
    """Raise DataError if the file claims more cells than it may hold."""
    claim = import_module("pyarrow.parquet").read_metadata(path)
    num_cells = claim.num_rows * claim.num_columns
    check_claimed_size(
        BYTES_PER_CELL * num_cells,
        path.stat().st_size,
        f"{path} has {num_cells:,} cells",
        "If it is not damaged, save the table as CSV.",
    )


# --- formats of NetworkX -------------------------------------------------------------


def _with_networkx(
    read: Callable[[Path, bool], Any],
) -> Callable[[Path, ReadOptions], GraphTable]:
    """Return a reader that converts the NetworkX graph of `read`.

    read: takes the path, and whether edges are directed if the file does not say.
    """

    def read_table(path: Path, options: ReadOptions) -> GraphTable:
        size = path.stat().st_size
        check_claimed_size(
            BYTES_PER_BYTE * size,
            size,
            f"{path} is a text",
            "Save the edges as CSV, or as arrays (npz).",
        )
        graph = open_with(lambda path: read(path, options.directed), path)
        notes = graph.graph.pop(NOTES, [])
        table = from_networkx(graph, options.task, options.target)
        return table.replace(notes=[*notes, *table.notes])

    return read_table


def _read_graphml(path: Path, directed: bool) -> Any:
    import networkx as nx

    text = XML_COMMENT.sub("", path.read_text(encoding="utf-8", errors="replace"))
    count = len(GRAPH_ELEMENT.findall(text))
    if count > 1:
        raise DataError(
            f"{path} holds {count} graphs, of which one would be read. Save each in a "
            "file of its own, or ungroup the nodes if they are groups."
        )
    return nx.read_graphml(path)


def is_networkx_edge_list(path: Path) -> bool:
    """Return True for an edge list written by NetworkX: `a b {'weight': 2}`."""
    with damage_as_data_error(path), open_text(path) as file:
        while first := file.readline(SAMPLED_BYTES):
            if first.strip() and not first.startswith("#"):
                break
    first = first.strip()
    return " {" in first and first.endswith("}")


def _read_edge_list(path: Path, directed: bool) -> Any:
    import networkx as nx

    kind: Any = nx.MultiDiGraph if directed else nx.MultiGraph  # merged later
    lines, comments = _lines_without_comments(path), cast(Any, None)
    return nx.parse_edgelist(lines, comments=comments, create_using=kind)


def _read_adjlist(path: Path, directed: bool) -> Any:
    import networkx as nx

    lines = _lines_without_comments(path)
    is_multiline = _has_a_neighbor_a_line(lines)
    parse: Any = nx.parse_multiline_adjlist if is_multiline else nx.parse_adjlist
    kind: Any = nx.DiGraph if directed else nx.Graph
    graph = parse(iter(lines), comments=NO_COMMENT, create_using=kind)
    if not directed:
        note = "an adjacency list has no directions: edges are undirected"
        graph.graph[NOTES] = [note]
    return graph


def _lines_without_comments(path: Path) -> list[str]:
    """Return the lines that are not empty and do not begin with #."""
    with damage_as_data_error(path), open_text(path) as file:
        return [line for line in file if line.strip() and not line.startswith("#")]


def _has_a_neighbor_a_line(texts: list[str]) -> bool:
    """Return True if each node and its degree come before lines of its neighbours."""
    lines = [text.split() for text in texts]
    k = 0
    while k < len(lines):
        words = lines[k]
        if len(words) != 2 or not words[1].isdecimal():
            return False
        neighbors = lines[k + 1 : k + 1 + int(words[1])]
        if any(len(w) > 1 and not w[1].startswith("{") for w in neighbors):
            return False
        k += 1 + int(words[1])
    return k == len(lines)


def _read_gml(path: Path, directed: bool) -> Any:
    """Read nodes by label if the labels are unique names, otherwise by id."""
    import networkx as nx

    try:
        return nx.read_gml(path)
    except nx.NetworkXError:  # labels repeat: they are classes
        return nx.read_gml(path, label=cast(Any, None))


def _read_gexf(path: Path, directed: bool) -> Any:
    """Drop the labels if all are unique: they are display names, not classes."""
    import networkx as nx

    graph = nx.read_gexf(path)
    labels = [data.get("label") for _, data in graph.nodes(data=True)]
    if len(set(labels)) == len(labels):
        for _, data in graph.nodes(data=True):
            data.pop("label", None)
    return graph


# --- matrices ------------------------------------------------------------------------


def _read_mtx(path: Path, options: ReadOptions) -> GraphTable:
    from scipy.io import mmread

    open_with(_check_mtx_numbers, path)
    open_with(_check_mtx_header, path)
    matrix = open_with(mmread, path)
    if matrix.ndim == 2 and not hasattr(matrix, "tocoo"):
        matrix = sparse_from_dense(matrix, f"The matrix in {path}")
    if not is_matrix(matrix):
        raise DataError(
            f"{path} must hold a square matrix. Got shape {list(matrix.shape)}."
        )
    return from_matrix(matrix)


def _check_mtx_numbers(path: Path) -> None:
    """Raise DataError for a Matrix Market file of which scipy's parser could crash."""
    with path.open("rb") as file:
        line = file.readline(1 << 20)
        while line.startswith(b"%"):
            line = file.readline(1 << 20)
        while line:
            if line.translate(None, b"0123456789eE+-. \t\r\nnaifNAIF"):
                raise DataError(f"{path} cannot be read: no numbers in {line[:60]!r}.")
            line = file.read(1 << 20)


def _check_mtx_header(path: Path) -> None:
    """Raise DataError if the header claims more numbers than the file can hold."""
    from scipy.io import mminfo

    rows, columns, entries, form, *_ = mminfo(path)
    cells = rows * columns if form == "array" else entries
    check_claimed_size(
        16 * cells,
        path.stat().st_size,
        f"The header of {path} claims {cells:,} numbers",
        "If it is not damaged, remove some of them.",
    )


read_networkx_edge_list = _with_networkx(_read_edge_list)

READERS: dict[str, Callable[[Path, ReadOptions], GraphTable]] = {
    ".graphml": _with_networkx(_read_graphml),
    ".gexf": _with_networkx(_read_gexf),
    ".gml": _with_networkx(_read_gml),
    ".json": _with_networkx(read_json),
    ".cyjs": _with_networkx(read_json),
    ".adjlist": _with_networkx(_read_adjlist),
    ".net": _with_networkx(lambda path, directed: read_pajek(path)),
    ".npz": read_npz,
    ".npy": read_npy,
    ".mtx": _read_mtx,
    ".mat": read_mat,
}
