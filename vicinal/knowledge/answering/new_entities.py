"""Entities that the graph does not have, of which only facts are known."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vicinal.core.data.labels import quote_names
from vicinal.core.text import pluralize
from vicinal.errors import DataError
from vicinal.knowledge.answering.names import GraphNames
from vicinal.knowledge.data.triple_table import TripleTable
from vicinal.knowledge.models.completion import Heads, RuleModel


class NewEntities(NamedTuple):
    """New entities; entity k has the number E + k, E being those of the graph."""

    names: list[str]
    facts: list[np.ndarray]
    """[M, 2] of each: directed relations and their other ends, entities of the graph"""

    notes: list[str]
    """facts that are not used, and why"""


NONE = NewEntities([], [], [])


def find_new_entities(table: TripleTable, names: GraphNames) -> NewEntities:
    """Return the entities of a table that are not among the names of a graph.

    Facts between two known or between two new entities, and facts of relations that the
    graph does not have, are not used, which notes say. Raises DataError if no entity is
    new.
    """
    known = [names.find_entity(str(name)) for name in table.entities]
    relations = [names.find_relation(str(name)) for name in table.relations]
    facts: dict[int, list[tuple[int, int]]] = {}
    counts = {"two known entities": 0, "two new entities": 0}
    count, unknown = len(names.relations), dict[str, int]()
    for head, relation, tail in table.triples.tolist():
        first, last, kind = known[head], known[tail], relations[relation]
        if first is not None and last is not None:
            counts["two known entities"] += 1
        elif first is None and last is None:
            counts["two new entities"] += 1
        elif kind is None:
            name = str(table.relations[relation])
            unknown[name] = unknown.get(name, 0) + 1
        elif last is not None:
            facts.setdefault(head, []).append((kind, last))
        elif first is not None:
            facts.setdefault(tail, []).append((kind + count, first))
    if not facts:
        raise DataError(
            "There is no new entity in the facts. Expected triples of an entity that "
            "the graph does not have with one that it has, by a relation of the graph."
        )
    return NewEntities(
        [str(table.entities[row]) for row in facts],
        [np.unique(np.array(own, np.int64), axis=0) for own in facts.values()],
        [*table.notes, *_unused(counts, unknown)],
    )


def _unused(counts: dict[str, int], unknown: dict[str, int]) -> list[str]:
    """Return what of the facts is not used, and why."""
    found = [
        f"{pluralize(count, 'fact')} of {kind} not used"
        for kind, count in counts.items()
        if count
    ]
    if unknown:
        total = pluralize(sum(unknown.values()), "fact")
        found.append(
            f"{total} not used, of relations that the graph does not have: "
            f"{quote_names([*unknown])}"
        )
    return found


def heads_of(
    rules: RuleModel, numbers: Sequence[int] | np.ndarray, new: NewEntities = NONE
) -> Heads:
    """Return what is known of entities of the graph, or of one new entity."""
    numbers = np.asarray(numbers, np.int64)
    count = rules.graph.num_entities
    if not (numbers >= count).any():
        return rules.heads(numbers)
    if len(numbers) > 1:
        raise ValueError("new entities are asked for one at a time")
    facts = new.facts[int(numbers[0]) - count]
    return rules.new_heads(np.zeros(len(facts), np.int64), facts, 1)
