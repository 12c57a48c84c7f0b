"""Files of graph collections: TU and GIN data sets.

TU: K. Kersting et al.: Benchmark Data Sets for Graph Kernels, https://graphlearning.io.

GIN: K. Xu et al.: How Powerful are Graph Neural Networks?, ICLR 2019. The first line is
the number of graphs; then each graph has a line `nodes label` and, for each of its
nodes, a line `tag degree neighbours...[ attributes...]`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vicinal.core.data.claimed_size import check_claimed_size
from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoDataError
from vicinal.graphs.data.from_arrays import BYTES_PER_NODE, to_integers
from vicinal.graphs.data.graph_collection import GraphCollection, disjoint_union

GRAPH_LABEL_COLUMNS = ("label", "class", "y")
UNREAD_PARTS = ("graph_attributes",)
"""of a TU data set"""

NodeKey = tuple[str, str]
"""name of the graph, name of the node"""


# --- text files ---


def read_gin_file(path: Path) -> tuple[GraphCollection, list[Any]]:
    """Read a GIN data set: graphs and their labels."""
    lines = _numeric_lines(path)

    def next_line(expected: str) -> list[float]:
        numbers = next(lines, None)
        if numbers is None:
            raise DataError(f"{path} ends where {expected} was expected.")
        return numbers

    (num_graphs,) = _whole_numbers(next_line("the number of graphs"), 1, path)
    labels, sizes, tags, source, target = [], [], [], [], []
    attributes: list[list[float]] = []
    start = 0
    for _ in range(num_graphs):
        line = next_line("a graph")
        (size,) = _whole_numbers(line, 1, path)
        if size < 0 or len(line) < 2:
            raise DataError(
                f"{path}: expected the number of nodes of graph {len(sizes)} and its "
                f"label. Got {line}."
            )
        labels.append(int(line[1]) if line[1] == line[1] // 1 else line[1])
        sizes.append(size)
        for row in range(size):
            line = next_line("a node")
            tag, degree = _whole_numbers(line, 2, path)
            neighbors = _whole_numbers(line[2:], min(degree, len(line) - 2), path)
            if len(neighbors) != degree or not all(0 <= v < size for v in neighbors):
                raise DataError(
                    f"{path}: node {row} of graph {len(sizes)} must have {degree} "
                    f"neighbours from 0 to {size - 1}. Got {neighbors}."
                )
            tags.append(tag)
            attributes.append(line[2 + degree :])
            if len(attributes[-1]) != len(attributes[0]):
                raise DataError(
                    f"{path}: node {row} of graph {len(sizes)} must have "
                    f"{pluralize(len(attributes[0]), 'attribute')}, as the first node. "
                    f"Got {len(attributes[-1])}."
                )
            source += [start + v for v in neighbors]
            target += [start + row] * len(neighbors)
        start += size
    if next(lines, None) is not None:
        raise DataError(f"{path} has more lines than its {num_graphs:,} graphs need.")
    graphs = disjoint_union(
        np.array(sizes, np.int64),
        np.array(source, np.int64),
        np.array(target, np.int64),
        _feature_table(tags, attributes),
        [str(k) for k in range(num_graphs)],
    )
    return graphs, labels


def _whole_numbers(numbers: list[float], count: int, path: Path) -> list[int]:
    """Return the first numbers of a line as integers; DataError if they are not."""
    given = numbers[: max(count, 0)]
    if len(given) < count or not all(v == v // 1 for v in given):
        raise DataError(
            f"{path}: a line must begin with {pluralize(count, 'whole number')}. Got "
            f"{', '.join(map(str, numbers[:8])) or 'nothing'}."
        )
    return [int(v) for v in given]


def _numeric_lines(path: Path) -> Iterator[list[float]]:
    """Yield the numbers of each line that is not empty."""
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if line.strip():
            try:
                yield [float(word) for word in line.split()]
            except ValueError:
                message = f"{path}, line {number}: expected numbers. Got {line[:80]!r}."
                raise DataError(message) from None


def _feature_table(tags: Sequence[Any], attributes: Sequence[Sequence[float]]) -> Any:
    """Return features: tags as categories, if there are any, attributes as numbers."""
    import pandas as pd

    width = len(attributes[0]) if len(attributes) else 0
    frame: dict[str, Any] = {"tag": [f"t{tag}" for tag in tags]} if len(tags) else {}
    for k in range(width):
        frame[f"a{k}"] = [float(row[k]) for row in attributes]
    return pd.DataFrame(frame)


class _TUFiles:
    """The files NAME_A.txt, NAME_graph_indicator.txt, ... of a TU data set."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory, self.name = directory, name

    def path(self, part: str) -> Path:
        return self.directory / f"{self.name}_{part}.txt"

    def lines(self, part: str) -> list[str] | None:
        """Return the lines of a file that are not empty; None if it is missing."""
        if not self.path(part).exists():
            return None
        text = self.path(part).read_text(encoding="utf-8")
        return [line.strip() for line in text.split("\n") if line.strip()]

    def require(self, part: str) -> None:
        """Raise DataError if a file is missing."""
        if not self.path(part).exists():
            raise DataError(f"{self.directory} has no {self.path(part).name}.")

    def numbers(self, part: str, width: int = 0) -> np.ndarray | None:
        """Return the numbers of a file [lines, width]; None if it is missing or empty.

        width: of each line; 0: as the first line.
        """
        rows: list[list[float]] = []
        path = self.path(part)
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for number, line in enumerate(text.split("\n"), 1):
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            try:
                row = [float(cell) for cell in line.split(",")]
            except ValueError:
                raise DataError(
                    f"{where}: expected numbers. Got {line[:80]!r}."
                ) from None
            width = width or len(row)
            if len(row) != width:
                raise DataError(
                    f"{where}: expected {width} numbers. Got {line[:80]!r}."
                )
            rows.append(row)
        return np.array(rows).reshape(-1, width) if rows else None


