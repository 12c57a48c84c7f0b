"""Features of entities that depend on the graph alone, also of entities that are new.

degree      log counts of facts, in- and out-degree, PageRank
relations   log count of each relation in each direction
neighbours  mean log degree of the other ends, by frequent relation and direction
position    coordinates by singular vectors of the facts
facts       sparse: which facts an entity shares with others; a fact is a directed
            relation with its other end, and weighs 1 / log(1 + entities that have it)
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix, diags

from vicinal.knowledge.importance.features.pagerank import pagerank, pagerank_of_new
from vicinal.knowledge.triple_graph import TripleGraph

DIMENSIONS = 64
"""singular vectors"""

SVD_OPTIONS: dict[str, Any] = {"n_iter": 3}

MIN_ENTITIES = 10
"""entities with a relation that is a feature"""

MAX_LEAST = 100
"""entities with a relation that is frequent; in small graphs a hundredth of all"""

DEGREE_NAMES = (
    "log in-degree",
    "log out-degree",
    "log degree",
    "log number of neighbours",
    "number of relations",
    "log PageRank",
    "log PageRank along the relations",
)


class FeatureRows(NamedTuple):
    """Features of M entities."""

    dense: np.ndarray
    """[M, D] float32: degree, relations, ...; see `GraphFeatures.groups`"""

    facts: csr_matrix
    """[M, S] float32 facts that several entities have, rows of length 1"""

    all_facts: csr_matrix
    """[M, F] float32, 1 for each fact of `TripleGraph.facts`"""

    neighbours: csr_matrix
    """[M, E] float32 number of facts with each entity as the other end"""

    def take(self, rows: np.ndarray) -> "FeatureRows":
        """Return the features of some of the entities."""
        sparse = (csr_matrix(values[rows]) for values in self[1:])
        return FeatureRows(self.dense[rows], *sparse)


class NewFacts(NamedTuple):
    """Facts of a new entity, each once."""

    relations: np.ndarray
    """[N] directed relations, from the new entity to the other end"""

    others: np.ndarray
    """[N] entities of the graph"""


def count_entries(rows: np.ndarray, columns: np.ndarray, size: int) -> csr_matrix:
    """Return [size, size] float32 how often each row is with each column."""
    ones = np.ones(len(rows), np.float32)
    return csr_matrix((ones, (rows, columns)), (size, size))


class GraphFeatures:
    """Features of the entities of a graph.

    basis: [S, K] float32 singular vectors of the shared facts; None: they are computed.
    """

    def __init__(self, graph: TripleGraph, basis: np.ndarray | None = None) -> None:
        self.graph = graph
        self._basis = basis

    # --- columns ---

    @cached_property
    def relations(self) -> np.ndarray:
        """Return [C] the directed relations that are features."""
        return np.flatnonzero(self._relation_sizes >= MIN_ENTITIES)

    @cached_property
    def is_frequent(self) -> np.ndarray:
        """Return [C] bool: the relations that trees see."""
        return self._relation_sizes[self.relations] >= self._least

    @cached_property
    def common(self) -> np.ndarray:
        """Return the directed relations whose other ends' degrees are features."""
        return np.flatnonzero(self._relation_sizes >= 2 * self._least)

    @property
    def _least(self) -> int:
        """Return how many entities a frequent relation has at least."""
        return int(np.clip(self.graph.num_entities // 100, MIN_ENTITIES, MAX_LEAST))

    @cached_property
    def _relation_sizes(self) -> np.ndarray:
        """Return [2R] how many entities have each directed relation."""
        return self.relation_counts.getnnz(axis=0)

    @cached_property
    def shared(self) -> np.ndarray:
        """Return [S] the facts that two entities have, or more."""
        return np.flatnonzero(self.fact_counts > 1)

    @cached_property
    def groups(self) -> dict[str, slice]:
        """Return the dense columns of each group."""
        sizes = {
            "degree": len(DEGREE_NAMES),
            "relations": len(self.relations),
            "neighbours": len(self.common),
            "position": self.basis.shape[1],
        }
        ends = np.cumsum([0, *sizes.values()]).tolist()
        return {name: slice(ends[k], ends[k + 1]) for k, name in enumerate(sizes)}

    @cached_property
    def fact_counts(self) -> np.ndarray:
        """Return [F] how many entities have each fact."""
        return self.graph.facts.getnnz(axis=0)

    @cached_property
    def relation_counts(self) -> csr_matrix:
        """Return [E, 2R] how many facts each entity has by relation and direction."""
        return csr_matrix(self.graph.facts @ self._relation_of_fact)

    @cached_property
    def _relation_of_fact(self) -> csr_matrix:
        relations = self.graph.fact_ends[:, 0]
        ones, rows = np.ones(len(relations), np.float32), np.arange(len(relations))
        shape = len(relations), self.graph.num_directed
        return csr_matrix((ones, (rows, relations)), shape)

    @cached_property
    def fact_weights(self) -> np.ndarray:
        """Return [S] float32 the square roots of the weights of shared facts."""
        return (1 / np.sqrt(np.log1p(self.fact_counts[self.shared]))).astype(np.float32)

    @cached_property
    def basis(self) -> np.ndarray:
        """Return [S, K] float32 the right singular vectors of weighted shared facts.

        N. Halko, P. Martinsson, J. Tropp: Finding structure with randomness, 2011.
        """
        if self._basis is not None:
            return self._basis
        from sklearn.utils.extmath import randomized_svd

        facts = self._weighted(self.graph.facts)
        size = min(DIMENSIONS, min(facts.get_shape()) - 1)
        if size < 1:
            return np.zeros((len(self.shared), 0), np.float32)
        _, _, vectors = randomized_svd(facts, size, random_state=0, **SVD_OPTIONS)
        return np.ascontiguousarray(vectors.T, np.float32)

    def _weighted(self, facts: csr_matrix) -> csr_matrix:
        """Return the shared facts [M, S] of facts [M, F], weighted, of length 1."""
        weighted = csr_matrix(facts[:, self.shared].multiply(self.fact_weights))
        lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
        scale = 1 / np.where(lengths > 0, lengths, 1.0)
        return csr_matrix(diags(scale) @ weighted, dtype=np.float32)

    # --- PageRank ---

    @cached_property
    def edges(self) -> csr_matrix:
        """Return [E, E] the number of triples from head to tail."""
        heads, _, tails = self.graph.triples.T
        return count_entries(heads, tails, self.graph.num_entities)

    @cached_property
    def both_edges(self) -> csr_matrix:
        """Return [E, E] the number of triples in either direction."""
        return csr_matrix(self.edges + self.edges.T)

    @cached_property
    def ranks(self) -> np.ndarray:
        """Return [E] PageRank along triples in either direction."""
        return pagerank(self.both_edges)

    @cached_property
    def directed_ranks(self) -> np.ndarray:
        """Return [E] PageRank from heads to tails."""
        return pagerank(self.edges)

    @cached_property
    def out_degrees(self) -> np.ndarray:
        """Return [E] triples of which an entity is the head."""
        return np.bincount(
            self.graph.triples[:, 0], minlength=self.graph.num_entities
        ).astype(float)

    @cached_property
    def in_degrees(self) -> np.ndarray:
        """Return [E] triples of which an entity is the tail."""
        return np.bincount(
            self.graph.triples[:, 2], minlength=self.graph.num_entities
        ).astype(float)

    # --- rows ---

    @cached_property
    def rows(self) -> FeatureRows:
        """Return the features of all entities."""
        graph, neighbours = self.graph, self.both_edges
        degree = np.stack(
            [
                np.log1p(self.in_degrees),
                np.log1p(self.out_degrees),
                np.log1p(graph.degrees),
                np.log1p(neighbours.getnnz(axis=1)),
                self.relation_counts.getnnz(axis=1),
                np.log(self.ranks),
                np.log(self.directed_ranks),
            ],
            axis=1,
        )
        degrees = np.log1p(graph.degrees)[graph.fact_ends[:, 1]].astype(np.float32)
        near = csr_matrix(graph.facts.multiply(degrees)) @ self._relation_of_fact
        counts = self.relation_counts, csr_matrix(near)
        return self._rows(degree, counts, graph.facts, neighbours)

    def new_rows(self, entities: Sequence[NewFacts]) -> FeatureRows:
        """Return the features of new entities by their facts; nothing is fitted."""
        graph = self.graph
        rows = np.repeat(np.arange(len(entities)), [len(k.others) for k in entities])
        none = np.zeros(0, np.int64)
        relations = np.concatenate([none, *(k.relations for k in entities)])
        others = np.concatenate([none, *(k.others for k in entities)])
        shape = len(entities), graph.num_entities
        ones = np.ones(len(rows), np.float32)
        neighbours = csr_matrix((ones, (rows, others)), shape)
        by_relation = shape[0], graph.num_directed
        degrees = np.log1p(graph.degrees)[others].astype(np.float32)
        counts = (
            csr_matrix((ones, (rows, relations)), by_relation),
            csr_matrix((degrees, (rows, relations)), by_relation),
        )
        codes, known = self._fact_codes, graph.question_codes(others, relations)
        columns = np.minimum(np.searchsorted(codes, known), len(codes) - 1)
        exists = codes[columns] == known
        facts = csr_matrix(
            (ones[exists], (rows[exists], columns[exists])), (shape[0], len(codes))
        )
        degree = [self._degree_of_new(each) for each in entities]
        width = len(DEGREE_NAMES)
        return self._rows(np.reshape(degree, (-1, width)), counts, facts, neighbours)

    def _degree_of_new(self, facts: NewFacts) -> list[float]:
        """Return the degree features of a new entity."""
        graph = self.graph
        is_tail = facts.relations >= graph.num_relations
        incoming = int(is_tail.sum())
        degrees = np.asarray(graph.degrees, float)
        return [
            np.log1p(incoming),
            np.log1p(len(is_tail) - incoming),
            np.log1p(len(is_tail)),
            np.log1p(len(np.unique(facts.others))),
            len(np.unique(facts.relations)),
            np.log(pagerank_of_new(self.ranks, degrees, facts.others)),
            np.log(
                pagerank_of_new(
                    self.directed_ranks, self.out_degrees, facts.others[is_tail]
                )
            ),
        ]

    @cached_property
    def _fact_codes(self) -> np.ndarray:
        relations, others = self.graph.fact_ends.T
        return self.graph.question_codes(others, relations)

    def _rows(
        self,
        degree: np.ndarray,
        counts: tuple[csr_matrix, csr_matrix],
        facts: csr_matrix,
        neighbours: csr_matrix,
    ) -> FeatureRows:
        """Return the features of M entities from their counts.

        counts: facts [M, 2R] by directed relation, and the log degrees of their other
        ends, summed.
        """
        own = self._weighted(facts)
        by_relation = np.log1p(counts[0][:, self.relations].toarray())
        number = counts[0][:, self.common].toarray()
        near = counts[1][:, self.common].toarray() / np.maximum(number, 1)
        parts = [degree, by_relation, near, own @ self.basis]
        dense = np.concatenate(parts, axis=1)
        return FeatureRows(dense.astype(np.float32), own, facts, neighbours)
