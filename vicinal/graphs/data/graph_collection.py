"""Many graphs, each with a label of its own, however they are kept.

=====================================  ===============================================
the folder of a TU data set            NAME_A.txt, NAME_graph_indicator.txt,
                                       NAME_graph_labels.txt[, NAME_node_labels.txt,
                                       NAME_node_attributes.txt]
one text                               the number of graphs; then for each a line
                                       `nodes label` and for each of its nodes a line
                                       `tag degree neighbours...[ attributes...]`
one to three tables                    edges.csv `graph_id,source,target`, nodes.csv
                                       `graph_id,id,...`, graphs.csv `graph_id,label`;
                                       or one CSV of edges, `label` in each row
lists                                  of graphs of NetworkX or PyG, with labels y; or
                                       one such graph
=====================================  ===============================================

They are held as one graph in which no edge leads from one to another, which is also how
layers want them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from vicinal.core.data.csv_tables import read_csv
from vicinal.core.data.labels import Kind, Task
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.text import counted
from vicinal.errors import DataError, NoDataError, near_names
from vicinal.graphs.data.convert import is_matrix, is_networkx, is_tensors
from vicinal.graphs.data.detect import GRAPH, one_text, tu_name
from vicinal.graphs.data.edge_list import edge_columns, once, texts
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.node_list import ID, label_cells
from vicinal.graphs.data.read import read_graph


@dataclass(frozen=True)
class GraphCollection:
    """G graphs."""

    names: np.ndarray
    """[G] texts"""

    nodes: GraphTable
    """all nodes, and the edges among those of one graph; without labels"""

    member: np.ndarray
    """[N] int64: the graph that each node is of, in order"""

    labels: np.ndarray | None = None
    """[G] names of classes or numbers; None for a graph without"""

    kind: Kind = "none"
    whole_numbers: bool = False
    split: np.ndarray | None = None
    """[G] train, val, test, or nothing, where the user said so"""

    set_aside: list[Quarantined] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def sizes(self) -> np.ndarray:
        """[G] nodes of each graph."""
        return np.bincount(self.member, minlength=len(self))

    @cached_property
    def edge_counts(self) -> np.ndarray:
        """[G] edges of each graph."""
        return np.bincount(self.member[self.nodes.source], minlength=len(self))

    @cached_property
    def labelled(self) -> np.ndarray:
        """[G] bool: graphs with a label."""
        if self.labels is None:
            return np.zeros(len(self), bool)
        return np.array([label is not None for label in self.labels], dtype=bool)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of classes, sorted."""
        if self.labels is None or self.kind == "numeric":
            return ()
        return tuple(sorted(set(self.labels[self.labelled])))

    def named(self, name: str) -> "GraphCollection":
        """The one graph of a name; NoDataError where there is none."""
        rows = np.flatnonzero(self.names == name)
        if not len(rows):
            hint = near_names(name, self.names.tolist()[:100_000], 10)
            raise NoDataError(f"There is no graph {name!r}. {hint}")
        return self.rows(rows[:1])

    def rows(self, wanted: np.ndarray) -> "GraphCollection":
        """Some of the graphs: rows, or a mask [G]."""
        wanted = np.flatnonzero(wanted) if wanted.dtype == bool else wanted
        new = np.full(len(self), -1)
        new[wanted] = np.arange(len(wanted))
        own = np.flatnonzero(new[self.member] >= 0)
        own = own[np.argsort(new[self.member[own]], kind="stable")]
        place = np.full(len(self.nodes), -1)
        place[own] = np.arange(len(own))
        inside = place[self.nodes.source] >= 0
        table, features = self.nodes, self.nodes.features
        if features is not None:
            framed = hasattr(features, "iloc")
            features = features.iloc[own] if framed else features[own]
        part = replace(
            table,
            ids=table.ids[own],
            source=place[table.source[inside]],
            target=place[table.target[inside]],
            features=features,
            weight=None if table.weight is None else table.weight[inside],
        )
        return replace(
            self,
            names=self.names[wanted],
            nodes=part,
            member=new[self.member[own]],
            labels=None if self.labels is None else self.labels[wanted],
            split=None if self.split is None else self.split[wanted],
        )


