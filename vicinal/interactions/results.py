"""The scores of a fitted model: its headline, and a table of every situation."""

import numpy as np
import pandas as pd
from scipy.special import expit

from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.evaluation.significance import sign_test_of_gains
from vicinal.core.metrics import MIN_GROUPS, Score
from vicinal.interactions.evaluation.ranking import RankingScores
from vicinal.interactions.fitted_model import FittedInteractions
from vicinal.interactions.fitting import SituationResult

METRICS = ("auroc", "average_precision", "average_precision@50")
PREFERRED = (("new pair", "interacting"), ("known pair", "interacting"))
"""situations of which the headline is the first that there is"""

CLASSES = ("without the effect", "with the effect")
SAMPLES = 1000


def headline(results: list[SituationResult]) -> SituationResult:
    """Return the result that stands for a model: the honest question on known drugs."""
    for situation, negatives in PREFERRED:
        for result in results:
            if (result.situation, result.negatives) == (situation, negatives):
                return result
    return results[0]


def mean_score(metric: str, values: np.ndarray, seed: int = 0) -> Score:
    """Return the mean over effects [E] with the 95 % interval of the bootstrap.

    Effects are resampled (B. Efron and R. Tibshirani 1993, chapter 13); there is no
    interval for fewer than MIN_GROUPS of them.
    """
    values = values[~np.isnan(values)]
    n, mean = len(values), float(values.mean()) if len(values) else float("nan")
    if n < MIN_GROUPS:
        return Score(metric, mean, float("nan"), float("nan"), n)
    rng = np.random.default_rng(seed)
    means = [values[rng.integers(n, size=n)].mean() for _ in range(SAMPLES)]
    low, high = np.quantile(means, [0.025, 0.975])
    return Score(metric, mean, float(low), float(high), n)


def evaluation_of(model: FittedInteractions, result: SituationResult) -> Evaluation:
    """Return the scores of one situation.

    A baseline is compared effect by effect; fact by fact where there are few effects.
    """
    ours, *others = result.scores.items()
    fields = dict(zip(METRICS, range(len(RankingScores._fields)), strict=True))
    scores = [mean_score(name, ours[1][:, k]) for name, k in fields.items()]
    baselines = {name: mean_score(METRICS[0], values[:, 0]) for name, values in others}
    comparisons = {}
    for name, values in others:
        gains = np.sign(ours[1][:, 0] - values[:, 0])
        if len(values) < MIN_GROUPS:  # then fact by fact
            wins, losses = result.comparisons[name]
            gains = np.repeat([1, -1], [wins, losses])
        comparisons[name] = sign_test_of_gains(gains)
    probabilities = expit(result.logits.astype(float))
    return Evaluation(
        score=scores[0],
        scores=scores[1:],
        baselines=baselines,
        predictions=predictions_frame(model, result),
        decisions=(probabilities >= 0.5).astype(int),
        classes=CLASSES,
        notes=[describe_question(result)],
        calibration_error=result.calibration_error,
        comparisons=comparisons,
    )


def describe_question(result: SituationResult) -> str:
    """Return what a score is of."""
    negatives = {
        "random": "random pairs of the same kind without it",
        "interacting": "pairs that have other effects",
    }[result.negatives]
    return (
        f"the score is that of one situation, {result.title}: how well pairs with an "
        f"effect are ranked above {negatives}; the mean over effects"
    )


def predictions_frame(
    model: FittedInteractions, result: SituationResult
) -> pd.DataFrame:
    """Return a row for each cell: drugs, effect, label, probability among these."""
    cells = result.cells
    first, second = (model.drugs[drugs] for drugs in cells.pairs.T)
    probabilities = expit(result.logits.astype(float))
    return pd.DataFrame(
        {
            "drug_1": first,
            "drug_2": second,
            "effect": model.effects[cells.effects],
            "situation": result.title,
            "negatives": result.negatives,
            "label": np.where(cells.truth, CLASSES[1], CLASSES[0]),
            "predicted": np.where(probabilities >= 0.5, CLASSES[1], CLASSES[0]),
            "probability": probabilities,
        }
    )


def result_rows(results: list[SituationResult]) -> list[dict[str, object]]:
    """Return a row for each situation, kind of negatives and model, for JSON."""
    rows: list[dict[str, object]] = []
    for result in results:
        for name, values in result.scores.items():
            means = np.nanmean(values, axis=0)
            row: dict[str, object] = {
                "situation": result.situation,
                "features": list(result.kinds),
                "negatives": result.negatives,
                "model": name,
                "effects": len(values),
                "cells": len(result.cells.truth),
            }
            row |= dict(zip(METRICS, map(float, means), strict=True))
            own = name == "combination"
            row["calibration_error"] = result.calibration_error if own else None
            rows.append(row)
    return rows
