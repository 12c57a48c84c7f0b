"""Known effects of pairs of drugs."""

import numpy as np
import pytest

from vicinal.interactions.pair_effects import PairEffects

PAIRS = np.array([[2, 0], [0, 2], [1, 2], [0, 2], [3, 1]])
EFFECTS = np.array([0, 0, 1, 2, 1])


@pytest.fixture
def pair_effects() -> PairEffects:
    return PairEffects.from_edges(PAIRS, EFFECTS, 5, 3)


def test_the_order_of_drugs_and_repetitions_do_not_matter(pair_effects):
    assert pair_effects.pairs.tolist() == [[0, 2], [1, 2], [1, 3]]
    expected = [[1, 0, 1], [0, 1, 0], [0, 1, 0]]
    np.testing.assert_array_equal(pair_effects.table.toarray(), expected)


def test_pairs_are_found_in_any_order(pair_effects):
    pairs = np.array([[2, 0], [0, 1], [3, 1], [4, 3]])
    assert pair_effects.rows(pairs).tolist() == [0, -1, 2, -1]
    expected = [[1, 0, 1], [0, 0, 0], [0, 1, 0], [0, 0, 0]]
    np.testing.assert_array_equal(pair_effects.known_effects(pairs).toarray(), expected)


def test_adjacency_and_counts_agree_with_the_edges(pair_effects):
    for effect in range(3):
        expected = np.zeros((5, 5))
        for (a, b), own in zip(PAIRS, EFFECTS, strict=True):
            if own == effect:
                expected[a, b] = expected[b, a] = 1
        np.testing.assert_array_equal(pair_effects.adjacency(effect), expected)
        np.testing.assert_array_equal(
            pair_effects.drug_counts[0][:, effect], expected.sum(0)
        )


def test_no_pairs_are_no_error():
    pair_effects = PairEffects.from_edges(np.zeros((0, 2)), np.zeros(0, int), 4, 2)
    assert pair_effects.rows(np.array([[0, 1]])).tolist() == [-1]
    assert pair_effects.known_effects(np.array([[0, 1]])).shape == (1, 2)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [([[1, 1]], "two different drugs"), ([[0, 9]], "from 0 to 4"), ([[-1, 2]], "to 4")],
)
def test_wrong_pairs_are_an_error(pairs, message):
    with pytest.raises(ValueError, match=message):
        PairEffects.from_edges(np.array(pairs), np.array([0]), 5, 3)