def read_graphs(
    data: Any, y: Any = None, *, task: Task = "auto", target: str | None = None
) -> GraphCollection:
    """Read graphs from a folder, a file, or objects: a list of them, or one.

    y: labels [G], for lists and where the files have none. target: the column of
    graphs.csv that holds the labels. NoDataError where there are none.
    """
    if isinstance(data, GraphCollection):
        found = data
    elif isinstance(data, (list, tuple)):
        found = _of_objects(data, task)
    elif isinstance(data, (str, PathLike)):
        found = _of_path(Path(data), task, target)
    elif _is_graph(data):
        found = _of_objects([data], task)
    elif isinstance(data, Iterable):
        found = _of_objects(list(data), task)
    else:
        raise DataError(f"Graphs were wanted. Got a {type(data).__name__}.")
    if not len(found):
        raise NoDataError("There are no graphs.")
    if y is None:
        return found
    return _labelled(found, list(y), task)


def _is_graph(data: Any) -> bool:
    return is_tensors(data) or is_networkx(data) or is_matrix(data)


def _labelled(found: GraphCollection, y: Sequence[Any], task: Task) -> GraphCollection:
    import pandas as pd

    if len(y) != len(found):
        raise DataError(
            f"y must have a label for each of {counted(len(found), 'graph')}. Got "
            f"{len(y)}."
        )
    labels = label_cells(found.names.tolist(), pd.Series(y, dtype=object), task)
    return replace(
        found,
        labels=labels.values,
        kind=labels.kind,
        whole_numbers=labels.whole_numbers,
        set_aside=found.set_aside + labels.set_aside,
        notes=found.notes + labels.notes,
    )


def _of_path(path: Path, task: Task, target: str | None) -> GraphCollection:
    if not path.exists():
        raise NoDataError(f"There is nothing at {path}. Check the path's spelling.")
    if path.is_file():
        table = path.suffix.lower() != ".txt"
        return _read_tables(path, task, target) if table else _read_one_text(path, task)
    name = tu_name(path)
    if name is not None:
        return _read_tu(path, name, task)
    text = one_text(path)
    if text is not None:
        return _read_one_text(text, task)
    if (path / "edges.csv").exists():
        return _read_tables(path, task, target)
    raise DataError(
        f"{path} holds no graphs. Wanted: the files of a TU data set, or edges.csv "
        "with a column graph_id."
    )


# --- one text ----------------------------------------------------------------------


def _read_one_text(path: Path, task: Task) -> GraphCollection:
    words = path.read_text(encoding="utf-8").split("\n")
    lines = iter(enumerate(words, 1))

    def numbers(what: str) -> list[float]:
        for number, line in lines:
            if line.strip():
                try:
                    return [float(word) for word in line.split()]
                except ValueError:
                    raise DataError(f"{path}, line {number}: no numbers.") from None
        raise DataError(f"{path} ends where {what} was wanted.")

    count = int(numbers("the number of graphs")[0])
    labels, sizes, tags, source, target = [], [], [], [], []
    attributes: list[list[float]] = []
    start = 0
    for _ in range(count):
        size, label = (int(v) for v in numbers("a graph")[:2])
        labels.append(label)
        sizes.append(size)
        for row in range(size):
            tag, degree, *rest = numbers("a node")
            ends = [int(v) for v in rest[: int(degree)]]
            if len(ends) < degree or not all(0 <= v < size for v in ends):
                raise DataError(
                    f"{path}: node {row} of graph {len(sizes)} names neighbours that "
                    f"are not there: 0 to {size - 1} were wanted."
                )
            tags.append(int(tag))
            attributes.append(rest[int(degree) :])
            source += [start + v for v in ends]
            target += [start + row] * len(ends)
        start += size
    found = _joined(
        np.array(sizes),
        np.array(source, np.int64),
        np.array(target, np.int64),
        _tag_table(tags, attributes),
        [str(k) for k in range(count)],
    )
    return _labelled(found, labels, task)


