"""What the report of a recommender shows."""

from typing import Any

import numpy as np

from vicinal.core.metrics import mean_score
from vicinal.core.report.report import Block, Table, Text
from vicinal.core.text import format_percent
from vicinal.knowledge.recommendation.evaluation.ranking import (
    POPULAR_SHARE,
    PopularityProfile,
)
from vicinal.knowledge.recommendation.fitted_model import FittedRecommender
from vicinal.knowledge.recommendation.fitting import KNOWN, NEW
from vicinal.knowledge.recommendation.recommendations import Asker, recommend
from vicinal.knowledge.recommendation.results import (
    NDCG,
    RECALL,
    results_of,
)

NUM_EXAMPLES, NUM_ITEMS = 3, 5
NUM_POPULAR = 10


def result_blocks(model: FittedRecommender) -> list[Block]:
    """Return the scores of all models, for known and for new users."""
    validation = {choice.name: choice for choice in model.choices}
    known = results_of(model, KNOWN)
    rows: list[list[Any]] = []
    for name, choice in validation.items():
        scores = known[name].scores
        rows.append(
            [
                f"{name} (this model)" if name == model.chosen else name,
                choice.description,
                round(choice.ndcg, 4),
                _cell(RECALL, scores.recall),
                _cell(NDCG, scores.ndcg),
                format_percent(scores.coverage),
                *_profile_cells(scores.profile),
            ]
        )
    own = ["the users' own items", *[None] * 5, *_profile_cells(model.own_profile)]
    columns = [
        *("model", "hyperparameters", f"validation {NDCG}", RECALL, NDCG),
        *("coverage", "popularity rank", "popular", "rare"),
    ]
    caption = (
        "Known users: means over users with 95 % intervals, on items that were held "
        "out twice, for the choice (validation) and for this table. Coverage: items "
        "that are in at least one list. Popularity rank: mean over the items in the "
        f"lists, 1 is the most popular; {POPULAR_SHARE:.0%} of the items are called "
        "popular, the half with the fewest users rare. The last row: the items that "
        "the users are known to have."
    )
    return [Table(columns, rows, caption, [own]), *_new_user_blocks(model)]


def _new_user_blocks(model: FittedRecommender) -> list[Block]:
    new = results_of(model, NEW)
    if not new:
        return [Text("New users were not tested: there are too few users.")]
    rows: list[list[Any]] = [
        [name, _cell(RECALL, own.scores.recall), _cell(NDCG, own.scores.ndcg)]
        for name, own in new.items()
    ]
    count = len(next(iter(new.values())).scores.recall)
    caption = (
        f"New users: {count:,} users who were not in the table; a part of their items "
        "was given at prediction, the rest was to be found."
    )
    return [Table(["model", RECALL, NDCG], rows, caption)]


def _profile_cells(profile: PopularityProfile) -> list[Any]:
    shares = map(format_percent, (profile.popular_share, profile.rare_share))
    return [round(profile.mean_rank), *shares]


def _cell(metric: str, values: np.ndarray) -> str:
    score = mean_score(metric, values, upper=1.0)
    if np.isnan(score.low):
        return f"{score.value:.4f}"
    return f"{score.value:.4f} [{score.low:.4f}, {score.high:.4f}]"


def example_blocks(model: FittedRecommender) -> list[Block]:
    """Return recommendations for the first users, with reasons; popular items."""
    users = np.flatnonzero(model.weights.getnnz(1))[:NUM_EXAMPLES].tolist()
    askers = [Asker(str(model.users[u]), model.weights[[u]], u) for u in users]
    frame = recommend(model, askers, NUM_ITEMS)
    rows = [[*row.values()] for row in frame.round({"score": 4}).to_dict("records")]
    columns = ["user", "rank", "item", "score", "reasons"]
    text = "Recommendations, and the user's own items that add most to each score."
    counts = model.counts
    order = np.argsort(-counts, kind="stable")[:NUM_POPULAR]
    popular = [
        [
            str(model.items[k]),
            int(counts[k]),
            format_percent(float(counts[k]) / len(model.users)),
        ]
        for k in order
    ]
    return [
        Text(text),
        Table(columns, rows),
        Table(["most popular items", "users", "share of the users"], popular),
    ]
