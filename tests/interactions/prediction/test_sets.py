"""Laws of the probability of a set, on random probabilities."""

import numpy as np
import pytest

from vicinal.interactions.prediction.sets import join, members_of, pairs_of, shares


def test_the_whole_is_one_minus_the_product():
    parts = np.random.default_rng(0).random((5, 100))
    np.testing.assert_allclose(join(parts), 1 - np.prod(1 - parts, axis=0), atol=1e-12)
    parts[2] = np.nan  # nothing supports a prediction: no part
    expected = 1 - np.prod(1 - np.delete(parts, 2, axis=0), axis=0)
    np.testing.assert_allclose(join(parts), expected, atol=1e-12)


@pytest.mark.parametrize("certain", [0, 1, 2])
def test_shares_add_up_to_the_whole(certain):
    parts = np.random.default_rng(1).random((7, 1000)) ** 4
    parts[:certain] = 1.0
    parts[5, ::3] = np.nan
    found = shares(parts)
    np.testing.assert_allclose(found.sum(axis=0), join(parts), atol=1e-12)
    assert (found >= 0).all()
    if certain:
        np.testing.assert_allclose(found[:certain], 1 / certain)
        assert not found[certain:].any()


def test_small_probabilities_do_not_vanish():
    parts = np.full((3, 1), 1e-18)
    np.testing.assert_allclose(join(parts), 3e-18)
    np.testing.assert_allclose(shares(parts), 1e-18)


def test_pairs_do_not_depend_on_the_order():
    assert members_of([3, 1, 3, 2]) == (1, 2, 3)
    expected = [(1, 2), (1, 3), (2, 3)]
    assert pairs_of([3, 1, 2], ordered=False) == expected
    assert set(pairs_of([2, 1], ordered=True)) == {(1, 2), (2, 1)}
