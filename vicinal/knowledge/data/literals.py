"""Relations of tables whose tails are numbers and no entities."""

from collections.abc import Sequence

import numpy as np

from vicinal.core.data.labels import parse_number, quote_names
from vicinal.core.text import pluralize
from vicinal.knowledge.data.coding import CodedTriples, Names
from vicinal.knowledge.data.triple_table import pair_codes

MIN_TAILS, MIN_SHARE = 20, 0.95
"""different tails of a relation of literals, and the share of them that are numbers and
never heads"""

MAX_HEADS = 0.5
"""share of the heads of such a relation that may be numbers; entities whose names are
numbers are no literals"""


def separate_literals(
    splits: Sequence[CodedTriples], names: Names
) -> tuple[list[CodedTriples], list[str]]:
    """Return the splits without relations of numbers, which become literals, and notes.

    A number is an entity where it is the head of a triple.
    """
    triples = np.concatenate([split.triples for split in splits])
    relations = literal_relations(triples, names)
    if not len(relations):
        return [*splits], []
    separated = [_separate(split, relations, names) for split in splits]
    count = sum(len(split.triples) for split in splits)
    count -= sum(len(split.triples) for split in separated)
    shown = quote_names([names.relations.names[k] for k in relations.tolist()], 3)
    noun = "relation" if len(relations) == 1 else "relations"
    return separated, [
        f"{pluralize(count, 'row')} with the {noun} {shown} read as literals and not "
        "as triples: the tails are numbers that are never heads; write a letter before "
        "them if they are entities"
    ]


def literal_relations(triples: np.ndarray, names: Names) -> np.ndarray:
    """Return the relations whose tails are numbers that no triple has as its head."""
    heads, relations, tails = triples.T
    entities, num_entities = names.entities.names, len(names.entities)
    is_literal = np.zeros(num_entities, bool)
    is_literal[tails] = True
    is_literal[heads] = False
    candidates = np.flatnonzero(is_literal)
    is_literal[candidates] = [_is_number(entities[k]) for k in candidates.tolist()]
    if is_literal.sum() < MIN_SHARE * MIN_TAILS:
        return np.zeros(0, np.int64)
    num_tails, num_literals = _count_ends(relations, tails, is_literal, names)
    found = (num_tails >= MIN_TAILS) & (num_literals >= MIN_SHARE * num_tails)
    selected = found[relations]
    is_number = np.zeros(num_entities, bool)
    used = np.unique(heads[selected])
    is_number[used] = [_is_number(entities[k]) for k in used.tolist()]
    num_heads, num_numbers = _count_ends(
        relations[selected], heads[selected], is_number, names
    )
    return np.flatnonzero(found & (num_numbers < MAX_HEADS * num_heads))


def _count_ends(
    relations: np.ndarray, ends: np.ndarray, flags: np.ndarray, names: Names
) -> tuple[np.ndarray, np.ndarray]:
    """Return the number [R] of different ends of each relation, and of flagged ones.

    relations, ends: [n] of triples. flags: bool, for each entity.
    """
    num_entities, count = len(flags), len(names.relations)
    pairs = np.unique(pair_codes(relations, ends, num_entities))
    owners, is_flagged = pairs // num_entities, flags[pairs % num_entities]
    return (
        np.bincount(owners, minlength=count),
        np.bincount(owners[is_flagged], minlength=count),
    )


def _is_number(name: str) -> bool:
    return parse_number(name) is not None


def _separate(split: CodedTriples, relations: np.ndarray, names: Names) -> CodedTriples:
    is_literal = np.isin(split.triples[:, 1], relations)
    literals = [
        (head, relation, names.entities.names[tail])
        for head, relation, tail in split.triples[is_literal].tolist()
    ]
    return split._replace(
        triples=split.triples[~is_literal], literals=split.literals + literals
    )
