"""One graph, however the user keeps it, as a `GraphTable`.

=====================================  ===============================================
two CSVs                               nodes.csv `id[,label,split,...]`, edges.csv
                                       `source,target[,weight]`; in one folder, or named
one list of edges                      CSV, TSV, or the lists of SNAP and KONECT
GraphML, GEXF, GML, JSON               as NetworkX reads them (JSON: node-link)
npz, mtx, mat                          a sparse adjacency; npz with features and labels
a folder of .npy                       the arrays of such an npz, read when needed
NetworkX, PyG, scipy                   objects; PyG's Data is known by its fields
=====================================  ===============================================
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast
from zipfile import BadZipFile

import numpy as np

from vicinal.core.data.csv_tables import read_csv
from vicinal.core.data.labels import Task
from vicinal.core.data.splits import TEST, TRAIN, VAL
from vicinal.errors import DataError, NoDataError, SettingError, near_names
from vicinal.graphs.data.convert import (
    from_matrix,
    from_networkx,
    from_tensors,
    is_matrix,
    is_networkx,
    is_tensors,
    of_rows,
    whole,
    with_edges,
)
from vicinal.graphs.data.detect import ADJACENCY
from vicinal.graphs.data.edge_list import (
    EdgeReader,
    Edges,
    edge_columns,
    lines_of,
    read_edge_file,
    room_for,
)
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.node_list import ID, Nodes, read_nodes

LISTS = (".csv", ".tsv", ".txt", ".edges", ".edgelist", ".el")
NODE_COLUMNS = "id[,label,split,...]"


def read_graph(
    data: Any,
    y: Any = None,
    *,
    edges: Any = None,
    task: Task = "auto",
    target: str | None = None,
    group: str | None = None,
    directed: bool = False,
    relation: str | None = None,
) -> GraphTable:
    """Read a graph from a path, two tables, or an object.

    data: a folder, a file, a DataFrame of nodes, a graph of NetworkX or PyG, scipy's
    sparse adjacency. edges: a file or DataFrame, where data are the nodes alone.
    y: labels [N] in the order of the nodes, or by their names, for objects; None is for
    a node without.
    task: what the labels are. target: the column, or attribute, that holds them.
    group: the column whose equal cells belong together. directed: whether edges of
    tables lead one way; objects and other files say so themselves. relation: the column
    of a table of edges that names the kind of each; None: there is one kind.
    Raises NoDataError where there are no nodes or edges, DataError where the form is
    unclear.
    """
    if isinstance(data, GraphTable):
        table = data
    elif isinstance(data, (str, os.PathLike)) or hasattr(data, "columns"):
        how = Links(directed, relation)
        table = _read(data, edges, task, target, group, how)
    else:
        table = _of_object(data, edges, task, target)
    if group is not None and table.groups is None:
        raise SettingError(
            f"The group column {group!r} is one of a table of nodes; there is none."
        )
    if relation is not None and table.relation is None:
        raise SettingError(
            f"The column {relation!r} of relations is one of a table of edges; there "
            "is none."
        )
    if y is None:
        return table
    if isinstance(y, Mapping):
        y = _by_name(y, table.ids)
    found = of_rows(table.ids.tolist(), y, task)
    return replace(
        table,
        labels=found.values,
        kind=found.kind,
        whole_numbers=found.whole_numbers,
        set_aside=table.set_aside + found.set_aside,
        notes=table.notes + found.notes,
    )


def _by_name(y: Mapping[Any, Any], ids: np.ndarray) -> list[Any]:
    """Labels [N] of nodes by their names; None for one that has none."""
    named = {str(name): label for name, label in y.items()}
    strange = sorted(set(named) - set(ids.tolist()))
    if strange:
        raise DataError(
            f"y has a label of {strange[0]!r}, and there is no such node. "
            f"{near_names(strange[0], ids.tolist(), 10)}"
        )
    return [named.get(name) for name in ids]


class Links(NamedTuple):
    """How a table of edges is read."""

    directed: bool
    relation: str | None


def _of_object(data: Any, edges: Any, task: Task, target: str | None) -> GraphTable:
    if edges is not None:
        raise DataError("edges go with a table of nodes; this graph has its own.")
    if is_tensors(data):
        return from_tensors(data, task)
    if is_networkx(data):
        return from_networkx(data, task, target)
    if is_matrix(data):
        return from_matrix(data)
    raise DataError(
        f"A graph was wanted and {type(data).__name__} was given. Give a path, two "
        "DataFrames (nodes, edges=), a graph of NetworkX or PyG, or scipy's sparse "
        "adjacency."
    )


def _read(
    data: Any,
    edges: Any,
    task: Task,
    target: str | None,
    group: str | None,
    links: Links,
) -> GraphTable:
    how = task, target, group, links
    if hasattr(data, "columns"):
        if edges is None and edge_columns(data) is not None:
            return _joined(None, _all_edges(data, None, links), links)
        if edges is None:
            raise DataError("The DataFrame lists nodes: give their edges as edges=.")
        return _two(data, 0, edges, *how)
    path = Path(data)
    if not path.exists():
        raise NoDataError(f"There is nothing at {path}. Check the path's spelling.")
    if path.is_dir():
        nodes, listed = path / "nodes.csv", path / "edges.csv"
        if not listed.exists() and any(path.glob("*.npy")):
            return _npy(path, task)
        if not listed.exists():
            raise DataError(
                f"The folder {path} holds no edges.csv. Wanted: nodes.csv "
                f"({NODE_COLUMNS}) and edges.csv (source,target[,weight])."
            )
        if not nodes.exists():
            return _joined(None, _all_edges(listed, None, links), links)
        return _two(read_csv(nodes, NODE_COLUMNS), 2, listed, *how)
    ending = path.suffix.lower()
    if ending in FILES:
        return FILES[ending](path, task, target)
    if ending not in LISTS:
        known = ", ".join((*LISTS, *FILES))
        raise DataError(f"{path} is no graph by its ending. Known: {known}.")
    if edges is not None:
        return _two(read_csv(path, NODE_COLUMNS), 2, edges, *how)
    if _is_networkx_list(path):
        import networkx as nx

        return from_networkx(_opened(path, nx.read_edgelist), task, target)
    _refuse_nodes(path)
    if target is not None:
        raise SettingError(
            f"{path} lists edges, and the target {target!r} is a column of nodes. Name "
            f"the table of nodes as DATA, and {path.name} with --edges."
        )
    return _joined(None, _all_edges(path, None, links), links)


def _is_networkx_list(path: Path) -> bool:
    """Whether a list is one that NetworkX wrote: `a b {'weight': 2}`."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        head = next((line for line in file if line.strip("# \n")), "").strip()
    return " {" in head and head.endswith("}")


