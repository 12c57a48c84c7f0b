"""Rules of paths: who reaches t by the relations r (or r1, then r2) also has (q, t).

    confidence = pairs (h, t) of the path that q holds for / (pairs of the path + PRIOR)

Candidates are the paths that join the ends of SAMPLE triples of each relation, their
confidence is measured from SAMPLE heads (L. Galarraga et al.: Fast rule mining in
ontological knowledge bases with AMIE+, VLDB Journal 2015; here only heads that have an
answer are counted, which is their partial completeness).
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from vicinal.knowledge.triple_graph import TripleGraph

SAMPLE = 100
"""triples of a relation by which paths are found, and heads that test them"""

PRIOR = 5.0
MAX_PATHS, MIN_SHARED, MIN_CONFIDENCE = 50, 2, 0.01
"""paths of a relation that are tested; pairs that have both, and the confidence, at
least"""


class PathRule(NamedTuple):
    """A path of one or two directed relations that implies a relation."""

    relation: int
    path: tuple[int, ...]
    confidence: float
    shared: int
    """pairs (h, t) of the sample that have both"""

    reached: int
    """pairs (h, t) of the sample that the path reaches"""


class PathRules:
    """Rules of paths of a graph, with their confidences."""

    def __init__(self, graph: TripleGraph, rules: list[PathRule]) -> None:
        self.graph, self.rules = graph, rules
        self._of_relation: dict[int, list[PathRule]] = {}
        for rule in rules:
            self._of_relation.setdefault(rule.relation, []).append(rule)

    @classmethod
    def mine(cls, steps: "Adjacencies", seed: int) -> "PathRules":
        """Return the rules of all directed relations of a graph."""
        rng, graph = np.random.default_rng(seed), steps.graph
        neighbors = _Neighbors(graph)
        rules = []
        for relation in range(graph.num_directed):
            start, end = graph.relation_starts[relation : relation + 2]
            own = graph.directed[start:end]
            if not len(own):
                continue
            drawn = rng.permutation(len(own))[:SAMPLE]
            paths = neighbors.paths(own[drawn], relation)
            heads = rng.permutation(np.unique(own[:, 0]))[:SAMPLE]
            rules += _test(steps, relation, paths, heads)
        return cls(graph, rules)

    def of_relation(self, relation: int) -> list[PathRule]:
        """Return the rules that imply a directed relation, the surest first."""
        return self._of_relation.get(relation, [])

    def add_scores(
        self, scores: np.ndarray, starts: "Starts", relation: int
    ) -> np.ndarray:
        """Return scores [N, E] and the root of the sum of squared confidences."""
        squares = np.zeros_like(scores)
        for rule in self.of_relation(relation):
            reached = starts.reach(rule.path)
            reached.data[:] = rule.confidence**2
            add_entries(squares, reached)
        return scores + np.sqrt(squares, out=squares)


def add_entries(values: np.ndarray, entries: csr_matrix) -> None:
    """Add a sparse matrix [N, E], each entry given once, to values [N, E] in place."""
    rows = np.repeat(np.arange(len(values)), np.diff(entries.indptr))
    values[rows, entries.indices] += entries.data


class Adjacencies:
    """The matrices [E, E] of the directed relations of a graph, each made once."""

    def __init__(self, graph: TripleGraph) -> None:
        self.graph = graph
        self._made: dict[int, csr_matrix] = {}

    def __getitem__(self, relation: int) -> csr_matrix:
        if relation not in self._made:
            self._made[relation] = self.graph.adjacency(relation)
        return self._made[relation]


class Starts:
    """Entities from which paths start."""

    def __init__(self, steps: Adjacencies, first: Callable[[int], csr_matrix]) -> None:
        """first: the rows [N, E] of the entities for a directed relation."""
        self.steps, self._rows = steps, first
        self._first: dict[int, csr_matrix] = {}
        self._ends: dict[tuple[int, ...], frozenset[int]] = {}

    @classmethod
    def of_entities(cls, steps: Adjacencies, heads: np.ndarray) -> "Starts":
        """Return the starts for entities [N] of the graph."""
        return cls(steps, lambda relation: csr_matrix(steps[relation][heads]))

    def ends(self, path: tuple[int, ...]) -> frozenset[int]:
        """Return the entities that a path reaches from any start, computed once."""
        if path not in self._ends:
            self._ends[path] = frozenset(self.reach(path).indices.tolist())
        return self._ends[path]

    def reach(self, path: tuple[int, ...]) -> csr_matrix:
        """Return [N, E] in how many ways a path leads from each start."""
        if path[0] not in self._first:
            self._first[path[0]] = self._rows(path[0])
        reached = self._first[path[0]]
        for relation in path[1:]:
            reached = csr_matrix(reached @ self.steps[relation])
        return reached.copy() if len(path) == 1 else reached


class _Neighbors:
    """The edges of each entity, to find the paths between two."""

    def __init__(self, graph: TripleGraph) -> None:
        heads, relations, tails = graph.directed.T
        order = np.argsort(heads, kind="stable")
        self.graph, self.relations, self.tails = graph, relations[order], tails[order]
        self.starts = np.searchsorted(heads[order], np.arange(graph.num_entities + 1))

    def edges(self, entity: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (relations, tails) of the edges that leave an entity."""
        own = slice(self.starts[entity], self.starts[entity + 1])
        return self.relations[own], self.tails[own]

    def paths(self, triples: np.ndarray, relation: int) -> list[tuple[int, ...]]:
        """Return the paths that join the ends of most triples [M, 3] of a relation."""
        width = self.graph.num_directed
        single, double = np.zeros(width, np.int64), np.zeros(width**2, np.int64)
        for head, _, tail in triples.tolist():
            first, ends = self.edges(head)
            back, middles = self.edges(tail)
            direct = first[(ends == tail) & (first != relation)]
            single[np.unique(direct)] += 1
            codes = list(_joins(first, ends, self.graph.inverse(back), middles, width))
            if codes:
                double[np.unique(np.concatenate(codes))] += 1
        counts = np.concatenate([single, double])
        best = np.argsort(-counts, kind="stable")[:MAX_PATHS]
        best = best[counts[best] >= min(MIN_SHARED, len(triples))]
        return [
            (code,) if code < width else divmod(code - width, width)
            for code in best.tolist()
        ]


