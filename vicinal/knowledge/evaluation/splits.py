"""Triples divided into training, validation and test, where the data have no split."""

from typing import NamedTuple

import numpy as np


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

    held_out: share of the triples for each missing part. Triples by which an entity
    or a relation would be missing in training stay there.
    """
    rng = np.random.default_rng(seed)
    train, parts = triples, [validation, test]
    for number, part in enumerate(parts):
        if part is None:
            count = max(round(held_out * len(triples)), 1)
            out = _removable(train, count, rng)
            parts[number], train = train[out], train[~out]
    validation, test = parts
    assert validation is not None and test is not None
    return TripleSplit(train, validation, test)


def _removable(triples: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return [N] bool: random triples, without which nothing is missing."""
    order = rng.permutation(len(triples))
    heads, relations, tails = triples[order].T
    ends = np.stack([heads, tails], axis=1).ravel()
    # what is first of its kind, in a random order, stays
    stays = np.zeros(len(order), bool)
    stays[np.unique(ends, return_index=True)[1] // 2] = True
    stays[np.unique(relations, return_index=True)[1]] = True
    found = np.zeros(len(triples), bool)
    found[order[~stays][:count]] = True
    return found
