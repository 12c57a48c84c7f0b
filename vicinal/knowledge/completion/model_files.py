"""model.json and model.safetensors of a completion.

Rules of facts and similar entities are not written: they follow from the triples.
"""

from typing import Any

import numpy as np
import torch

from vicinal.core.estimators.estimator import DESCRIPTION
from vicinal.core.estimators.model_files import (
    TensorOf,
    check_rows,
    check_tensors,
    decode_names,
    encode_names,
)
from vicinal.core.storage.checkpoint import Tensors
from vicinal.core.storage.schema import (
    Flag,
    Integer,
    ListOf,
    MapOf,
    Nullable,
    Number,
    Object,
    Text,
)
from vicinal.knowledge.completion.fitting import CompletionScores
from vicinal.knowledge.evaluation.calibration import Calibration, Calibrations
from vicinal.knowledge.models.completion import Completion, RuleModel
from vicinal.knowledge.models.embedding import ComplEx
from vicinal.knowledge.models.path_network import PathNetwork
from vicinal.knowledge.models.path_rules import PathRule, PathRules, Steps
from vicinal.knowledge.triple_graph import TripleGraph

MAX_DIM, MAX_LAYERS, MAX_PATH = 4096, 16, 2
PREFIX = "path_network."
"""of the tensors of a path network"""

NETWORK = Object(
    {
        "dim": Integer(1, MAX_DIM),
        "num_layers": Integer(1, MAX_LAYERS),
        "weight": Number(0, 1000),
    }
)
"""schema of a path network in model.json"""

SCHEMA = Object(
    {
        **DESCRIPTION,
        "dim": Integer(0, MAX_DIM),
        "weight": Number(0, 1000),
        "network": Nullable(NETWORK),
        "calibration": ListOf(Number(), 9, 9),
        "models": ListOf(Text()),
        "validation": MapOf(Number(0, 1)),
        "seconds": MapOf(Number(0)),
        "calibration_error": Number(0, 1),
        "has_labels": Flag(),
    },
    more=True,
)
"""schema of model.json; dim 0: without an embedding"""


def to_files(model: Any) -> tuple[dict[str, Any], Tensors]:
    """Return what model.json and model.safetensors hold of a `FittedTriples`."""
    completion, scores = model.completion, model.scores
    paths, embedding = completion.rules.paths.rules, completion.embedding
    steps = np.full((len(paths), MAX_PATH), -1, np.int32)
    for row, rule in enumerate(paths):
        steps[row, : len(rule.path)] = rule.path
    counts = [(rule.relation, rule.shared, rule.reached) for rule in paths]
    arrays = {
        "triples": model.graph.triples.astype(np.int32),
        "path_steps": steps,
        "path_counts": np.array(counts, np.int32).reshape(-1, 3),
        "path_confidences": np.array([rule.confidence for rule in paths], np.float32),
        "tested": scores.tested.astype(np.int32),
        "ranks": np.stack(list(scores.ranks.values())).astype(np.float64),
    }
    tensors = {
        name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()
    }
    tensors |= {
        "entities": encode_names(model.entities),
        "relations": encode_names(model.relations),
    }
    if model.labels is not None:
        tensors["labels"] = encode_names(model.labels)
    if embedding is not None:
        tensors["entity_vectors"] = embedding.entities.detach().clone()
        tensors["relation_vectors"] = embedding.relations.detach().clone()
    network = completion.network
    if network is not None:
        weights = network.state_dict()
        tensors |= {PREFIX + name: value.clone() for name, value in weights.items()}
    numbers = [x for own in model.calibration for x in (*own.weights, own.bias)]
    description = {
        "dim": 0 if embedding is None else embedding.dim,
        "weight": completion.weight,
        "network": None
        if network is None
        else {
            "dim": network.dim,
            "num_layers": network.num_layers,
            "weight": completion.network_weight,
        },
        "calibration": numbers,
        "models": list(scores.ranks),
        "validation": scores.validation,
        "seconds": scores.seconds,
        "calibration_error": float(np.nan_to_num(scores.calibration_error)),
        "has_labels": model.labels is not None,
    }
    return description, tensors