def _joins(
    first: np.ndarray,
    ends: np.ndarray,
    second: np.ndarray,
    middles: np.ndarray,
    width: int,
) -> Iterator[np.ndarray]:
    """Yield codes r1 * width + r2 of the pairs of edges that meet in an entity."""
    order = np.argsort(middles, kind="stable")
    second, middles = second[order].astype(np.int64), middles[order]
    low = np.searchsorted(middles, ends)
    counts = np.searchsorted(middles, ends, side="right") - low
    used = np.flatnonzero(counts)
    if len(used):
        counts = counts[used]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        rows = np.repeat(low[used], counts) + within
        yield np.repeat(first[used].astype(np.int64), counts) * width + second[rows]


def _test(
    steps: Adjacencies,
    relation: int,
    paths: list[tuple[int, ...]],
    heads: np.ndarray,
) -> list[PathRule]:
    """Return the rules that hold often enough, the surest first."""
    starts, truth = Starts.of_entities(steps, heads), csr_matrix(steps[relation][heads])
    rules = []
    for path in paths:
        reached = starts.reach(path)
        reached.data[:] = 1
        shared = int(reached.multiply(truth).sum())
        confidence = shared / (reached.nnz + PRIOR)
        if shared >= MIN_SHARED and confidence >= MIN_CONFIDENCE:
            rules.append(PathRule(relation, path, confidence, shared, reached.nnz))
    return sorted(rules, key=lambda rule: -rule.confidence)
