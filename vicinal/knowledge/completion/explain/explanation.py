"""Why an answer has its probability: reasons, and the sum behind the score.

    rules = facts + paths + SIMILAR * similar entities + POPULARITY * popularity
    score = weight * log(rules + FLOOR) + log p of the embedding
            + network_weight * by_network, which is 0 beyond the best answers
    probability = sigmoid(bias + w1 * log(share) + w2 * log(rules + FLOOR))

share: exp(score), divided by the sum over all answers that are not known.
"""

from typing import Any, NamedTuple

import numpy as np

from vicinal.core.text import one_line
from vicinal.errors import DataError
from vicinal.knowledge.answering.answers import truth_values
from vicinal.knowledge.answering.frames import describe_reason
from vicinal.knowledge.answering.new_entities import NONE, NewEntities, heads_of
from vicinal.knowledge.answering.reasons import Reason, find_reasons
from vicinal.knowledge.completion.fitted_model import FittedTriples
from vicinal.knowledge.evaluation.calibration import Calibration, answer_features
from vicinal.knowledge.models.completion import (
    FLOOR,
    POPULARITY,
    SIMILAR,
    Heads,
    popularity,
)

NUM_REASONS = 5
"""of each kind"""


class FactExplanation(NamedTuple):
    """A fact (head, relation, tail) as an answer to (head, relation, ?)."""

    head: str
    relation: str
    tail: str
    is_known: bool
    probability: float
    """1 where the fact is known"""

    rank: int | None
    """among the answers that are not known; None: the fact is known"""

    reasons: list[Reason]
    parts: dict[str, float]
    """what adds up to the score of the rules, by kind of rule"""

    log_rules: float
    """log(sum of the parts + FLOOR)"""

    weight: float
    log_embedding: float | None
    """log p; None without an embedding or for a new entity"""

    by_network: float | None
    """None without a path network or for a new entity"""

    network_weight: float

    score: float
    log_share: float
    """log of the share of this answer among all that are not known"""

    calibration: Calibration


def explain_fact(
    model: FittedTriples, words: tuple[str, str, str], new: NewEntities = NONE
) -> FactExplanation:
    """Return how a fact is scored. DataError for unknown names."""
    names, rules = model.names.with_new(new.names), model.completion.rules
    head, relation = names.entity(words[0]), names.relation(words[1])
    tail = names.entity(words[2])
    if tail >= model.graph.num_entities:
        raise DataError(
            f"{words[2]!r} is a new entity, which can only be the head of a fact. Name "
            f"the inverse relation: {words[2]!r} 'inverse of {words[1]}' {words[0]!r}"
        )
    if head == tail and not rules.graph.has_self_loops[relation]:
        raise DataError(
            f"{names.show_entity(head)} is no answer of its own: no triple of "
            f"{names.show_relation(relation)} has equal ends."
        )
    own = heads_of(rules, [head], new)
    values, known = truth_values(model.completion, model.calibration, own, relation)
    is_known = bool(known[0, tail])
    # a known fact is compared as if it were not known
    hidden = tail if is_known else None
    found = model.completion.scores(own, relation, hidden)
    others = known.copy()
    others[0, tail] = False
    features = answer_features(found.total, found.by_rules, others)[0, tail]
    embedded, networked = found.by_embedding, found.by_network
    better = (found.total[0] > found.total[0, tail]) & ~known[0]
    return FactExplanation(
        head=names.show_entity(head),
        relation=names.show_relation(relation),
        tail=names.show_entity(tail),
        is_known=is_known,
        probability=float(values[0, tail]),
        rank=None if is_known else 1 + int(better.sum()),
        reasons=find_reasons(rules, own, relation, [tail], NUM_REASONS)[0],
        parts=rule_parts(model, own, relation, tail),
        log_rules=float(found.by_rules[0, tail]),
        weight=model.completion.weight,
        log_embedding=None if embedded is None else float(embedded[0, tail]),
        by_network=None if networked is None else float(networked[0, tail]),
        network_weight=model.completion.network_weight,
        score=float(found.total[0, tail]),
        log_share=float(features[0]),
        calibration=model.calibration.for_entity(is_new=own.numbers is None),
    )


