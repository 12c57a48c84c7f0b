"""BatchedGraphs as tensors with targets: encoding, splitting, mini-batches, files."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vicinal.core.data.splits import split_labelled
from vicinal.core.estimators.model_files import (
    FLOATS,
    TensorOf,
    check_rows,
    check_tensors,
    decode_names,
    encode_names,
)
from vicinal.core.objective import Objective
from vicinal.core.storage.checkpoint import Tensors
from vicinal.core.training.row_loader import RowLoader
from vicinal.graphs.data.encoder_schema import num_features
from vicinal.graphs.data.graph_collection import GraphCollection
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.node_features import FeatureEncoder
from vicinal.graphs.graph_level.graph_features import BatchedGraphs


def graph_loader(
    rows: np.ndarray, y: Tensor, edges: np.ndarray, per_batch: int, seed: int
) -> RowLoader:
    """Return mini-batches of graphs with about `per_batch` edges each.

    rows: [R] graphs. y: [R] or [R, K] targets. edges: [R] edges of each graph.
    """
    steps = max(1, round(float(edges.sum()) / per_batch))
    return RowLoader(rows, y, edges + 1, steps, seed)  # a graph without edges counts


class LabelledGraphs(NamedTuple):
    """BatchedGraphs with encoded features and labels."""

    names: np.ndarray
    graphs: BatchedGraphs
    y: np.ndarray
    """[G] or [G, K] targets"""


def encode_graphs(
    data: GraphCollection, encoder: FeatureEncoder, edge_encoder: FeatureEncoder
) -> BatchedGraphs:
    """Return graphs as tensors; a node without features has the feature 1.

    Raises DataError for features that lack columns of the training graphs.
    """
    nodes = data.nodes
    x = torch.from_numpy(encoder.transform(nodes.features, len(nodes)))
    x = x if x.shape[1] else torch.ones(len(nodes), 1)
    edge_attr = None
    if num_features(edge_encoder):
        edge_attr = nodes.in_both_directions(
            edge_encoder.transform(nodes.edge_features, nodes.num_edges, unit="edge")
        )
    batch = torch.from_numpy(data.batch)
    return BatchedGraphs(x, nodes.adjacency, batch, len(data), edge_attr)


def split_graphs(
    data: GraphCollection, val: float, test: float, seed: int
) -> np.ndarray:
    """Return train, val, test, or nothing for each graph [G].

    The user's own split is kept; what it lacks is taken from its train split.
    """
    classes = data.labels if data.kind == "single_label" else None
    return split_labelled(
        data.label_mask, data.split, classes, val=val, test=test, seed=seed
    )


def split_tensors(test: LabelledGraphs) -> Tensors:
    """Return the test split as tensors: features, edges, targets and names."""
    incoming, edge_attr = test.graphs.adjacency.incoming, test.graphs.edge_attr
    edges = {}
    if edge_attr is not None:
        edges = {"test.edge_attr": edge_attr[incoming.edge_ids.long()].contiguous()}
    return {
        **edges,
        "test.x": test.graphs.x.contiguous(),
        "test.sources": incoming.indices.contiguous(),
        "test.targets": incoming.row_indices.contiguous(),
        "test.batch": test.graphs.batch.contiguous(),
        "test.y": torch.from_numpy(np.ascontiguousarray(test.y)),
        "test.names": encode_names(test.names),
    }


def restore_split(
    tensors: Tensors, objective: Objective, features: int, edge_features: int = 0
) -> LabelledGraphs:
    """Return the test split that `split_tensors` wrote.

    features, edge_features: of each node, and of each edge.

    ValueError for tensors that are not those of graphs with such labels.
    """
    whole, single = (torch.int32, torch.int64), objective.kind == "single_label"
    many = objective.kind == "multi_label"
    expected = {
        "x": TensorOf((torch.float32,), ("nodes", features)),
        "sources": TensorOf(whole, ("edges",)),
        "targets": TensorOf(whole, ("edges",)),
        "batch": TensorOf((torch.int64,), ("nodes",)),
        "y": TensorOf(
            (torch.int64,) if single else FLOATS,
            ("graphs", objective.outputs) if many else ("graphs",),
        ),
    }
    if edge_features:
        shape = ("edges", edge_features)
        expected["edge_attr"] = TensorOf((torch.float32,), shape)
    sizes = check_tensors(tensors, expected)
    y, x = tensors["y"].numpy(), tensors["x"]
    names = decode_names("names", tensors) if len(y) else np.array([], dtype=object)
    for name in ("sources", "targets"):
        check_rows(name, tensors[name].numpy(), sizes["nodes"])
    check_rows("batch", tensors["batch"].numpy(), len(y))
    if single:
        check_rows("y", y, objective.outputs)
    if len(names) != len(y) or bool((tensors["batch"].diff() < 0).any()):
        raise ValueError("the names or nodes of the test graphs are damaged")
    graph = GraphTable(
        ids=np.arange(len(x)).astype(str).astype(object),
        source=tensors["sources"].numpy().astype(np.int64),
        target=tensors["targets"].numpy().astype(np.int64),
        directed=True,
    ).adjacency
    graphs = BatchedGraphs(x, graph, tensors["batch"], len(y), tensors.get("edge_attr"))
    return LabelledGraphs(names, graphs, y)
