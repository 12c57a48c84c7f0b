"""The part of a graph that what is said of some nodes rests on, and no more.

What L layers say of a node depends on the nodes from which at most L edges lead to it.
A GCN divides by degrees as well, and those of the outermost nodes are only right with
one ring more around them: so the field has L + 1 rings, and all edges among its nodes.
"""

from typing import NamedTuple

import numpy as np
import torch

from vicinal.graphs.nodes.labelled_graph import LabelledGraph
from vicinal.graphs.sparse.adjacency import Adjacency


class ReceptiveField(NamedTuple):
    """A part of a graph."""

    known: LabelledGraph
    rows: np.ndarray
    """[R] where the nodes that were asked for are in it"""

    nodes: np.ndarray
    """[M] its nodes, as rows of the whole"""


def k_hop_nodes(graph: Adjacency, rows: np.ndarray, hops: int) -> np.ndarray:
    """Rows [M], in order, of the nodes from which so many edges or fewer lead there."""
    offsets = graph.incoming.offsets.numpy().astype(np.int64)
    sources = graph.incoming.sources.numpy()
    found = np.zeros(graph.num_nodes, bool)
    found[rows] = True
    front = np.unique(rows)
    for _ in range(hops):
        reached = sources[_spans(offsets[front], offsets[front + 1])]
        front = np.unique(reached[~found[reached]])
        if not len(front):
            break
        found[front] = True
    return np.flatnonzero(found)


def _spans(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """start, start + 1 ... end - 1 of each span, one after the other."""
    lengths = ends - starts
    total = int(lengths.sum())
    shift = np.repeat(starts - np.concatenate([[0], lengths.cumsum()[:-1]]), lengths)
    return np.arange(total) + shift


def field_of(known: LabelledGraph, rows: np.ndarray, hops: int) -> ReceptiveField:
    """What is known within so many hops, and one more, of some nodes."""
    graph = known.graph
    nodes = k_hop_nodes(graph, rows, hops + 1)
    if len(nodes) == graph.num_nodes:
        return ReceptiveField(known, rows, nodes)
    incoming = graph.incoming
    place = np.full(graph.num_nodes, -1)
    place[nodes] = np.arange(len(nodes))
    offsets = incoming.offsets.numpy().astype(np.int64)
    edges = _spans(offsets[nodes], offsets[nodes + 1])
    sources = place[incoming.sources.numpy()[edges]]
    targets = np.repeat(np.arange(len(nodes)), np.diff(offsets)[nodes])
    inside = sources >= 0
    ends = torch.from_numpy(np.stack([sources[inside], targets[inside]]))
    weight = None
    if known.weight is not None:
        weight = known.weight[incoming.edges.numpy()[edges[inside]]]
    part = LabelledGraph(
        known.x[nodes],
        Adjacency.of(ends, len(nodes)),
        weight,
        known.y[nodes],
        known.train_mask[nodes],
    )
    return ReceptiveField(part, place[rows], nodes)
