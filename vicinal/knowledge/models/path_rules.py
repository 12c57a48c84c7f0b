"""Rules of paths: who reaches t by the relations r (or r1, then r2) also has (q, t).

    confidence = pairs (h, t) of the path that q holds for / (pairs of the path + PRIOR)

Candidates are the paths that join the ends of SAMPLE triples of each relation, their
confidence is measured from SAMPLE heads (L. Galarraga et al.: Fast rule mining in
ontological knowledge bases with AMIE+, VLDB Journal 2015; here only heads that have an
answer are counted, which is their partial completeness).
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from vicinal.knowledge.triple_graph import MAX_SCORES, TripleGraph

SAMPLE = 100
"""triples of a relation by which paths are found, and heads that test them"""

PRIOR = 5.0
ROWS_AT_ONCE, MAX_CODES = 256, 1 << 26
"""questions times rules whose paths are followed at a time, fewer where they could
reach more than MAX_SCORES entities, and questions that have a table of their answers"""

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
    def mine(cls, steps: "Steps", seed: int) -> "PathRules":
        """Return the rules of all directed relations of a graph."""
        rng, graph = np.random.default_rng(seed), steps.graph
        rules = []
        for relation in range(graph.num_directed):
            start, end = graph.relation_starts[relation : relation + 2]
            own = graph.directed[start:end]
            if not len(own):
                continue
            drawn = rng.permutation(len(own))[:SAMPLE]
            paths = _joining_paths(steps, own[drawn], relation)
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
        count = max(len(scores), 1)
        for block in self._blocks(relation, count):
            reached = starts.reach([rule.path for rule in block])
            numbers = np.repeat(np.arange(len(block) * count), np.diff(reached.indptr))
            values = np.array([rule.confidence**2 for rule in block], scores.dtype)
            places = numbers % count * scores.shape[1] + reached.indices
            np.add.at(squares.reshape(-1), places, values[numbers // count])
        return scores + np.sqrt(squares, out=squares)

    def lead_to(
        self, starts: "Starts", relation: int, entities: Sequence[int]
    ) -> np.ndarray:
        """Return [P, M] bool which rules of a relation lead to which entities.

        starts: of one entity. Rules are in the order of `of_relation`.
        """
        rules = self.of_relation(relation)
        found = np.zeros((len(rules), len(entities)), bool)
        places = {rule.path: row for row, rule in enumerate(rules)}
        for block in self._blocks(relation, 1):
            paths = [rule.path for rule in block]
            reached = starts.reach(paths)[:, np.asarray(entities)].toarray()
            found[[places[path] for path in paths]] = reached > 0
        return found

    def _blocks(self, relation: int, count: int) -> Iterator[list[PathRule]]:
        """Yield the rules of a relation, of one length at a time, for some questions.

        Each may reach all entities, so that a block is smaller in a large graph.
        """
        rules = self.of_relation(relation)
        rows = min(ROWS_AT_ONCE, MAX_SCORES // self.graph.num_entities)
        size = max(rows // count, 1)
        for length in sorted({len(rule.path) for rule in rules}):
            own = [rule for rule in rules if len(rule.path) == length]
            for first in range(0, len(own), size):
                yield own[first : first + size]


def add_entries(values: np.ndarray, entries: csr_matrix) -> None:
    """Add a sparse matrix [N, E], each entry given once, to values [N, E] in place."""
    rows = np.repeat(np.arange(len(values)), np.diff(entries.indptr))
    values[rows, entries.indices] += entries.data


class Steps:
    """The edges of a graph, by the entity that they leave and by question (h, r)."""

    def __init__(self, graph: TripleGraph) -> None:
        self.graph = graph

    @cached_property
    def _leaving(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return [E + 1] where the edges of an entity begin, relations and tails."""
        heads, relations, tails = self.graph.directed.T
        order = np.argsort(heads, kind="stable")
        starts = np.concatenate([[0], np.cumsum(self.graph.degrees)])
        return starts, relations[order], tails[order]

    def edges(self, entity: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (relations, tails) of the edges that leave an entity."""
        starts, relations, tails = self._leaving
        own = slice(starts[entity], starts[entity + 1])
        return relations[own], tails[own]

    def leaving(self, entities: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return (row of `entities`, relation, tail) of all edges, by row."""
        starts, relations, tails = self._leaving
        counts = self.graph.degrees[entities]
        rows = np.repeat(np.arange(len(entities)), counts)
        shifts = starts[entities] - (np.cumsum(counts) - counts)
        edges = np.arange(len(rows)) + shifts[rows]
        return rows, relations[edges], tails[edges]

    @cached_property
    def _questions(self) -> tuple[np.ndarray, csr_matrix]:
        """Return the codes [Q] of questions with answers, and these [Q, E]."""
        heads, relations, tails = self.graph.directed.T
        codes = self.graph.question_codes(heads, relations)
        unique, starts = np.unique(codes, return_index=True)
        starts = np.append(starts, len(codes)).astype(np.int32)
        ones = np.ones(len(tails), np.float32)
        shape = len(unique), self.graph.num_entities
        return unique, csr_matrix((ones, tails, starts), shape)

    @cached_property
    def _rows(self) -> np.ndarray | None:
        """Return the row of each code in `_questions`, -1 without answers.

        None where this takes too much memory.
        """
        size = self.graph.num_directed * self.graph.num_entities
        if size > MAX_CODES:
            return None
        codes, _ = self._questions
        rows = np.full(size, -1, np.int32)
        rows[codes] = np.arange(len(codes), dtype=np.int32)
        return rows

    def take(self, entities: csr_matrix, relations: np.ndarray) -> csr_matrix:
        """Return [N, E] in how many ways a step leads from entities [N, E].

        relations: [N] directed, the step of each row.
        """
        codes, answers = self._questions
        own = np.repeat(relations, np.diff(entities.indptr))
        wanted = self.graph.question_codes(entities.indices, own)
        if self._rows is not None:
            rows = self._rows[wanted]
            used = rows >= 0
        else:
            rows = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
            used = codes[rows] == wanted
        starts = np.concatenate([[0], np.cumsum(used)])[entities.indptr]
        entries = entities.data[used], rows[used].astype(np.int32), starts
        return csr_matrix(csr_matrix(entries, (len(relations), len(codes))) @ answers)


class Starts:
    """Entities from which paths start, with the edges that leave them."""

    def __init__(self, steps: Steps, count: int, edges: tuple[np.ndarray, ...]) -> None:
        """count: N. edges: which entity, relation and tail of each; in any order."""
        rows, relations, tails = edges
        order = np.lexsort((rows, relations))
        self.steps, self.count = steps, count
        self._rows, self._tails = rows[order], tails[order]
        numbers = np.arange(steps.graph.num_directed + 1)
        self._starts = np.searchsorted(relations[order], numbers)

    @classmethod
    def of_entities(cls, steps: Steps, heads: np.ndarray) -> "Starts":
        """Return the starts for entities [N] of the graph."""
        return cls(steps, len(heads), steps.leaving(heads))

    def reach(self, paths: Sequence[tuple[int, ...]]) -> csr_matrix:
        """Return [P N, E] in how many ways paths lead from each start.

        paths: P of equal length.
        """
        steps = np.array(paths)
        first, last = self._starts[steps[:, 0]], self._starts[steps[:, 0] + 1]
        counts = last - first
        numbers = np.repeat(np.arange(len(paths)), counts)
        edges = (
            np.arange(len(numbers)) + (first - (np.cumsum(counts) - counts))[numbers]
        )
        rows = numbers * self.count + self._rows[edges]
        size = len(paths) * self.count
        starts = np.searchsorted(rows, np.arange(size + 1))
        entries = np.ones(len(rows), np.float32), self._tails[edges], starts
        reached = csr_matrix(entries, (size, self.steps.graph.num_entities))
        for number in range(1, steps.shape[1]):
            reached = self.steps.take(reached, np.repeat(steps[:, number], self.count))
        return reached


def _joining_paths(
    steps: Steps, triples: np.ndarray, relation: int
) -> list[tuple[int, ...]]:
    """Return the paths that join the ends of most triples [M, 3] of a relation."""
    graph, width = steps.graph, steps.graph.num_directed
    single, double = np.zeros(width, np.int64), np.zeros(width**2, np.int64)
    for head, _, tail in triples.tolist():
        first, ends = steps.edges(head)
        back, middles = steps.edges(tail)
        direct = first[(ends == tail) & (first != relation)]
        single[np.unique(direct)] += 1
        codes = list(_joins(first, ends, graph.inverse(back), middles, width))
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
    steps: Steps,
    relation: int,
    paths: list[tuple[int, ...]],
    heads: np.ndarray,
) -> list[PathRule]:
    """Return the rules that hold often enough, the surest first."""
    starts = Starts.of_entities(steps, heads)
    truth = starts.reach([(relation,)])
    rules = []
    for path in paths:
        reached = starts.reach([path])
        reached.data[:] = 1
        shared = int(reached.multiply(truth).sum())
        confidence = shared / (reached.nnz + PRIOR)
        if shared >= MIN_SHARED and confidence >= MIN_CONFIDENCE:
            rules.append(PathRule(relation, path, confidence, shared, reached.nnz))
    return sorted(rules, key=lambda rule: -rule.confidence)
