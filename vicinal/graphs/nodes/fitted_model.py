"""What NodeClassifier and NodeRegressor find in `fit`, and its file format.

The graph is part of the model: a node is predicted from its neighbourhood.
"""

import math
from dataclasses import dataclass, field
from typing import Any, Self, cast

import numpy as np
import torch

from vicinal.core.data.splits import TEST
from vicinal.core.estimators.labels import decode_targets, usable_rows
from vicinal.core.estimators.model_files import (
    FLOATS,
    TensorOf,
    check_rows,
    check_tensors,
    decode_names,
    encode_names,
    head_tensors,
    network_tensors,
    restore_head,
    restore_network,
)
from vicinal.core.estimators.supervised_model import SHARED, TEMPERATURE, FittedModel
from vicinal.core.objective import Objective
from vicinal.core.storage.checkpoint import Tensors, with_prefix
from vicinal.core.storage.schema import (
    Flag,
    Integer,
    ListOf,
    Nullable,
    Number,
    Object,
    Text,
)
from vicinal.graphs.data.encoder_schema import ENCODER, num_features, read_encoder
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.node_features import FeatureEncoder
from vicinal.graphs.nodes.labelled_graph import LabelledGraph
from vicinal.graphs.nodes.networks import (
    CONFIG,
    NETWORKS,
    NetworkConfig,
    NodeNetwork,
    build_network,
)
from vicinal.graphs.nodes.propagated_features import (
    FEATURE_SETS,
    PropagatedLinearModel,
    num_propagated,
)
from vicinal.graphs.settings import NodeSettings

LINEAR_MODELS = "linear", "linear_with_features", "features_only"
"""linear models in the model file"""


_LINEAR = {
    "feature_set": Text(tuple(FEATURE_SETS)),
    "smoothing": Number(0, 1),
    "penalty": Number(0),
    "loss": Nullable(Number()),
}
LINEAR = Object(_LINEAR)
WITHOUT_LABELS = Object(
    _LINEAR
    | {"feature_set": Text(tuple(k for k in FEATURE_SETS if k != "label_propagation"))}
)
"""a model for other graphs, whose nodes have no labels"""

FEATURES_ONLY = Object(
    _LINEAR | {"feature_set": Text(("features",)), "smoothing": Number(0, 0)}
)
"""a model that sees no edges"""

NETWORK = Object({"name": Text(tuple(NETWORKS)), "heads": Integer(1), **CONFIG})
SCHEMA = Object(
    {
        **SHARED,
        "feature_encoder": ENCODER,
        "directed": Flag(),
        "network": Nullable(NETWORK),
        "network_name": Text(),
        "num_neighbors": Nullable(ListOf(Integer(1), 1)),
        "ensemble_size": Integer(),
        "mixture_temperatures": Nullable(ListOf(TEMPERATURE, 2, 2)),
        "linear": LINEAR,
        "linear_with_features": Nullable(WITHOUT_LABELS),
        "features_only": FEATURES_ONLY,
    },
    more=True,
)
"""schema of model.json"""


def memory_limit(settings: NodeSettings) -> float:
    """Return the largest array in memory, in bytes: a quarter of --memory."""
    return 1e9 * settings.memory / 4


@dataclass(frozen=True, kw_only=True)
class FittedNodeModel(FittedModel):
    """A graph, and the models that predict its nodes."""

    schema = SCHEMA

    feature_encoder: FeatureEncoder
    graph: GraphTable
    labelled_graph: LabelledGraph
    """the same graph as tensors, with the labels of the train split"""

    split: np.ndarray
    """[N] train, val, test, or nothing for each node"""

    linear_candidates: list[PropagatedLinearModel] = field(default_factory=list)
    """the best linear model on each set of features; none after loading"""

    linear: PropagatedLinearModel
    """the linear baseline"""

    linear_with_features: PropagatedLinearModel | None
    """the best linear model that needs no labels around a node: for other graphs"""

    features_only: PropagatedLinearModel
    """the linear model that sees no edges, a baseline"""

    networks: list[NodeNetwork] | None = None
    """the ensemble that predicts; None: `linear` does"""

    mixture_temperatures: tuple[float, float] | None = None
    """temperatures of `linear` and of the networks, where their mean predicts"""

    network_name: str = "none"
    """kind of network that is trained"""

    num_neighbors: tuple[int, ...] | None = None
    """neighbours sampled per layer; None: full-batch training"""

    def to_files(self) -> tuple[dict[str, Any], Tensors]:
        """Return what model.json and model.safetensors hold."""
        networks = self.networks or []
        mixture = self.mixture_temperatures
        description: dict[str, Any] = {
            **self.shared_description(),
            "feature_encoder": self.feature_encoder.to_dict(),
            "directed": self.graph.directed,
            "network": networks[0].description if networks else None,
            "network_name": self.network_name,
            "num_neighbors": self.num_neighbors and list(self.num_neighbors),
            "ensemble_size": len(networks),
            "mixture_temperatures": mixture and list(mixture),
        }
        tensors = self._graph_tensors()
        for name in LINEAR_MODELS:
            model = getattr(self, name)
            description[name] = model and model.to_dict()
            if model is not None:
                tensors |= head_tensors(name, model.head)
        for k, network in enumerate(networks):
            tensors |= network_tensors(network, f"network.{k}")
        return description, tensors

    def _graph_tensors(self) -> Tensors:
        table, known = self.graph, self.labelled_graph
        tensors = {
            "graph.ids": encode_names(table.ids),
            "graph.source": torch.from_numpy(table.source),
            "graph.target": torch.from_numpy(table.target),
            "graph.x": known.x.contiguous(),
            "graph.y": torch.from_numpy(known.y),
            "graph.train_mask": torch.from_numpy(known.train_mask),
            "graph.test_mask": torch.from_numpy(self.split == TEST),
            "graph.label_mask": torch.from_numpy(usable_rows(table, self.objective)),
        }
        if table.weight is not None:
            tensors["graph.weight"] = torch.from_numpy(table.weight)
        return tensors

    @classmethod
    def from_files(
        cls, description: dict[str, Any], tensors: Tensors, settings: NodeSettings
    ) -> Self:
        """Return the model that `to_files` described."""
        shared = cls.shared_fields(description)
        objective = shared["objective"]
        encoder = read_encoder(description["feature_encoder"])
        graph = with_prefix("graph", tensors)
        _check_graph(graph, objective, encoder)
        table = _restore_table(
            graph, objective, description["directed"], memory_limit(settings)
        )
        known = LabelledGraph(
            graph["x"],
            table.adjacency,
            table.edge_weight,
            graph["y"].numpy(),
            graph["train_mask"].numpy(),
        )
        linear = {
            name: _restore_linear(name, description[name], tensors, known, objective)
            for name in LINEAR_MODELS
        }
        networks, config = [], description["network"]
        for k in range(description["ensemble_size"]):
            networks.append(_restore_network(k, config, tensors, known, objective))
        mixture, neighbors = (
            description[name] and tuple(description[name])
            for name in ("mixture_temperatures", "num_neighbors")
        )
        return cls(
            **shared,
            **cast(Any, linear),
            feature_encoder=encoder,
            graph=table,
            labelled_graph=known,
            split=np.where(graph["test_mask"].numpy(), TEST, ""),
            networks=networks or None,
            mixture_temperatures=mixture,
            network_name=description["network_name"],
            num_neighbors=neighbors,
        )


