"""Triples as numbers of names, and the rows that cannot be used."""

from typing import NamedTuple

import numpy as np

from vicinal.core.data.names import problem_of_name
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.text import pluralize
from vicinal.knowledge.data.names import EMPTY, NameIndex
from vicinal.knowledge.data.sources import Block, TripleSource

MAX_QUARANTINED = 100_000
"""rows of a source that are quarantined by name; further ones are only counted"""

ROLES = ("head", "relation", "tail")


class Names(NamedTuple):
    """Names of all splits, each numbered in the order of its appearance."""

    entities: NameIndex
    relations: NameIndex


class CodedTriples(NamedTuple):
    """The triples of a source, by the numbers of `Names`."""

    name: str
    """of the source"""

    triples: np.ndarray
    """[N, 3] int32 head, relation and tail"""

    literals: list[tuple[int, int, str]]
    """head, relation and text"""

    num_rows: int
    quarantined: list[Quarantined]
    notes: list[str]


def code_triples(source: TripleSource, names: Names, prefix: str) -> CodedTriples:
    """Read a source; new names are added.

    prefix: before the line of a quarantined row, such as the name of its file.
    """
    reader = _Reader(source, names, prefix)
    for block in source.blocks():
        reader.add(block)
    return reader.coded()


class _Reader:
    """Collects the blocks of a source."""

    def __init__(self, source: TripleSource, names: Names, prefix: str) -> None:
        self.source, self.names = source, names
        self._place = f"{prefix} {source.unit}".strip()
        self._blocks = [np.zeros((0, 3), np.int32)]
        self._literals: list[tuple[int, int, str]] = []
        self._quarantined: list[tuple[int, Quarantined]] = []
        self._num_rows = self._num_bad_rows = 0

    def add(self, block: Block) -> None:
        """Add the rows of a block; those without a usable name are quarantined."""
        entities, count = self.names.entities, len(block.heads)
        columns = [
            entities.codes(block.heads),
            self.names.relations.codes(block.relations),
        ]
        if not block.are_literals:
            columns.append(entities.codes(block.tails))
        codes = np.stack(columns, axis=1)
        is_usable = (codes >= 0).all(axis=1)
        for line, label, reason in block.bad_rows:
            self._quarantine(line, label, reason)
        for k in np.flatnonzero(~is_usable).tolist():
            cells = block.heads[k], block.relations[k], block.tails[k]
            reason = _reason(codes[k], cells)
            self._quarantine(int(block.lines[k]), cells[1].strip(), reason)
        if block.are_literals:
            rows = np.flatnonzero(is_usable).tolist()
            self._literals += [(*codes[k].tolist(), block.tails[k]) for k in rows]
        else:
            self._blocks.append(codes if is_usable.all() else codes[is_usable])
        self._num_rows += count + len(block.bad_rows)

    def _quarantine(self, line: int, label: str, reason: str) -> None:
        self._num_bad_rows += 1
        if len(self._quarantined) < MAX_QUARANTINED:
            row = Quarantined(f"{self._place} {line}", label, reason)
            self._quarantined.append((line, row))

    def coded(self) -> CodedTriples:
        """Return all rows, those that are quarantined in the order of their lines."""
        rows = sorted(self._quarantined, key=lambda row: row[0])
        notes = self.source.notes()
        if more := self._num_bad_rows - len(rows):
            count = pluralize(more, f"more {self.source.unit}")
            notes.append(f"{count} of {self.source.name} quarantined, not listed")
        return CodedTriples(
            self.source.name,
            np.concatenate(self._blocks),
            self._literals,
            self._num_rows,
            [row for _, row in rows],
            notes,
        )


def _reason(codes: np.ndarray, cells: tuple[str, str, str]) -> str:
    """Return why a row cannot be used: the first cell that is no name."""
    k = int(np.flatnonzero(codes < 0)[0])
    text = cells[k].strip()
    if codes[k] == EMPTY:
        return f"the {ROLES[k]} is empty" + (f": {text!r}" if text else "")
    return f"the {ROLES[k]}: {problem_of_name(text)}"
