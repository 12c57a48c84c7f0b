"""Reasons of answers: how many right answers have one, and what removal does.

Removal: an entity is asked about by its facts alone, as a new one is; the facts that
the best reason of a right top answer uses are left out, or equally many others at
random. If the reason is one, the score of the answer falls more.
"""

from typing import NamedTuple

import numpy as np

from vicinal.core.evaluation.significance import permutation_p_value
from vicinal.knowledge.answering.reasons import Reason, find_reasons
from vicinal.knowledge.data.triple_table import TripleTable
from vicinal.knowledge.evaluation.calibration import Calibrations
from vicinal.knowledge.evaluation.ranking import question_blocks, ranks_of
from vicinal.knowledge.models.completion import FLOOR, Completion, Heads, RuleModel
from vicinal.knowledge.triple_graph import TripleGraph

TESTED = 2000
"""test triples whose two questions are asked"""

DRAWS = 5
"""random removals of a question, whose mean is compared"""

KINDS = ("fact", "path", "similar entity")


class Answer(NamedTuple):
    """A right top answer."""

    head: int
    relation: int
    tail: int


def right_answers(
    completion: Completion, known: TripleGraph, triples: np.ndarray
) -> list[Answer]:
    """Return the questions about triples [N, 3] whose top answer is right."""
    found = []
    for block in question_blocks(triples, known):
        heads, rows = np.unique(block.heads, return_inverse=True)
        scores = completion.scores(completion.rules.heads(heads), block.relation)
        ranks = ranks_of(scores.total[rows], block, known)
        for k in np.flatnonzero(ranks == 1).tolist():
            head, tail = int(block.heads[k]), int(block.right[k])
            found.append(Answer(head, block.relation, tail))
    return found


def used_facts(rules: RuleModel, heads: Heads, answer: Answer, reason: Reason) -> set:
    """Return the facts of the head that a reason uses: relation and other end."""
    if reason.kind != "path":
        return {*reason.edges}
    graph, path = rules.graph, tuple(step for step, _ in reason.edges)
    _, ends = graph.answers(np.array([answer.head]), np.array([path[0]]))
    if len(path) == 1:
        return {(path[0], answer.tail)}
    starts, tails = graph.answers(ends, np.full(len(ends), path[1]))
    rows = np.repeat(np.arange(len(ends)), np.diff(starts))
    return {(path[0], int(ends[k])) for k in np.unique(rows[tails == answer.tail])}


def score_without(
    rules: RuleModel, answer: Answer, facts: np.ndarray, removed: np.ndarray
) -> float:
    """Return the log score of an answer by facts [M, 2] but those removed [M] bool."""
    left = facts[~removed]
    heads = rules.new_heads(np.zeros(len(left), int), left, 1)
    similar = rules.similar.similarities(heads.facts, np.array([answer.head]))
    heads = heads._replace(similarities=similar)  # the entity is not similar to itself
    score = rules.score(heads, answer.relation)[0, answer.tail]
    return float(np.log(score + FLOOR))


def run(
    completion: Completion,
    calibration: Calibrations,
    known: TripleGraph,
    table: TripleTable,
    num_removals: int,
    seed: int,
) -> None:
    """Print the share of right top answers with reasons, and a removal test."""
    assert table.test is not None
    rng, rules = np.random.default_rng(seed), completion.rules
    triples = rng.permutation(table.test)[:TESTED]
    answers = right_answers(completion, known, triples)
    counts: dict[str, int] = dict.fromkeys(KINDS, 0)
    first: dict[str, int] = dict.fromkeys(KINDS, 0)
    num_rules, drops, kinds = 0, [], []
    for k in rng.permutation(len(answers)).tolist():
        answer = answers[k]
        heads = rules.heads(np.array([answer.head]))
        (reasons,) = find_reasons(rules, heads, answer.relation, [answer.tail], 1)
        kinds_of = {reason.kind for reason in reasons}
        num_rules += bool(kinds_of & {"fact", "path"})
        for kind in kinds_of:
            counts[kind] += 1
        if not reasons:
            continue
        first[reasons[0].kind] += 1
        used = used_facts(rules, heads, answer, reasons[0])
        edges = rules.graph.fact_ends[heads.facts.indices]
        is_used = np.array([tuple(edge) in used for edge in edges.tolist()])
        others = np.flatnonzero(~is_used)
        if len(drops) < num_removals and is_used.any() and len(others) >= is_used.sum():
            whole = score_without(rules, answer, edges, np.zeros(len(edges), bool))
            drop = whole - score_without(rules, answer, edges, is_used)
            random = []
            for _ in range(DRAWS):
                removed = np.zeros(len(edges), bool)
                removed[rng.permutation(others)[: is_used.sum()]] = True
                random.append(whole - score_without(rules, answer, edges, removed))
            drops.append((drop, float(np.mean(random)), int(is_used.sum())))
            kinds.append(reasons[0].kind)
    print(
        f"reasons: {len(answers):,} right top answers of {2 * len(triples):,}; with "
        f"a rule of a fact or path {num_rules / len(answers):.2%}; "
        + ", ".join(f"{k} {v / len(answers):.2%}" for k, v in counts.items())
        + "; the best reason is "
        + ", ".join(f"{k} {v / len(answers):.1%}" for k, v in first.items())
    )
    _print_removal("all", np.array(drops))
    for kind in counts:
        own = [drop for drop, other in zip(drops, kinds, strict=True) if other == kind]
        if len(own) > 1:
            _print_removal(kind, np.array(own))


def _print_removal(name: str, drops: np.ndarray) -> None:
    """Print what was removed, and how the log scores fell: drops [N, 3]."""
    used, random, facts = drops.T
    p = permutation_p_value(used - random)
    print(
        f"  removal, {name}: n = {len(drops)}, {facts.mean():.1f} facts; log score "
        f"falls by {used.mean():.3f}, at random {random.mean():.3f}; more in "
        f"{(used > random).mean():.1%}, paired permutation test p = {p:.2g}",
        flush=True,
    )
