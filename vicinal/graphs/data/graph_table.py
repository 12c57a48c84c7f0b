"""A graph as its user has it: nodes with names, edges between them, what is known.

`GraphTable` is the one form that every source is read into; `read` has the sources.
"""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vicinal.core.data.labels import Kind
from vicinal.core.data.quarantine import Quarantined
from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.graphs.sparse.memmap import array


@dataclass(frozen=True)
class GraphTable:
    """N nodes and E edges. Rows of nodes are in the order in which they were given."""

    ids: np.ndarray
    """[N] the nodes' names, as texts"""

    source: np.ndarray
    target: np.ndarray
    """[E] int64 rows of ids: each edge once"""

    directed: bool = False
    """whether an edge leads one way only"""

    features: Any = None
    """of the nodes: a DataFrame [N rows], or a matrix [N, F], dense or scipy's sparse;
    None: there are none"""

    weight: np.ndarray | None = None
    """[E] float32, 0 or more"""

    relation: np.ndarray | None = None
    relations: tuple[str, ...] = ()
    """[E] the kind of each edge as a row of the kinds' names; None: of one kind. Two
    nodes are then joined once by each"""

    labels: np.ndarray | None = None
    """[N] names of classes, texts `a|b`, or numbers; None for a node without; None:
    there are none at all"""

    kind: Kind = "none"
    """what the labels are"""

    whole_numbers: bool = False
    """whether class names are whole numbers that the user gave as numbers"""

    split: np.ndarray | None = None
    """[N] train, val or test, where the user said so; empty where not"""

    groups: np.ndarray | None = None
    """[N] numbers of groups that the user gave: those of one stay on one side"""

    set_aside: list[Quarantined] = field(default_factory=list)
    """rows that cannot be used, with the reason"""

    notes: list[str] = field(default_factory=list)
    """what the user should know: loops, repeats, columns that are not used"""

    max_bytes: float = math.inf
    """bytes up to which an array of the adjacency is in memory"""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def num_edges(self) -> int:
        return len(self.source)

    @cached_property
    def labelled(self) -> np.ndarray:
        """[N] bool: nodes with a label."""
        if self.labels is None:
            return np.zeros(len(self), bool)
        return np.array([label is not None for label in self.labels], dtype=bool)

    @property
    def edge_index(self) -> Tensor:
        """[2, E'] as layers want it: an edge without a direction both ways, a loop
        once. Made when it is asked for: of a large graph it takes much room."""
        ends = np.stack([self.source, self.target])
        if not self.directed:
            own = self.source == self.target
            ends = np.concatenate([ends, ends[::-1, ~own]], axis=1)
        return torch.from_numpy(np.ascontiguousarray(ends))

    @cached_property
    def edge_weight(self) -> Tensor | None:
        """[E'], of the edges of `edge_index`."""
        if self.weight is None:
            return None
        weight = self.weight
        if not self.directed:
            weight = np.concatenate([weight, weight[self.source != self.target]])
        return torch.from_numpy(weight.astype(np.float32))

    @cached_property
    def adjacency(self) -> Adjacency:
        """The neighbours of each node; made once."""
        both_ways = np.zeros(self.num_edges, bool)
        if not self.directed:
            both_ways = self.source != self.target
        count = self.num_edges + int(both_ways.sum())

        def listed(own: np.ndarray, turned: np.ndarray) -> Tensor:
            made = array((count,), np.int32, self.max_bytes)
            made[: len(own)], made[len(own) :] = own, turned[both_ways]
            return torch.from_numpy(made)

        source = listed(self.source, self.target)
        target = listed(self.target, self.source)
        return Adjacency.between(source, target, len(self), self.max_bytes)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of classes, sorted; of several labels each one."""
        if self.labels is None or self.kind == "numeric":
            return ()
        given = self.labels[self.labelled]
        if self.kind == "multi_label":
            return tuple(sorted({name for text in given for name in text.split("|")}))
        return tuple(sorted(set(given)))

    @property
    def has_whole_numbers(self) -> bool:
        """Whether the labels are numbers, and all of them whole."""
        if self.labels is None or self.kind != "numeric":
            return False
        values = self.labels[self.labelled].astype(float)
        return bool((values == np.floor(values)).all())

    def naming_classes(self) -> "GraphTable":
        """The same graph, whose labels are whole numbers that name classes."""
        assert self.labels is not None
        names = np.full(len(self), None, dtype=object)
        own = self.labelled
        names[own] = self.labels[own].astype(np.int64).astype(str)
        return self.having(labels=names, kind="single_label", whole_numbers=True)

    def having(self, **changed: Any) -> "GraphTable":
        """The same graph with other labels, parts or notes."""
        return replace(self, **changed)
