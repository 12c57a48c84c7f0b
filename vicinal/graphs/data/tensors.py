"""A graph as tensors, with the field's names; many graphs as one.

`Graph` and `GraphBatch` hold what PyG's `Data` and `Batch` hold, under the same names,
in a tuple: nothing is hidden in it and nothing changes.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vicinal.errors import DataError, NoDataError


class Graph(NamedTuple):
    """One graph of N nodes and E edges."""

    x: Tensor
    """[N, F] float32: features of the nodes; F may be 0"""

    edge_index: Tensor
    """[2, E] int64: where each edge comes from, and where it leads to. An edge without
    a direction is here twice, once each way"""

    edge_weight: Tensor | None = None
    """[E] float32: how much each edge counts; None: all alike"""

    edge_attr: Tensor | None = None
    """[E, D] float32: features of the edges"""

    y: Tensor | None = None
    """[N] of the nodes, or one number of the graph: class rows or amounts"""

    train_mask: Tensor | None = None
    val_mask: Tensor | None = None
    test_mask: Tensor | None = None
    """[N] bool: nodes that are learned from, chosen by, held out"""

    @property
    def num_nodes(self) -> int:
        return len(self.x)

    @property
    def num_edges(self) -> int:
        return self.edge_index.shape[1]


class GraphBatch(NamedTuple):
    """Graphs side by side as one: no edge leads from one into another."""

    x: Tensor
    """[N, F] of the nodes of all graphs"""

    edge_index: Tensor
    """[2, E], in rows of x"""

    batch: Tensor
    """[N] int64: the graph that each node is of"""

    num_graphs: int

    edge_weight: Tensor | None = None
    edge_attr: Tensor | None = None
    """[E] and [E, D], of all graphs or of none"""

    y: Tensor | None = None
    """[G, ...]: of the graphs one below the other"""


def batched(graphs: Sequence[Graph]) -> GraphBatch:
    """Several graphs as one.

    NoDataError for none, DataError where some have features of edges, weights or
    targets and others have not.
    """
    if not graphs:
        raise NoDataError("A batch of no graphs was asked for. Give one or more.")
    starts, count = [], 0
    for graph in graphs:
        starts.append(count)
        count += graph.num_nodes
    own = torch.tensor([graph.num_nodes for graph in graphs])
    shifted = (g.edge_index + start for g, start in zip(graphs, starts, strict=True))
    return GraphBatch(
        x=torch.cat([graph.x for graph in graphs]),
        edge_index=torch.cat(list(shifted), dim=1),
        batch=torch.arange(len(graphs)).repeat_interleave(own),
        num_graphs=len(graphs),
        edge_weight=_all_or_none(graphs, "edge_weight"),
        edge_attr=_all_or_none(graphs, "edge_attr"),
        y=_all_or_none(graphs, "y", stack=True),
    )


def _all_or_none(graphs: Sequence[Graph], name: str, stack: bool = False) -> Any:
    given = [part for graph in graphs if (part := getattr(graph, name)) is not None]
    if not given:
        return None
    if len(given) < len(graphs):
        raise DataError(
            f"{len(given)} of {len(graphs)} graphs have {name}, where all or none were "
            "wanted. Add it to the others, or leave it out."
        )
    return torch.stack(given) if stack else torch.cat(given)
