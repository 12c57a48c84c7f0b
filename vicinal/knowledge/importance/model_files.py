"""model.json and model.safetensors of a fitted model of importance."""

from typing import Any

import numpy as np
import torch

from vicinal.core.estimators.estimator import DESCRIPTION
from vicinal.core.estimators.model_files import (
    FLOATS,
    TensorOf,
    check_rows,
    check_tensors,
    decode_names,
    encode_names,
    network_tensors,
    restore_network,
)
from vicinal.core.storage.checkpoint import Tensors
from vicinal.core.storage.schema import (
    Flag,
    Integer,
    ListOf,
    Number,
    Object,
    Text,
)
from vicinal.knowledge.importance.features.graph_features import GraphFeatures
from vicinal.knowledge.importance.features.shared_labels import (
    NAMES as LABEL_FEATURES,
)
from vicinal.knowledge.importance.features.shared_labels import SharedLabels
from vicinal.knowledge.importance.fitting import TargetScale, Validation
from vicinal.knowledge.importance.models.boosting import FIELDS, LEAF, BoostedTrees
from vicinal.knowledge.importance.models.ridge import Penalties, Ridge
from vicinal.knowledge.importance.models.score_network import (
    NetworkConfig,
    ScoreNetwork,
)
from vicinal.knowledge.importance.models.stacked import (
    StackedModel,
    boosting_features,
)
from vicinal.knowledge.triple_graph import TripleGraph

MAX_SIZE, MAX_DEPTH = 1024, 1000
SCHEMA = Object(
    {
        **DESCRIPTION,
        "target_name": Text(),
        "is_log": Flag(),
        "scale_note": Text(),
        "models": ListOf(Text()),
        "weight": Number(0, 1),
        "penalties": ListOf(Number(0), 2, 2),
        "ridge_bias": Number(),
        "trees": Object({"baseline": Number(), "depth": Integer(0, MAX_DEPTH)}),
        "network": ListOf(Integer(1)),
        "network_scale": ListOf(Number(), 2, 2),
    },
    more=True,
)
"""schema of model.json"""

TYPES = {
    np.dtype(np.int32): torch.int32,
    np.dtype(np.float64): torch.float64,
}
RIDGE = ("mean", "scale", "low", "high", "weights", "fact_weights")


def to_files(model: Any) -> tuple[dict[str, Any], Tensors]:
    """Return what model.json and model.safetensors hold of a `FittedImportance`."""
    stack, validation = model.stack, model.validation
    trees, ridge = stack.trees, stack.ridge
    predictions = np.stack(list(validation.predictions.values()))
    arrays = {
        "triples": model.features.graph.triples,
        "target": model.target[model.labelled],
        "labelled": model.labelled,
        "basis": model.features.basis,
        "tree_roots": trees.roots,
        **{f"tree_{name}": getattr(trees, name) for name in FIELDS},
        **{f"ridge_{name}": getattr(ridge, name) for name in RIDGE},
        "validation_entities": validation.entities.astype(np.int64),
        "validation_labels": validation.labels,
        "validation_fold": validation.fold,
        "validation_predictions": predictions,
    }
    if model.attention is not None:
        arrays["attention"] = np.nan_to_num(model.attention, nan=-1.0)
    tensors = {name: torch.from_numpy(_contiguous(a)) for name, a in arrays.items()}
    tensors |= {
        name: encode_names(getattr(model, name))
        for name in ("entities", "labels", "relations")
    }
    network = model.network
    if network is not None:
        tensors |= network_tensors(network)
    description = {
        "target_name": model.target_name,
        "is_log": model.scale.is_log,
        "scale_note": model.scale.note,
        "models": list(validation.predictions),
        "weight": stack.weight,
        "penalties": list(stack.penalties),
        "ridge_bias": ridge.bias,
        "trees": {"baseline": trees.baseline, "depth": trees.depth},
        "network": [] if network is None else list(network.config),
        "network_scale": [model.network_mean, model.network_std],
    }
    return description, tensors


def _contiguous(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array)


