"""Completion: rules, an embedding and a path network, put together by two numbers.

    score = log p_embedding + weight * log(rules + FLOOR) + network_weight * by_network

p: the softmax of ComplEx over all entities. rules: the scores of rules of facts, of
rules of paths, SIMILAR times that of similar entities, and, to break ties, of how often
an entity answers the relation. by_network: of the best answers, see `path_reranker`.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_matrix

from vicinal.knowledge.models.embedding import ComplEx
from vicinal.knowledge.models.fact_rules import FactRules
from vicinal.knowledge.models.path_network import PathNetwork
from vicinal.knowledge.models.path_reranker import PathReranker
from vicinal.knowledge.models.path_rules import (
    PathRules,
    Starts,
    Steps,
    add_entries,
)
from vicinal.knowledge.models.similar_entities import SimilarEntities
from vicinal.knowledge.triple_graph import TripleGraph

SIMILAR, POPULARITY, FLOOR = 3.0, 1e-3, 1e-4
"""weights of the answers of similar entities and of an answer's share of a relation,
and the least score of rules"""


class Heads(NamedTuple):
    """What is known of the heads of N questions."""

    facts: csr_matrix
    """[N, F] facts, as rows of `TripleGraph.facts`"""

    starts: Starts
    """their edges, for paths"""

    similarities: csr_matrix
    """[N, E] to the entities of the graph"""

    numbers: np.ndarray | None = None
    """[N] entities of the graph; None: new ones, of which only facts are known"""


class AnswerScores(NamedTuple):
    """Scores [N, E] of all entities as answers to N questions."""

    total: np.ndarray
    """a logarithm; answers with a higher one are more probable"""

    by_rules: np.ndarray
    """log(rules + FLOOR)"""

    by_embedding: np.ndarray | None
    """log p; None without an embedding"""

    by_network: np.ndarray | None
    """0 or more; None without a path network"""

    total_without_network: np.ndarray
    """`total` without the last summand"""


@dataclass(frozen=True)
class RuleModel:
    """Rules of facts and of paths of a graph, and the similarity of its entities."""

    graph: TripleGraph
    facts: FactRules = field(repr=False)
    paths: PathRules = field(repr=False)
    similar: SimilarEntities = field(repr=False)
    steps: Steps = field(repr=False)

    @classmethod
    def mine(cls, graph: TripleGraph, seed: int) -> "RuleModel":
        """Return the rules of a graph. Those of facts are mined when first needed."""
        steps = Steps(graph)
        return cls.with_paths(steps, PathRules.mine(steps, seed))

    @classmethod
    def with_paths(cls, steps: Steps, paths: PathRules) -> "RuleModel":
        """Return the rules of a graph, those of paths given."""
        graph = steps.graph
        return cls(graph, FactRules(graph), paths, SimilarEntities(steps), steps)

    def heads(self, numbers: np.ndarray) -> Heads:
        """Return what is known of entities [N] of the graph."""
        facts = csr_matrix(self.graph.facts[numbers])
        starts = Starts.of_entities(self.steps, numbers)
        return Heads(facts, starts, self.similar.similarities(facts, numbers), numbers)

    def new_heads(self, rows: np.ndarray, facts: np.ndarray, count: int) -> Heads:
        """Return what is known of entities that the graph does not have.

        rows: [M] which of the `count` entities each fact is of. facts: [M, 2] directed
        relations and their other ends, entities of the graph.
        """
        graph = self.graph
        codes = graph.question_codes(facts[:, 1], facts[:, 0])
        known = graph.question_codes(graph.fact_ends[:, 1], graph.fact_ends[:, 0])
        columns = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        used = known[columns] == codes
        ones = np.ones(len(facts), np.float32)
        entries = ones[used], (rows[used], columns[used])

        own_facts = csr_matrix(entries, (count, len(known)))
        similarities = self.similar.similarities(own_facts)
        edges = rows, facts[:, 0], facts[:, 1]
        return Heads(own_facts, Starts(self.steps, count, edges), similarities)

    def score(self, heads: Heads, relation: int) -> np.ndarray:
        """Return the scores [N, E] of all entities as answers, 0 or more."""
        found = self.facts.scores(heads.facts, relation).toarray()
        similar = self.similar.scores(heads.similarities, relation)
        add_entries(found, SIMILAR * similar)
        if self.paths.of_relation(relation):
            found = self.paths.add_scores(found, heads.starts, relation)
        found += POPULARITY * popularity(self.graph, relation)
        return found


def popularity(graph: TripleGraph, relation: int) -> np.ndarray:
    """Return [E] how often each entity answers a relation, of the most frequent one."""
    counts = graph.tail_counts[relation].toarray()[0]
    return counts / (counts.max() + 1)


@dataclass(frozen=True)
class Completion:
    """Rules, an embedding and a path network; all but the rules may be missing.

    New entities are answered by rules alone.
    """

    rules: RuleModel
    embedding: ComplEx | None = None
    weight: float = 1.0
    """of the logarithm of the rules' score"""

    network: PathNetwork | None = None
    network_weight: float = 1.0

    @cached_property
    def _reranker(self) -> PathReranker:
        assert self.network is not None
        return PathReranker(self.network, self.rules.graph)

    def scores(
        self, heads: Heads, relation: int, hidden: int | None = None
    ) -> AnswerScores:
        """Return the scores of all entities as answers to questions of one relation.

        An entity is no answer of its own (-inf), unless the relation has self-loops.
        hidden: a known answer of all heads, which the path network scores as if it were
        not known; the other models do so in any case.
        """
        by_rules = np.log(self.rules.score(heads, relation) + FLOOR)
        total, graph = self.weight * by_rules, self.rules.graph
        if heads.numbers is not None and not graph.has_self_loops[relation]:
            rows = np.arange(len(total))
            by_rules[rows, heads.numbers] = np.log(FLOOR)
            total[rows, heads.numbers] = -np.inf
        if heads.numbers is None:
            return AnswerScores(total, by_rules, None, None, total)
        log_p = None
        if self.embedding is not None:
            log_p = log_probabilities(self.embedding, heads.numbers, relation)
            total += log_p
        if self.network is None:
            return AnswerScores(total, by_rules, log_p, None, total)
        found = self._reranker.scores(heads.numbers, relation, total, hidden)
        whole = total + self.network_weight * found
        return AnswerScores(whole, by_rules, log_p, found, total)


@torch.inference_mode()
def log_probabilities(
    embedding: ComplEx, heads: np.ndarray, relation: int
) -> np.ndarray:
    """Return the log of the softmax [N, E] of an embedding over all entities."""
    rows = torch.from_numpy(np.asarray(heads, np.int64))
    logits = embedding(rows, torch.full((len(rows),), relation))
    return torch.log_softmax(logits, dim=1).numpy()
