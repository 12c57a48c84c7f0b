"""The arithmetic of one score: rules, numbers of the embedding, messages."""

from typing import Any

import numpy as np

from vicinal.core.report.finding import Finding
from vicinal.core.text import one_line, pluralize
from vicinal.knowledge.answering.frames import describe_path
from vicinal.knowledge.answering.new_entities import NONE, NewEntities, heads_of
from vicinal.knowledge.answering.reasons import fact_column
from vicinal.knowledge.completion.explain.explanation import (
    embedding_terms,
    explain_fact,
    sum_lines,
)
from vicinal.knowledge.completion.explain.messages import (
    last_messages,
    message_lines,
)
from vicinal.knowledge.completion.fitted_model import FittedTriples
from vicinal.knowledge.models.completion import Heads
from vicinal.knowledge.models.fact_rules import PRIOR
from vicinal.knowledge.models.path_edges import EntityEdges


def inspect_fact(
    model: FittedTriples,
    words: tuple[str, str, str],
    top: int,
    new: NewEntities = NONE,
) -> Finding:
    """Return how the score of a fact is computed; the sums are exact.

    top: rules and terms that are listed, the largest first; the rest is one sum.
    """
    found = explain_fact(model, words, new)
    names = model.names.with_new(new.names)
    head, relation, tail = (
        names.entity(words[0]),
        names.relation(words[1]),
        names.entity(words[2]),
    )
    own = heads_of(model.completion.rules, [head], new)
    rules = {
        "facts": fact_terms(model, own, relation, tail),
        "paths": path_terms(model, own, relation, tail),
    }
    terms = embedding_terms(model, head, relation, tail)
    lines = [f"{one_line(found.head)} {found.relation} {one_line(found.tail)}", ""]
    for kind, parts in rules.items():
        total = sum(value for _, value in parts)
        lines.append(
            f"{pluralize(len(parts), 'rule')} of {kind}: root of the sum of squared "
            f"confidences, {total**0.5:.6f}"
        )
        lines += _listed(parts, top)
    lines += ["", *sum_lines(model, found)]
    if terms is not None:
        lines += ["", *_embedding_lines(terms, top)]
    network, messages = model.completion.network, None
    if network is not None and found.by_network is not None:
        edges = EntityEdges(model.graph)
        messages = last_messages(network, edges, head, relation, tail)
        own = found.tail, found.by_network, top
        lines += ["", *message_lines(names, messages, *own)]
    data: dict[str, Any] = {
        "head": found.head,
        "relation": found.relation,
        "tail": found.tail,
        "rules": {
            kind: [{"rule": text, "squared_confidence": v} for text, v in parts]
            for kind, parts in rules.items()
        },
        "parts": found.parts,
        "score": found.score,
        "embedding_terms": None if terms is None else terms.tolist(),
        "embedding_score": None if terms is None else float(terms.sum()),
        "messages": None
        if messages is None
        else [
            {
                "source": names.show_entity(each.source),
                "relation": names.show_relation(each.relation),
                "share": each.share,
            }
            for each in messages.messages
        ],
        "network_score": None if messages is None else messages.logit,
    }
    return Finding(text=lines, data=data)


def fact_terms(
    model: FittedTriples, own: Heads, relation: int, tail: int
) -> list[tuple[str, float]]:
    """Return (fact of the head, squared confidence) of the rules that apply."""
    rules, names = model.completion.rules, model.names
    column = fact_column(rules, relation, tail)
    if column < 0:
        return []
    facts = own.facts.indices
    shared = rules.facts.shared(relation, facts, np.array([column]))[:, 0]
    confidences = shared / (rules.facts.support[facts] + PRIOR)
    order = np.argsort(-confidences, kind="stable")
    ends = rules.graph.fact_ends[facts]
    return [
        (f"{names.show_relation(kind)} {names.show_entity(end)}", confidence**2)
        for (kind, end), confidence in zip(
            ends[order].tolist(), confidences[order].tolist(), strict=True
        )
        if confidence > 0
    ]


def path_terms(
    model: FittedTriples, own: Heads, relation: int, tail: int
) -> list[tuple[str, float]]:
    """Return (path, squared confidence) of the rules that lead to the tail."""
    return [
        (describe_path(model.names, rule.path), rule.confidence**2)
        for rule in model.completion.rules.paths.of_relation(relation)
        if own.starts.reach([rule.path])[0, tail] > 0
    ]


def _listed(parts: list[tuple[str, float]], top: int) -> list[str]:
    lines = [f"  {value:.6f}  {one_line(text)}" for text, value in parts[:top]]
    if rest := parts[top:]:
        lines.append(f"  {sum(v for _, v in rest):.6f}  {len(rest):,} more")
    return lines


def _embedding_lines(terms: np.ndarray, top: int) -> list[str]:
    """Return the terms of the score of ComplEx, the largest first."""
    order = np.argsort(-np.abs(terms), kind="stable")
    lines = [
        f"ComplEx: sum of Re(e_h[k] r[k] conj(e_t[k])) over {len(terms)} numbers, "
        f"{terms.sum():.6f}"
    ]
    lines += [f"  k = {k:<4}{terms[k]:+.6f}" for k in order[:top].tolist()]
    if len(order) > top:
        lines.append(f"  {len(order) - top:,} more: {terms[order[top:]].sum():+.6f}")
    return lines
