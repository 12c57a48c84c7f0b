"""Relations that repeat each other, and test triples that training gives away.

In FB15k and WN18 most test triples are in training under the inverse relation
(Toutanova and Chen, 2015; Dettmers et al., 2018).
"""

from typing import Literal, NamedTuple

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix

from vicinal.knowledge.data.triple_table import TripleTable, pair_codes

MIN_SHARE, MIN_SUPPORT = 0.8, 20
"""share and number of the triples of a relation that another one must imply"""

Kind = Literal["duplicate", "inverse", "symmetric"]
KINDS: tuple[Kind, ...] = ("duplicate", "inverse", "symmetric")


class RelationPair(NamedTuple):
    """A relation whose triples mostly follow from those of another one."""

    relation: int
    other: int
    """the relation itself if it is symmetric"""

    kind: Kind
    """duplicate: (h, other, t) is a triple where (h, relation, t) is; inverse: (t,
    other, h) is; symmetric: (t, relation, h) is"""

    share: float
    """of the relation's triples that the other one implies"""

    support: int
    """number of these triples"""


def find_relation_pairs(
    triples: np.ndarray, num_entities: int, num_relations: int
) -> list[RelationPair]:
    """Return duplicate, inverse and symmetric relations, by their numbers.

    triples: [N, 3], each once. Triples with head and tail equal are not counted: they
    are their own inverse.
    """
    heads, relations, tails = triples[triples[:, 0] != triples[:, 2]].T
    pairs = pair_codes(heads, tails, num_entities)
    keys, rows = np.unique(pairs, return_inverse=True)
    shape = (len(keys), num_relations)
    forward = _ones(rows, relations, shape)
    reversed_pairs = pair_codes(tails, heads, num_entities)
    places = np.minimum(np.searchsorted(keys, reversed_pairs), max(len(keys) - 1, 0))
    found = keys[places] == reversed_pairs
    backward = _ones(places[found], relations[found], shape)
    sizes = np.bincount(relations, minlength=num_relations)
    same = _frequent_pairs(forward.T @ forward, sizes, "duplicate")
    opposite = _frequent_pairs(forward.T @ backward, sizes, "inverse")
    different = [pair for pair in same if pair.relation != pair.other]
    return sorted(different + opposite)


def _ones(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> csr_matrix:
    ones = np.ones(len(rows), np.int32)
    return csr_matrix((ones, (rows, columns)), shape)


def _frequent_pairs(
    counts: csr_matrix, sizes: np.ndarray, kind: Kind
) -> list[RelationPair]:
    """Return the pairs of relations with enough shared pairs of entities.

    counts: [R, R] pairs of entities that two relations share. sizes: [R] triples.
    """
    entries = coo_matrix(counts)
    support, relation, other = entries.data, entries.row, entries.col
    share = support / sizes[relation]
    kept = np.flatnonzero((share >= MIN_SHARE) & (support >= MIN_SUPPORT))
    return [
        RelationPair(
            int(relation[k]),
            int(other[k]),
            "symmetric" if relation[k] == other[k] else kind,
            float(share[k]),
            int(support[k]),
        )
        for k in kept.tolist()
    ]


def leaked_test_triples(table: TripleTable) -> dict[str, int]:
    """Return how many test triples training gives away.

    ============  ==================================================================
    test          test triples
    duplicate     their pair is in training under a duplicate of the relation
    inverse       their reversed pair is, under an inverse relation
    symmetric     their reversed pair is, under the relation, which is symmetric
    paired        any of these three
    any_relation  their pair is in training, under whichever relation
    ============  ==================================================================

    Pairs of relations are those of the training triples, in either order.
    """
    train, num_entities = table.triples, table.num_entities
    num_relations = table.num_relations
    test = np.zeros((0, 3), np.int32) if table.test is None else table.test
    pairs = find_relation_pairs(train, num_entities, num_relations)
    order = np.argsort(pair_codes(train[:, 0], train[:, 2], num_entities))
    train = train[order]
    heads, relations, tails = test.T
    same = _matches(train, pair_codes(heads, tails, num_entities), num_entities)
    opposite = _matches(train, pair_codes(tails, heads, num_entities), num_entities)
    counts, is_paired = {"test": len(test)}, np.zeros(len(test), bool)
    for kind in KINDS:
        rows, others = same if kind == "duplicate" else opposite
        codes = {k.relation * num_relations + k.other for k in pairs if k.kind == kind}
        codes |= {k.other * num_relations + k.relation for k in pairs if k.kind == kind}
        found = relations[rows].astype(np.int64) * num_relations + others
        is_leaked = np.zeros(len(test), bool)
        is_leaked[rows[np.isin(found, [*codes])]] = True
        counts[kind] = int(is_leaked.sum())
        is_paired |= is_leaked
    counts["paired"] = int(is_paired.sum())
    counts["any_relation"] = len(np.unique(same[0]))
    return counts


def _matches(
    train: np.ndarray, codes: np.ndarray, num_entities: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return which codes [n] of pairs are in training, and under which relations.

    train: triples in the order of the codes of their pairs. A code that has several
    relations is returned with each.
    """
    train_codes = pair_codes(train[:, 0], train[:, 2], num_entities)
    first = np.searchsorted(train_codes, codes)
    counts = np.searchsorted(train_codes, codes, side="right") - first
    rows = np.repeat(np.arange(len(codes)), counts)
    offsets = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, train[np.repeat(first, counts) + offsets, 1]
