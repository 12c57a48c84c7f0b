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

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, hstack

from vicinal.knowledge.triple_graph import TripleGraph

PRIOR = 5.0
"""entities that are added to those with the first fact: rare facts prove little"""

MIN_SHARED, MIN_CONFIDENCE = 2, 0.01
"""entities with both facts, and confidence, that a rule has at least"""

MAX_PAIRS, PAIRS_AT_ONCE = 1 << 29, 1 << 25
"""pairs of facts of one entity that are counted in a graph, and at a time; the entities
with most facts are left out where there are more"""


class FactRules:
    """Rules between the facts of a graph, mined relation by relation when needed."""

    def __init__(self, graph: TripleGraph) -> None:
        self.graph = graph
        self._mined: dict[int, csr_matrix] = {}
        self._squares: dict[int, csr_matrix] = {}

    @cached_property
    def support(self) -> np.ndarray:
        """Return [F] how many entities have each fact."""
        return np.asarray(self.graph.facts.sum(axis=0)).ravel()

    @cached_property
    def _transposed(self) -> csr_matrix:
        return csr_matrix(self.graph.facts.T)

    def mine_all(self) -> int:
        """Mine the rules of all relations; return how many there are."""
        return sum(self.shared(k).nnz for k in range(self.graph.num_directed))

    def shared(self, relation: int) -> csr_matrix:
        """Return [F, F_q] how many entities have both facts, 0 where there is no rule.

        Columns are the facts of a directed relation, in order of `graph.fact_ends`.
        """
        if relation not in self._mined:
            self._mined[relation] = self._mine(relation)
        return self._mined[relation]

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

    def _mine(self, relation: int) -> csr_matrix:
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
        if not found:
            return csr_matrix((len(self.graph.fact_ends), 0), dtype=np.float32)
        return found[0] if len(found) == 1 else csr_matrix(hstack(found))

    def _mine_block(self, own: csr_matrix, start: int) -> csr_matrix:
        """Return [F, K] the rules for facts start, start + 1 ...; own: who has them."""
        found = coo_matrix(self._transposed @ csr_matrix(own.T))
        confidences = found.data / (self.support[found.row] + PRIOR)
        used = (found.data >= MIN_SHARED) & (confidences >= MIN_CONFIDENCE)
        used &= found.row != found.col + start  # a fact does not imply itself
        entries = found.row[used], found.col[used]
        shape = len(self.graph.fact_ends), len(own.indptr) - 1
        return csr_matrix((found.data[used], entries), shape)

    def scores(self, facts: csr_matrix, relation: int) -> csr_matrix:
        """Return [N, E] the root of the sum of squared confidences for each answer.

        facts: [N, F] those of the heads, as rows of `graph.facts`. 0 where no rule
        applies.
        """
        if relation not in self._squares:
            shared = self.shared(relation)
            counts = np.diff(shared.indptr)
            rows = np.repeat(np.arange(len(counts)), counts)
            values = (shared.data / (self.support[rows] + PRIOR)) ** 2
            entries = values.astype(np.float32), shared.indices, shared.indptr
            shape = len(counts), int(np.diff(self.graph.fact_starts)[relation])
            self._squares[relation] = csr_matrix(entries, shape)
        found = csr_matrix(facts @ self._squares[relation])
        start, end = self.graph.fact_starts[relation : relation + 2]
        tails = self.graph.fact_ends[start:end, 1]
        shape = len(found.indptr) - 1, self.graph.num_entities
        entries = np.sqrt(found.data), tails[found.indices], found.indptr
        return csr_matrix(entries, shape)