def _tag_table(tags: Sequence[Any], attributes: Sequence[Sequence[float]]) -> Any:
    """Tags as texts, attributes as numbers."""
    import pandas as pd

    wide = min(map(len, attributes), default=0)
    frame = {"tag": [f"t{tag}" for tag in tags]}
    more = {f"a{k}": [float(row[k]) for row in attributes] for k in range(wide)}
    return pd.DataFrame(frame | more)


def _joined(
    sizes: np.ndarray,
    source: np.ndarray,
    target: np.ndarray,
    features: Any,
    names: Sequence[str],
    own: Sequence[str] | None = None,
) -> GraphCollection:
    """own: what each node is called in its graph; None: they are numbered."""
    n = int(sizes.sum())
    # each edge may be listed at both of its ends, which is no repetition to speak of
    source, target, *_ = once(source, target, None, n, False)
    member = np.repeat(np.arange(len(sizes)), sizes)
    numbers = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    called = zip(member.tolist(), numbers if own is None else own, strict=True)
    ids = np.array([f"{names[g]}:{name}" for g, name in called], dtype=object)
    nodes = GraphTable(ids=ids, source=source, target=target, features=features)
    return GraphCollection(np.array(names, dtype=object), nodes, member)


# --- TU ----------------------------------------------------------------------------


def _read_tu(folder: Path, name: str, task: Task) -> GraphCollection:
    def lines(part: str, needed: bool = False) -> list[str] | None:
        path = folder / f"{name}_{part}.txt"
        if path.exists():
            return path.read_text(encoding="utf-8").split("\n")
        if needed:
            raise DataError(f"{folder} lacks {path.name}, which holds the {part}.")
        return None

    def table(part: str, wide: int = 0, needed: bool = False) -> np.ndarray | None:
        """Numbers of a file, a row a line; wide: in each, else as in the first."""
        rows: list[list[float]] = []
        for number, line in enumerate(lines(part, needed) or (), 1):
            if not line.strip():
                continue
            where = f"{folder / name}_{part}.txt, line {number}"
            try:
                row = [float(cell) for cell in line.split(",")]
            except ValueError:
                raise DataError(f"{where}: no numbers, {line[:80]!r}.") from None
            wide = wide or len(row)
            if len(row) != wide:
                raise DataError(f"{where}: {wide} numbers were wanted, {line[:80]!r}.")
            rows.append(row)
        return np.array(rows).reshape(-1, wide) if rows else None

    indicator = table("graph_indicator", 1, True)
    if indicator is None:
        raise NoDataError(f"{name}_graph_indicator.txt is empty.")
    member = indicator[:, 0].astype(np.int64) - 1
    if member.min() < 0:
        raise DataError(f"{name}_graph_indicator.txt counts graphs from 1.")
    order = np.argsort(member, kind="stable")
    place = np.argsort(order)
    edges = table("A", 2, True)
    ends = np.empty((0, 2), np.int64) if edges is None else edges.astype(np.int64) - 1
    if len(ends) and (ends.min() < 0 or ends.max() >= len(member)):
        raise DataError(f"{name}_A.txt names nodes outside 1 to {len(member)}.")
    sizes = np.bincount(member)
    node_labels, attributes = lines("node_labels"), table("node_attributes")
    tags = ["0"] * len(member)
    if node_labels is not None:
        tags = [v.strip() for v in node_labels if v.strip()]
    rows = [[] for _ in member] if attributes is None else attributes.tolist()
    for part, given in (("node_labels", tags), ("node_attributes", rows)):
        if len(given) != len(member):
            raise DataError(
                f"{name}_{part}.txt must have a line for each of {len(member):,} "
                f"nodes. Got {len(given):,}."
            )
    features = _tag_table([tags[k] for k in order], [rows[k] for k in order])
    names = [str(k + 1) for k in range(len(sizes))]
    found = _joined(sizes, place[ends[:, 0]], place[ends[:, 1]], features, names)
    if (found.member[found.nodes.source] != found.member[found.nodes.target]).any():
        raise DataError(f"{name}_A.txt joins nodes of two graphs.")
    labels = lines("graph_labels")
    if labels is None:
        return found
    return _labelled(found, [v.strip() for v in labels if v.strip()], task)