def _refuse_nodes(path: Path) -> None:
    """A table of nodes alone: say where its edges are wanted."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        head = file.readline().strip().lower()
    cells = [cell.strip().strip('"') for cell in head.replace(";", ",").split(",")]
    if len(cells) > 1 and set(cells) & set(ID):
        raise DataError(
            f"{path} lists nodes. Name the file of their edges with --edges, or put "
            "both into one folder as nodes.csv and edges.csv."
        )


def _two(
    frame: Any,
    first_line: int,
    edges: Any,
    task: Task,
    target: str | None,
    group: str | None,
    links: Links,
) -> GraphTable:
    """Nodes of a table and edges of another."""
    nodes = read_nodes(frame, task, target, first_line, group)
    return _joined(nodes, _all_edges(edges, nodes.ids, links), links)


def _all_edges(edges: Any, ids: list[str] | None, links: Links) -> Edges:
    reader = EdgeReader(ids, links.relation)
    if hasattr(edges, "columns"):
        reader.add(edges, 0)
    else:
        path = Path(edges)
        if not path.exists():
            raise NoDataError(f"There is nothing at {path}. Check the path's spelling.")
        room_for(lines_of(path), path)
        for table, line in read_edge_file(path):
            reader.add(table, line)
    return reader.edges(links.directed)


def _joined(nodes: Nodes | None, edges: Edges, links: Links) -> GraphTable:
    own: dict[str, Any] = {}
    aside, notes = edges.set_aside, edges.notes
    if nodes is not None:
        labels = nodes.labels
        own = {
            "features": nodes.features,
            "labels": labels.values,
            "kind": labels.kind,
            "whole_numbers": labels.whole_numbers,
            "split": nodes.split,
            "groups": nodes.groups,
        }
        aside = nodes.set_aside + labels.set_aside + aside
        notes = nodes.notes + labels.notes + notes
    return GraphTable(
        ids=edges.ids,
        source=edges.source,
        target=edges.target,
        directed=links.directed,
        weight=edges.weight,
        relation=edges.relation,
        relations=edges.relations,
        set_aside=aside,
        notes=notes,
        **own,
    )


# --- files of other programs -------------------------------------------------------


def _by_networkx(path: Path, task: Task, target: str | None) -> GraphTable:
    import networkx as nx

    readers: dict[str, Callable[[Path], Any]] = {
        ".graphml": nx.read_graphml,
        ".gexf": _gexf,
        ".gml": _gml,
        ".json": _node_link,
    }
    graph = _opened(path, readers[path.suffix.lower()])
    note = graph.graph.pop(NOTE, None)
    table = from_networkx(graph, task, target)
    return table if note is None else replace(table, notes=[note, *table.notes])


def _opened(path: Path, read: Callable[[Path], Any]) -> Any:
    """What a file holds; DataError for whatever is wrong with it."""
    try:
        return read(path)
    except DataError:
        raise
    except Exception as error:  # each form has errors of its own
        why = str(error).strip().removesuffix(".") or type(error).__name__
        raise DataError(f"{path} cannot be read: {why}.") from error


def _gml(path: Path) -> Any:
    """Nodes by their labels where these are names; else by their numbers: labels that
    repeat say what nodes are."""
    import networkx as nx

    try:
        return nx.read_gml(path)
    except nx.NetworkXError:
        return nx.read_gml(path, label=cast(Any, None))


def _gexf(path: Path) -> Any:
    """Without the labels where each is another: they are names to be shown."""
    import networkx as nx

    graph = nx.read_gexf(path)
    shown = [data.get("label") for _, data in graph.nodes(data=True)]
    if len(set(shown)) == len(shown):
        for _, data in graph.nodes(data=True):
            data.pop("label", None)
    return graph


def _node_link(path: Path) -> Any:
    import networkx as nx

    data = json.loads(path.read_text(encoding="utf-8"))
    key = "links" if "links" in data else "edges"
    own = next((k for k in ("id", "name") if all(k in n for n in data["nodes"])), None)
    if own is None:
        raise DataError(f"{path} has nodes without an id.")
    names = [node[own] for node in data["nodes"]]
    there = set(names)
    if len(there) < len(names):
        twice = next(name for k, name in enumerate(names) if name in names[:k])
        raise DataError(f"{path} lists the node {twice!r} twice.")
    ends = [link[end] for link in data[key] for end in ("source", "target")]
    strange = next((end for end in ends if end not in there), None)
    named = any(type(name) is int for name in names)  # a number is a name then
    by_place = strange is not None and not named and _are_places(ends, len(names))
    if by_place:
        data = {**data, key: [_by_name_of(link, names) for link in data[key]]}
    elif strange is not None:
        raise DataError(f"{path} has an edge of {strange!r}, which is no node.")
    graph = nx.node_link_graph(data, edges=key, name=own)
    if by_place:
        graph.graph[NOTE] = (
            "edges name nodes by their places in the list, 0 for the first"
        )
    return graph


def _by_name_of(link: dict[str, Any], names: list[Any]) -> dict[str, Any]:
    """An edge whose ends are places in the list of nodes, by their names."""
    ends = {end: names[link[end]] for end in ("source", "target")}
    return {**link, **ends}


def _are_places(ends: list[Any], count: int) -> bool:
    """Whether edges name nodes by their places in the list, 0 for the first, as d3's
    do."""
    return all(type(end) is int and 0 <= end < count for end in ends)


def _mtx(path: Path, task: Task, target: str | None) -> GraphTable:
    from scipy.io import mmread

    found = _opened(path, mmread)
    if not is_matrix(found):
        raise DataError(
            f"{path} holds a matrix of {list(found.shape)}, where a sparse one with a "
            "row and a column for each node was wanted."
        )
    return from_matrix(found)


def _mat(path: Path, task: Task, target: str | None) -> GraphTable:
    """The one sparse matrix in a file of MATLAB."""
    from scipy.io import loadmat

    found = {k: v for k, v in _opened(path, loadmat).items() if is_matrix(v)}
    if len(found) != 1:
        raise DataError(
            f"{path} holds {len(found)} square sparse matrices, where one was wanted."
        )
    return from_matrix(next(iter(found.values())))


NOTE = "note of vicinal"
"""attribute of a graph for what is to be said of its file"""

MATRICES = {
    "adjacency": ADJACENCY,
    "weight": ("edge_weight", "edge_weights"),
    "ids": ("ids", "names", "node_ids"),
    "features": ("x", "attr", "features", "X"),
    "labels": ("y", "labels", "label"),
}


def _npz(path: Path, task: Task, target: str | None) -> GraphTable:
    """Arrays by their usual names; a sparse one in four: _data _indices _indptr _shape.

    Edges are pairs of rows [E, 2] or [2, E], or an adjacency. Parts are masks or rows.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        raise DataError(f"{path} cannot be read without unpickling: {error}.") from None
    if {"format", "shape", "data"} <= set(arrays):
        from scipy.sparse import load_npz

        return from_matrix(_opened(path, load_npz))  # as scipy keeps a matrix
    return _of_arrays(arrays, path, task)


