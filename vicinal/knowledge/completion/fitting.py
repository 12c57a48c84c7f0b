"""Fit a completion in three steps, each timed and kept only if it helps.

Rules are mined, an embedding is trained for a time, and one number puts both together.
What is kept is decided by validation triples; test triples are ranked once, at the end.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from vicinal.core.evaluation.calibration import binary_calibration_error
from vicinal.knowledge.completion.settings import CompletionSettings
from vicinal.knowledge.data.split_notes import without_repeated
from vicinal.knowledge.evaluation.calibration import (
    FIRST,
    Calibrations,
    answer_features,
    fit_calibration,
)
from vicinal.knowledge.evaluation.ranking import (
    filtered_ranks,
    question_blocks,
)
from vicinal.knowledge.evaluation.splits import TripleSplit
from vicinal.knowledge.models.completion import Completion, RuleModel, popularity
from vicinal.knowledge.models.embedding import ComplEx
from vicinal.knowledge.models.embedding_training import Step, train_embedding
from vicinal.knowledge.triple_graph import TripleGraph

WEIGHTS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0)
"""weights of the rules that are tried"""

MOST_VALIDATED, MOST_TESTED = 2000, 25000
"""triples by which steps are chosen, and that are ranked at the end"""

MOST_SCORES = 1 << 30
"""scores of answers that a ranking of triples takes at most, which for graphs of many
entities are those of fewer triples"""

Z = 1.96
"""standard errors by which the combination has to be better than rules alone"""


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

    def mine(self) -> None:
        """Mine rules."""
        start = time.perf_counter()
        self.completion = Completion(RuleModel.mine(self.train_graph, self.seed))
        self._of_rules = self._validate()["rules"]
        self.validation["rules"] = _mrr(self._of_rules)
        self.seconds["rules"] = time.perf_counter() - start

    def train(self) -> Iterator[Step]:
        """Train an embedding for the minutes of the settings; yield its steps."""
        start, minutes = time.perf_counter(), self.settings.minutes
        options = self.settings.training_options(self.known.num_entities)
        graph, seed = self.train_graph, self.seed
        for step in train_embedding(graph, options, 60 * minutes, seed):
            self._embedding = step.model
            yield step
        self.seconds["embedding"] = time.perf_counter() - start

    def combine(self) -> bool:
        """Choose the weight of the rules; return whether the embedding is kept.

        It is if the combination ranks validation triples better than rules alone, by Z
        standard errors.
        """
        start = time.perf_counter()
        candidate = replace(self.completion, embedding=self._embedding)
        ranks = filtered_ranks(scorer(candidate, WEIGHTS), self.validated, self.known)
        weight = max(WEIGHTS, key=lambda value: _mrr(ranks[_name(value)]))
        both = ranks[_name(weight)]
        self.validation["embedding"] = _mrr(ranks["embedding"])
        self.validation["combination"] = _mrr(both)
        gains = (1 / both - 1 / self._of_rules).ravel()
        is_better = gains.mean() > Z * gains.std() / len(gains) ** 0.5
        if is_better:
            self.completion = replace(candidate, weight=weight)
        self.seconds["combination"] = time.perf_counter() - start
        return bool(is_better)

    def score(self, most: int | None = None) -> tuple[Calibrations, CompletionScores]:
        """Return the calibration and the scores on test triples, at most so many."""
        start = time.perf_counter()
        features, by_rules, truth = self._best_answers(self.validated)
        calibration = Calibrations(
            fit_calibration(features, truth), fit_calibration(by_rules, truth)
        )
        tested = self.tested[:most]
        ranks = filtered_ranks(scorer(self.completion), tested, self.known)
        features, _, truth = self._best_answers(tested[:MOST_VALIDATED])
        probabilities = calibration.known.probabilities(features)
        error = binary_calibration_error(probabilities, truth)
        self.seconds["test"] = time.perf_counter() - start
        own = ranks, tested, {**self.validation}, {**self.seconds}
        return calibration, CompletionScores(*own, error, (probabilities, truth))

    def final_completion(self) -> Completion:
        """Return the completion with rules that are mined from all known triples."""
        rules = RuleModel.mine(self.known, self.seed)
        return replace(self.completion, rules=rules)

    def _validate(self) -> dict[str, np.ndarray]:
        return filtered_ranks(scorer(self.completion), self.validated, self.known)

    def _best_answers(
        self, triples: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return features [M, 2], those of rules alone, and truth [M] of best answers.

        Answers that are known from training do not count, as they are not predicted.
        """
        features, of_rules, truth = [], [], []
        for block in question_blocks(triples, self.known):
            heads = np.unique(block.heads)
            own = self.completion.rules.heads(heads)
            found = self.completion.scores(own, block.relation)
            is_known = self.train_graph.known_answers(heads, block.relation)
            values = answer_features(found.total, found.by_rules, is_known)
            best = np.argsort(-values[..., 0], axis=1)[:, :FIRST]
            rows = np.arange(len(heads))[:, None]
            is_true = self.known.known_answers(heads, block.relation)
            usable = np.isfinite(values[rows, best, 0])
            features.append(values[rows, best][usable])
            alone = self.completion.weight * found.by_rules
            alone = answer_features(alone, found.by_rules, is_known)
            of_rules.append(alone[rows, best][usable])
            truth.append(is_true[rows, best][usable])
        parts = (features, of_rules, truth)
        found = [np.concatenate(part) for part in parts]
        return found[0], found[1], found[2]


def scorer(
    completion: Completion, weights: tuple[float, ...] = ()
) -> Callable[[np.ndarray, int], dict[str, np.ndarray]]:
    """Return what scores answers by the completion, by its parts and by popularity.

    weights: of the rules, each of which is a model with its own name.
    """

    def score(heads: np.ndarray, relation: int) -> dict[str, np.ndarray]:
        found = completion.scores(completion.rules.heads(heads), relation)
        if weights:
            assert found.by_embedding is not None
            models = {
                _name(weight): found.by_embedding + weight * found.by_rules
                for weight in weights
            }
            return models | {"embedding": found.by_embedding}
        possible = np.isfinite(found.total)
        models = {"rules": np.where(possible, found.by_rules, -np.inf)}
        if found.by_embedding is not None:
            models = {"combination": found.total} | models
            models["embedding"] = found.by_embedding
        counts = popularity(completion.rules.graph, relation)
        models["popularity"] = np.broadcast_to(counts, found.total.shape)
        return models

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
    """Return the name of the combination with a weight of the rules."""
    return f"rules times {weight:g}"
