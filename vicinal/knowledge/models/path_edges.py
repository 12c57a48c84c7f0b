"""The edges that a path network uses: between entities reached and entities needed.

A pair (question, entity) has the code  question * E + entity.  Layer t of T has the
pairs that a path of at most t edges leads to from the head of the question. Where only
some candidates are scored, the last layer has no other pairs, and the one before it
only candidates and their neighbours. For a few candidates these are some thousand edges
instead of all edges of the graph for each question.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

from vicinal.graphs.sparse.adjacency import CSR
from vicinal.knowledge.triple_graph import TripleGraph


class EntityEdges:
    """All directed edges of a graph, sorted by the entity that they leave."""

    def __init__(self, graph: TripleGraph) -> None:
        heads, relations, tails = graph.directed.T
        order = np.argsort(heads, kind="stable")
        self.graph = graph
        self.num_entities, self.degrees = graph.num_entities, graph.degrees
        self.relations, self.tails = relations[order], tails[order]
        self.inverse = graph.inverse(np.arange(graph.num_directed))  # [2R]
        self.starts = np.concatenate([[0], np.cumsum(self.degrees)])

    def answer_counts(self, relations: np.ndarray, entities: np.ndarray) -> np.ndarray:
        """Return [Q, C] how often entities [Q, C] answer directed relations [Q]."""
        codes = self.graph.question_codes(entities, relations[:, None])
        known, counts = self._answer_counts
        places = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        return np.where(known[places] == codes, counts[places], 0)

    @cached_property
    def _answer_counts(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the codes (relation, tail) of answers, ascending, and their counts."""
        _, relations, tails = self.graph.directed.T
        codes = self.graph.question_codes(tails, relations)
        known, counts = np.unique(codes, return_counts=True)
        return known, counts.astype(np.float32)

    def leaving(
        self, codes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return (row of `codes`, question, relation, entity reached) of each edge."""
        questions, entities = np.divmod(codes, self.num_entities)
        counts = self.degrees[entities]
        rows = np.repeat(np.arange(len(codes)), counts)
        shifts = self.starts[entities] - (np.cumsum(counts) - counts)
        edges = np.arange(len(rows)) + shifts[rows]
        return rows, questions[rows], self.relations[edges], self.tails[edges]

    def incoming(self) -> tuple[CSR, np.ndarray]:
        """Return the edges by the entity that they reach, and their relations [M].

        Edge k of an entity is its leaving edge k, in the other direction.
        """
        ids = np.arange(len(self.tails), dtype=np.int32)
        arrays = self.starts.astype(np.int32), self.tails.astype(np.int32), ids
        return CSR(*map(torch.from_numpy, arrays)), self.inverse[self.relations]


class PathQuestions(NamedTuple):
    """Questions (head, relation, ?), each with an answer that it must not see."""

    heads: np.ndarray
    """[Q]"""

    relations: np.ndarray
    """[Q] directed"""

    hidden: np.ndarray | None = None
    """[Q] tails of the edges (head, relation, tail) that are removed, for this question
    alone and in both directions; None: none is"""


class Layer(NamedTuple):
    """Pairs of a layer, and the messages that they get."""

    pairs: np.ndarray
    """[P] codes, ascending"""

    previous: np.ndarray
    """[P] rows of these pairs in the layer before, which has one row of zeros more"""

    sources: np.ndarray
    """[M] rows of the layer before that the messages are of"""

    kinds: np.ndarray
    """[M] question * 2R + relation of the edge"""

    targets: np.ndarray
    """[M] rows of `pairs` that get them"""

    starts: np.ndarray
    """[Q] row of the head of each question; P where it is not among the pairs"""


def path_layers(
    edges: EntityEdges,
    questions: PathQuestions,
    num_layers: int,
    candidates: np.ndarray | None = None,
) -> Iterator[Layer]:
    """Yield the layers 1 .. num_layers.

    candidates: codes of the pairs that are scored; None: all.
    """
    size = len(questions.heads) * edges.num_entities
    first = np.arange(len(questions.heads)) * edges.num_entities + questions.heads
    needed = _needed(edges, num_layers, candidates, size)
    pairs = first
    for mask in needed:
        rows = np.full(size, len(pairs), np.int32)
        rows[pairs] = np.arange(len(pairs))
        codes, kinds, ends = _edges_between(edges, pairs, rows, mask)
        shown = _shown(edges, questions, (codes, kinds, ends))
        codes, kinds, ends = codes[shown], kinds[shown], ends[shown]
        reached = np.zeros(size, bool)
        reached[ends] = reached[pairs] = True
        if mask is not None:
            reached &= mask
        pairs = np.flatnonzero(reached)
        place = np.full(size, len(pairs), np.int32)
        place[pairs] = np.arange(len(pairs), dtype=np.int32)
        questions_of = codes // edges.num_entities
        kinds = questions_of * edges.graph.num_directed + kinds
        yield Layer(pairs, rows[pairs], rows[codes], kinds, place[ends], place[first])


def _needed(
    edges: EntityEdges, num_layers: int, candidates: np.ndarray | None, size: int
) -> list[np.ndarray | None]:
    """Return masks [Q E] of the pairs that each layer has at most; None: any."""
    if candidates is None:
        return [None] * num_layers
    last = np.zeros(size, bool)
    last[candidates] = True
    _, questions, _, tails = edges.leaving(np.flatnonzero(last))
    near = last.copy()
    near[questions * edges.num_entities + tails] = True
    return ([None] * num_layers + [near, last])[-num_layers:]


def _edges_between(
    edges: EntityEdges,
    pairs: np.ndarray,
    rows: np.ndarray,
    needed: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (code, relation, code reached) of the edges from pairs to pairs needed.

    Found from the side that has fewer edges. rows: [Q E] below P for the pairs.
    """
    size = edges.num_entities
    ends = None if needed is None else np.flatnonzero(needed)
    leaving = edges.degrees[pairs % size].sum()
    if ends is not None and edges.degrees[ends % size].sum() < leaving:
        row, questions, relations, entities = edges.leaving(ends)
        codes = questions * size + entities
        used = rows[codes] < len(pairs)
        return codes[used], edges.inverse[relations[used]], ends[row[used]]
    row, questions, relations, entities = edges.leaving(pairs)
    codes = questions * size + entities
    used = slice(None) if needed is None else needed[codes]
    return pairs[row[used]], relations[used], codes[used]


def _shown(
    edges: EntityEdges,
    questions: PathQuestions,
    found: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> np.ndarray | slice:
    """Return [M] bool: edges (code, relation, code reached) that are not removed."""
    if questions.hidden is None:
        return slice(None)
    codes, relations, ends = found
    number = codes // edges.num_entities
    own = questions.relations[number]
    same, back = relations == own, relations == edges.inverse[own]
    maybe = np.flatnonzero(same | back)
    number, start, end = number[maybe], codes[maybe], ends[maybe]
    base = number * edges.num_entities
    heads, tails = base + questions.heads[number], base + questions.hidden[number]
    hidden = same[maybe] & (start == heads) & (end == tails)
    hidden |= back[maybe] & (start == tails) & (end == heads)
    shown = np.ones(len(codes), bool)
    shown[maybe[hidden]] = False
    return shown
