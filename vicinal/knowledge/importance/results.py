"""The scores of a fitted model: its headline, and a table of every model."""

from typing import Any

import numpy as np
import pandas as pd

from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.evaluation.significance import sign_test_of_gains
from vicinal.knowledge.importance.fitting import (
    BASELINES,
    BLEND,
    NETWORK,
    OFF_SCALE,
    RIDGE,
    Validation,
)
from vicinal.knowledge.importance.metrics import (
    METRICS,
    FoldScores,
    mean_over_folds,
    order_gains,
)


def final_name(model: Any) -> str:
    """Return the model of a `FittedImportance` that predicts."""
    return BLEND if model.network is None else NETWORK


def evaluation_of(model: Any) -> Evaluation:
    """Return the scores of a `FittedImportance`, means over folds.

    A baseline is compared by its absolute errors; one that is not on the scale of the
    target by pairs of entities: which model orders them right.
    """
    validation, name = model.validation, final_name(model)
    y = validation.labels.astype(float)
    ours = validation.predictions[name]
    others = {k: validation.predictions[k] for k in (RIDGE, *BASELINES)}
    scores = [mean_over_folds(m, y, ours, validation.folds) for m in METRICS]
    baselines = {
        k: mean_over_folds(METRICS[0], y, v, validation.folds)
        for k, v in others.items()
    }
    comparisons = {
        k: sign_test_of_gains(
            order_gains(y, ours, v, validation.folds)
            if k in OFF_SCALE
            else np.abs(v - y) - np.abs(ours - y)
        )
        for k, v in others.items()
    }
    unit = f"log(1 + {model.target_name})" if model.scale.is_log else model.target_name
    notes = [
        f"scores are means over {len(validation.folds)} folds of entities; gains and "
        f"errors are in {unit}"
    ]
    return Evaluation(
        score=scores[0],
        scores=scores[1:],
        baselines=baselines,
        predictions=predictions_frame(model),
        decisions=ours,
        notes=notes,
        comparisons=comparisons,
        scored="cross-validation",
    )


def predictions_frame(model: Any) -> pd.DataFrame:
    """Return the held-out prediction of each labelled entity, in the target's unit."""
    validation = model.validation
    predicted = validation.predictions[final_name(model)]
    entities = validation.entities
    return pd.DataFrame(
        {
            "entity": model.entities[entities],
            "name": model.labels[entities],
            "fold": validation.fold,
            "label": model.target[entities],
            "predicted": model.scale.from_scale(predicted),
        }
    )


def result_rows(validation: Validation) -> list[dict[str, Any]]:
    """Return the mean and standard deviation over folds of each model, for JSON."""
    rows = []
    for name in validation.predictions:
        scores = np.array(validation.scores(name))
        row: dict[str, Any] = {"model": name, "folds": len(scores)}
        for k, metric in enumerate(FoldScores._fields):
            values = scores[:, k]
            known = not np.isnan(values).any()
            row[metric] = float(values.mean()) if known else None
            row[f"{metric}_sd"] = float(values.std(ddof=1)) if known else None
        rows.append(row)
    return rows
