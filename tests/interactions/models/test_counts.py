"""Counts beside those by hand."""

import numpy as np
import pytest

from vicinal.interactions.models.counts import (
    MeanCounts,
    frequencies,
    log_relative,
    other_effects,
)
from vicinal.interactions.pair_effects import PairEffects

EDGES = np.array([[0, 1], [0, 1], [0, 2], [1, 2], [0, 3]]), np.array([0, 1, 0, 0, 2])
KNOWN = PairEffects.from_edges(*EDGES, 5, 3)
PAIRS = np.array([[1, 0], [2, 0], [3, 2], [4, 1]])


def popularity(known: PairEffects, pairs: np.ndarray) -> np.ndarray:
    """Return the sum of both drugs' frequencies."""
    own = known.known_effects(pairs).toarray()
    return frequencies(known, pairs, own).sum(axis=0)


def test_other_effects_do_not_count_the_effect_itself():
    found = other_effects(KNOWN.known_effects(PAIRS).toarray())
    np.testing.assert_allclose(found[:, 0], [1, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(found[:, 2], [2, 1, 0, 0], atol=1e-6)


def test_popularity_does_not_count_the_pair_itself():
    # effect 0: drugs 0, 1 and 2 have it with two others each
    np.testing.assert_array_equal(popularity(KNOWN, PAIRS)[:, 0], [2, 2, 2, 2])


def test_ordered_counts_are_those_of_the_position():
    known = PairEffects.from_edges(*EDGES, 5, 3, ordered=True)
    # effect 0: 0 is first twice, 1 first and second once, 2 is second twice
    found = popularity(known, np.array([[0, 3], [3, 2], [1, 3]]))[:, 0]
    np.testing.assert_array_equal(found, [2, 2, 1])


def test_average_counts_are_those_by_hand():
    # 5 facts of 4 pairs; 4 drugs have a pair; effect 2 is the rarest of 3
    expected = 5 / 4, 2 * 5 / (4 * 3), 2 * 4 / 4, 5 / 3
    assert MeanCounts.of(KNOWN) == pytest.approx(expected)
    counts = KNOWN.drug_counts[0, :4]
    assert MeanCounts.of(KNOWN).frequency == pytest.approx(counts.mean())


def test_relative_counts_do_not_depend_on_how_many_facts_are_known():
    counts = np.array([0, 1, 5, 40])
    found = log_relative(counts, counts.mean())
    np.testing.assert_allclose(log_relative(3 * counts, 3 * counts.mean()), found)
    np.testing.assert_allclose(found[0], 0)
    np.testing.assert_allclose(log_relative(counts.mean(), counts.mean()), np.log(16))
    assert (log_relative(np.zeros(2), 0.0) == 0).all()
