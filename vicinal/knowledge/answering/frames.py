"""Answers as tables: entities by name, probabilities and reasons in words."""

from typing import Any

import numpy as np
import pandas as pd

from vicinal.knowledge.answering.answers import Answers
from vicinal.knowledge.answering.query import Solution
from vicinal.knowledge.answering.reasons import Reason, find_reasons

MAX_FACTS = 3
"""facts in common that a reason names"""


def answers_frame(
    model: Any,
    heads: np.ndarray,
    relations: np.ndarray,
    found: Answers,
    *,
    new: bool = False,
) -> pd.DataFrame:
    """Return a row for each answer: question, answer, probability, known, evidence.

    model: a `FittedTriples`. new: leave known answers out.
    """
    names, rows = model.names, []
    for number, (head, relation) in enumerate(
        zip(heads.tolist(), relations.tolist(), strict=True)
    ):
        own = model.completion.rules.heads(np.array([head]))
        for entity, probability, is_known in zip(
            found.entities[number].tolist(),
            found.probabilities[number].tolist(),
            found.is_known[number].tolist(),
            strict=True,
        ):
            if new and is_known:
                continue
            reasons = find_reasons(model.completion.rules, own, relation, entity, 1)
            text = describe_reason(model, reasons[0]) if reasons else ""
            rows.append(
                {
                    "head": names.show_entity(head),
                    "relation": names.show_relation(relation),
                    "predicted": names.show_entity(entity),
                    "probability": probability,
                    "known": is_known,
                    "evidence": text,
                }
            )
    columns = ["head", "relation", "predicted", "probability", "known", "evidence"]
    return pd.DataFrame(rows, columns=columns)


def solutions_frame(
    model: Any, found: Solution, top: int, *, new: bool = False
) -> pd.DataFrame:
    """Return a row for each answer to a question of several facts.

    `evidence` names the entities that its variables are.
    """
    values = np.where(found.is_known, -1.0, found.values) if new else found.values
    best = np.argsort(-values, kind="stable")[:top]
    rows = []
    for entity in best[values[best] > 0].tolist():
        chosen = [
            f"{variable} = {model.names.show_entity(int(own[entity]))}"
            for variable, own in found.choices.items()
            if own[entity] >= 0
        ]
        row = {
            "predicted": model.names.show_entity(entity),
            "probability": float(found.values[entity]),
            "known": bool(found.is_known[entity]),
            "evidence": ", ".join(chosen),
        }
        rows.append(row)
    return pd.DataFrame(rows, columns=["predicted", "probability", "known", "evidence"])


def describe_reason(model: Any, reason: Reason) -> str:
    """Return a reason in words; model: a `FittedTriples`."""
    names = model.names
    if reason.kind == "fact":
        ((relation, end),) = reason.edges
        fact = f"({names.show_relation(relation)}, {names.show_entity(end)})"
        return f"{reason.shared:,} of {reason.total:,} that have {fact} have it"
    if reason.kind == "path":
        path = ", then ".join(names.show_relation(step) for step, _ in reason.edges)
        return f"{reason.shared:,} of {reason.total:,} reached by {path} are answers"
    shown = [
        f"({names.show_relation(relation)}, {names.show_entity(end)})"
        for relation, end in reason.edges[:MAX_FACTS]
    ]
    more = ", ..." if len(reason.edges) > MAX_FACTS else ""
    return (
        f"{names.show_entity(reason.entity)} has it, and {reason.shared:,} of "
        f"{reason.total:,} facts in common: {', '.join(shown)}{more}"
    )
