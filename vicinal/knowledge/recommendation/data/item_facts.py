"""Facts about items: triples (item, relation, entity), or a table of attributes."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from vicinal.core.data.csv_tables import clean_cell
from vicinal.core.data.labels import quote_names
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.text import pluralize
from vicinal.errors import DataError
from vicinal.knowledge.recommendation.data.columns import item_columns
from vicinal.knowledge.recommendation.data.tables import (
    BLANK,
    CodedColumn,
    Table,
    open_table,
)
from vicinal.knowledge.recommendation.data.user_items import ItemFacts

EXPECTED = "item, relation, entity, or item and attributes"
RELATION_NAMES = ("relation", "predicate", "property", "rel")
SEPARATOR = "|"
"""between several values of an attribute"""

MIN_ITEMS = 2
"""items that must share a fact; others say nothing about similar items"""


class ReadFacts(NamedTuple):
    """Pairs of items and facts, by name."""

    pairs: list[tuple[str, str]]
    """(item, fact), some perhaps twice"""

    quarantined: list[Quarantined]
    notes: list[str]


def read_item_facts(data: Any, links: Any, known: Sequence[str]) -> ReadFacts:
    """Return facts about items.

    data: a path or a DataFrame of triples without header, or of items with a header
    and a column of items. links: pairs (item, entity), where triples name items by
    their entities. known: items of the table of users. Raises DataError if no fact is
    about a known item.
    """
    table = open_table(data, EXPECTED, header=None)
    ids = item_columns(table.names) if table.has_header else []
    is_triples = len(table.names) == 3 and not ids
    if ids and links is not None:
        raise DataError(
            f"{table.source} is a table of attributes, whose items need no links. "
            "Leave the links out, or give triples of item, relation and entity."
        )
    if is_triples:
        linked = None if links is None else read_item_links(links, known)
        found = _read_triples(table, linked)
    elif ids:
        found = _read_attributes(table, ids, known)
    else:
        raise DataError(
            f"{table.source} must have three columns (item, relation, entity), or a "
            f"header with a column of items. Got {', '.join(table.names)}."
        )
    items = {item for item, _ in found.pairs}
    if not items & {*known}:
        first = quote_names(sorted(items)[:3])
        raise DataError(
            f"No fact of {table.source} is about an item of the table of users (facts "
            f"are about {first or 'nothing'}, items are {quote_names(list(known)[:3])})"
            ". If the facts name items by other ids, pass the links between them."
        )
    return found


class ItemLinks(NamedTuple):
    """The items of each entity."""

    items: dict[str, str]
    """entity -> item"""

    quarantined: list[Quarantined]
    notes: list[str]


def read_item_links(links: Any, known: Sequence[str]) -> ItemLinks:
    """Return the item of each entity, from a table (item, entity).

    Raises DataError if the first column holds no known item.
    """
    table = open_table(links, "item, entity", header=None)
    if len(table.names) != 2:
        raise DataError(
            f"{table.source} must have two columns, item and entity. Got "
            f"{len(table.names)}."
        )
    (items, entities), line_of = table.read(table.names)
    own = {*known}
    num_known = sum(name in own for name in items.cells)
    if not num_known:
        raise DataError(
            f"The first column of {table.source} must hold items of the table of users "
            f"({quote_names(list(known)[:3])}). Got {quote_names(items.cells[:3])}."
        )
    found, quarantined = dict[str, str](), list[Quarantined]()
    for row in range(len(items.codes)):
        item, entity = items.text(row), entities.text(row)
        reason = ""
        if not item or not entity:
            reason = "a cell is empty"
        elif found.get(entity, item) != item:
            reason = f"the entity is linked to {found[entity]!r} already"
        if reason:
            where = f"{table.unit} {line_of(row)} of the links"
            quarantined.append(Quarantined(where, item, reason))
        else:
            found[entity] = item
    without = len(own - {*found.values()})
    notes = [f"{pluralize(len(own) - without, 'item')} linked to entities"]
    if without:
        notes.append(f"{pluralize(without, 'item')} without a link")
    return ItemLinks(found, quarantined, notes)


def _read_triples(table: Table, links: ItemLinks | None) -> ReadFacts:
    """Return the facts of triples; those about entities that are no items are left."""
    (heads, relations, tails), line_of = table.read(table.names)
    start = int(_is_header(relations, table))
    quarantined = [] if links is None else links.quarantined
    notes = [] if links is None else list(links.notes)
    pairs, others = list[tuple[str, str]](), 0
    for row in range(start, len(heads.codes)):
        head, relation, tail = (c.text(row) for c in (heads, relations, tails))
        if not (head and relation and tail):
            where = f"{table.unit} {line_of(row)} of the facts"
            quarantined.append(Quarantined(where, head, "a cell is empty"))
            continue
        item = head if links is None else links.items.get(head)
        if item is None:
            others += 1
        else:
            pairs.append((item, f"{relation} = {tail}"))
    if others:
        notes.append(f"{pluralize(others, 'triple')} about entities that are no items")
    return ReadFacts(pairs, quarantined, notes)


def _is_header(relations: CodedColumn, table: Table) -> bool:
    """Return whether the first row of a text without header names its columns."""
    return not table.has_header and relations.text(0).lower() in RELATION_NAMES


def _read_attributes(table: Table, ids: list[str], known: Sequence[str]) -> ReadFacts:
    """Return each value of each attribute as a fact."""
    columns, line_of = table.read(table.names)
    by_name = dict(zip(table.names, columns, strict=True))
    own = {*known}
    chosen = max(ids, key=lambda name: len(own & {*by_name[name].cells}))
    items = by_name.pop(chosen)
    blank = np.flatnonzero(items.codes == BLANK)
    quarantined = [
        Quarantined(
            f"{table.unit} {line_of(row)} of the items", "", "the item is empty"
        )
        for row in blank.tolist()
    ]
    pairs = [
        (items.text(row), f"{name} = {value}")
        for name, column in by_name.items()
        for row, value in _values(column)
        if items.codes[row] != BLANK
    ]
    note = f"facts about items: {quote_names([*by_name])} of column {chosen!r}"
    return ReadFacts(pairs, quarantined, [note])


def _values(column: CodedColumn) -> Iterator[tuple[int, str]]:
    """Yield (row, value) of the cells of a column, which may hold several values."""
    parts = [
        [text for part in cell.split(SEPARATOR) if (text := clean_cell(part))]
        for cell in column.cells
    ]
    for row, code in enumerate(column.codes.tolist()):
        if code != BLANK:
            yield from ((row, value) for value in parts[code])


def facts_of_pairs(
    pairs: Sequence[tuple[str, str]], items: Sequence[str]
) -> tuple[ItemFacts, list[str]]:
    """Return the facts that two items or more share, and a note on the others."""
    rows = {name: row for row, name in enumerate(items)}
    names = sorted({fact for _, fact in pairs})
    numbers = {name: k for k, name in enumerate(names)}
    codes = [(numbers[fact], rows[item]) for item, fact in pairs if item in rows]
    entries = np.unique(np.array(codes, np.int64).reshape(-1, 2), axis=0)
    ones = np.ones(len(entries), np.float32)
    shape = len(names), len(items)
    table = csr_matrix((ones, (entries[:, 0], entries[:, 1])), shape)
    shared = table.getnnz(1) >= MIN_ITEMS
    kept = csr_matrix(table[np.flatnonzero(shared)])
    with_facts = int((kept.getnnz(0) > 0).sum())
    notes = [
        f"{pluralize(int(shared.sum()), 'fact')} shared by items, about "
        f"{pluralize(with_facts, 'item')}; {int((~shared).sum()):,} about a "
        "single item not used"
    ]
    return ItemFacts(np.array(names, object)[shared], kept), notes
