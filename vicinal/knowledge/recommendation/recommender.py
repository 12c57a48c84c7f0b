"""Recommender: items for users, from what all users chose."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from torch import Tensor

from vicinal.core.data.quarantine import warn_quarantined
from vicinal.core.estimators.fitted_estimator import FittedEstimator
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.settings import is_integer
from vicinal.core.text import pluralize
from vicinal.core.training.history import Epoch
from vicinal.core.training.trainer_options import never_stop
from vicinal.errors import DataError, SettingError, suggest_names
from vicinal.knowledge.recommendation.data.read import read_user_items
from vicinal.knowledge.recommendation.data.user_items import UserItems
from vicinal.knowledge.recommendation.fitted_model import FittedRecommender
from vicinal.knowledge.recommendation.fitting import (
    check_size,
    fit_models,
    split_by_time,
)
from vicinal.knowledge.recommendation.recommendations import (
    Asker,
    Explanation,
    explain,
    recommend,
    similar_items,
)
from vicinal.knowledge.recommendation.results import evaluation_of
from vicinal.knowledge.recommendation.settings import (
    RecommendationSettings,
    UserItemColumns,
)

NEW_USER = "new user"
MAX_SUGGESTED = 10
"""names that an error lists"""


class Recommender(FittedEstimator):
    """Recommend items to users.

    >>> model = Recommender().fit("plays.csv")
    >>> model.recommend(["user_7"], top=10)  # a table with reasons
    >>> model.recommend_new([["Miles Davis", "John Coltrane"]])  # without fitting again
    >>> model.explain("user_7", "Bill Evans")  # what each of the user's items adds

    Popularity, ItemKNN, EASE, a graph filter, LightGCN and blends are compared; the
    best on held-out validation items is kept.
    """

    settings_type = RecommendationSettings
    fitted_type = FittedRecommender
    unit = "user"
    baseline_name = "best of the models"
    cpu_only = "recommenders"

    settings_: RecommendationSettings
    model_: FittedRecommender

    # --- fit ---

    def fit(
        self, X: Any, y: Any = None, *, items: Any = None, links: Any = None
    ) -> Self:
        """Fit to a table of users and items, as for `read_user_items`; y is not used.

        items, links: facts about items, and which entity of the facts each item is.
        Rows that cannot be used are quarantined: a QuarantineWarning counts them, and
        `quarantine_` lists each with its reason.
        """
        self.start_fit()
        data = self.read(X, items=items, links=links)
        warn_quarantined(data.quarantined, "row", stacklevel=3)
        self.fit_baseline(data)
        return self

    def read(self, X: Any, *, items: Any = None, links: Any = None) -> UserItems:
        """Return the users and items of X, which may be a `UserItems`."""
        if isinstance(X, UserItems):
            return X
        settings = self.validate_settings()
        values = {name: getattr(settings, name) for name in UserItemColumns.names()}
        return read_user_items(X, items, links, UserItemColumns(**values))

    def check_data(self, data: UserItems) -> None:
        """Raise SettingError or DataError before anything is computed."""
        super().check_data(data)
        check_size(data)
        split_by_time(data, self.validate_settings())

    def fit_baseline(self, data: UserItems) -> None:
        """Choose and test the models, then fit the best one to all data."""
        found = fit_models(data, self.settings_, int(self.random_state))
        self.model_ = FittedRecommender(
            users=data.users,
            items=data.items,
            weights=data.weights,
            has_weights=data.has_weights,
            facts=data.facts,
            scorer=found.scorer,
            chosen=found.chosen,
            choices=found.choices,
            results=found.results,
            hidden_ranks=found.hidden_ranks,
            own_profile=found.own_profile,
            by_time=found.by_time,
            quarantine=data.quarantined,
            table=data,
        )

    def train_network(
        self,
        started_at: float,
        checkpoint: Path | None = None,
        stop_requested: Callable[[], bool] = never_stop,
    ) -> Iterator[Epoch]:
        """Train nothing: LightGCN is one of the models of `fit_baseline`."""
        yield from ()

    # --- describe ---

    @property
    def fingerprint_texts(self) -> list[str]:
        return [*self.model_.users, *self.model_.items, *self.model_.facts.names]

    def training_data(self) -> Iterable[Tensor | np.ndarray]:
        for matrix in (self.model_.weights, self.model_.facts.table):
            yield from (matrix.data, matrix.indices, matrix.indptr)

    @property
    def validation_metric(self) -> str:
        return "ndcg@20"

    @property
    def network_name(self) -> str:
        return ""

    @property
    def model_description(self) -> str:
        """Return the model that was chosen, with its hyperparameters."""
        model = self.model_
        text = next(
            (c.description for c in model.choices if c.name == model.chosen), ""
        )
        return f"{model.chosen} ({text})" if text else model.chosen

    @property
    def linear_description(self) -> str:
        """Return which model it is, and of how many it is the best."""
        count = pluralize(len(self.model_.choices), "model")
        return f"{self.model_description}, the best of {count} on validation items"

    # --- evaluate ---

    def evaluate(self) -> Evaluation:
        """Return how the held-out test items of known users are ranked."""
        self.check_fitted()
        return evaluation_of(self.model_)

    # --- predict ---

    def predict(self, X: Sequence[str], top: int = 10) -> Any:
        """Return recommendations for users, as `recommend`."""
        return self.recommend(X, top)

    def recommend(
        self, users: Sequence[str] | str, top: int = 10, exclude_known: bool = True
    ) -> Any:
        """Return a table of the best items of each user.

        Columns: user, rank, item, score, reasons (the user's items that add most to the
        score). users: one name, or several. exclude_known: leave out items that the
        user has. Raises DataError for users who are not in the table.
        """
        self.check_fitted()
        _check_top(top)
        names = [users] if isinstance(users, str) else list(users)
        return recommend(self.model_, map(self.asker, names), top, exclude_known)

    def recommend_new(
        self,
        items_lists: Sequence[Sequence[str] | Mapping[str, float]],
        top: int = 10,
        exclude_known: bool = True,
        names: Sequence[str] | None = None,
    ) -> Any:
        """Return the same for new users, from the items of each.

        items_lists: lists of items, or weights by item. names: of the users; by default
        `new user 1` and so on. Raises DataError for items that are not in the table.
        """
        self.check_fitted()
        _check_top(top)
        if isinstance(items_lists, str) or any(isinstance(k, str) for k in items_lists):
            raise SettingError(
                "items_lists must be a list of lists of items, such as [['a', 'b']]."
            )
        names = names or [f"{NEW_USER} {k + 1}" for k in range(len(items_lists))]
        askers = [
            self.new_asker(items, name)
            for items, name in zip(items_lists, names, strict=True)
        ]
        return recommend(self.model_, askers, top, exclude_known)

    def explain(
        self, user: str | Sequence[str] | Mapping[str, float], item: str
    ) -> Explanation:
        """Return what each of a user's items adds to the score of an item.

        user: a name, or the items of a new user. The parts and the base add up to the
        score.
        """
        self.check_fitted()
        asker = self.asker(user) if isinstance(user, str) else self.new_asker(user)
        return explain(self.model_, asker, self.item_row(item))

    def similar_items(self, item: str, top: int = 10) -> list[tuple[str, float, int]]:
        """Return (item, weight, common users) of the items that add most to a score."""
        self.check_fitted()
        return similar_items(self.model_, self.item_row(item), top)

    # --- names ---

    def asker(self, name: str) -> Asker:
        """Return a user of the table; DataError for another name."""
        row = self.user_row(name)
        return Asker(str(self.model_.users[row]), self.model_.weights[[row]], row)

    def new_asker(
        self, items: Sequence[str] | Mapping[str, float], name: str = NEW_USER
    ) -> Asker:
        """Return a new user with some items; DataError for unknown items, or none."""
        weights = (
            dict(items) if isinstance(items, Mapping) else dict.fromkeys(items, 1.0)
        )
        if not weights:
            raise DataError("A new user must have one item or more. Got none.")
        bad = next((k for k, weight in weights.items() if not weight > 0), None)
        if bad is not None:
            raise DataError(
                f"weights must be above 0. Got {weights[bad]!r} of {bad!r}."
            )
        rows = np.array([self.item_row(item) for item in weights])
        values = np.array([*weights.values()], float)
        return Asker(name, self.model_.row_of(rows, values), None)

    def user_row(self, name: str) -> int:
        """Return the row of a user; DataError for an unknown one."""
        row = _find(self.model_.user_rows, name)
        if row is None:
            raise DataError(
                f"There is no user {name!r}. "
                f"{suggest_names(name, self.model_.users, MAX_SUGGESTED)} For a new "
                "user, give their items."
            )
        return row

    def item_row(self, name: str) -> int:
        """Return the row of an item; DataError for an unknown one."""
        row = _find(self.model_.item_rows, name)
        if row is None:
            raise DataError(
                f"There is no item {name!r}. "
                f"{suggest_names(name, self.model_.items, MAX_SUGGESTED)}"
            )
        return row


def _find(known: dict[str, int], name: str) -> int | None:
    """Return the row of a name, whose case may differ if that is clear."""
    name = str(name).strip()
    if name in known:
        return known[name]
    folded = [row for k, row in known.items() if k.casefold() == name.casefold()]
    return folded[0] if len(folded) == 1 else None


def _check_top(top: int) -> None:
    if not is_integer(top, 1):
        raise SettingError(
            f"top must be a whole number, 1 or more. Got {top!r} instead."
        )
