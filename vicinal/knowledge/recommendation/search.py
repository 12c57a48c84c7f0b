"""Choose hyperparameters, and the best model or blend, on the validation items.

Every model is fitted to the same table, and scored by NDCG on the same hidden items.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from vicinal.knowledge.recommendation.data.user_items import UserItems
from vicinal.knowledge.recommendation.evaluation.ranking import (
    Evaluator,
    Scorer,
)
from vicinal.knowledge.recommendation.models.ease import Ease, EaseConfig
from vicinal.knowledge.recommendation.models.graph_filter import GraphFilter
from vicinal.knowledge.recommendation.models.item_knn import ItemKNN
from vicinal.knowledge.recommendation.models.item_model import (
    ItemModel,
    Popularity,
    score_items,
)
from vicinal.knowledge.recommendation.models.lightgcn import Training, train_lightgcn

MIN_GAIN = 0.01
"""share by which the validation NDCG of a blend must be higher than that of its best
model, and that of another model than that of a simple one"""

SHRINKS = (0.0, 5.0, 20.0)
ALPHAS = (0.1, 0.3)
PENALTY, EXPONENTS, FACT_WEIGHTS = 150.0, (0.0, 0.25), (0.5, 1.0)
BLEND_WEIGHTS = (0.1, 0.3)

POPULARITY, ITEM_KNN, FACTS = "most popular items", "item kNN", "shared facts"
GRAPH_FILTER, EASE, EASE_FACTS = "graph filter (GF-CF)", "EASE", "EASE with facts"
LIGHTGCN, BLEND = "LightGCN", "blend"

Fit = Callable[[csr_matrix], ItemModel]
"""weights [U, I] -> fitted model"""


class Candidate(NamedTuple):
    """A model with its hyperparameters, and how well it did on the validation items."""

    fit: Fit
    description: str
    """hyperparameters in words"""

    ndcg: float


class BlendChoice(NamedTuple):
    """Models whose scores are added up, the best one first; perhaps one alone."""

    names: list[str]
    coefficients: list[float]
    """of the scores; that of the best model is 1"""

    weights: list[float]
    """coefficients in units of the standard deviation of the scores"""

    ndcg: float
    """on the validation items"""

    def describe(self) -> str:
        """Return the weights in words."""
        pairs = zip(self.names, self.weights, strict=True)
        return ", ".join(f"{name} {weight:g}" for name, weight in pairs)


class Search:
    """Fits candidates to one table, and scores them on the validation items."""

    def __init__(
        self, data: UserItems, table: csr_matrix, evaluator: Evaluator, seconds: float
    ) -> None:
        self.candidates: dict[str, Candidate] = {}
        self.models: dict[str, ItemModel] = {}
        self._data, self._table, self._evaluator = data, table, evaluator
        self._deadline = time.monotonic() + seconds

    @property
    def in_time(self) -> bool:
        """Return whether more hyperparameters may be tried."""
        return time.monotonic() < self._deadline

    def try_fit(self, name: str, fit: Fit, description: str) -> bool:
        """Fit and score a candidate; keep and return True if it is the best so far."""
        model = fit(self._table)
        return self.keep(name, model, fit, description)

    def keep(self, name: str, model: ItemModel, fit: Fit, description: str) -> bool:
        """Score a fitted candidate, and keep it if it is the best of its name."""
        ndcg = self._evaluator.score(self.scorer(model)).mean_ndcg()
        best = self.candidates.get(name)
        if best is not None and ndcg <= best.ndcg:
            return False
        self.candidates[name] = Candidate(fit, description, ndcg)
        self.models[name] = model
        return True

    def scorer(self, model: ItemModel) -> Scorer:
        return lambda users: score_items(model, self._table[users], users)

    # --- models ---

    def simple_models(self) -> None:
        """Try popularity, ItemKNN, and the similarity by facts."""
        self.try_fit(POPULARITY, Popularity.fit, "")
        for shrink in SHRINKS:
            if ITEM_KNN not in self.candidates or self.in_time:
                fit = _knn_fit(shrink)
                self.try_fit(ITEM_KNN, fit, f"shrinkage {shrink:g}")
        facts = self._data.facts.table
        if facts.nnz:
            by_facts = ItemKNN.fit(facts, 1.0)
            self.keep(FACTS, by_facts, lambda table: by_facts, "cosine of facts")

    def graph_filter(self) -> None:
        """Try GF-CF with each alpha; the singular vectors are the same."""
        model = GraphFilter.fit(self._table)
        for alpha in ALPHAS:
            own = model._replace(alpha=alpha)

            def fit(table: csr_matrix, alpha: float = alpha) -> ItemModel:
                return GraphFilter.fit(table, alpha)

            self.keep(GRAPH_FILTER, own, fit, f"alpha {alpha:g}")

    def ease(self) -> None:
        """Try exponents and weights of EASE, then penalties up and down, then facts."""
        weighted = (False, True) if self._data.has_weights else (False,)
        best = EaseConfig(PENALTY)
        for exponent in EXPONENTS:
            for damped in weighted:
                config = EaseConfig(PENALTY, exponent, damped)
                if (EASE not in self.candidates or self.in_time) and self._try(config):
                    best = config
        for factor in (2.0, 0.5):
            config = best._replace(penalty=best.penalty * factor)
            improved = False
            while self.in_time and self._try(config):
                best, improved = config, True
                config = best._replace(penalty=best.penalty * factor)
            if improved:
                break
        if self._data.facts.table.nnz:
            for weight in FACT_WEIGHTS:
                if self.in_time and not self._try(best._replace(fact_weight=weight)):
                    break

    def _try(self, config: EaseConfig) -> bool:
        facts = self._data.facts.table
        name = EASE_FACTS if config.fact_weight else EASE

        def fit(table: csr_matrix) -> ItemModel:
            return Ease.fit(table, facts, config)

        return self.try_fit(name, fit, config.describe())

    def lightgcn(self, training: Training) -> None:
        """Train LightGCN; it is trained again with as many passes."""
        model, passes = train_lightgcn(self._table, training)
        again = Training(passes, 2 * training.seconds, training.seed)

        def fit(table: csr_matrix) -> ItemModel:
            return train_lightgcn(table, again)[0]

        self.keep(LIGHTGCN, model, fit, f"{passes} passes")

    # --- blend ---

    def blend(self) -> BlendChoice:
        """Return the best model, with others added while the NDCG rises by MIN_GAIN.

        A simple model is preferred unless another one is better by as much.
        """
        names = sorted(self.candidates, key=self._preference, reverse=True)
        first, ndcg = names[0], self.candidates[names[0]].ndcg
        scores, spread = self._scaled_scores(first)
        chosen, coefficients, weights = [first], [1.0], [1.0]
        same = {EASE, EASE_FACTS}
        others = [k for k in names[1:] if {k, first} != same]
        scaled = {k: self._scaled_scores(k) for k in others if self.in_time}
        while scaled and self.in_time:
            value, name, weight = max(
                (self._ndcg_of(scores + np.float32(weight) * own), name, weight)
                for name, (own, _) in scaled.items()
                for weight in BLEND_WEIGHTS
            )
            if value <= ndcg * (1 + MIN_GAIN):
                break
            own, own_spread = scaled.pop(name)
            ndcg, scores = value, scores + np.float32(weight) * own
            chosen.append(name)
            coefficients.append(weight * spread / own_spread)
            weights.append(weight)
        return BlendChoice(chosen, coefficients, weights, ndcg)

    def _preference(self, name: str) -> float:
        bonus = MIN_GAIN if name in (POPULARITY, ITEM_KNN) else 0.0
        return self.candidates[name].ndcg * (1 + bonus)

    def _scaled_scores(self, name: str) -> tuple[np.ndarray, float]:
        """Return the scores of the validation users in units of their deviation."""
        scores = self.scorer(self.models[name])(self._evaluator.users)
        spread = float(scores.std()) or 1.0
        return scores / np.float32(spread), spread

    def _ndcg_of(self, scores: np.ndarray) -> float:
        users = self._evaluator.users
        rows = np.zeros(int(users.max()) + 1, np.int64)
        rows[users] = np.arange(len(users))
        return self._evaluator.score(lambda own: scores[rows[own]]).mean_ndcg()


def _knn_fit(shrink: float) -> Fit:
    return lambda table: ItemKNN.fit(table, shrink)
