"""Counts beside those by hand."""

import numpy as np

from vicinal.interactions.models.counts import frequencies, other_effects
from vicinal.interactions.pair_effects import PairEffects

EDGES = np.array([[0, 1], [0, 1], [0, 2], [1, 2], [0, 3]]), np.array([0, 1, 0, 0, 2])
KNOWN = PairEffects.from_edges(*EDGES, 5, 3)
PAIRS = np.array([[1, 0], [2, 0], [3, 2], [4, 1]])


def popularity(known: PairEffects, pairs: np.ndarray) -> np.ndarray:
    """Return the sum of both drugs' frequencies."""
    own = known.known_effects(pairs).toarray()
    return frequencies(known, pairs, own).sum(axis=0)


def test_other_effects_do_not_count_the_effect_itself():
    found = np.expm1(other_effects(KNOWN.known_effects(PAIRS).toarray()))
    np.testing.assert_allclose(found[:, 0], [1, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(found[:, 2], [2, 1, 0, 0], atol=1e-6)


def test_popularity_does_not_count_the_pair_itself():
    # effect 0: drugs 0, 1 and 2 have it with two others each
    expected = [2 * np.log(2), 2 * np.log(2), np.log(3), np.log(3)]
    found = popularity(KNOWN, PAIRS)[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_ordered_counts_are_those_of_the_position():
    known = PairEffects.from_edges(*EDGES, 5, 3, ordered=True)
    # effect 0: 0 is first twice, 1 first and second once, 2 is second twice
    found = popularity(known, np.array([[0, 3], [3, 2], [1, 3]]))[:, 0]
    np.testing.assert_allclose(found, np.log([3, 3, 2]), rtol=1e-6)
