"""model.json and model.safetensors of a fitted recommender."""

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
from vicinal.core.storage.schema import Flag, ListOf, Number, Object, OneOf, Text
from vicinal.knowledge.recommendation.component_files import (
    COMPONENTS,
    component_files,
    matrix_tensors,
    restore_component,
    restore_matrix,
)
from vicinal.knowledge.recommendation.data.user_items import ItemFacts
from vicinal.knowledge.recommendation.evaluation.ranking import (
    ListScores,
    PopularityProfile,
)
from vicinal.knowledge.recommendation.fitting import (
    KNOWN,
    NEW,
    ModelChoice,
    RankingResult,
)
from vicinal.knowledge.recommendation.models.item_model import Blend

PROFILE = Object(
    {"mean_rank": Number(0), "popular_share": Number(0, 1), "rare_share": Number(0, 1)}
)
SCHEMA = Object(
    {
        **DESCRIPTION,
        "by_time": Flag(),
        "has_weights": Flag(),
        "chosen": Text(),
        "own_profile": PROFILE,
        "choices": ListOf(
            Object({"name": Text(), "description": Text(), "ndcg": Number(0, 1)})
        ),
        "results": ListOf(
            Object(
                {
                    "situation": Text((KNOWN, NEW)),
                    "model": Text(),
                    "coverage": Number(0, 1),
                    "profile": PROFILE,
                }
            ),
            1,
        ),
        "components": ListOf(OneOf("kind", COMPONENTS), 1),
    },
    more=True,
)
"""schema of model.json"""


def to_files(model: Any) -> tuple[dict[str, Any], Tensors]:
    """Return what model.json and model.safetensors hold of a `FittedRecommender`."""
    tensors = {
        "users": encode_names(model.users),
        "items": encode_names(model.items),
        "facts": encode_names(model.facts.names),
        "hidden_ranks": torch.from_numpy(model.hidden_ranks.astype(np.int64)),
    }
    tensors |= matrix_tensors("weights", model.weights)
    tensors |= matrix_tensors("fact_items", model.facts.table)
    results = []
    for number, (situation, name, scores) in enumerate(model.results):
        own = np.stack([scores.recall, scores.ndcg]).astype(np.float64)
        tensors[f"result{number}"] = torch.from_numpy(own)
        results.append(
            {
                "situation": situation,
                "model": name,
                "coverage": scores.coverage,
                "profile": scores.profile._asdict(),
            }
        )
    components = []
    for number, (coefficient, own) in enumerate(model.scorer.weighted):
        entry, arrays = component_files(own, f"model{number}")
        components.append({**entry, "coefficient": float(coefficient)})
        tensors |= arrays
    description = {
        "by_time": model.by_time,
        "has_weights": model.has_weights,
        "chosen": model.chosen,
        "own_profile": model.own_profile._asdict(),
        "choices": [choice._asdict() for choice in model.choices],
        "results": results,
        "components": components,
    }
    return description, tensors


def from_files(description: dict[str, Any], tensors: Tensors) -> dict[str, Any]:
    """Return the fields of a fitted model; ValueError for files that do not fit."""
    users, items, facts = (
        _names(name, tensors) for name in ("users", "items", "facts")
    )
    num_users, num_items = len(users), len(items)
    weights = restore_matrix("weights", tensors, (num_users, num_items))
    if not weights.nnz or not (weights.data > 0).all():
        raise ValueError("weights must have entries, all above 0")
    table = restore_matrix("fact_items", tensors, (len(facts), num_items))
    check_tensors(tensors, {"hidden_ranks": TensorOf((torch.int64,), ("hidden", 3))})
    ranks = tensors["hidden_ranks"].numpy()
    limits = {"users": num_users, "items": num_items, "ranks": num_items + 1}
    for column, (name, limit) in zip(ranks.T, limits.items(), strict=True):
        check_rows(f"hidden_ranks ({name})", column, limit)
    size = num_users, num_items
    models = [
        restore_component(entry, f"model{number}", tensors, size)
        for number, entry in enumerate(description["components"])
    ]
    coefficients = [entry["coefficient"] for entry in description["components"]]
    results = [
        _restore_result(entry, number, tensors)
        for number, entry in enumerate(description["results"])
    ]
    known = {result.model for result in results if result.situation == KNOWN}
    if description["chosen"] not in known:
        raise ValueError("results must hold those of the chosen model")
    return {
        "users": users,
        "items": items,
        "weights": weights,
        "has_weights": description["has_weights"],
        "facts": ItemFacts(facts, table),
        "scorer": Blend(models, coefficients),
        "chosen": description["chosen"],
        "choices": [ModelChoice(**choice) for choice in description["choices"]],
        "results": results,
        "hidden_ranks": ranks,
        "own_profile": PopularityProfile(**description["own_profile"]),
        "by_time": description["by_time"],
    }


def _restore_result(
    entry: dict[str, Any], number: int, tensors: Tensors
) -> RankingResult:
    name = f"result{number}"
    check_tensors(tensors, {name: TensorOf((torch.float64,), (2, "tested"))})
    recall, ndcg = tensors[name].numpy()
    if not len(recall) or not ((recall >= 0) & (recall <= 1)).all():
        raise ValueError(f"{name} must hold scores from 0 to 1")
    profile = PopularityProfile(**entry["profile"])
    scores = ListScores(recall, ndcg, entry["coverage"], profile)
    return RankingResult(entry["situation"], entry["model"], scores)


def _names(name: str, tensors: Tensors) -> np.ndarray:
    """Return the names of a tensor; an empty one has none."""
    found = decode_names(name, tensors)
    return found if tensors[name].numel() else found[:0]