def from_files(description: dict[str, Any], tensors: Tensors) -> dict[str, Any]:
    """Return the fields of a fitted model; ValueError for files that do not fit."""
    entities = decode_names("entities", tensors)
    relations = decode_names("relations", tensors)
    labels = decode_names("labels", tensors) if description["has_labels"] else None
    if labels is not None and len(labels) != len(entities):
        raise ValueError("labels must be as many as entities")
    models = description["models"]
    expected = {
        "triples": TensorOf((torch.int32,), ("triples", 3)),
        "path_steps": TensorOf((torch.int32,), ("paths", MAX_PATH)),
        "path_counts": TensorOf((torch.int32,), ("paths", 3)),
        "path_confidences": TensorOf((torch.float32,), ("paths",)),
        "tested": TensorOf((torch.int32,), ("tested", 3)),
        "ranks": TensorOf((torch.float64,), (len(models), 2, "tested")),
    }
    check_tensors(tensors, expected)
    own = {name: tensors[name].numpy() for name in expected}
    for name in ("triples", "tested"):
        check_rows(name, own[name][:, [0, 2]], len(entities))
        check_rows(name, own[name][:, 1], len(relations))
    if not len(own["triples"]) or not models or not len(own["tested"]):
        raise ValueError("a model has triples, and scores on others")
    graph = TripleGraph(own["triples"], len(entities), len(relations))
    numbers = description["calibration"]
    calibrations = (
        Calibration((first, second), bias)
        for first, second, bias in (numbers[:3], numbers[3:6], numbers[6:])
    )
    network = description["network"]
    return {
        "entities": entities,
        "relations": relations,
        "labels": labels,
        "completion": Completion(
            _restore_rules(graph, own),
            _restore_embedding(description["dim"], graph, tensors),
            description["weight"],
            None if network is None else _restore_network(network, graph, tensors),
            1.0 if network is None else network["weight"],
        ),
        "calibration": Calibrations(*calibrations),
        "scores": CompletionScores(
            dict(zip(models, own["ranks"], strict=True)),
            own["tested"],
            description["validation"],
            description["seconds"],
            description["calibration_error"],
        ),
    }


def _restore_rules(graph: TripleGraph, own: dict[str, np.ndarray]) -> RuleModel:
    steps, counts = own["path_steps"], own["path_counts"]
    check_rows("path_counts", counts[:, 0], graph.num_directed)
    if (steps < -1).any() or (steps >= graph.num_directed).any():
        raise ValueError("path_steps must be directed relations, or -1")
    if len(steps) and (steps[:, 0] < 0).any():
        raise ValueError("path_steps must begin with a relation")
    rules = [
        PathRule(
            relation, tuple(k for k in path if k >= 0), confidence, shared, reached
        )
        for path, (relation, shared, reached), confidence in zip(
            steps.tolist(),
            counts.tolist(),
            own["path_confidences"].tolist(),
            strict=True,
        )
    ]
    return RuleModel.with_paths(Steps(graph), PathRules(graph, rules))


def _restore_embedding(
    dim: int, graph: TripleGraph, tensors: Tensors
) -> ComplEx | None:
    if not dim:
        return None
    expected = {
        "entity_vectors": TensorOf((torch.float32,), (graph.num_entities, 2 * dim)),
        "relation_vectors": TensorOf((torch.float32,), (graph.num_directed, 2 * dim)),
    }
    check_tensors(tensors, expected)
    model = ComplEx(graph.num_entities, graph.num_directed, dim)
    with torch.no_grad():
        model.entities.copy_(tensors["entity_vectors"])
        model.relations.copy_(tensors["relation_vectors"])
    return model


def _restore_network(
    description: dict[str, Any], graph: TripleGraph, tensors: Tensors
) -> PathNetwork:
    dim, layers = description["dim"], description["num_layers"]
    with torch.device("meta"):
        shapes = PathNetwork(graph.num_directed, dim, layers).state_dict()
    expected = {
        PREFIX + name: TensorOf((torch.float32,), tuple(value.shape))
        for name, value in shapes.items()
    }
    check_tensors(tensors, expected)
    network = PathNetwork(graph.num_directed, dim, layers)
    network.load_state_dict({name: tensors[PREFIX + name] for name in shapes})
    return network