def _npy(path: Path, task: Task) -> GraphTable:
    """The same arrays, a file each, that stay on disk until they are read."""
    arrays: dict[str, np.ndarray] = {}
    for file in sorted(path.glob("*.npy")):
        try:
            arrays[file.stem] = np.load(file, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError) as error:
            raise DataError(f"{file} cannot be read as numbers: {error}.") from None
    return _of_arrays(arrays, path, task)


def _of_arrays(arrays: dict[str, np.ndarray], path: Path, task: Task) -> GraphTable:
    """A graph of arrays by name; path: where they came from."""
    found = {what: _first(arrays, names) for what, names in MATRICES.items()}
    edges, features = found["adjacency"], found["features"]
    if edges is None:
        raise DataError(
            f"{path} holds no edges: wanted one of "
            f"{', '.join(MATRICES['adjacency'])}. Got {', '.join(arrays)}."
        )
    if hasattr(edges, "tocoo"):
        table = from_matrix(edges, features)
    else:
        table = _of_pairs(edges, features, found["labels"], found["weight"])
    ids = found["ids"]
    if ids is not None:
        names = np.array([str(name) for name in np.ravel(ids)], dtype=object)
        if len(names) != len(table) or len(set(names)) < len(names):
            raise DataError(
                f"{path} must hold a different name for each of {len(table):,} nodes. "
                f"Got {len(names):,}, {len(set(names)):,} of them different."
            )
        table = replace(table, ids=names)
    split = _parts(arrays, len(table))
    return read_graph(replace(table, split=split), found["labels"], task=task)


