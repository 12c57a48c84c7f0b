"""Fit a completion in steps, each timed and kept only if it helps.

Rules are mined, an embedding is trained for a time, and a path network on another core
meanwhile; one number each puts them together. What is kept is decided by validation
triples; test triples are ranked once, at the end.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from vicinal.core.evaluation.calibration import binary_calibration_error
from vicinal.knowledge.completion.network_worker import PathNetworkWorker
from vicinal.knowledge.completion.settings import CompletionSettings
from vicinal.knowledge.data.split_notes import without_repeated
from vicinal.knowledge.evaluation.calibration import (
    FIRST,
    Calibrations,
    answer_features,
    fit_calibration,
)
from vicinal.knowledge.evaluation.ranking import (
    Scorer,
    filtered_ranks,
    question_blocks,
)
from vicinal.knowledge.evaluation.splits import TripleSplit
from vicinal.knowledge.models.completion import Completion, RuleModel, popularity
from vicinal.knowledge.models.embedding import ComplEx
from vicinal.knowledge.models.embedding_training import Step, train_embedding
from vicinal.knowledge.models.path_network import PathNetwork
from vicinal.knowledge.triple_graph import TripleGraph

WEIGHTS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0)
"""weights of the rules that are tried"""

NETWORK_WEIGHTS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5)
"""weights of a path network that are tried"""

MIN_NETWORK_SECONDS, MAX_NETWORK_TRIPLES = 20.0, 1_000_000
"""time in which a path network learns something, and triples of a graph that has one"""

MOST_VALIDATED, MOST_TESTED = 2000, 25000
"""triples by which steps are chosen, and that are ranked at the end"""

MOST_SCORES = 1 << 30
"""scores of answers that a ranking of triples takes at most, which for graphs of many
entities are those of fewer triples"""

Z = 1.96
"""standard errors by which each step has to be better than what was before it"""


@dataclass(frozen=True)
class CompletionScores:
    """How well a completion and its parts rank triples that were held out."""

    ranks: dict[str, np.ndarray]
    """[2, N] by model, of the tails and heads of `tested`; the delivered model first"""

    tested: np.ndarray
    """[N, 3]"""

    validation: dict[str, float]
    """mean reciprocal rank on validation triples, by model"""

    seconds: dict[str, float]
    """by step"""

    calibration_error: float = float("nan")
    """of the probabilities of the best answers to test questions"""

    answers: tuple[np.ndarray, np.ndarray] = field(
        default_factory=lambda: (np.zeros(0), np.zeros(0, bool))
    )
    """probabilities and truth of the best answers to test questions; empty after
    loading"""

    @property
    def delivered(self) -> str:
        """Return the name of the model that answers."""
        return next(iter(self.ranks))


class CompletionFit:
    """Steps of a fit: `mine`, `train`, `combine`, and `score` after any of them."""

    def __init__(
        self,
        split: TripleSplit,
        num_entities: int,
        num_relations: int,
        settings: CompletionSettings,
        seed: int,
    ) -> None:
        """split: at least one triple in each part."""
        self.train_graph = TripleGraph(split.train, num_entities, num_relations)
        size = num_entities, num_relations
        # a triple may be in two parts of a split that is given
        self.known = TripleGraph(without_repeated(np.concatenate(split), *size), *size)
        self.settings, self.seed = settings, seed
        rng = np.random.default_rng(seed)
        most = max(MOST_SCORES // (2 * num_entities), 1)
        self.validated = _sample(split.validation, min(most, MOST_VALIDATED), rng)
        self.tested = _sample(split.test, min(most, MOST_TESTED), rng)
        self.validation: dict[str, float] = {}
        self.seconds: dict[str, float] = {}
        self._embedding: ComplEx | None = None
        self._network: PathNetwork | None = None
        self.worker_seconds = 0.0
        """CPU seconds of the process that trains a path network"""

    def mine(self) -> None:
        """Mine rules."""
        start = time.perf_counter()
        self.completion = Completion(RuleModel.mine(self.train_graph, self.seed))
        self._best = self._ranks(self.completion, scorer)["rules"]
        self.validation["rules"] = _mrr(self._best)
        self.seconds["rules"] = time.perf_counter() - start

    def train(self) -> Iterator[Step]:
        """Train for the minutes of the settings; yield the steps of the embedding."""
        start, seconds = time.perf_counter(), 60 * self.settings.minutes
        options = self.settings.training_options(self.known.num_entities)
        graph, seed = self.train_graph, self.seed
        with PathNetworkWorker() as worker:
            if self._has_network:
                worker.start(graph, seconds, seed)
            for step in train_embedding(graph, options, seconds, seed):
                self._embedding = step.model
                yield step
            self._network = worker.result()
            self.worker_seconds = worker.cpu_seconds
        self.seconds["training"] = time.perf_counter() - start

    @property
    def _has_network(self) -> bool:
        """Return whether a path network is trained."""
        return (
            self.settings.path_network
            and 60 * self.settings.minutes >= MIN_NETWORK_SECONDS
            and len(self.train_graph.triples) <= MAX_NETWORK_TRIPLES
        )

    def combine(self) -> None:
        """Choose the weights, first of the rules, then of the path network.

        A step is kept if it ranks validation triples better than what was before it, by
        Z standard errors.
        """
        start = time.perf_counter()
        candidate = replace(self.completion, embedding=self._embedding)
        ranks = self._ranks(candidate, weight_scorer)
        self.validation["embedding"] = _mrr(ranks.pop("embedding"))
        name, weight = "rules and embedding", self._choose(ranks, WEIGHTS)
        if self._keep(name, ranks[_name(weight)]):
            self.completion = replace(candidate, weight=weight)
        if self._network is not None:
            candidate = replace(self.completion, network=self._network)
            ranks = self._ranks(candidate, network_scorer)
            name, weight = "with path network", self._choose(ranks, NETWORK_WEIGHTS)
            if self._keep(name, ranks[_name(weight)]):
                self.completion = replace(candidate, network_weight=weight)
        self.seconds["combination"] = time.perf_counter() - start

    def _choose(
        self, ranks: dict[str, np.ndarray], weights: tuple[float, ...]
    ) -> float:
        return max(weights, key=lambda weight: _mrr(ranks[_name(weight)]))

    def _keep(self, name: str, ranks: np.ndarray) -> bool:
        """Return whether ranks are better than the best ones until now."""
        self.validation[name] = _mrr(ranks)
        gains = (1 / ranks - 1 / self._best).ravel()
        is_better = gains.mean() > Z * gains.std() / len(gains) ** 0.5
        if is_better:
            self._best = ranks
        return bool(is_better)

    def score(self, most: int | None = None) -> tuple[Calibrations, CompletionScores]:
        """Return the calibration and the scores on test triples, at most so many."""
        start = time.perf_counter()
        calibration = Calibrations(
            *(fit_calibration(*own) for own in self._best_answers(self.validated))
        )
        tested = self.tested[:most]
        ranks = filtered_ranks(scorer(self.completion), tested, self.known)
        features, truth = self._best_answers(tested[:MOST_VALIDATED]).known
        probabilities = calibration.known.probabilities(features)
        error = binary_calibration_error(probabilities, truth)
        self.seconds["test"] = time.perf_counter() - start
        own = ranks, tested, {**self.validation}, {**self.seconds}
        return calibration, CompletionScores(*own, error, (probabilities, truth))

    def final_completion(self) -> Completion:
        """Return the completion with rules that are mined from all known triples."""
        rules = RuleModel.mine(self.known, self.seed)
        return replace(self.completion, rules=rules)

    def _ranks(
        self, completion: Completion, kind: Callable[[Completion], Scorer]
    ) -> dict[str, np.ndarray]:
        return filtered_ranks(kind(completion), self.validated, self.known)

    def _best_answers(self, triples: np.ndarray) -> "BestAnswers":
        """Return the best answers to the questions of triples.

        Answers that are known from training do not count, as they are not predicted.
        """
        parts: list[list[np.ndarray]] = []
        for block in question_blocks(triples, self.known):
            heads = np.unique(block.heads)
            own = self.completion.rules.heads(heads)
            found = self.completion.scores(own, block.relation)
            is_known = self.train_graph.known_answers(heads, block.relation)
            is_true = self.known.known_answers(heads, block.relation)
            alone = self.completion.weight * found.by_rules
            alone = np.where(np.isfinite(found.total), alone, -np.inf)
            rows, listed = np.arange(len(heads))[:, None], list[np.ndarray]()
            for totals in (found.total, found.total_without_network, alone):
                features = answer_features(totals, found.by_rules, is_known)
                best = np.argsort(-features[..., 0], axis=1)[:, :FIRST]
                usable = np.isfinite(features[rows, best, 0])
                listed += [features[rows, best][usable], is_true[rows, best][usable]]
            parts.append(listed)
        columns = [np.concatenate(part) for part in zip(*parts, strict=True)]
        return BestAnswers(*zip(columns[::2], columns[1::2], strict=True))


class BestAnswers(NamedTuple):
    """Features [M, 2] of best answers, and [M] bool whether they are right.

    By the models that `Calibrations` has.
    """

    known: tuple[np.ndarray, np.ndarray]
    without_network: tuple[np.ndarray, np.ndarray]
    new: tuple[np.ndarray, np.ndarray]


def scorer(completion: Completion) -> Scorer:
    """Return what scores answers by the completion, by its parts and by popularity."""

    def score(heads: np.ndarray, relation: int) -> dict[str, np.ndarray]:
        found = completion.scores(completion.rules.heads(heads), relation)
        possible = np.isfinite(found.total)
        models = {"rules": np.where(possible, found.by_rules, -np.inf)}
        if found.by_embedding is not None:
            models = {"rules and embedding": found.total_without_network} | models
            models["embedding"] = found.by_embedding
        if found.by_network is not None:
            models = {"with path network": found.total} | models
        counts = popularity(completion.rules.graph, relation)
        models["popularity"] = np.broadcast_to(counts, found.total.shape)
        return models

    return score


def weight_scorer(completion: Completion) -> Scorer:
    """Return what scores answers by an embedding, and with each weight of the rules."""

    def score(heads: np.ndarray, relation: int) -> dict[str, np.ndarray]:
        found = completion.scores(completion.rules.heads(heads), relation)
        assert found.by_embedding is not None
        log_p = np.where(np.isfinite(found.total), found.by_embedding, -np.inf)
        models = {_name(each): log_p + each * found.by_rules for each in WEIGHTS}
        return models | {"embedding": found.by_embedding}

    return score


def network_scorer(completion: Completion) -> Scorer:
    """Return what scores answers with each weight of a path network."""

    def score(heads: np.ndarray, relation: int) -> dict[str, np.ndarray]:
        found = completion.scores(completion.rules.heads(heads), relation)
        assert found.by_network is not None
        base = found.total_without_network
        return {_name(each): base + each * found.by_network for each in NETWORK_WEIGHTS}

    return score


def _sample(triples: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Return at most so many of the triples, at random."""
    if len(triples) <= most:
        return triples
    return triples[rng.permutation(len(triples))[:most]]


def _mrr(ranks: np.ndarray) -> float:
    """Return the mean reciprocal rank."""
    return float(np.mean(1 / ranks))


def _name(weight: float) -> str:
    """Return the name of a combination with a weight."""
    return f"times {weight:g}"
