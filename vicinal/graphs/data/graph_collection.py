"""GraphCollection: many graphs, each with a label, held as one disconnected graph."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from vicinal.core.data.label_parsing import Labels, has_label, with_task
from vicinal.core.data.labels import Kind, Task
from vicinal.core.data.quarantine import Quarantined
from vicinal.errors import NoDataError, suggest_names
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.tables.duplicate_edges import (
    first_of_each_edge,
    note_differing_directions,
    select_edges,
)


@dataclass(frozen=True)
class GraphCollection:
    """G graphs with N nodes in total."""

    names: np.ndarray
    """[G] texts"""

    nodes: GraphTable
    """the nodes of all graphs and the edges between them, without labels"""

    batch: np.ndarray
    """[N] int64: the graph of each node, ascending"""

    labels: np.ndarray | None = None
    """[G] class names or numbers; None where unlabelled"""

    kind: Kind = "none"
    """the kind of the labels"""

    whole_numbers: bool = False
    """True if the class names were given as integers"""

    label_source: Labels | None = None
    """the labels as they were read, for `with_task`"""

    split: np.ndarray | None = None
    """[G] train, val or test, as given by the user; "" where not given"""

    quarantined: list[Quarantined] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def sizes(self) -> np.ndarray:
        """The number of nodes of each graph, [G]."""
        return np.bincount(self.batch, minlength=len(self))

    @cached_property
    def edge_counts(self) -> np.ndarray:
        """The number of edges of each graph, [G]."""
        return np.bincount(self.batch[self.nodes.source], minlength=len(self))

    @property
    def label_mask(self) -> np.ndarray:
        """True for each graph with a label, [G]."""
        return self._label_mask

    @cached_property
    def _label_mask(self) -> np.ndarray:
        return has_label(self.labels, len(self))

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, sorted."""
        if self.labels is None or self.kind == "numeric":
            return ()
        return tuple(sorted(set(self.labels[self.label_mask])))

    def with_task(self, task: Task) -> "GraphCollection":
        """Return the graphs with the same labels parsed for another task."""
        return with_task(self, self.names.tolist(), task)

    def by_name(self, name: str) -> "GraphCollection":
        """Return the graph with a name, as a collection of one; NoDataError if none."""
        rows = np.flatnonzero(self.names == name)
        if not len(rows):
            hint = suggest_names(name, self.names.tolist()[:100_000], 10)
            raise NoDataError(f"There is no graph {name!r}. {hint}")
        return self.select(rows[:1])

    def select(self, graphs: np.ndarray) -> "GraphCollection":
        """Return some of the graphs: indices, or a mask [G]."""
        graphs = np.flatnonzero(graphs) if graphs.dtype == bool else graphs
        new_graph = np.full(len(self), -1)
        new_graph[graphs] = np.arange(len(graphs))
        rows = np.flatnonzero(new_graph[self.batch] >= 0)
        rows = rows[np.argsort(new_graph[self.batch[rows]], kind="stable")]
        new_row = np.full(len(self.nodes), -1)
        new_row[rows] = np.arange(len(rows))
        kept = new_row[self.nodes.source] >= 0
        nodes, features = self.nodes, self.nodes.features
        if features is not None:
            is_frame = hasattr(features, "iloc")
            features = features.iloc[rows] if is_frame else features[rows]
        selected = replace(
            nodes,
            ids=nodes.ids[rows],
            source=new_row[nodes.source[kept]],
            target=new_row[nodes.target[kept]],
            features=features,
            weight=None if nodes.weight is None else nodes.weight[kept],
            edge_features=select_edges(nodes.edge_features, kept),
        )
        return replace(
            self,
            names=self.names[graphs],
            nodes=selected,
            batch=new_graph[self.batch[rows]],
            labels=None if self.labels is None else self.labels[graphs],
            split=None if self.split is None else self.split[graphs],
        )


def disjoint_union(
    sizes: np.ndarray,
    source: np.ndarray,
    target: np.ndarray,
    features: Any,
    names: Sequence[str],
    node_names: Sequence[str] | None = None,
    edge_features: Any = None,
) -> GraphCollection:
    """Make a collection from graphs whose nodes are numbered consecutively.

    sizes: nodes of each graph [G]. source, target: rows of nodes [E]; edges are
    undirected and may be listed in both directions. node_names: [N]; None: 0, 1, ...
    within each graph. edge_features: DataFrame or matrix with E rows.
    """
    n = int(sizes.sum())
    kept, first = first_of_each_edge(source, target, n)
    notes = note_differing_directions(edge_features, first)
    batch = np.repeat(np.arange(len(sizes)), sizes)
    numbers = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    within = numbers if node_names is None else node_names
    pairs = zip(batch.tolist(), within, strict=True)
    ids = np.array([f"{names[g]}:{name}" for g, name in pairs], dtype=object)
    nodes = GraphTable(
        ids=ids,
        source=source[kept],
        target=target[kept],
        features=features,
        edge_features=select_edges(edge_features, kept),
    )
    return GraphCollection(np.array(names, dtype=object), nodes, batch, notes=notes)