def read_tu_directory(
    directory: Path, name: str
) -> tuple[GraphCollection, list[Any] | None]:
    """Read a TU data set: graphs and their labels, if there are any."""
    files = _TUFiles(directory, name)
    files.require("graph_indicator")
    files.require("A")
    indicator = files.numbers("graph_indicator", 1)
    if indicator is None:
        raise NoDataError(f"{name}_graph_indicator.txt is empty.")
    batch = to_integers(indicator[:, 0], f"{name}_graph_indicator.txt") - 1
    if batch.min() < 0:
        raise DataError(f"{name}_graph_indicator.txt must number graphs from 1.")
    order = np.argsort(batch, kind="stable")
    new_row = np.argsort(order)
    edges = files.numbers("A", 2)
    ends = np.empty((0, 2), np.int64)
    if edges is not None:
        ends = to_integers(edges, f"{name}_A.txt") - 1
    if len(ends) and (ends.min() < 0 or ends.max() >= len(batch)):
        raise DataError(f"{name}_A.txt must number nodes from 1 to {len(batch)}.")
    check_claimed_size(
        BYTES_PER_NODE * (int(batch.max()) + 1),
        indicator.nbytes,
        f"{name}_graph_indicator.txt has {int(batch.max()) + 1:,} graphs",
        "Number the graphs 1, 2, ... without gaps.",
    )
    sizes = np.bincount(batch)
    graphs = disjoint_union(
        sizes,
        new_row[ends[:, 0]],
        new_row[ends[:, 1]],
        _tu_features(files, len(batch), order),
        [str(k + 1) for k in range(len(sizes))],
        edge_features=_tu_edge_features(files, len(ends)),
    )
    source, target = graphs.nodes.source, graphs.nodes.target
    if (graphs.batch[source] != graphs.batch[target]).any():
        raise DataError(f"{name}_A.txt has an edge between nodes of two graphs.")
    others = [files.path(part) for part in UNREAD_PARTS]
    names = ", ".join(path.name for path in others if path.exists())
    notes = [f"files of the data set that are not read: {names}"] if names else []
    return replace(graphs, notes=[*graphs.notes, *notes]), files.lines("graph_labels")


def _tu_features(files: _TUFiles, num_nodes: int, order: np.ndarray) -> Any:
    labels, attributes = files.lines("node_labels"), files.numbers("node_attributes")
    tags = ["0"] * num_nodes if labels is None else labels
    rows = [[]] * num_nodes if attributes is None else attributes.tolist()
    for part, values in (("node_labels", tags), ("node_attributes", rows)):
        if len(values) != num_nodes:
            raise DataError(
                f"{files.path(part).name} must have a line for each of {num_nodes:,} "
                f"nodes. Got {len(values):,}."
            )
    return _feature_table([tags[k] for k in order], [rows[k] for k in order])


def _tu_edge_features(files: _TUFiles, num_edges: int) -> Any:
    """Return the features of the lines of NAME_A.txt; None if there are none."""
    labels, attributes = files.lines("edge_labels"), files.numbers("edge_attributes")
    for part, values in (("edge_labels", labels), ("edge_attributes", attributes)):
        if values is not None and len(values) != num_edges:
            raise DataError(
                f"{files.path(part).name} must have a line for each of {num_edges:,} "
                f"edges. Got {len(values):,}."
            )
    if labels is None and attributes is None:
        return None
    rows = [] if attributes is None else attributes.tolist()
    return _feature_table(labels or [], rows)
