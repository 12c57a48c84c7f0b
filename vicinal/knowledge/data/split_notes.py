"""What the splits of triples repeat, and what one lacks that another has."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from vicinal.core.data.labels import quote_names
from vicinal.core.text import pluralize
from vicinal.knowledge.data.names import count_entities
from vicinal.knowledge.data.triple_table import (
    TripleTable,
    missing_in,
    triple_codes,
)

NAMES_SHOWN = 3


class Split(NamedTuple):
    """A split and the name of its source."""

    name: str
    triples: np.ndarray


def without_repeated(
    triples: np.ndarray, num_entities: int, num_relations: int
) -> np.ndarray:
    """Return each triple once, in the order of first appearance."""
    import pandas as pd

    codes = triple_codes(triples, num_entities, num_relations)
    is_repeated = pd.Series(codes).duplicated().to_numpy()
    return triples[~is_repeated] if is_repeated.any() else triples


def self_loop_notes(split: Split) -> Iterator[str]:
    """Yield a note if triples have one entity as head and tail."""
    if count := int((split.triples[:, 0] == split.triples[:, 2]).sum()):
        verb = "is" if count == 1 else "are"
        triples = pluralize(count, "triple")
        yield f"{triples} of {split.name} with head and tail equal {verb} kept"


def split_notes(table: TripleTable, splits: list[Split]) -> Iterator[str]:
    """Yield what training lacks of the other splits, and what splits share.

    splits: training first.
    """
    train, *others = splits
    for split in others:
        yield from _unseen_entities(table, train, split)
        yield from _unseen_relations(table, train, split)
    codes = [
        triple_codes(split.triples, table.num_entities, table.num_relations)
        for split in splits
    ]
    for k, split in enumerate(splits):
        for other, own in zip(splits[:k], codes[:k], strict=True):
            if count := int(np.isin(codes[k], own).sum()):
                triples = pluralize(count, "triple")
                yield (
                    f"leak: {triples} of {split.name} also in {other.name}; both keep "
                    "them, so scores on them are too good"
                )


def _unseen_entities(table: TripleTable, train: Split, split: Split) -> Iterator[str]:
    ends = split.triples[:, [0, 2]]
    unseen = missing_in(ends, train.triples[:, [0, 2]])
    if len(unseen):
        count = pluralize(int(np.isin(ends, unseen).any(axis=1).sum()), "triple")
        names = quote_names(table.entities[unseen].tolist(), NAMES_SHOWN)
        entities = count_entities(len(unseen))
        yield f"{split.name}: {count} with {entities} that {train.name} lacks ({names})"


def _unseen_relations(table: TripleTable, train: Split, split: Split) -> Iterator[str]:
    relations = split.triples[:, 1]
    unseen = missing_in(relations, train.triples[:, 1])
    if len(unseen):
        count = pluralize(int(np.isin(relations, unseen).sum()), "triple")
        names = quote_names(table.relations[unseen].tolist(), NAMES_SHOWN)
        kinds = pluralize(len(unseen), "relation")
        yield f"{split.name}: {count} with {kinds} that {train.name} lacks ({names})"
