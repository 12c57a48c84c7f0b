"""Answers of similar entities: neighbours that have many facts in common.

    score(h, q, t) = sum_x s(h, x)^4 [x has (q, t)] / sum_x s(h, x)^4

s is the cosine of two entities' facts, each fact weighted by log(E / entities with it),
as words are in texts (G. Salton and C. Buckley 1988). So the score is a share: of the
entities like h, how many have the answer. h needs no training, only facts.
"""

from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix

from vicinal.knowledge.models.path_rules import Steps


class SimilarEntities:
    """Similarities of entities by their facts, computed when needed."""

    def __init__(self, steps: Steps) -> None:
        self.graph, self.steps = steps.graph, steps

    @cached_property
    def weights(self) -> np.ndarray:
        """Return [F] the weight of each fact: log(E / entities with it)."""
        support = np.asarray(self.graph.facts.sum(axis=0)).ravel()
        return np.log(self.graph.num_entities / support).astype(np.float32)

    @cached_property
    def _by_fact(self) -> csr_matrix:
        """[F, E] weighted facts of each entity, of length 1."""
        return csr_matrix(self._normalized(self.graph.facts).T)

    def _normalized(self, facts: csr_matrix) -> csr_matrix:
        """Return facts [N, F], weighted and of length 1; rows without facts stay 0."""
        counts = np.diff(facts.indptr)
        values = facts.data * self.weights[facts.indices]
        rows = np.repeat(np.arange(len(counts)), counts)
        squares = np.bincount(rows, values * values, minlength=len(counts))
        values /= np.sqrt(np.maximum(squares, 1e-18)).astype(np.float32)[rows]
        return csr_matrix((values, facts.indices, facts.indptr), facts.shape)

    def similarities(
        self, facts: csr_matrix, numbers: np.ndarray | None = None
    ) -> csr_matrix:
        """Return the cosines [N, E] of entities with facts [N, F] to all entities.

        numbers: [N] these entities, where they are in the graph: none is similar to
        itself.
        """
        found = csr_matrix(self._normalized(facts) @ self._by_fact)
        if numbers is not None:
            rows = np.repeat(np.arange(len(numbers)), np.diff(found.indptr))
            found.data[found.indices == numbers[rows]] = 0
        return found

    def scores(self, similarities: csr_matrix, relation: int) -> csr_matrix:
        """Return [N, E] the share of similar entities that have each answer."""
        powers = powers_of(similarities)
        totals = np.asarray(powers.sum(axis=1)).ravel()
        found = self.steps.take(powers, np.full(len(totals), relation))
        found.data /= np.repeat(np.maximum(totals, 1e-12), np.diff(found.indptr))
        return found


def powers_of(similarities: csr_matrix) -> csr_matrix:
    """Return each similarity to the fourth, so that the most similar ones decide."""
    squares = similarities.data * similarities.data
    found = similarities.copy()
    np.multiply(squares, squares, out=found.data)
    return found
