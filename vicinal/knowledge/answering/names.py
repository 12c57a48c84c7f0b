"""Names of entities and relations that a user typed, as numbers."""

import re
from collections.abc import Sequence

import numpy as np

from vicinal.errors import DataError, suggest_names
from vicinal.knowledge.answering.questions import Fact

AND = ("and", "AND", "&")
MAX_LISTED, MAX_COMPARED = 10, 50_000
"""names that a message lists, and with which an unknown one is compared"""

INVERSE = "inverse of "
"""how an inverse relation is written"""


class GraphNames:
    """Names of the entities, their readable labels, and names of the relations."""

    def __init__(
        self,
        entities: np.ndarray,
        relations: np.ndarray,
        labels: np.ndarray | None = None,
    ) -> None:
        self.entities, self.relations, self.labels = entities, relations, labels
        self._entities = _index(entities)
        self._labels = {} if labels is None else _index(labels)
        self._relations = _index(relations)

    def entity(self, name: str) -> int:
        """Return the number of an entity, by name or label.

        Upper and lower case and _ for blanks may differ where that is unambiguous.
        Raises DataError for a name that is not there, with those that are alike.
        """
        for index in (self._entities, self._labels):
            found = index.get(name, index.get(fold(name)))
            if found is not None:
                return _only(found, name, self)
        hint = suggest_names(name, self._similar(name), MAX_LISTED)
        raise DataError(f"There is no entity {name!r} in the graph. {hint}")

    def _similar(self, name: str) -> list[str]:
        """Return the names and labels; of many, those that begin alike."""
        names = [str(entity) for entity in self.entities]
        if self.labels is not None:
            names += [str(label) for label in self.labels if label]
        if len(names) <= MAX_COMPARED:
            return names
        start = fold(name)[:2]
        return [each for each in names if fold(each).startswith(start)][:MAX_COMPARED]

    def find_entity(self, name: str) -> int | None:
        """Return the number of an entity by its exact name; None: there is none."""
        rows = self._entities.get(name, ())
        return next((k for k in rows if str(self.entities[k]) == name), None)

    def find_relation(self, name: str) -> int | None:
        """Return the number of a relation by its exact name; None: there is none."""
        rows = self._relations.get(name, ())
        return next((k for k in rows if str(self.relations[k]) == name), None)

    def with_new(self, names: Sequence[str]) -> "GraphNames":
        """Return the names with those of new entities, numbered after the others."""
        if not names:
            return self
        added = np.array([*self.entities, *names], object)
        labels = self.labels
        if labels is not None:
            labels = np.array([*labels, *[""] * len(names)], object)
        return GraphNames(added, self.relations, labels)

    def relation(self, name: str) -> int:
        """Return the number of a directed relation; DataError for an unknown one."""
        inverse = name.startswith(INVERSE)
        own = name.removeprefix(INVERSE)
        found = self._relations.get(own, self._relations.get(fold(own)))
        if found is None:
            hint = suggest_names(own, map(str, self.relations), MAX_LISTED)
            raise DataError(f"There is no relation {own!r} in the graph. {hint}")
        if len(found) > 1:
            raise DataError(
                f"{own!r} may be several relations: write it as in the data."
            )
        return found[0] + (len(self.relations) if inverse else 0)

    def show_entity(self, number: int) -> str:
        """Return the label of an entity, or its name if it has none."""
        label = "" if self.labels is None else str(self.labels[number])
        return label or str(self.entities[number])

    def show_relation(self, number: int) -> str:
        """Return the name of a directed relation."""
        count = len(self.relations)
        prefix = INVERSE if number >= count else ""
        return prefix + str(self.relations[number % count])

    def parse_query(self, words: Sequence[str]) -> list[Fact]:
        """Return the facts of a question: head relation tail, several with `and`.

        `?` is asked for; ?x, ?y and so on are other variables. Raises DataError for
        what is not a question, and for unknown names.
        """
        facts, part = [], list[str]()
        for word in [*words, "and"]:
            if word not in AND:
                part.append(word)
                continue
            if len(part) != 3:
                raise DataError(
                    "A question has facts of three words, head, relation and tail, "
                    "joined by `and`; names with blanks stand in quotes. Got "
                    f"{' '.join(part) or 'nothing'}. For example: paris capital_of ?"
                )
            head, relation, tail = part
            facts.append(
                Fact(self._end(head), self.relation(relation), self._end(tail))
            )
            part = []
        return facts

    def _end(self, word: str) -> str | int:
        return word if re.fullmatch(r"\?\w*", word) else self.entity(word)


def fold(name: str) -> str:
    """Return a name without upper case and with blanks for _."""
    return " ".join(name.casefold().replace("_", " ").split())


def _index(names: np.ndarray) -> dict[str, list[int]]:
    """Return the rows of each name, and of each folded name."""
    found: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        for text in {str(name), fold(str(name))} - {""}:
            found.setdefault(text, []).append(row)
    return found


def _only(rows: list[int], name: str, names: GraphNames) -> int:
    """Return the only row; DataError if there are several."""
    exact = [row for row in rows if str(names.entities[row]) == name]
    rows = exact or rows
    if len(rows) > 1:
        shown = ", ".join(str(names.entities[row]) for row in rows[:5])
        raise DataError(
            f"{name!r} may be {len(rows)} entities: {shown}"
            f"{', ...' if len(rows) > 5 else ''}. Write its name as in the triples."
        )
    return rows[0]
