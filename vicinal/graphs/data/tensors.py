"""Graphs as tensors, with PyG's field names.

`Graph` and `GraphBatch` hold what PyG's `Data` and `Batch` hold, in immutable tuples.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vicinal.errors import DataError, NoDataError


class Graph(NamedTuple):
    """One graph with N nodes and E edges."""

    x: Tensor
    """[N, F] float32 node features; F may be 0"""

    edge_index: Tensor
    """[2, E] int64: sources, targets; undirected edges are listed in both directions"""

    edge_weight: Tensor | None = None
    """[E] float32; None: all 1"""

    edge_attr: Tensor | None = None
    """[E, D] float32 edge features"""

    y: Tensor | None = None
    """[N] node labels, or one graph label: class indices or numbers"""

    train_mask: Tensor | None = None
    val_mask: Tensor | None = None
    test_mask: Tensor | None = None
    """[N] bool each"""

    @property
    def num_nodes(self) -> int:
        return len(self.x)

    @property
    def num_edges(self) -> int:
        return self.edge_index.shape[1]


class GraphBatch(NamedTuple):
    """Several graphs as one disconnected graph."""

    x: Tensor
    """[N, F] features of the nodes of all graphs"""

    edge_index: Tensor
    """[2, E] rows of x"""

    batch: Tensor
    """[N] int64: the graph of each node"""

    num_graphs: int

    edge_weight: Tensor | None = None
    edge_attr: Tensor | None = None
    """[E] and [E, D]"""

    y: Tensor | None = None
    """[G, ...]: the labels of the graphs"""


def batch_graphs(graphs: Sequence[Graph]) -> GraphBatch:
    """Combine graphs into one batch.

    Raises NoDataError for an empty sequence, and DataError where only some graphs have
    edge features, edge weights or labels.
    """
    if not graphs:
        raise NoDataError("graphs must not be empty. Pass one or more graphs.")
    starts, count = [], 0
    for graph in graphs:
        starts.append(count)
        count += graph.num_nodes
    sizes = torch.tensor([graph.num_nodes for graph in graphs])
    shifted = (g.edge_index + start for g, start in zip(graphs, starts, strict=True))
    return GraphBatch(
        x=torch.cat([graph.x for graph in graphs]),
        edge_index=torch.cat(list(shifted), dim=1),
        batch=torch.arange(len(graphs)).repeat_interleave(sizes),
        num_graphs=len(graphs),
        edge_weight=_combine(graphs, "edge_weight"),
        edge_attr=_combine(graphs, "edge_attr"),
        y=_combine(graphs, "y", stack=True),
    )


def _combine(graphs: Sequence[Graph], name: str, stack: bool = False) -> Any:
    values = [value for graph in graphs if (value := getattr(graph, name)) is not None]
    if not values:
        return None
    if len(values) < len(graphs):
        raise DataError(
            f"Either all graphs must have {name}, or none. Got {len(values)} of "
            f"{len(graphs)}. Add it to the others, or leave it out."
        )
    return torch.stack(values) if stack else torch.cat(values)
