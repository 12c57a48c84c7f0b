"""Triples divided into training, validation and test, where the data have no split."""

from typing import NamedTuple

import numpy as np

from vicinal.errors import DataError
from vicinal.knowledge.data.triple_table import pair_codes


class TripleSplit(NamedTuple):
    """Triples in three parts."""

    train: np.ndarray
    """[N, 3]"""

    validation: np.ndarray
    test: np.ndarray


def split_triples(
    triples: np.ndarray,
    validation: np.ndarray | None,
    test: np.ndarray | None,
    held_out: float,
    seed: int,
) -> TripleSplit:
    """Return the split of the data; parts that it has not are drawn from the triples.

    held_out: share of the triples for each missing part. Triples of the same two
    entities, in either direction, are in the same part: training would give them away
    where relations are symmetric, inverses or duplicates. Triples by which an entity or
    a relation would be missing in training stay there. DataError if all are such.
    """
    rng = np.random.default_rng(seed)
    train, parts = triples, [validation, test]
    for number, part in enumerate(parts):
        if part is None:
            count = max(round(held_out * len(triples)), 1)
            out = _removable(train, count, rng)
            if not out.any():
                raise DataError(
                    "No triple can be held out for testing: without any of them an "
                    "entity or a relation would be in no other triple. Add triples."
                )
            parts[number], train = train[out], train[~out]
    validation, test = parts
    assert validation is not None and test is not None
    return TripleSplit(train, validation, test)


def _removable(triples: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return [N] bool: about `count` random triples, without which nothing is missing.

    All triples of a pair of entities are removed together.
    """
    order = rng.permutation(len(triples))
    heads, relations, tails = triples[order].T
    # what is first of its kind, in a random order, stays
    ends = np.stack([heads, tails], axis=1).ravel()
    stays = np.zeros(len(order), bool)
    stays[np.unique(ends, return_index=True)[1] // 2] = True
    stays[np.unique(relations, return_index=True)[1]] = True
    wide = int(ends.max()) + 1
    pairs = pair_codes(np.minimum(heads, tails), np.maximum(heads, tails), wide)
    _, first, pair = np.unique(pairs, return_index=True, return_inverse=True)
    sizes, kept = np.bincount(pair), np.bincount(pair, stays) > 0
    free = np.flatnonzero(~kept)
    free = free[np.argsort(first[free])]  # in random order
    chosen = free[np.cumsum(sizes[free]) <= max(count, sizes[free[:1]].sum())]
    removed = np.zeros(len(sizes), bool)
    removed[chosen] = True
    found = np.zeros(len(triples), bool)
    found[order[removed[pair]]] = True
    return found
