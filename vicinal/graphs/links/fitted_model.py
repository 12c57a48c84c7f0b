"""What LinkPredictor finds in `fit`, and its file format; the graph is part of it."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

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
from vicinal.core.estimators.supervised_model import SHARED, FittedModel
from vicinal.core.objective import Objective
from vicinal.core.storage.checkpoint import Tensors
from vicinal.core.storage.schema import Flag, ListOf, Nullable, Number, Object, Text
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
from vicinal.graphs.links.networks import CONFIG, LinkNetwork, LinkNetworkConfig
from vicinal.graphs.links.split import LinkSplit

SCHEMA = Object(
    {
        **SHARED,
        "linear": Object({"penalty": Number(0), "products": Flag()}),
        "network": Nullable(CONFIG),
        "relations": ListOf(Text(), unique=True),
    },
    {"end_columns": Nullable(ListOf(Text(), 2, 2))},
    more=True,
)
"""schema of model.json"""


@dataclass(frozen=True, kw_only=True)
class FittedLinkModel(FittedModel):
    """A graph, and the models that predict its edges."""

    schema = SCHEMA
    has_constant_baseline = False

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
        names = _feature_names(self.node_features is not None, self.relations)
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
            "end_columns": graph.end_columns and list(graph.end_columns),
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
        if graph.sides is not None:
            arrays["graph.sides"] = graph.sides
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
        shared, linear = cls.shared_fields(description), description["linear"]
        _check_pairs(tensors, description["relations"], shared["objective"])
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        x, columns = arrays["graph.x"], description.get("end_columns")
        graph = GraphTable(
            ids=decode_names("graph.ids", tensors),
            source=arrays["graph.source"],
            target=arrays["graph.target"],
            features=x if x.shape[1] else None,
            relation=arrays.get("graph.relation"),
            relations=tuple(description["relations"]),
            sides=arrays.get("graph.sides"),
            end_columns=columns and (columns[0], columns[1]),
        )
        # features are stored encoded, and are not to be encoded again
        encoder = FeatureEncoder(
            "unchanged" if x.shape[1] else "none", width=x.shape[1]
        )
        network = None
        if description["network"] is not None:
            config = LinkNetworkConfig(**description["network"])
            own = len(graph), x.shape[1] or 3, len(graph.relations)
            if own != (config.num_nodes, config.features, config.num_relations):
                raise ValueError("the network is not one for this graph")
            network = restore_network(lambda: LinkNetwork(config), tensors)
        names = LinkSplit.__dataclass_fields__
        width = len(_feature_names(x.shape[1] > 0, graph.relations))
        width += width * (width + 1) // 2 if linear["products"] else 0
        return cls(
            **shared,
            graph=graph,
            feature_encoder=encoder,
            node_features=normalized_features(graph, encoder),
            split=LinkSplit(**{name: arrays[f"split.{name}"] for name in names}),
            linear=PairLinearModel(
                arrays["linear.mean"],
                arrays["linear.std"],
                linear["products"],
                restore_head("linear", tensors, linear["penalty"], width, 2),
            ),
            network=network,
        )


def _feature_names(with_features: bool, relations: tuple[str, ...]) -> list[str]:
    """Return the names of the features of a pair."""
    names = FEATURE_NAMES if with_features else FEATURE_NAMES[:-1]
    return [*names, *(RELATION_FEATURE_NAMES if relations else ())]


def _check_pairs(tensors: Tensors, relations: list[str], objective: Objective) -> None:
    """Raise ValueError unless these are the tensors of one graph and its pairs."""
    whole, columns = (torch.int64,), 3 if relations else 2
    expected = {
        "graph.source": TensorOf(whole, ("edges",)),
        "graph.target": TensorOf(whole, ("edges",)),
        "graph.x": TensorOf((torch.float32,), ("nodes", "features")),
        "graph.relation": TensorOf(whole, ("edges",)),
        **{
            f"split.{name}": TensorOf(whole, (name, columns))
            for name in LinkSplit.__dataclass_fields__
        },
    }
    if not relations:
        del expected["graph.relation"]
    nodes = check_tensors(tensors, expected)["nodes"]
    for name in ("graph.source", "graph.target"):
        check_rows(name, tensors[name].numpy(), nodes)
    for name in LinkSplit.__dataclass_fields__:
        pairs = tensors[f"split.{name}"].numpy()
        check_rows(f"split.{name}", pairs[:, :2], nodes)
        check_rows(f"split.{name}", pairs[:, 2:], len(relations))
    if relations:
        relation = tensors["graph.relation"].numpy()
        check_rows("graph.relation", relation, len(relations))
    with_features = tensors["graph.x"].shape[1] > 0
    width = len(_feature_names(with_features, tuple(relations)))
    moments = TensorOf(FLOATS, (width,))
    check_tensors(tensors, {"linear.mean": moments, "linear.std": moments})
    ids = decode_names("graph.ids", tensors)
    if len(ids) != nodes or objective.outputs != 2:
        raise ValueError("the ids or classes are not those of the graph")
    if not bool((tensors["linear.std"] > 0).all()):
        raise ValueError("linear.std must be above 0")
    if "graph.sides" in tensors:
        _check_sides(tensors, nodes)


def _check_sides(tensors: Tensors, nodes: int) -> None:
    """Raise ValueError unless every edge connects side 0 with side 1.

    A node without edges has side -1; self-loops do not count.
    """
    check_tensors(tensors, {"graph.sides": TensorOf((torch.int8,), (nodes,))})
    sides = tensors["graph.sides"].numpy()
    if not np.isin(sides, (-1, 0, 1)).all():
        raise ValueError("graph.sides must be -1, 0 or 1 for each node")
    graph = np.stack([tensors[f"graph.{end}"].numpy() for end in ("source", "target")])
    names = LinkSplit.__dataclass_fields__
    pairs = [tensors[f"split.{name}"].numpy()[:, :2].T for name in names]
    ends = np.concatenate([graph, *pairs], axis=1)
    u, v = sides[ends[:, ends[0] != ends[1]]]
    if (u + v != 1).any():
        raise ValueError("graph.sides must differ at the ends of every edge")


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
