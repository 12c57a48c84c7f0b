"""What GraphClassifier and GraphRegressor find in `fit`, and its file format."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from vicinal.core.estimators.model_files import (
    head_tensors,
    network_tensors,
    restore_head,
    restore_network,
)
from vicinal.core.estimators.supervised_model import SHARED, FittedModel
from vicinal.core.storage.checkpoint import Tensors, with_prefix
from vicinal.core.storage.schema import Integer, ListOf, Nullable, Number, Object, Text
from vicinal.graphs.data.encoder_schema import ENCODER, num_features, read_encoder
from vicinal.graphs.data.graph_collection import GraphCollection
from vicinal.graphs.data.node_features import FeatureEncoder
from vicinal.graphs.graph_level.graph_features import (
    FEATURE_SETS,
    BatchedGraphs,
    GraphLinearModel,
    num_graph_features,
)
from vicinal.graphs.graph_level.labelled_graphs import (
    LabelledGraphs,
    restore_split,
    split_tensors,
)
from vicinal.graphs.graph_level.networks import (
    CONFIG,
    GraphLevelConfig,
    GraphLevelNetwork,
)

SCHEMA = Object(
    {
        **SHARED,
        "feature_encoder": ENCODER,
        "linear_candidates": ListOf(
            Object(
                {
                    "feature_set": Text(tuple(FEATURE_SETS)),
                    "penalty": Number(0),
                    "loss": Nullable(Number()),
                }
            ),
            1,
        ),
        "linear": Integer(),
        "network": Nullable(CONFIG),
    },
    {"edge_encoder": ENCODER},
    more=True,
)
"""schema of model.json"""


@dataclass(frozen=True, kw_only=True)
class FittedGraphModel(FittedModel):
    """What GraphClassifier and GraphRegressor find in `fit`."""

    schema = SCHEMA

    feature_encoder: FeatureEncoder
    edge_encoder: FeatureEncoder
    """of the features of edges"""

    linear_candidates: list[GraphLinearModel]
    """best linear model on each set of graph features; the first sees no edges"""

    linear: GraphLinearModel
    network: GraphLevelNetwork | None = None
    """the network that predicts; None: `linear` does"""

    split: np.ndarray
    """[G] train, val, test, or nothing, of the graphs that `fit` was given"""

    data: GraphCollection | None = None
    graphs: BatchedGraphs | None = None
    y: np.ndarray | None = None
    """the graphs that `fit` was given, as tensors, and their targets; None after
    loading"""

    test: LabelledGraphs
    """the graphs of the test split"""

    def to_files(self) -> tuple[dict[str, Any], Tensors]:
        """Return what model.json and model.safetensors hold."""
        network = self.network
        description = {
            **self.shared_description(),
            "feature_encoder": self.feature_encoder.to_dict(),
            "edge_encoder": self.edge_encoder.to_dict(),
            "linear_candidates": [model.to_dict() for model in self.linear_candidates],
            "linear": self.linear_candidates.index(self.linear),
            "network": None if network is None else network.config._asdict(),
        }
        tensors = split_tensors(self.test)
        for k, model in enumerate(self.linear_candidates):
            tensors |= head_tensors(f"linear.{k}", model.head)
        if network is not None:
            tensors |= network_tensors(network)
        return description, tensors

    @classmethod
    def from_files(
        cls, description: dict[str, Any], tensors: Tensors, settings: Any
    ) -> Self:
        """Return the model that `to_files` described."""
        shared = cls.shared_fields(description)
        objective = shared["objective"]
        encoder = read_encoder(description["feature_encoder"])
        features, edge_encoder = num_features(encoder) or 1, FeatureEncoder("none")
        if "edge_encoder" in description:
            edge_encoder = read_encoder(description["edge_encoder"])
        edge_features = num_features(edge_encoder)
        candidates = []
        for k, linear in enumerate(description["linear_candidates"]):
            name = linear["feature_set"]
            width = num_graph_features(name, features, edge_features)
            head = restore_head(
                f"linear.{k}", tensors, linear["penalty"], width, objective.outputs
            )
            values = linear["feature_set"], head, objective, linear["loss"]
            candidates.append(GraphLinearModel(*values))
        if description["linear"] >= len(candidates):
            raise ValueError(
                f"linear must be below {len(candidates)}, the number of linear "
                f"candidates. Got {description['linear']:,} instead"
            )
        network = None
        if description["network"] is not None:
            config = GraphLevelConfig(**description["network"])
            fits = (config.features, config.outputs) == (features, objective.outputs)
            if not fits or config.edge_features not in (0, edge_features):
                raise ValueError("the network has other features or classes")
            network = restore_network(lambda: GraphLevelNetwork(config), tensors)
        return cls(
            **shared,
            feature_encoder=encoder,
            edge_encoder=edge_encoder,
            linear_candidates=candidates,
            linear=candidates[description["linear"]],
            network=network,
            split=np.array([], dtype="U5"),
            test=restore_split(
                with_prefix("test", tensors), objective, features, edge_features
            ),
        )
