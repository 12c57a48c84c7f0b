"""GraphTable: one graph with named nodes, edges, features and labels.

Every source is read into this form; `read` lists the sources.
"""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vicinal.core.data.label_parsing import Labels, has_label, with_task
from vicinal.core.data.labels import Kind, Task
from vicinal.core.data.quarantine import Quarantined
from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.graphs.sparse.memmap import allocate

FLOAT32 = np.finfo(np.float32)


def fits_float32(weight: np.ndarray) -> np.ndarray:
    """Return [E] bool: edge weights that would not become 0 or infinite in float32."""
    size = np.abs(weight)
    return (size == 0) | ((size >= FLOAT32.tiny) & (size <= FLOAT32.max))


@dataclass(frozen=True)
class GraphTable:
    """N nodes and E edges; nodes are rows, in the order in which they were given."""

    ids: np.ndarray
    """[N] names of the nodes, texts"""

    source: np.ndarray
    target: np.ndarray
    """[E] int64 rows of `ids`; an undirected edge is listed once"""

    directed: bool = False

    features: Any = None
    """a DataFrame with N rows, or a matrix [N, F], dense or scipy sparse"""

    weight: np.ndarray | None = None
    """[E] float32 edge weights, 0 or more"""

    edge_features: Any = None
    """a DataFrame with E rows or a matrix [E, D], which only whole graphs have"""

    relation: np.ndarray | None = None
    """[E] the relation of each edge, as an index into `relations`"""

    relations: tuple[str, ...] = ()
    """names of the relations; two nodes may have an edge of each"""

    sides: np.ndarray | None = None
    """[N] int8, of a bipartite graph: every edge connects a node of side 0 with one of
    side 1 (-1: a node without edges); None: not known to be bipartite"""

    end_columns: tuple[str, str] | None = None
    """names of the columns of sources and targets, if a table listed them"""

    id_column: str | None = None
    """name of the column of the nodes' names, if a table listed them"""

    labels: np.ndarray | None = None
    """[N] class names, texts `a|b` (multi-label), or numbers; None where unlabelled"""

    kind: Kind = "none"
    """the kind of the labels"""

    whole_numbers: bool = False
    """True if the class names were given as integers"""

    label_source: Labels | None = None
    """the labels as they were read, for `with_task`"""

    split: np.ndarray | None = None
    """[N] train, val or test, as given by the user; "" where not given"""

    groups: np.ndarray | None = None
    """[N] group numbers; the nodes of a group stay in one split"""

    quarantined: list[Quarantined] = field(default_factory=list)
    """rows that could not be used, with the reason"""

    notes: list[str] = field(default_factory=list)
    """what the user should know: duplicate edges, ignored columns"""

    max_bytes: float = math.inf
    """arrays of the adjacency larger than this lie on disk"""

    @property
    def names(self) -> np.ndarray:
        """Return the names of the examples: those of the nodes."""
        return self.ids

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def num_edges(self) -> int:
        return len(self.source)

    @property
    def label_mask(self) -> np.ndarray:
        """True for each node with a label, [N]."""
        return self._label_mask

    @cached_property
    def _label_mask(self) -> np.ndarray:
        return has_label(self.labels, len(self))

    @property
    def edge_index(self) -> Tensor:
        """Sources and targets as layers need them, [2, E'].

        An undirected edge is listed in both directions, a self-loop once. Computed at
        each access: it takes much memory for a large graph.
        """
        ends = np.stack([self.source, self.target])
        if not self.directed:
            loop = self.source == self.target
            ends = np.concatenate([ends, ends[::-1, ~loop]], axis=1)
        return torch.from_numpy(np.ascontiguousarray(ends))

    @cached_property
    def edge_weight(self) -> Tensor | None:
        """The weights of the edges in `edge_index`, [E']."""
        return None if self.weight is None else self.in_both_directions(self.weight)

    def in_both_directions(self, values: np.ndarray) -> Tensor:
        """Return values [E, ...] of the edges for those in `edge_index`, [E', ...]."""
        if not self.directed:
            values = np.concatenate([values, values[self.source != self.target]])
        return torch.from_numpy(values.astype(np.float32))

    @cached_property
    def adjacency(self) -> Adjacency:
        """The sparse adjacency of `edge_index`."""
        reversed_too = np.zeros(self.num_edges, bool)
        if not self.directed:
            reversed_too = self.source != self.target
        count = self.num_edges + int(reversed_too.sum())

        def both_directions(forward: np.ndarray, backward: np.ndarray) -> Tensor:
            ends = allocate((count,), np.int32, self.max_bytes)
            ends[: len(forward)] = forward
            ends[len(forward) :] = backward[reversed_too]
            return torch.from_numpy(ends)

        source = both_directions(self.source, self.target)
        target = both_directions(self.target, self.source)
        return Adjacency.from_coo(source, target, len(self), self.max_bytes)

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, sorted; of multi-label data every single label."""
        if self.labels is None or self.kind == "numeric":
            return ()
        given = self.labels[self.label_mask]
        if self.kind == "multi_label":
            return tuple(sorted({name for text in given for name in text.split("|")}))
        return tuple(sorted(set(given)))

    def with_task(self, task: Task) -> "GraphTable":
        """Return the graph with the same labels parsed for another task."""
        return with_task(self, self.ids.tolist(), task)

    def replace(self, **changes: Any) -> "GraphTable":
        """Return a copy with changed fields, as `dataclasses.replace`."""
        return replace(self, **changes)
