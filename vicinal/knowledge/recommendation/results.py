"""The scores of a fitted recommender, as an `Evaluation` and as rows."""

from typing import Any

import numpy as np
import pandas as pd

from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.evaluation.significance import sign_test_of_gains
from vicinal.core.metrics import mean_score
from vicinal.knowledge.recommendation.evaluation.ranking import K
from vicinal.knowledge.recommendation.fitted_model import FittedRecommender
from vicinal.knowledge.recommendation.fitting import KNOWN, RankingResult
from vicinal.knowledge.recommendation.search import ITEM_KNN, POPULARITY

RECALL, NDCG = f"recall@{K}", f"ndcg@{K}"
BASELINES = (POPULARITY, ITEM_KNN)


def results_of(model: FittedRecommender, situation: str) -> dict[str, RankingResult]:
    """Return the results of one situation by model."""
    return {r.model: r for r in model.results if r.situation == situation}


def evaluation_of(model: FittedRecommender) -> Evaluation:
    """Return how the test items of known users are ranked, beside the baselines."""
    results = results_of(model, KNOWN)
    ours = results[model.chosen].scores
    others = {k: results[k].scores for k in BASELINES if k != model.chosen}
    frame = predictions_frame(model)
    return Evaluation(
        score=mean_score(RECALL, ours.recall, upper=1.0),
        scores=[mean_score(NDCG, ours.ndcg, upper=1.0)],
        baselines={
            k: mean_score(RECALL, own.recall, upper=1.0) for k, own in others.items()
        },
        predictions=frame,
        decisions=(frame["rank"] <= K).to_numpy(int),
        notes=[describe_question(model)],
        comparisons={
            k: sign_test_of_gains(np.sign(ours.ndcg - own.ndcg))
            for k, own in others.items()
        },
        constant_name=POPULARITY if model.chosen != POPULARITY else "",
    )


def describe_question(model: FittedRecommender) -> str:
    """Return what a score is of."""
    what = "the last item" if model.by_time else "items held out at random"
    text = (
        f"the score is that of {what} of each user, ranked among all items that the "
        "user is not known to have; the mean over users"
    )
    if model.by_time:
        text += (
            "; other users' later choices are in the training data, so the time split "
            "is by user only"
        )
    return text


def predictions_frame(model: FittedRecommender) -> pd.DataFrame:
    """Return a row for each test item: user, item, rank, and if that is enough."""
    users, items, ranks = model.hidden_ranks.T
    return pd.DataFrame(
        {
            "user": model.users[users],
            "item": model.items[items],
            "rank": ranks,
            f"in_top_{K}": ranks <= K,
        }
    )


def result_rows(model: FittedRecommender) -> list[dict[str, Any]]:
    """Return a row for each situation and model, for JSON."""
    return [
        {
            "situation": situation,
            "model": name,
            "users": len(scores.recall),
            RECALL: float(scores.recall.mean()),
            NDCG: float(scores.ndcg.mean()),
            "coverage": scores.coverage,
            **scores.profile._asdict(),
        }
        for situation, name, scores in model.results
    ]
