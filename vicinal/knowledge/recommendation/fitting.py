"""Fit the models, choose the best on validation items, and score all on test items.

Each user's items are held out twice. Hyperparameters, the blend and the model that is
delivered are chosen on the first part; all models are then fitted again to everything
but the second part, which tests them. New users are tested apart: their rows are not in
the table, and are given in part at prediction. The delivered model is fitted to all.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from vicinal.core.compute.runtime import seed_for
from vicinal.core.text import pluralize
from vicinal.errors import DataError
from vicinal.knowledge.recommendation.data.user_items import UserItems
from vicinal.knowledge.recommendation.evaluation.ranking import (
    Evaluator,
    ListScores,
    PopularityProfile,
    Scorer,
)
from vicinal.knowledge.recommendation.evaluation.splits import (
    MIN_ITEMS,
    HeldOut,
    hold_items_out,
    hold_users_out,
    keep_rows,
)
from vicinal.knowledge.recommendation.models.item_model import Blend, ItemModel
from vicinal.knowledge.recommendation.models.lightgcn import Training
from vicinal.knowledge.recommendation.search import (
    BLEND,
    ITEM_KNN,
    POPULARITY,
    BlendChoice,
    Search,
)
from vicinal.knowledge.recommendation.settings import RecommendationSettings

MAX_VALIDATION_USERS, MAX_TEST_USERS = 600, 3000
MIN_USERS = 10
"""users with held-out items that are needed"""

SEARCH_SHARE, LIGHTGCN_SHARE = 0.4, 0.15
"""shares of the time limit: until hyperparameters are no longer tried, and for a
training of LightGCN, which is trained again as long"""

KNOWN, NEW = "known users", "new users"


class RankingResult(NamedTuple):
    """How well a model found the held-out items of N users."""

    situation: str
    """KNOWN or NEW"""

    model: str
    scores: ListScores


class ModelChoice(NamedTuple):
    """A model of the table of results."""

    name: str
    description: str
    """hyperparameters in words"""

    ndcg: float
    """on the validation items"""


class Fitting(NamedTuple):
    """What `fit_models` found."""

    scorer: Blend
    """fitted to all data"""

    chosen: str
    """name of the model that is delivered"""

    choices: list[ModelChoice]
    """all models, the best on validation first"""

    results: list[RankingResult]
    hidden_ranks: np.ndarray
    """(user, item, rank) [M, 3] of the test items of known users"""

    own_profile: PopularityProfile
    """of the items that the test users are known to have"""

    by_time: bool
    """whether each user's last items were held out"""


def split_by_time(data: UserItems, settings: RecommendationSettings) -> bool:
    """Return whether the last items are held out; DataError without times."""
    if settings.split == "time" and data.times is None:
        raise DataError(
            "A split by time needs a column of times. Name it with --time-column, or "
            "use --split random."
        )
    return data.times is not None and settings.split != "random"


def check_size(data: UserItems) -> None:
    """Raise DataError for a table that is too small to test anything on."""
    users = int((data.weights.getnnz(1) >= MIN_ITEMS).sum())
    if users < MIN_USERS:
        raise DataError(
            f"{MIN_USERS} users with {MIN_ITEMS} items or more are needed to test "
            f"recommendations. Got {users} of {pluralize(len(data.users), 'user')}. "
            "Add rows."
        )


def fit_models(data: UserItems, settings: RecommendationSettings, seed: int) -> Fitting:
    """Choose, test and fit the model that is delivered."""
    check_size(data)
    by_time = split_by_time(data, settings)
    rng = np.random.default_rng(seed_for(seed, 1))
    times = data.times if by_time else None
    share = settings.held_out
    test, hidden = hold_items_out(data.weights, times, share, rng)
    left = None if times is None else times[~hidden]
    validation, _ = hold_items_out(test.known, left, share, rng, MIN_ITEMS - 1)
    search, choice = search_models(data, validation, settings, seed)
    fits = {name: candidate.fit for name, candidate in search.candidates.items()}
    choices = [
        ModelChoice(k, c.description, c.ndcg) for k, c in search.candidates.items()
    ]
    chosen = choice.names[0]
    if len(choice.names) > 1:
        chosen = BLEND
        choices.append(ModelChoice(BLEND, choice.describe(), choice.ndcg))

    evaluator = Evaluator.of_split(*test, MAX_TEST_USERS, seed)
    models = {name: fit(test.known) for name, fit in fits.items()}
    tested = {name: Blend([model], [1.0]) for name, model in models.items()}
    tested[chosen] = _blend(models, choice)
    results = [
        RankingResult(KNOWN, name, evaluator.score(_scorer(model, test.known)))
        for name, model in tested.items()
    ]
    ranks = evaluator.hidden_ranks(_scorer(tested[chosen], test.known))
    results += _test_new_users(data, settings, search, choice, seed)
    models = {name: fits[name](data.weights) for name in choice.names}
    return Fitting(
        scorer=_blend(models, choice),
        chosen=chosen,
        choices=sorted(choices, key=lambda each: -each.ndcg),
        results=results,
        hidden_ranks=ranks,
        own_profile=evaluator.own_profile(),
        by_time=by_time,
    )


def search_models(
    data: UserItems, validation: HeldOut, settings: RecommendationSettings, seed: int
) -> tuple[Search, BlendChoice]:
    """Return all candidates, and the best model or blend."""
    evaluator = Evaluator.of_split(*validation, MAX_VALIDATION_USERS, seed)
    seconds = 60 * settings.minutes
    search = Search(data, validation.known, evaluator, SEARCH_SHARE * seconds)
    search.simple_models()
    search.graph_filter()
    search.ease()
    if settings.epochs:
        limit = LIGHTGCN_SHARE * seconds
        search.lightgcn(Training(settings.epochs, limit, seed_for(seed, 2)))
    return search, search.blend()


def _test_new_users(
    data: UserItems,
    settings: RecommendationSettings,
    search: Search,
    choice: BlendChoice,
    seed: int,
) -> list[RankingResult]:
    """Score the delivered model and the simple ones on users who are not in the table.

    A share of their items is hidden, whatever the split of known users.
    """
    rng = np.random.default_rng(seed_for(seed, 3))
    new = hold_users_out(data.weights, settings.new_users, rng)
    if new.sum() < MIN_USERS:
        return []
    own, _ = hold_items_out(keep_rows(data.weights, new), None, settings.held_out, rng)
    table = keep_rows(data.weights, ~new)
    fits = {name: candidate.fit for name, candidate in search.candidates.items()}
    simple = [k for k in (POPULARITY, ITEM_KNN) if choice.names != [k]]
    models = {name: fits[name](table) for name in {*choice.names, *simple}}
    delivered = choice.names[0] if len(choice.names) == 1 else BLEND
    tested = {delivered: _blend(models, choice)}
    tested |= {name: Blend([models[name]], [1.0]) for name in simple}
    evaluator = Evaluator.of_split(*own, MAX_TEST_USERS, seed)
    evaluator = evaluator.with_popularity_of(table)
    return [
        RankingResult(NEW, name, evaluator.score(lambda u, m=m: m.scores(own.known[u])))
        for name, m in tested.items()
    ]


def _blend(models: dict[str, ItemModel], choice: BlendChoice) -> Blend:
    return Blend([models[name] for name in choice.names], choice.coefficients)


def _scorer(model: Blend, table: csr_matrix) -> Scorer:
    return lambda users: model.scores(table[users], users)
