"""Triples of a knowledge graph, and what is known of its entities."""

from dataclasses import dataclass, field

import numpy as np

from vicinal.core.data.quarantine import Quarantined
from vicinal.errors import DataError


@dataclass(frozen=True)
class TripleTable:
    """E entities and R relations."""

    entities: np.ndarray
    """[E] object, names in ascending order"""

    relations: np.ndarray
    """[R] object, names in ascending order"""

    triples: np.ndarray
    """[N, 3] int32 head, relation and tail, each triple once: the training split, or
    all if the data have no split"""

    validation: np.ndarray | None = None
    """[., 3] int32 as `triples`; None if the data have no such split; its entities and
    relations may be missing in `triples`"""

    test: np.ndarray | None = None
    """as `validation`"""

    labels: np.ndarray | None = None
    """[E] object, readable names from the table of nodes, "" where unknown"""

    types: np.ndarray | None = None
    """[E] object, type of each entity, "" where unknown"""

    columns: dict[str, np.ndarray] = field(default_factory=dict)
    """[E] further columns of the table of nodes: float64 with NaN where all cells are
    numbers, otherwise object with None"""

    literals: list[tuple[int, str, str]] = field(default_factory=list)
    """entity, relation and text of triples whose object is a literal"""

    num_rows: int = 0
    """triples that were read, in all splits"""

    quarantined: list[Quarantined] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def num_entities(self) -> int:
        """Return the number of entities of all splits."""
        return len(self.entities)

    @property
    def num_relations(self) -> int:
        """Return the number of relations of all splits."""
        return len(self.relations)

    @property
    def unseen(self) -> np.ndarray:
        """Return the entities of validation and test that no training triple has."""
        return missing_in(self._held_out()[:, [0, 2]], self.triples[:, [0, 2]])

    @property
    def unseen_relations(self) -> np.ndarray:
        """Return the relations of validation and test that no training triple has."""
        return missing_in(self._held_out()[:, 1], self.triples[:, 1])

    def _held_out(self) -> np.ndarray:
        """Return the triples of validation and test."""
        splits = [k for k in (self.validation, self.test) if k is not None]
        return np.concatenate([np.zeros((0, 3), np.int32), *splits])


def missing_in(numbers: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the different numbers, ascending, that are not among the others."""
    size = 1 + max(int(numbers.max(initial=0)), int(others.max(initial=0)))
    is_missing = np.zeros(size, bool)
    is_missing[numbers] = True
    is_missing[others] = False
    return np.flatnonzero(is_missing)


def triple_codes(
    triples: np.ndarray, num_entities: int, num_relations: int
) -> np.ndarray:
    """Return a number [N] int64 for each triple, equal for equal triples.

    DataError if there are too many entities and relations for that.
    """
    if num_entities**2 * num_relations >= 2**63:
        raise DataError(
            f"A knowledge graph with {num_entities:,} entities and {num_relations:,} "
            "relations is too large. Remove some of them."
        )
    heads, relations, tails = triples.T
    return pair_codes(heads, tails, num_entities) * num_relations + relations


def pair_codes(heads: np.ndarray, tails: np.ndarray, num_entities: int) -> np.ndarray:
    """Return a number [N] int64 for each pair of entities."""
    return heads.astype(np.int64) * num_entities + tails
