"""What the report of a model of importance shows."""

from itertools import pairwise
from typing import Any

import numpy as np

from vicinal.core.report.report import Block, Table, Text
from vicinal.knowledge.importance.explain.explanation import ridge_weights
from vicinal.knowledge.importance.fitted_model import FittedImportance
from vicinal.knowledge.importance.fitting import BLEND, NETWORK
from vicinal.knowledge.importance.metrics import TOP
from vicinal.knowledge.importance.results import (
    final_name,
    predictions_frame,
    result_rows,
)

MAX_RELATIONS, MAX_ENTITIES = 15, 20


def model_blocks(model: FittedImportance) -> list[Block]:
    """Return the scores of every model, with standard deviations over folds."""
    rows: list[list[Any]] = []
    for row in result_rows(model.validation):
        cells = [row["model"]]
        for name in ("ndcg", "spearman", "rmse"):
            value, spread = row[name], row[f"{name}_sd"]
            cells.append(None if value is None else f"{value:.4f} ({spread:.4f})")
        rows.append(cells)
    columns = ["model", f"NDCG@{TOP}", "Spearman", "RMSE"]
    unit = f"log(1 + {model.target_name})" if model.scale.is_log else model.target_name
    caption = (
        f"Mean (standard deviation) over {len(model.validation.folds)} folds of "
        f"entities. Gains and errors are in {unit}. Features only: ridge without the "
        "labels of other entities. All settings are chosen on inner folds."
    )
    blocks: list[Block] = [Table(columns, rows, caption)]
    if NETWORK in model.validation.predictions:
        name = final_name(model)
        text = f"The {name} predicts."
        if name == BLEND:
            text += f" The {NETWORK} was trained on the same folds, but not better."
        if epochs := epochs_by_network(model):
            text += (
                f" Each network was trained for {min(epochs)} to {max(epochs)} epochs, "
                "which --minutes bounds."
            )
        blocks.append(Text(text))
    return blocks


def epochs_by_network(model: FittedImportance) -> list[int]:
    """Return how many epochs each network was trained for; none after loading."""
    numbers = [epoch.epoch for epoch in model.history]
    starts = [k for k, number in enumerate(numbers) if number == 1]
    return [b - a for a, b in pairwise([*starts, len(numbers)])]


def relation_blocks(model: FittedImportance) -> list[Block]:
    """Return the degrees and relations that weigh most in the ridge."""
    rows = [[name, weight] for name, weight in ridge_weights(model)[:MAX_RELATIONS]]
    caption = (
        "What one standard deviation of the logarithm of a count adds to the "
        "prediction of the ridge. A relation that is inverse is counted at its tail."
    )
    return [Table(["relation or degree", "weight"], rows, caption)]


def entity_blocks(model: FittedImportance) -> list[Block]:
    """Return the entities with the highest predictions, beside their labels."""
    frame = predictions_frame(model)
    order = np.argsort(-frame["predicted"].to_numpy(), kind="stable")
    ranks = np.empty(len(frame), int)
    ranks[np.argsort(-frame["label"].to_numpy(), kind="stable")] = np.arange(len(frame))
    rows = [
        [
            model.name_of(int(model.validation.entities[k])),
            float(frame["predicted"].iloc[k]),
            float(frame["label"].iloc[k]),
            int(ranks[k]) + 1,
        ]
        for k in order[:MAX_ENTITIES]
    ]
    columns = ["entity", "predicted", model.target_name, "true rank"]
    caption = "Highest predictions, each by a model that had not seen the label."
    return [Table(columns, rows, caption)]
