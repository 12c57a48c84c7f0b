"""Counts beside those by hand."""

import numpy as np

from vicinal.interactions.models.counts import OtherEffects, Popularity
from vicinal.interactions.pair_effects import PairEffects

KNOWN = PairEffects.from_edges(
    np.array([[0, 1], [0, 1], [0, 2], [1, 2], [0, 3]]), np.array([0, 1, 0, 0, 2]), 5, 3
)
PAIRS = np.array([[1, 0], [2, 0], [3, 2], [4, 1]])


def test_other_effects_do_not_count_the_effect_itself():
    for effect, counts in ((0, [1, 0, 0, 0]), (2, [2, 1, 0, 0])):
        found = OtherEffects(KNOWN).score(PAIRS, effect)
        np.testing.assert_allclose(np.expm1(found), counts)


def test_popularity_does_not_count_the_pair_itself():
    # effect 0: drugs 0, 1 and 2 have it with two others each
    expected = [2 * np.log(2), 2 * np.log(2), np.log(3), np.log(3)]
    np.testing.assert_allclose(Popularity(KNOWN).score(PAIRS, 0), expected)
