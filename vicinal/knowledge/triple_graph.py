"""TripleGraph: the known triples of a knowledge graph, sorted for questions.

Every relation has an inverse, so that both sides of a triple are one kind of question:
(head, relation, ?) asks for tails, (tail, inverse relation, ?) for heads.
"""

from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix

MAX_QUESTIONS, MAX_SCORES = 256, 1 << 22
"""questions, and their scores of all entities, that are in memory at a time"""


class TripleGraph:
    """Known triples (head, relation, tail), each with its inverse."""

    def __init__(
        self, triples: np.ndarray, num_entities: int, num_relations: int
    ) -> None:
        """triples: [N, 3] integers, each once."""
        self.triples = np.asarray(triples, np.int32).reshape(-1, 3)
        self.num_entities, self.num_relations = num_entities, num_relations

    @property
    def num_directed(self) -> int:
        """Return the number of relations with their inverses."""
        return 2 * self.num_relations

    @property
    def questions_at_once(self) -> int:
        """Return how many questions are scored for all entities at a time."""
        return min(max(MAX_SCORES // self.num_entities, 1), MAX_QUESTIONS)

    def inverse(self, relations: np.ndarray) -> np.ndarray:
        """Return the relations that lead back."""
        relations = np.asarray(relations)
        shift = self.num_relations
        return np.where(relations < shift, relations + shift, relations - shift)

    @cached_property
    def directed(self) -> np.ndarray:
        """Return [2N, 3] int32 all triples with their inverses, sorted by question.

        The order is that of relations, then heads, then tails.
        """
        heads, relations, tails = self.triples.T
        both = np.concatenate(
            [
                self.triples,
                np.stack([tails, self.inverse(relations), heads], axis=1),
            ]
        )
        order = np.lexsort((both[:, 2], both[:, 0], both[:, 1]))
        return np.ascontiguousarray(both[order], np.int32)

    @cached_property
    def relation_starts(self) -> np.ndarray:
        """Return [2R + 1] where the triples of each directed relation begin."""
        numbers = np.arange(self.num_directed + 1)
        return np.searchsorted(self.directed[:, 1], numbers)

    def adjacency(self, relation: int) -> csr_matrix:
        """Return the matrix [E, E] float32 with 1 where a directed relation holds."""
        start, end = self.relation_starts[relation : relation + 2]
        heads, _, tails = self.directed[start:end].T
        counts = np.bincount(heads, minlength=self.num_entities)
        starts = np.concatenate([[0], np.cumsum(counts)])
        shape = self.num_entities, self.num_entities
        ones = np.ones(end - start, np.float32)
        return csr_matrix((ones, tails.astype(np.int32), starts), shape)

    def question_codes(self, heads: np.ndarray, relations: np.ndarray) -> np.ndarray:
        """Return one number for each (head, relation), in the order of `directed`."""
        wide = np.asarray(relations, np.int64) * self.num_entities
        return wide + np.asarray(heads, np.int64)

    @cached_property
    def _codes(self) -> np.ndarray:
        return self.question_codes(self.directed[:, 0], self.directed[:, 1])

    def answers(
        self, heads: np.ndarray, relations: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the known answers of questions: (starts [N + 1], tails).

        The tails of question n are tails[starts[n] : starts[n + 1]], ascending.
        """
        codes = self.question_codes(heads, relations)
        first = np.searchsorted(self._codes, codes)
        last = np.searchsorted(self._codes, codes, side="right")
        counts = last - first
        starts = np.concatenate([[0], np.cumsum(counts)])
        rows = np.arange(starts[-1]) + np.repeat(first - starts[:-1], counts)
        return starts, self.directed[rows, 2]

    def known_answers(self, heads: np.ndarray, relation: int) -> np.ndarray:
        """Return [N, E] bool: the known answers to questions about one relation."""
        starts, answers = self.answers(heads, np.full(len(heads), relation))
        found = np.zeros((len(heads), self.num_entities), bool)
        found[np.repeat(np.arange(len(heads)), np.diff(starts)), answers] = True
        return found

    @cached_property
    def has_self_loops(self) -> np.ndarray:
        """Return [2R] bool: directed relations with a triple of equal ends."""
        found = np.zeros(self.num_directed, bool)
        found[self.directed[self.directed[:, 0] == self.directed[:, 2], 1]] = True
        return found

    @cached_property
    def degrees(self) -> np.ndarray:
        """Return [E] in how many triples each entity is, self-loops twice."""
        return np.bincount(self.directed[:, 0], minlength=self.num_entities)

    @cached_property
    def tail_counts(self) -> csr_matrix:
        """Return [2R, E] how often each entity answers each directed relation."""
        _, relations, tails = self.directed.T
        ones = np.ones(len(relations), np.float32)
        shape = self.num_directed, self.num_entities
        return csr_matrix((ones, (relations, tails)), shape)

    @cached_property
    def facts(self) -> csr_matrix:
        """Return [E, F] float32 which entity has which fact.

        A fact is a directed relation with its other end, such as "born in, Paris";
        column f is `fact_ends[f]`. Columns of one relation are next to each other.
        """
        codes, heads = self._fact_codes
        _, columns = np.unique(codes, return_inverse=True)
        ones = np.ones(len(codes), np.float32)
        shape = self.num_entities, len(self.fact_ends)
        return csr_matrix((ones, (heads, columns)), shape)

    @cached_property
    def fact_ends(self) -> np.ndarray:
        """Return [F, 2] int32 the directed relation and the other end of each fact."""
        codes = np.unique(self._fact_codes[0])
        return np.stack(np.divmod(codes, self.num_entities), axis=1).astype(np.int32)

    @cached_property
    def fact_starts(self) -> np.ndarray:
        """Return [2R + 1] where the facts of each directed relation begin."""
        numbers = np.arange(self.num_directed + 1)
        return np.searchsorted(self.fact_ends[:, 0], numbers)

    @cached_property
    def _fact_codes(self) -> tuple[np.ndarray, np.ndarray]:
        heads, relations, tails = self.directed.T
        return self.question_codes(tails, relations), heads