def from_files(description: dict[str, Any], tensors: Tensors) -> dict[str, Any]:
    """Return the fields of a fitted model; ValueError for files that do not fit."""
    entities, labels, relations = (
        decode_names(name, tensors) for name in ("entities", "labels", "relations")
    )
    if len(labels) != len(entities):
        raise ValueError("labels must be as many as entities")
    sizes = check_tensors(
        tensors,
        {
            "triples": TensorOf((torch.int32,), ("triples", 3)),
            "labelled": TensorOf((torch.int64,), ("labelled",)),
            "target": TensorOf((torch.float64,), ("labelled",)),
        },
    )
    if not sizes["triples"]:
        raise ValueError("there must be a triple")
    triples = tensors["triples"].numpy()
    for column, count in ((0, len(entities)), (1, len(relations)), (2, len(entities))):
        check_rows("triples", triples[:, column], count)
    graph = TripleGraph(triples, len(entities), len(relations))
    labelled = tensors["labelled"].numpy()
    check_rows("labelled", labelled, len(entities))
    if not len(labelled) or (np.diff(labelled) <= 0).any():
        raise ValueError("labelled must be entities in ascending order")
    target = np.full(len(entities), np.nan)
    target[labelled] = tensors["target"].numpy()
    basis = tensors.get("basis")
    known = GraphFeatures(graph)
    check_tensors(
        tensors, {"basis": TensorOf((torch.float32,), (len(known.shared), "vectors"))}
    )
    assert basis is not None
    features = GraphFeatures(graph, basis.numpy())
    validation = _restore_validation(description, tensors, len(entities))
    scale = TargetScale(description["is_log"], description["scale_note"])
    y = scale.to_scale(target[labelled]).astype(np.float32)
    if not np.isfinite(y).all():
        raise ValueError("target must be above -1 for its logarithm")
    shared = SharedLabels.fit(graph.facts, labelled, y)
    mean, std = description["network_scale"]
    return {
        "entities": entities,
        "labels": labels,
        "relations": relations,
        "target": target,
        "target_name": description["target_name"],
        "scale": scale,
        "features": features,
        "stack": _restore_stack(description, tensors, features, shared),
        "validation": validation,
        "network": _restore_network(description, tensors, features),
        "attention": _restore_attention(tensors, graph),
        "network_mean": mean,
        "network_std": std,
    }


def _restore_validation(
    description: dict[str, Any], tensors: Tensors, num_entities: int
) -> Validation:
    models = description["models"]
    expected = {
        "validation_entities": TensorOf((torch.int64,), ("rows",)),
        "validation_labels": TensorOf((torch.float32,), ("rows",)),
        "validation_fold": TensorOf((torch.int64,), ("rows",)),
        "validation_predictions": TensorOf((torch.float64,), (len(models), "rows")),
    }
    check_tensors(tensors, expected)
    entities, labels, fold, found = (tensors[name].numpy() for name in expected)
    check_rows("validation_entities", entities, num_entities)
    check_rows("validation_fold", fold, max(len(fold), 1))
    if not len(fold) or not np.bincount(fold).all():
        raise ValueError("validation_fold must number the folds")
    predictions = dict(zip(models, found, strict=True))
    return Validation(entities, labels, fold, predictions)


def _restore_stack(
    description: dict[str, Any],
    tensors: Tensors,
    features: GraphFeatures,
    shared: SharedLabels,
) -> StackedModel:
    width = int(features.groups["position"].stop) + len(LABEL_FEATURES)
    sizes = dict.fromkeys(RIDGE, width) | {"fact_weights": len(features.shared)}
    expected = {
        f"ridge_{n}": TensorOf((torch.float32,), (k,)) for n, k in sizes.items()
    }
    nodes = {f"tree_{n}": TYPES[np.dtype(kind)] for n, kind in FIELDS.items()}
    expected |= {n: TensorOf((kind,), ("nodes",)) for n, kind in nodes.items()}
    expected["tree_roots"] = TensorOf((torch.int32,), ("trees",))
    check_tensors(tensors, expected)
    arrays = {n: tensors[f"tree_{n}"].numpy() for n in FIELDS}
    roots, count = tensors["tree_roots"].numpy(), len(arrays["value"])
    for name, rows in (
        ("tree_roots", roots),
        ("tree_left", arrays["left"]),
        ("tree_right", arrays["right"]),
    ):
        check_rows(name, rows, count)
    seen = boosting_features(features, np.zeros((1, width)), np.zeros(1)).shape[1]
    check_rows("tree_feature", arrays["feature"] - LEAF, seen - LEAF)
    own = description["trees"]
    trees = BoostedTrees(own["baseline"], roots, own["depth"], **arrays)
    values = {name: tensors[f"ridge_{name}"].numpy() for name in RIDGE}
    if (values["scale"] <= 0).any():
        raise ValueError("ridge_scale must be above 0")
    ridge = Ridge(**values, bias=description["ridge_bias"])
    penalties = Penalties(*description["penalties"])
    return StackedModel(shared, ridge, trees, penalties, description["weight"])


def _restore_network(
    description: dict[str, Any], tensors: Tensors, features: GraphFeatures
) -> ScoreNetwork | None:
    sizes = description["network"]
    if not sizes:
        return None
    if len(sizes) != len(NetworkConfig._fields):
        raise ValueError("network must have the sizes of a network")
    config = NetworkConfig(*sizes)
    fits = config.features == features.groups["position"].stop
    fits &= config.predicates == features.graph.num_directed + 1
    if not fits or max(config[2:]) > MAX_SIZE:
        raise ValueError("network must fit the features and the relations")
    return restore_network(lambda: ScoreNetwork(config), tensors)


def _restore_attention(tensors: Tensors, graph: TripleGraph) -> np.ndarray | None:
    if "attention" not in tensors:
        return None
    width = graph.num_directed + 1
    check_tensors(tensors, {"attention": TensorOf(FLOATS, ("layers", width))})
    found = tensors["attention"].numpy()
    return np.where(found < 0, np.nan, found)
