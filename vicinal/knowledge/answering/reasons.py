"""Reasons for an answer: the rules that support it, with their counts.

A reason names what speaks for the answer in the graph; the embedding and the path
network, which score it too, give none.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from vicinal.knowledge.models.completion import Heads, RuleModel
from vicinal.knowledge.models.fact_rules import PRIOR
from vicinal.knowledge.models.similar_entities import powers_of

MAX_REASONS = 3
"""of each kind"""


class Reason(NamedTuple):
    """What speaks for an answer to a question (h, q, ?)."""

    kind: Literal["fact", "path", "similar entity"]
    strength: float
    """confidence of a rule; share of the similar entities that this one is"""

    shared: int
    """entities or pairs for which the rule holds; facts in common with h"""

    total: int
    """entities or pairs that it could hold for; facts of h"""

    edges: tuple[tuple[int, int], ...]
    """facts of h that are used: directed relation and other end; the steps of a path,
    with -1 as the end"""

    entity: int = -1
    """the similar entity"""


def find_reasons(
    rules: RuleModel,
    heads: Heads,
    relation: int,
    tails: Sequence[int],
    most: int = MAX_REASONS,
) -> list[list[Reason]]:
    """Return what speaks for each answer to the question of one head, strongest first.

    heads: of one entity. tails: the answers. most: reasons of each kind.
    """
    if not len(tails):
        return []
    kinds = (
        _facts(rules, heads.facts, relation, tails, most),
        _paths(rules, heads, relation, tails, most),
        _similar(rules, heads, relation, tails, most),
    )
    return [
        sorted((r for kind in each for r in kind), key=lambda reason: -reason.strength)
        for each in zip(*kinds, strict=True)
    ]


def fact_column(rules: RuleModel, relation: int, tail: int) -> int:
    """Return the column of a fact among those of its relation; -1: nobody has it."""
    start, end = rules.graph.fact_starts[relation : relation + 2]
    tails = rules.graph.fact_ends[start:end, 1]
    column = int(np.searchsorted(tails, tail))
    return column if column < len(tails) and tails[column] == tail else -1


def _facts(
    rules: RuleModel,
    facts: csr_matrix,
    relation: int,
    tails: Sequence[int],
    most: int,
) -> list[list[Reason]]:
    columns = np.array([fact_column(rules, relation, tail) for tail in tails])
    own, has_column = facts.indices, columns >= 0
    shared = np.zeros((len(own), len(tails)), np.float32)
    shared[:, has_column] = rules.facts.shared(relation, own, columns[has_column])
    totals = rules.facts.support[own]
    confidences = shared / (totals[:, None] + PRIOR)
    best = np.argsort(-confidences, axis=0, kind="stable")[:most]
    ends = rules.graph.fact_ends[own].tolist()
    return [
        [
            Reason(
                "fact",
                float(confidences[k, column]),
                int(shared[k, column]),
                int(totals[k]),
                (tuple(ends[k]),),
            )
            for k in best[:, column].tolist()
            if shared[k, column] > 0
        ]
        for column in range(len(tails))
    ]


def _paths(
    rules: RuleModel, heads: Heads, relation: int, tails: Sequence[int], most: int
) -> list[list[Reason]]:
    own = rules.paths.of_relation(relation)
    leads = rules.paths.lead_to(heads.starts, relation, tails)
    return [
        [
            Reason(
                "path",
                own[k].confidence,
                own[k].shared,
                own[k].reached,
                tuple((step, -1) for step in own[k].path),
            )
            for k in np.flatnonzero(leads[:, column])[:most].tolist()
        ]
        for column in range(len(tails))
    ]


def _similar(
    rules: RuleModel, heads: Heads, relation: int, tails: Sequence[int], most: int
) -> list[list[Reason]]:
    graph = rules.graph
    inverse = np.full(len(tails), graph.inverse(np.array(relation)))
    starts, having = graph.answers(np.array(tails), inverse)
    powers = powers_of(heads.similarities).toarray()[0]
    total, facts, own = float(powers.sum()), graph.facts, heads.facts.indices
    found = []
    for first, last in pairwise(starts.tolist()):
        others = having[first:last]
        best = others[np.argsort(-powers[others], kind="stable")[:most]]
        reasons = []
        for other in best[powers[best] > 0].tolist():
            row = facts.indices[facts.indptr[other] : facts.indptr[other + 1]]
            common = np.intersect1d(row, own)
            edges = tuple(map(tuple, graph.fact_ends[common].tolist()))
            share, counts = float(powers[other] / total), (len(common), len(own))
            reasons.append(Reason("similar entity", share, *counts, edges, other))
        found.append(reasons)
    return found