# --- tables ------------------------------------------------------------------------


def _column(frame: Any, names: Sequence[str]) -> Any | None:
    known = {str(name).strip().lower(): name for name in frame.columns}
    return next((known[name] for name in names if name in known), None)


def _read_tables(folder: Path, task: Task, target: str | None) -> GraphCollection:
    """A folder of tables, or one file of edges with the graph, and perhaps its label,
    in each row."""
    import pandas as pd

    listing = folder if folder.is_file() else folder / "edges.csv"
    edges = read_csv(listing, "graph_id,source,target")
    graph, ends = _column(edges, GRAPH), edge_columns(edges)
    if graph is None or ends is None:
        raise DataError(
            f"{listing} wants the columns graph_id, source and target. "
            f"Got {', '.join(map(str, edges.columns))}."
        )
    of_edge = texts(edges[graph])
    pairs = [texts(edges[column]) for column in ends[:2]]
    features, listed, aside, notes = None, None, [], []
    if ends[2] is not None:
        notes.append(
            f"the column {ends[2]} of the edges is not used: whole graphs are learned "
            "without weights"
        )
    names: dict[str, int] = {}
    place: dict[tuple[str, str], int] = {}
    if (folder / "nodes.csv").exists():
        nodes = read_csv(folder / "nodes.csv", "graph_id,id,...")
        own, ids = _column(nodes, GRAPH), _column(nodes, ID)
        if own is None or ids is None:
            raise DataError(
                f"{folder / 'nodes.csv'} wants the columns graph_id and id."
            )
        listed = list(zip(texts(nodes[own]), texts(nodes[ids]), strict=True))
        keep, aside = _sift(listed)
        listed = [listed[row] for row in keep]
        features = nodes.drop(columns=[own, ids]).iloc[keep]
    else:
        both = zip(of_edge, *pairs, strict=True)
        every = ((g, v) for g, *vs in both if g and all(vs) for v in vs)
        listed = list(dict.fromkeys(every))
    if not listed:
        raise NoDataError(f"{folder} holds no node that could be used.")
    for g, _ in listed:
        names.setdefault(g, len(names))
    member = np.array([names[g] for g, _ in listed])
    order = np.argsort(member, kind="stable")
    for row, k in enumerate(order):
        place[listed[k]] = row
    rows = []
    for line, (g, a, b) in enumerate(zip(of_edge, *pairs, strict=True), 2):
        if (g, a) in place and (g, b) in place:
            rows.append((place[g, a], place[g, b]))
        else:
            lost = a if (g, a) not in place else b
            why = f"line {line}: graph {g!r} has no node {lost!r}"
            if not (g and a and b):
                why = f"line {line}: the graph or an end is empty"
            aside.append(Quarantined(f"{a} - {b}", "", why))
    source, target_rows = np.array(rows, np.int64).reshape(-1, 2).T
    if features is not None:
        features = features.iloc[order].reset_index(drop=True)
        features = features if features.shape[1] else None
    called = [listed[k][1] for k in order]
    sizes = np.bincount(member)
    found = _joined(sizes, source, target_rows, features, list(names), called)
    found = replace(found, set_aside=aside, notes=notes)
    of_graphs = folder / "graphs.csv"
    table = read_csv(of_graphs, "graph_id,label") if of_graphs.exists() else edges
    own = _column(table, GRAPH) or _column(table, ID)
    column = target if target is not None else _column(table, ("label", "class", "y"))
    if column is None and table is edges:
        return found
    if own is None or column is None or column not in table.columns:
        where = listing if table is edges else of_graphs
        raise DataError(
            f"{where} wants the columns graph_id and {target or 'label'}. Got "
            f"{', '.join(map(str, table.columns))}."
        )
    told: dict[str, Any] = {}
    for name, label in zip(texts(table[own]), table[column].tolist(), strict=True):
        before = told.setdefault(name, label)
        if before != label and not (before != before and label != label):
            raise DataError(
                f"Graph {name!r} has two labels, {before!r} and {label!r}. Give each "
                "graph one."
            )
    aside += [
        Quarantined(name, str(told[name]), "it has a label, and there is no such graph")
        for name in told
        if name and name not in names
    ]
    return _labelled(found, pd.Series([told.get(g) for g in names]).tolist(), task)