def _first(arrays: dict[str, np.ndarray], names: tuple[str, ...]) -> Any:
    """The first array of these names, dense or sparse."""
    from scipy.sparse import csr_matrix

    for name in names:
        if name in arrays:
            return arrays[name]
        parts = [f"{name}_{k}" for k in ("data", "indices", "indptr")]
        if all(part in arrays for part in parts):
            shape = tuple(arrays[f"{name}_shape"].tolist())
            return csr_matrix(tuple(arrays[part] for part in parts), shape=shape)
    return None


def _of_pairs(edges: np.ndarray, features: Any, labels: Any, weight: Any) -> GraphTable:
    pairs = edges.T if edges.ndim == 2 and edges.shape[1] == 2 else edges
    if pairs.ndim != 2 or len(pairs) != 2:
        raise DataError(f"Edges must be pairs [E, 2]. Got {list(edges.shape)}.")
    room_for(pairs.shape[1], "The array of edges")
    source, target = pairs = whole(pairs)
    rows = [len(each) for each in (labels,) if each is not None]
    rows += [features.shape[0]] if features is not None else []
    count = max([*rows, int(pairs.max(initial=-1)) + 1])
    ids = np.array([str(row) for row in range(count)], dtype=object)
    none = of_rows([], None, "auto")
    # nothing says that such pairs have a direction
    given = {"features": features, "labels": none, "directed": False}
    return with_edges(ids, source, target, weight, **given)


def _parts(arrays: dict[str, np.ndarray], count: int) -> np.ndarray | None:
    """train, val and test as masks, or as rows; None where there are none."""
    split = np.full(count, "", dtype="U5")
    for part in (TRAIN, VAL, TEST):
        names = (part, f"{part}_mask", f"{part}_idx", f"idx_{part}")
        rows = _first(arrays, names)
        if rows is None:
            continue
        try:
            split[rows] = part
        except IndexError as error:
            raise DataError(
                f"The nodes of the part {part} must be a mask of {count:,}, or rows "
                f"below that: {error}."
            ) from None
    return split if (split != "").any() else None


FILES: dict[str, Callable[[Path, Task, str | None], GraphTable]] = {
    ".graphml": _by_networkx,
    ".gexf": _by_networkx,
    ".gml": _by_networkx,
    ".json": _by_networkx,
    ".npz": _npz,
    ".mtx": _mtx,
    ".mat": _mat,
}
