"""Reasons for an answer: the rules that support it, with their counts.

A reason names what speaks for the answer in the graph; the embedding, which scores it
too, gives none.
"""

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
    tail: int,
    most: int = MAX_REASONS,
) -> list[Reason]:
    """Return what speaks for an answer to the question of one head, strongest first.

    heads: of one entity. most: reasons of each kind.
    """
    found = [
        *_facts(rules, heads.facts, relation, tail, most),
        *_paths(rules, heads, relation, tail, most),
        *_similar(rules, heads, relation, tail, most),
    ]
    return sorted(found, key=lambda reason: -reason.strength)


def fact_column(rules: RuleModel, relation: int, tail: int) -> int:
    """Return the column of a fact among those of its relation; -1: nobody has it."""
    start, end = rules.graph.fact_starts[relation : relation + 2]
    tails = rules.graph.fact_ends[start:end, 1]
    column = int(np.searchsorted(tails, tail))
    return column if column < len(tails) and tails[column] == tail else -1


def _facts(
    rules: RuleModel, facts: csr_matrix, relation: int, tail: int, most: int
) -> list[Reason]:
    column = fact_column(rules, relation, tail)
    if column < 0:
        return []
    own = facts.indices
    shared = rules.facts.shared(relation, own, column)
    total = rules.facts.support[own]
    confidences = shared / (total + PRIOR)
    best = np.argsort(-confidences, kind="stable")[:most]
    return [
        Reason(
            "fact",
            float(confidences[k]),
            int(shared[k]),
            int(total[k]),
            (_edge(rules, int(own[k])),),
        )
        for k in best.tolist()
        if shared[k] > 0
    ]


def _edge(rules: RuleModel, fact: int) -> tuple[int, int]:
    relation, end = rules.graph.fact_ends[fact].tolist()
    return relation, end


def _paths(
    rules: RuleModel, heads: Heads, relation: int, tail: int, most: int
) -> list[Reason]:
    found = []
    for rule in rules.paths.of_relation(relation):
        if tail in heads.starts.ends(rule.path):
            edges = tuple((step, -1) for step in rule.path)
            own = Reason("path", rule.confidence, rule.shared, rule.reached, edges)
            found.append(own)
            if len(found) == most:
                break
    return found


def _similar(
    rules: RuleModel, heads: Heads, relation: int, tail: int, most: int
) -> list[Reason]:
    inverse = int(rules.graph.inverse(np.array(relation)))
    _, having = rules.graph.answers(np.array([tail]), np.array([inverse]))
    powers = powers_of(heads.similarities)
    values = powers[0, having].toarray().ravel()
    total = float(powers.sum())
    best = np.argsort(-values, kind="stable")[:most]
    found = []
    for k in best.tolist():
        if values[k] <= 0:
            break
        other = int(having[k])
        row = rules.graph.facts[other]
        common = np.intersect1d(row.indices, heads.facts.indices)
        edges = tuple(_edge(rules, fact) for fact in common.tolist())
        share = float(values[k] / total)
        counts = len(common), int(heads.facts.nnz)
        found.append(Reason("similar entity", share, *counts, edges, other))
    return found
