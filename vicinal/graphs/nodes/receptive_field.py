"""The part of a graph that the prediction for some nodes depends on.

L layers depend on the nodes within L hops. GCN also divides by degrees, which for the
outermost nodes are only right with one more ring around them, so the receptive field
has L + 1 hops and all edges among its nodes.
"""

from typing import NamedTuple

import numpy as np
import torch

from vicinal.graphs.nodes.labelled_graph import LabelledGraph
from vicinal.graphs.sparse.adjacency import Adjacency


class ReceptiveField(NamedTuple):
    """A subgraph of M nodes around R target nodes."""

    labelled_graph: LabelledGraph
    rows: np.ndarray
    """[R] rows of the target nodes in the subgraph"""

    nodes: np.ndarray
    """[M] rows of its nodes in the whole graph"""


def k_hop_nodes(graph: Adjacency, rows: np.ndarray, hops: int) -> np.ndarray:
    """Return the k-hop neighbourhood of `rows`, including them: sorted rows [M]."""
    indptr = graph.incoming.indptr.numpy().astype(np.int64)
    sources = graph.incoming.indices.numpy()
    reached = np.zeros(graph.num_nodes, bool)
    reached[rows] = True
    frontier = np.unique(rows)
    for _ in range(hops):
        neighbors = sources[_spans(indptr[frontier], indptr[frontier + 1])]
        frontier = np.unique(neighbors[~reached[neighbors]])
        if not len(frontier):
            break
        reached[frontier] = True
    return np.flatnonzero(reached)


def _spans(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return start, start + 1, ..., end - 1 of each span, concatenated."""
    lengths = ends - starts
    total = int(lengths.sum())
    shift = np.repeat(starts - np.concatenate([[0], lengths.cumsum()[:-1]]), lengths)
    return np.arange(total) + shift


def extract_receptive_field(
    graph: LabelledGraph, rows: np.ndarray, hops: int
) -> ReceptiveField:
    """Return the subgraph within `hops` + 1 hops of `rows`."""
    adjacency = graph.adjacency
    nodes = k_hop_nodes(adjacency, rows, hops + 1)
    if len(nodes) == adjacency.num_nodes:
        return ReceptiveField(graph, rows, nodes)
    incoming = adjacency.incoming
    new_row = np.full(adjacency.num_nodes, -1)
    new_row[nodes] = np.arange(len(nodes))
    indptr = incoming.indptr.numpy().astype(np.int64)
    edges = _spans(indptr[nodes], indptr[nodes + 1])
    sources = new_row[incoming.indices.numpy()[edges]]
    targets = np.repeat(np.arange(len(nodes)), np.diff(indptr)[nodes])
    inside = sources >= 0
    edge_index = torch.from_numpy(np.stack([sources[inside], targets[inside]]))
    edge_weight = None
    if graph.edge_weight is not None:
        edge_weight = graph.edge_weight[incoming.edge_ids.numpy()[edges[inside]]]
    subgraph = LabelledGraph(
        graph.x[nodes],
        Adjacency.from_edge_index(edge_index, len(nodes)),
        edge_weight,
        graph.y[nodes],
        graph.train_mask[nodes],
    )
    return ReceptiveField(subgraph, new_row[rows], nodes)