def _sift(listed: list[tuple[str, str]]) -> tuple[list[int], list[Quarantined]]:
    """Rows of nodes (graph, name) that are named for the first time; the others, with
    the reason."""
    seen: dict[tuple[str, str], int] = {}
    keep, aside = [], []
    for row, (graph, name) in enumerate(listed):
        line = row + 2
        if not (graph and name):
            why = f"line {line}: the node has no name, or no graph"
            aside.append(Quarantined(name, "", why))
        elif (graph, name) in seen:
            before = f"listed before, in line {seen[graph, name]}"
            why = f"line {line}: this node of graph {graph!r} is {before}"
            aside.append(Quarantined(name, "", why))
        else:
            seen[graph, name] = line
            keep.append(row)
    return keep, aside


# --- objects -----------------------------------------------------------------------


def _of_objects(graphs: Sequence[Any], task: Task) -> GraphCollection:
    """Graphs of NetworkX, PyG or scipy; PyG's may have their labels in y."""
    import pandas as pd

    own, labels = [], []
    for graph in graphs:
        if is_tensors(graph):
            y = getattr(graph, "y", None)
            labels.append(None if y is None or y.numel() != 1 else y.item())
            bare = graph._replace(y=None) if hasattr(graph, "_replace") else graph
            own.append(read_graph(_without_label(bare)))
        elif is_networkx(graph) or is_matrix(graph):
            labels.append(getattr(graph, "graph", {}).get("label"))
            own.append(read_graph(graph))
        else:
            raise DataError(
                f"A list of graphs was wanted. It holds a {type(graph).__name__}."
            )
    if not own:
        raise NoDataError("There are no graphs.")
    starts = np.cumsum([0, *(len(table) for table in own)])[:-1]
    parts = [table.features for table in own]
    features: Any = None
    if all(part is not None for part in parts):
        frames = all(hasattr(part, "columns") for part in parts)
        features = (
            pd.concat(parts, ignore_index=True) if frames else np.concatenate(parts)
        )
    sizes = np.array([len(table) for table in own])
    moved = [(t, start) for t, start in zip(own, starts, strict=True)]
    source = np.concatenate([t.source + start for t, start in moved])
    target = np.concatenate([t.target + start for t, start in moved])
    names = [str(k) for k in range(len(own))]
    called = [name for table in own for name in table.ids]
    found = _joined(sizes, source, target, features, names, called)
    if all(label is None for label in labels):
        return found
    return _labelled(found, labels, task)


def _without_label(graph: Any) -> Any:
    """A graph of tensors whose y is of the whole, not of its nodes."""
    from types import SimpleNamespace

    names = ("x", "edge_index", "edge_weight", "num_nodes")
    return SimpleNamespace(**{name: getattr(graph, name, None) for name in names})
