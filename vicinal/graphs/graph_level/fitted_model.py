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
from vicinal.core.estimators.supervised_model import FittedModel
from vicinal.core.storage.checkpoint import Tensors, with_prefix
from vicinal.graphs.data.graph_collection import GraphCollection
from vicinal.graphs.data.node_features import FeatureEncoder
from vicinal.graphs.graph_level.graph_features import BatchedGraphs, GraphLinearModel
from vicinal.graphs.graph_level.labelled_graphs import (
    LabelledGraphs,
    restore_split,
    split_tensors,
)
from vicinal.graphs.graph_level.networks import GraphLevelConfig, GraphLevelNetwork


@dataclass(frozen=True, kw_only=True)
class FittedGraphModel(FittedModel):
    """What GraphClassifier and GraphRegressor find in `fit`."""

    feature_encoder: FeatureEncoder
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
        candidates = [
            GraphLinearModel(
                linear["feature_set"],
                restore_head(f"linear.{k}", tensors, linear["penalty"]),
                shared["objective"],
                linear["loss"],
            )
            for k, linear in enumerate(description["linear_candidates"])
        ]
        network, config = None, description["network"]
        if config is not None:
            network = GraphLevelNetwork(GraphLevelConfig(**config))
            restore_network(network, tensors)
        return cls(
            **shared,
            feature_encoder=FeatureEncoder.from_dict(description["feature_encoder"]),
            linear_candidates=candidates,
            linear=candidates[description["linear"]],
            network=network,
            split=np.array([], dtype="U5"),
            test=restore_split(with_prefix("test", tensors)),
        )