def _check_graph(
    tensors: Tensors, objective: Objective, encoder: FeatureEncoder
) -> None:
    """Raise ValueError unless these are the tensors of one graph and its labels."""
    int64, boolean = (torch.int64,), (torch.bool,)
    single, many = objective.kind == "single_label", objective.kind == "multi_label"
    expected = {
        "source": TensorOf(int64, ("edges",)),
        "target": TensorOf(int64, ("edges",)),
        "x": TensorOf((torch.float32,), ("nodes", "features")),
        "y": TensorOf(
            int64 if single else FLOATS,
            ("nodes", objective.outputs) if many else ("nodes",),
        ),
        "weight": TensorOf(FLOATS, ("edges",)),
        **{
            name: TensorOf(boolean, ("nodes",))
            for name in ("train_mask", "test_mask", "label_mask")
        },
    }
    if "weight" not in tensors:
        del expected["weight"]
    # nodes without features have those of their degrees
    sizes = check_tensors(tensors, expected, features=num_features(encoder) or 3)
    for name in ("source", "target"):
        check_rows(name, tensors[name].numpy(), sizes["nodes"])
    if single:
        labelled = tensors["label_mask"] | tensors["train_mask"]
        check_rows("y", tensors["y"][labelled].numpy(), objective.outputs)
    if bool((tensors.get("weight", torch.empty(0)) < 0).any()):
        raise ValueError("an edge weight is negative")


def _restore_network(
    number: int,
    config: dict[str, Any] | None,
    tensors: Tensors,
    known: LabelledGraph,
    objective: Objective,
) -> NodeNetwork:
    """Return one network of the ensemble; ValueError where it is not for this graph."""
    config = dict(config or {})
    name = config.pop("name", "")
    sizes = NetworkConfig(**config)
    if (sizes.features, sizes.outputs) != (known.x.shape[1], objective.outputs):
        raise ValueError("the network has other features or classes than the graph")
    return restore_network(
        lambda: build_network(name, sizes), tensors, f"network.{number}"
    )


def _restore_table(
    tensors: Tensors, objective: Objective, directed: bool, max_bytes: float
) -> GraphTable:
    ids, weight = decode_names("ids", tensors), tensors.get("weight")
    mask = tensors["label_mask"].numpy()
    if len(ids) != len(mask):
        raise ValueError(f"there are {len(ids):,} ids of {len(mask):,} nodes")
    labels = np.full(len(ids), None, dtype=object)
    if mask.any():
        known = decode_targets(objective, tensors["y"].numpy()[mask])
        labels[mask] = np.array(known, dtype=object)
    return GraphTable(
        ids=ids,
        source=tensors["source"].numpy(),
        target=tensors["target"].numpy(),
        directed=directed,
        weight=None if weight is None else weight.numpy(),
        labels=labels,
        kind=objective.kind,
        max_bytes=max_bytes,
    )


def _restore_linear(
    name: str,
    description: dict[str, Any] | None,
    tensors: Tensors,
    known: LabelledGraph,
    objective: Objective,
) -> PropagatedLinearModel | None:
    if description is None:
        return None
    feature_set = description["feature_set"]
    width = num_propagated(feature_set, known.x.shape[1])
    head = restore_head(name, tensors, description["penalty"], width, objective.outputs)
    loss = math.nan if description["loss"] is None else description["loss"]
    return PropagatedLinearModel(
        feature_set, head, description["smoothing"], objective, loss
    )
