"""What LinkPredictor finds in `fit`, and its file format; the graph is part of it."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from vicinal.core.estimators.model_files import (
    decode_names,
    encode_names,
    head_tensors,
    network_tensors,
    restore_head,
    restore_network,
)
from vicinal.core.estimators.supervised_model import FittedModel
from vicinal.core.storage.checkpoint import Tensors
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.node_features import FeatureEncoder, features_or_degrees
from vicinal.graphs.links.features import (
    FEATURE_NAMES,
    RELATION_FEATURE_NAMES,
    PairFeatures,
    pair_features,
    relation_pair_features,
)
from vicinal.graphs.links.linear_model import PairLinearModel
from vicinal.graphs.links.networks import LinkNetwork, LinkNetworkConfig
from vicinal.graphs.links.split import LinkSplit


@dataclass(frozen=True, kw_only=True)
class FittedLinkModel(FittedModel):
    """A graph, and the models that predict its edges."""

    graph: GraphTable
    feature_encoder: FeatureEncoder
    node_features: np.ndarray | None
    """[N, F] rows of length 1; None: nodes have no features"""

    split: LinkSplit
    linear: PairLinearModel
    network: LinkNetwork | None = None
    """the network that predicts; None: `linear` does"""

    @property
    def relations(self) -> tuple[str, ...]:
        """Return the names of the relations; none: all edges are of one kind."""
        return self.graph.relations

    @property
    def classes(self) -> np.ndarray:
        raise AttributeError("LinkPredictor predicts probabilities of an edge")

    def held_out(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the pairs of the val or test split [P, 2 or 3], and targets [P]."""
        edges = getattr(self.split, name)
        negatives = getattr(self.split, f"{name}_negatives")
        targets = np.repeat([1, 0], [len(edges), len(negatives)])
        return np.concatenate([edges, negatives]), targets

    def node_inputs(self) -> Tensor:
        """Return the node features [N, F] that networks see."""
        x = self.feature_encoder.transform(self.graph.features, len(self.graph))
        return features_or_degrees(torch.from_numpy(x), self.graph.adjacency)

    def pair_features(self, pairs: np.ndarray) -> PairFeatures:
        """Return the features of pairs in the graph of the training edges."""
        train = self.split.train
        return features_of_pairs(self.graph, self.node_features, train, pairs)

    def linear_logits(self, pairs: np.ndarray) -> Tensor:
        """Return logits [P, 2] of the linear baseline."""
        return self.linear.logits(self.pair_features(pairs).features)

    def feature_contributions(
        self, pair: np.ndarray
    ) -> tuple[float, list[tuple[str, float, float]]]:
        """Return the base of a pair's log-odds, and (name, value, term) of features.

        pair: [1, 2 or 3]. Their sum is the log-odds before calibration.
        """
        features = self.pair_features(pair).features[0]
        names = list(FEATURE_NAMES)
        names = names if self.node_features is not None else names[:-1]
        names += RELATION_FEATURE_NAMES if self.relations else ()
        values = features.tolist()
        if self.linear.products:
            i, j = np.triu_indices(len(names))
            names += [f"{names[a]} x {names[b]}" for a, b in zip(i, j, strict=True)]
            values += (features[i] * features[j]).tolist()
        base, terms = self.linear.contributions(features[None])
        return base, list(zip(names, values, terms[0].tolist(), strict=True))

    def to_files(self) -> tuple[dict[str, Any], Tensors]:
        """Return what model.json and model.safetensors hold."""
        graph, network, linear = self.graph, self.network, self.linear
        description = {
            **self.shared_description(),
            "linear": {"penalty": linear.head.penalty, "products": linear.products},
            "network": None if network is None else network.config._asdict(),
            "relations": list(self.relations),
        }
        arrays = {
            "graph.source": graph.source,
            "graph.target": graph.target,
            "graph.x": self.feature_encoder.transform(graph.features, len(graph)),
            "linear.mean": linear.mean,
            "linear.std": linear.std,
            **{f"split.{name}": pairs for name, pairs in vars(self.split).items()},
        }
        if graph.relation is not None:
            arrays["graph.relation"] = graph.relation
        tensors = {
            name: torch.from_numpy(np.ascontiguousarray(array))
            for name, array in arrays.items()
        }
        tensors["graph.ids"] = encode_names(graph.ids)
        tensors |= head_tensors("linear", linear.head)
        if network is not None:
            tensors |= network_tensors(network)
        return description, tensors

    @classmethod
    def from_files(
        cls, description: dict[str, Any], tensors: Tensors, settings: Any
    ) -> Self:
        """Return the model that `to_files` described."""
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        x, linear = arrays["graph.x"], description["linear"]
        graph = GraphTable(
            ids=decode_names(tensors["graph.ids"]),
            source=arrays["graph.source"],
            target=arrays["graph.target"],
            features=x if x.shape[1] else None,
            relation=arrays.get("graph.relation"),
            relations=tuple(description["relations"]),
        )
        # features are stored encoded, and are not to be encoded again
        encoder = FeatureEncoder(
            "unchanged" if x.shape[1] else "none", width=x.shape[1]
        )
        network, config = None, description["network"]
        if config is not None:
            network = LinkNetwork(LinkNetworkConfig(**config))
            restore_network(network, tensors)
        names = LinkSplit.__dataclass_fields__
        return cls(
            **cls.shared_fields(description),
            graph=graph,
            feature_encoder=encoder,
            node_features=normalized_features(graph, encoder),
            split=LinkSplit(**{name: arrays[f"split.{name}"] for name in names}),
            linear=PairLinearModel(
                arrays["linear.mean"],
                arrays["linear.std"],
                linear["products"],
                restore_head("linear", tensors, linear["penalty"]),
            ),
            network=network,
        )


def normalized_features(
    graph: GraphTable, encoder: FeatureEncoder
) -> np.ndarray | None:
    """Return encoded node features [N, F], rows of length 1; None without features."""
    x = encoder.transform(graph.features, len(graph)).astype(np.float64)
    if not x.shape[1]:
        return None
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(length > 0, length, 1)


def features_of_pairs(
    graph: GraphTable,
    node_features: np.ndarray | None,
    edges: np.ndarray,
    pairs: np.ndarray,
) -> PairFeatures:
    """Return the features of pairs, where the graph has only these edges."""
    compute = relation_pair_features if graph.relations else pair_features
    return compute(len(graph), edges, pairs, node_features)
