"""Rules between facts: who has the fact (r, a) also has the fact (q, t).

    confidence = entities with both facts / (entities with the first one + PRIOR)

A fact is a directed relation with its other end, such as (born in, Paris). All rules of
one relation q come from a sparse product of the matrix of entities and facts with
itself; these are the rules with constants of AnyBURL (C. Meilicke et al.: Anytime
bottom-up rule learning for knowledge graph completion, IJCAI 2019). A question
(h, q, ?) is answered by the facts of h alone, so that it can be asked of an entity that
was never trained on.
"""

from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix

from vicinal.knowledge.triple_graph import TripleGraph

PRIOR = 5.0
"""entities that are added to those with the first fact: rare facts prove little"""

MIN_SHARED, MIN_CONFIDENCE = 2, 0.01
"""entities with both facts, and confidence, that a rule has at least"""

MAX_PAIRS, PAIRS_AT_ONCE = 1 << 29, 1 << 25
"""pairs of facts of one entity that are counted in a graph, and at a time; the entities
with most facts are left out where there are more"""


class RelationRules(NamedTuple):
    """The rules that imply facts of one relation q."""

    facts: np.ndarray
    """[K] facts that imply one, ascending: columns of `TripleGraph.facts`"""

    shared: csr_matrix
    """[K, F_q] how many entities have both facts, 0 where there is no rule; columns in
    the order of `TripleGraph.fact_ends`"""

    squares: csr_matrix
    """[K, F_q] squared confidences"""

    def places(self, facts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return [M] rows of facts, and [M] bool which of them are in one."""
        if not len(self.facts):
            return np.zeros(len(facts), int), np.zeros(len(facts), bool)
        rows = np.minimum(np.searchsorted(self.facts, facts), len(self.facts) - 1)
        return rows, self.facts[rows] == facts


class FactRules:
    """Rules between the facts of a graph, mined relation by relation when needed."""

    def __init__(self, graph: TripleGraph) -> None:
        self.graph = graph
        self._mined: dict[int, RelationRules] = {}

    @cached_property
    def support(self) -> np.ndarray:
        """Return [F] how many entities have each fact."""
        return np.asarray(self.graph.facts.sum(axis=0)).ravel()

    @cached_property
    def _transposed(self) -> csr_matrix:
        return csr_matrix(self.graph.facts.T)

    def mine_all(self) -> int:
        """Mine the rules of all relations; return how many there are."""
        return sum(self.rules(k).shared.nnz for k in range(self.graph.num_directed))

    def rules(self, relation: int) -> RelationRules:
        """Return the rules that imply facts of a directed relation."""
        if relation not in self._mined:
            self._mined[relation] = self._mine(relation)
        return self._mined[relation]

    def shared(
        self, relation: int, facts: np.ndarray, columns: np.ndarray
    ) -> np.ndarray:
        """Return [M, K] how many entities have each fact and one of a relation.

        facts: [M] columns of `graph.facts`. columns: [K] among the facts of the
        relation. 0 where there is no rule.
        """
        rules = self.rules(relation)
        rows, is_used = rules.places(facts)
        found = np.zeros((len(facts), len(columns)), np.float32)
        found[is_used] = rules.shared[rows[is_used]][:, columns].toarray()
        return found

    @cached_property
    def _is_counted(self) -> np.ndarray:
        """Return [E] bool the entities whose pairs of facts are counted (MAX_PAIRS)."""
        counts = self.graph.degrees.astype(np.int64)
        order = np.argsort(counts, kind="stable")
        found = np.zeros(len(counts), bool)
        found[order[np.cumsum(counts[order] ** 2) <= MAX_PAIRS]] = True
        return found

    @property
    def num_left_out(self) -> int:
        """Return how many entities with facts are left out of the counts."""
        return int((~self._is_counted & (self.graph.degrees > 0)).sum())

    def _mine(self, relation: int) -> RelationRules:
        start, end = self.graph.fact_starts[relation : relation + 2].tolist()
        own = csr_matrix(self._transposed[start:end], copy=True)
        own.data *= self._is_counted[own.indices]
        own.eliminate_zeros()
        pairs = np.cumsum(own @ self.graph.degrees)
        blocks = np.unique(pairs // PAIRS_AT_ONCE, return_index=True)[1].tolist()
        found = [
            self._mine_block(own[first:last], start + first)
            for first, last in pairwise([*blocks, end - start])
        ]
        found.append((np.zeros((2, 0), np.int32), np.zeros(0, np.float32)))
        first, second = np.concatenate([pairs for pairs, _ in found], axis=1)
        shared = np.concatenate([shared for _, shared in found])
        facts, rows = np.unique(first, return_inverse=True)
        shape = len(facts), end - start
        counts = csr_matrix((shared, (rows, second - start)), shape)
        support = np.repeat(self.support[facts], np.diff(counts.indptr))
        squares = (counts.data / (support + PRIOR)) ** 2
        entries = squares.astype(np.float32), counts.indices, counts.indptr
        return RelationRules(facts, counts, csr_matrix(entries, shape))

    def _mine_block(self, own: csr_matrix, start: int) -> tuple[np.ndarray, np.ndarray]:
        """Return ([2, K] facts of rules, [K] entities that have both).

        own: [M, E] who has the facts start, start + 1, ..., which are implied.
        """
        found = coo_matrix(own @ self.graph.facts)
        confidences = found.data / (self.support[found.col] + PRIOR)
        used = (found.data >= MIN_SHARED) & (confidences >= MIN_CONFIDENCE)
        used &= found.col != found.row + start  # a fact does not imply itself
        pairs = np.stack([found.col[used], found.row[used] + np.int32(start)])
        return pairs, found.data[used]

    def scores(self, facts: csr_matrix, relation: int) -> csr_matrix:
        """Return [N, E] the root of the sum of squared confidences for each answer.

        facts: [N, F] those of the heads, as rows of `graph.facts`. 0 where no rule
        applies.
        """
        rules = self.rules(relation)
        rows, is_used = rules.places(facts.indices)
        starts = np.concatenate([[0], np.cumsum(is_used)])[facts.indptr]
        shape = len(starts) - 1, len(rules.facts)
        own = csr_matrix((facts.data[is_used], rows[is_used], starts), shape)
        found = csr_matrix(own @ rules.squares)
        start, end = self.graph.fact_starts[relation : relation + 2]
        tails = self.graph.fact_ends[start:end, 1]
        shape = len(found.indptr) - 1, self.graph.num_entities
        entries = np.sqrt(found.data), tails[found.indices], found.indptr
        return csr_matrix(entries, shape)