def rule_parts(
    model: FittedTriples, own: Heads, relation: int, tail: int
) -> dict[str, float]:
    """Return what each kind of rule adds to the score of one answer."""
    rules = model.completion.rules
    nothing = np.zeros((1, rules.graph.num_entities), np.float32)
    by_paths = rules.paths.add_scores(nothing, own.starts, relation)
    similar = rules.similar.scores(own.similarities, relation)
    return {
        "facts": float(rules.facts.scores(own.facts, relation)[0, tail]),
        "paths": float(by_paths[0, tail]),
        "similar entities": SIMILAR * float(similar[0, tail]),
        "popularity": POPULARITY * float(popularity(rules.graph, relation)[tail]),
    }


def explanation_lines(model: FittedTriples, found: FactExplanation) -> list[str]:
    """Return an explanation as lines of text."""
    names = model.names
    place = "a known fact" if found.rank is None else f"rank {found.rank:,}"
    lines = [
        f"{one_line(found.head)} {one_line(found.relation)} {one_line(found.tail)}: "
        f"probability {found.probability:.3f} ({place})",
        "",
        "reasons:",
    ]
    for reason in found.reasons:
        text = one_line(describe_reason(names, reason))
        lines.append(f"  {reason.strength:.3f}  {text}")
    if not found.reasons:
        lines.append("  none: no rule leads to this answer")
    return [*lines, "", *sum_lines(model, found)]


def sum_lines(model: FittedTriples, found: FactExplanation) -> list[str]:
    """Return the sum behind a score as lines of text."""
    lines = ["score of the rules:"]
    for name, value in found.parts.items():
        lines.append(f"  {name:<18}{value:12.6f}")
    total = sum(found.parts.values())
    lines.append(f"  {'sum':<18}{total:12.6f}   log(sum + {FLOOR:g})")
    lines.append(f"  {'logarithm':<18}{found.log_rules:12.6f}   times {found.weight:g}")
    if found.log_embedding is not None:
        lines.append(f"  {'log p, embedding':<18}{found.log_embedding:+12.6f}")
    if found.by_network is not None:
        lines.append(
            f"  {'path network':<18}{found.by_network:+12.6f}   "
            f"times {found.network_weight:g}"
        )
    lines.append(f"  {'score':<18}{found.score:12.6f}")
    first, second = found.calibration.weights
    lines += [
        "",
        "probability of an answer that is not known:",
        f"  sigmoid({found.calibration.bias:.3f} + {first:.3f} * {found.log_share:.3f} "
        f"+ {second:.3f} * {found.log_rules:.3f}), with the log of its share of all "
        "scores and that of the rules' score",
    ]
    return lines


def explanation_json(model: FittedTriples, found: FactExplanation) -> dict[str, Any]:
    """Return an explanation as JSON values."""
    names, values = model.names, found._asdict()
    values["reasons"] = [
        {
            "kind": reason.kind,
            "strength": reason.strength,
            "shared": reason.shared,
            "total": reason.total,
            "text": describe_reason(names, reason),
        }
        for reason in found.reasons
    ]
    values["known"] = values.pop("is_known")
    calibration = found.calibration
    return values | {"calibration": [*calibration.weights, calibration.bias]}


def embedding_terms(
    model: FittedTriples, head: int, relation: int, tail: int
) -> np.ndarray | None:
    """Return [D] the terms whose sum is the score of ComplEx; None without one."""
    embedding = model.completion.embedding
    if embedding is None or head >= model.graph.num_entities:
        return None
    vectors = (embedding.entities[head], embedding.relations[relation])
    last = embedding.entities[tail]
    e, r, t = (
        v.detach().double().numpy()[: embedding.dim]
        + 1j * v.detach().double().numpy()[embedding.dim :]
        for v in (*vectors, last)
    )
    return np.real(e * r * np.conj(t))
