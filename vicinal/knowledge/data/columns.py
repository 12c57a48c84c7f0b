"""Columns of tables of triples, found by their names."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from vicinal.core.data.csv_tables import named_column
from vicinal.core.data.labels import quote_names
from vicinal.core.text import pluralize
from vicinal.errors import DataError
from vicinal.knowledge.settings import TripleColumns

EXPECTED = "head,relation,tail"

HEAD_STEMS = (
    *("head", "subject", "source", "src", "from", "start", "h", "s", "e1"),
    *("entity1", "node1", "entitya", "nodea", "x"),
)
RELATION_STEMS = (
    *("relation", "rel", "relationship", "predicate", "property", "metaedge"),
    *("edgetype", "edge", "interaction", "link", "type", "label", "r", "p"),
)
TAIL_STEMS = (
    *("tail", "object", "target", "dst", "dest", "to", "end", "t", "o", "e2"),
    *("entity2", "node2", "entityb", "nodeb", "y"),
)
"""names in lower case without punctuation, those that are preferred first"""

END_SUFFIXES = ("", "entity", "node", "index", "id", "name", "label")
RELATION_SUFFIXES = ("", "type", "name", "label", "id")


class TripleRoles(NamedTuple):
    """Positions of the columns of a table of triples."""

    head: int
    relation: int
    tail: int


class TableHeader(NamedTuple):
    """The columns of a table of triples."""

    names: list[str]
    roles: TripleRoles

    @property
    def others(self) -> list[str]:
        """Return the names of the columns that are not used."""
        return [name for k, name in enumerate(self.names) if k not in self.roles]

    def describe(self) -> str:
        """Return the names of the columns of heads, relations and tails."""
        return ", ".join(self.names[k] for k in self.roles)


def letters(name: Any) -> str:
    """Return a name in lower case, without what is no letter or digit."""
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


def find_roles(names: Sequence[str], given: TripleColumns) -> TripleRoles | None:
    """Return the columns of heads, relations and tails; None if one is not recognised.

    Raises DataError if a column that the user named is missing.
    """
    roles = _partial_roles(names, given)
    found = [roles[k] for k in ("head", "relation", "tail")]
    head, relation, tail = found
    if head is None or relation is None or tail is None:
        return None
    if len({head, relation, tail}) < 3:
        raise DataError(
            "The columns of heads, relations and tails must differ. Got "
            f"{', '.join(names[k] for k in (head, relation, tail))}."
        )
    return TripleRoles(head, relation, tail)


def _partial_roles(names: Sequence[str], given: TripleColumns) -> dict[str, int | None]:
    roles: dict[str, int | None] = {}
    named = {
        "head": given.head_column,
        "tail": given.tail_column,
        "relation": given.relation_column,
    }
    for role, name in named.items():
        if name:
            column = named_column(names, name, "the table of triples")
            roles[role] = [*names].index(column)
    for role in named:
        if role not in roles:
            free = [k for k in range(len(names)) if k not in roles.values()]
            roles[role] = _recognise(names, free, role)
    return roles


def _recognise(names: Sequence[str], free: list[int], role: str) -> int | None:
    by_name = {letters(names[k]): k for k in reversed(free)}
    return next((by_name[k] for k in _usual_names(role) if k in by_name), None)


def _usual_names(role: str) -> Iterator[str]:
    """Yield the names of a role, those that are preferred first."""
    stems = {"head": HEAD_STEMS, "relation": RELATION_STEMS, "tail": TAIL_STEMS}[role]
    suffixes = RELATION_SUFFIXES if role == "relation" else END_SUFFIXES
    for stem in stems:
        for suffix in suffixes:
            yield stem + suffix


def unclear_columns(
    names: Sequence[str], given: TripleColumns, source: str
) -> DataError:
    """Return the error about a table without the three columns.

    names: of the columns, or the cells of the first line.
    """
    expected = f"Expected three columns, {EXPECTED}"
    got = f"Got {quote_names(names)}"
    if len(names) < 3:
        count = pluralize(len(names), "column")
        return DataError(
            f"{source} has {count}. {expected}. {got}. Edges without relations are "
            "read with --domain links."
        )
    roles = _partial_roles(names, given)
    missing = " or ".join(f"{k}s" for k, place in roles.items() if place is None)
    return DataError(
        f"{source} has no column of {missing}. {expected}, or more with a header that "
        f"names them. {got}. Name them with --head-column, --relation-column and "
        "--tail-column."
    )
