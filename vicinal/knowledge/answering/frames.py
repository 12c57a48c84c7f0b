"""Answers as tables: entities by name, probabilities and reasons in words."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from vicinal.knowledge.answering.answers import Answers
from vicinal.knowledge.answering.names import INVERSE, GraphNames
from vicinal.knowledge.answering.new_entities import NONE, NewEntities, heads_of
from vicinal.knowledge.answering.query import Solution
from vicinal.knowledge.answering.reasons import Reason, find_reasons

SOLUTION_COLUMNS = ["question", "predicted", "probability", "known", "evidence"]
ANSWER_COLUMNS = ["question", "head", "relation", "tail", *SOLUTION_COLUMNS[1:]]

MAX_FACTS = 3
"""facts in common that a reason names"""


def answers_frame(
    model: Any,
    heads: np.ndarray,
    relations: np.ndarray,
    found: Answers,
    *,
    known: bool = True,
    new: NewEntities = NONE,
) -> pd.DataFrame:
    """Return a row for each answer, with the strongest reason for it as `evidence`.

    Columns: question; head, relation and tail, the fact that the answer makes;
    predicted, the answer; probability, known, evidence. model: a `FittedTriples`.
    known: with known answers. new: entities that `heads` may be besides.
    """
    names, rules = model.names.with_new(new.names), model.completion.rules
    rows = []
    for number, (head, relation) in enumerate(
        zip(heads.tolist(), relations.tolist(), strict=True)
    ):
        own = heads_of(rules, [head], new)
        asked = names.show_entity(head)
        is_inverse = relation >= len(names.relations)
        name = names.show_relation(relation).removeprefix(INVERSE)
        question = f"? {name} {asked}" if is_inverse else f"{asked} {name} ?"
        listed = np.flatnonzero(known | ~found.is_known[number])
        entities = found.entities[number, listed].tolist()
        all_reasons = find_reasons(rules, own, relation, entities, 1)
        for column, entity, reasons in zip(listed, entities, all_reasons, strict=True):
            answer = names.show_entity(entity)
            ends = (answer, asked) if is_inverse else (asked, answer)
            rows.append(
                {
                    "question": question,
                    "head": ends[0],
                    "relation": name,
                    "tail": ends[1],
                    "predicted": answer,
                    "probability": float(found.probabilities[number, column]),
                    "known": bool(found.is_known[number, column]),
                    "evidence": describe_reason(names, reasons[0]) if reasons else "",
                }
            )
    return pd.DataFrame(rows, columns=ANSWER_COLUMNS)


def solutions_frame(
    names: GraphNames,
    question: str,
    found: Solution,
    top: int,
    *,
    known: bool = True,
) -> pd.DataFrame:
    """Return a row for each answer to a question of several facts.

    Columns: question, predicted, probability, known, evidence, which names the
    entities that its variables are. known: with known answers.
    """
    values = found.values if known else np.where(found.is_known, -1.0, found.values)
    best = np.argsort(-values, kind="stable")[:top]
    rows = []
    for entity in best[values[best] > 0].tolist():
        chosen = [
            f"{variable} = {names.show_entity(int(own[entity]))}"
            for variable, own in found.choices.items()
            if own[entity] >= 0
        ]
        row = {
            "question": question,
            "predicted": names.show_entity(entity),
            "probability": float(found.values[entity]),
            "known": bool(found.is_known[entity]),
            "evidence": ", ".join(chosen),
        }
        rows.append(row)
    return pd.DataFrame(rows, columns=SOLUTION_COLUMNS)


def describe_reason(names: GraphNames, reason: Reason) -> str:
    """Return a reason in words."""
    if reason.kind == "fact":
        ((relation, end),) = reason.edges
        fact = f"({names.show_relation(relation)}, {names.show_entity(end)})"
        return f"{reason.shared:,} of {reason.total:,} that have {fact} have it"
    if reason.kind == "path":
        path = describe_path(names, [step for step, _ in reason.edges])
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


def describe_path(names: GraphNames, steps: Sequence[int]) -> str:
    """Return the directed relations of a path in words."""
    return ", then ".join(names.show_relation(step) for step in steps)
