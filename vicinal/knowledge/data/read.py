"""Reading of triples, and of a table of their entities, into a `TripleTable`."""

from collections.abc import Iterator
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vicinal.core.data.labels import quote_names
from vicinal.core.data.quarantine import describe_row
from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoDataError
from vicinal.graphs.data.tables.text_files import check_exists
from vicinal.knowledge.data.coding import CodedTriples, Names, code_triples
from vicinal.knowledge.data.files import find_splits, open_file
from vicinal.knowledge.data.literals import separate_literals
from vicinal.knowledge.data.names import NameIndex, count_entities, sort_names
from vicinal.knowledge.data.node_table import NodeTable, read_node_table
from vicinal.knowledge.data.sources import (
    FrameTriples,
    TripleSource,
    source_of_array,
)
from vicinal.knowledge.data.split_notes import (
    Split,
    self_loop_notes,
    split_notes,
    without_repeated,
)
from vicinal.knowledge.data.triple_table import TripleTable
from vicinal.knowledge.settings import TripleColumns

FIRST_REASONS = 3
"""quarantined rows that an error names"""


class Sources(NamedTuple):
    """Where the triples of each split are."""

    train: TripleSource
    validation: TripleSource | None = None
    test: TripleSource | None = None
    others: tuple[str, ...] = ()
    """names of files that are not read"""

    @property
    def given(self) -> dict[str, TripleSource]:
        """Return the sources of the splits that there are, training first."""
        splits = (self.train, self.validation, self.test)
        named = zip(("train", "validation", "test"), splits, strict=True)
        return {name: source for name, source in named if source is not None}


def read_triples(
    data: Any, nodes: Any = None, columns: TripleColumns | None = None
) -> TripleTable:
    """Return the triples of a knowledge graph.

    data: path of a text file with a head, a relation and a tail in each line, of
    Parquet or of N-Triples; a directory with train.txt, valid.txt and test.txt; a
    DataFrame; or an array or list of triples. nodes: a table of entities with the
    columns id, label, type and others. columns: those that the user named. Raises
    DataError if nothing can be used.
    """
    sources = open_sources(data, columns or TripleColumns())
    names = Names(NameIndex(), NameIndex())
    coded = {
        split: code_triples(source, names, _prefix(sources, source))
        for split, source in sources.given.items()
    }
    separated, notes = separate_literals([*coded.values()], names)
    _check_not_empty(separated[0])
    if sources.others:
        others = quote_names(sources.others)
        notes.append(f"files of the directory that are not read: {others}")
    table = _number(dict(zip(coded, separated, strict=True)), names, notes)
    return table if nodes is None else _with_nodes(table, nodes)


def open_sources(data: Any, columns: TripleColumns) -> Sources:
    """Return the sources of all splits, which are not read yet."""
    if hasattr(data, "columns") and hasattr(data, "iloc"):
        return Sources(FrameTriples(data, "the DataFrame", columns))
    if not isinstance(data, (str, PathLike)):
        if isinstance(data, (list, tuple)) or hasattr(data, "shape"):
            return Sources(source_of_array(data, columns))
        raise DataError(
            "data must be a path, a DataFrame, an array or a list of triples. Got "
            f"{type(data).__name__}."
        )
    path = Path(data)
    check_exists(path)
    if not path.is_dir():
        return Sources(open_file(path, columns))
    files = find_splits(path)
    train, validation, test = (
        None if file is None else open_file(file, columns) for file in files[:3]
    )
    assert train is not None
    return Sources(train, validation, test, tuple(files.others))


def _prefix(sources: Sources, source: TripleSource) -> str:
    """Return what is named before the line of a quarantined row."""
    return source.name if len(sources.given) > 1 else ""


def _check_not_empty(train: CodedTriples) -> None:
    """Raise NoDataError if there are no triples for training."""
    if len(train.triples):
        return
    shown = "; ".join(map(describe_row, train.quarantined[:FIRST_REASONS]))
    first = f" The first reasons: {shown}." if shown else ""
    rows = pluralize(train.num_rows, "row")
    literals = f" {len(train.literals):,} have literals." if train.literals else ""
    raise NoDataError(f"None of {rows} of {train.name} is a triple.{literals}{first}")


# --- numbers of the table ------------------------------------------------------------


def _number(
    coded: dict[str, CodedTriples], names: Names, notes: list[str]
) -> TripleTable:
    """Return the table, with names numbered in ascending order.

    notes: those on the sources as a whole.
    """
    is_entity = np.zeros(len(names.entities), bool)
    is_relation = np.zeros(len(names.relations), bool)
    for split in coded.values():
        is_entity[split.triples[:, 0]] = is_entity[split.triples[:, 2]] = True
        is_entity[[head for head, _, _ in split.literals]] = True
        is_relation[split.triples[:, 1]] = True
    entities, entity_rows = sort_names(names.entities, is_entity)
    relations, relation_rows = sort_names(names.relations, is_relation)
    rows = (entity_rows, relation_rows, entity_rows)
    splits, notes = dict[str, Split](), [*notes]
    for name, split in coded.items():
        notes += split.notes
        triples = np.stack([rows[k][split.triples[:, k]] for k in range(3)], axis=1)
        unique = without_repeated(triples, len(entities), len(relations))
        if repeated := len(triples) - len(unique):
            count = pluralize(repeated, "repeated triple")
            notes.append(f"{count} of {split.name}; each is used once")
        splits[name] = Split(split.name, unique)
        notes += self_loop_notes(splits[name])
    table = TripleTable(
        entities,
        relations,
        splits["train"].triples,
        _triples_of(splits, "validation"),
        _triples_of(splits, "test"),
        literals=_literals(coded, entity_rows, names),
        num_rows=sum(split.num_rows for split in coded.values()),
        quarantined=[row for split in coded.values() for row in split.quarantined],
    )
    notes += split_notes(table, [*splits.values()])
    return replace(table, notes=[*notes, *_literal_notes(table)])


def _triples_of(splits: dict[str, Split], name: str) -> np.ndarray | None:
    return splits[name].triples if name in splits else None


def _literals(
    coded: dict[str, CodedTriples], entity_rows: np.ndarray, names: Names
) -> list[tuple[int, str, str]]:
    """Return the literals of all splits, by the rows of their entities."""
    return [
        (int(entity_rows[head]), names.relations.names[relation], text)
        for split in coded.values()
        for head, relation, text in split.literals
    ]


def _literal_notes(table: TripleTable) -> Iterator[str]:
    """Yield a note if entities have literals and no triples."""
    is_alone = np.zeros(table.num_entities, bool)
    is_alone[[head for head, _, _ in table.literals]] = True
    for triples in (table.triples, table.validation, table.test):
        if triples is not None:
            is_alone[triples[:, [0, 2]]] = False
    if count := int(is_alone.sum()):
        yield f"{count_entities(count)} with literals and without triples"


def _with_nodes(table: TripleTable, nodes: Any) -> TripleTable:
    """Return the table with the labels, types and columns of a table of nodes."""
    found: NodeTable = read_node_table(nodes, table.entities)
    return replace(
        table,
        labels=found.labels,
        types=found.types,
        columns=found.columns,
        quarantined=table.quarantined + found.quarantined,
        notes=table.notes + found.notes,
    )
