"""Negatives are different pairs that do not have the effect."""

import numpy as np
import pytest

from vicinal.interactions.evaluation.negatives import Negatives
from vicinal.interactions.pair_effects import PairEffects

FIRST, SECOND = np.triu_indices(12, 1)
PAIRS = np.stack([FIRST, SECOND], axis=1)
EFFECTS = (FIRST + SECOND) % 3
KNOWN = PairEffects.from_edges(PAIRS[:50], EFFECTS[:50], 12, 3)


@pytest.mark.parametrize("pool", [None, KNOWN.codes])
def test_negatives_do_not_have_the_effect(pool):
    found = Negatives(KNOWN, pool).draw(1, 10, np.random.default_rng(0))
    rows = KNOWN.rows(found)
    assert len(np.unique(found, axis=0)) == 10 and (found[:, 0] < found[:, 1]).all()
    assert not np.isin(rows, KNOWN.pairs_with(1)).any()
    assert pool is None or (rows >= 0).all()


def test_there_are_no_more_than_exist():
    rng = np.random.default_rng(0)
    free = len(KNOWN.codes) - len(KNOWN.pairs_with(1))
    assert len(Negatives(KNOWN, KNOWN.codes).draw(1, 999, rng)) == free
    every = Negatives(KNOWN).draw(1, 999, rng)
    assert len(every) == len(PAIRS) - len(KNOWN.pairs_with(1))


def test_excluded_pairs_are_never_drawn():
    negatives = Negatives(KNOWN, excluded=KNOWN.codes)
    found = negatives.draw(1, 999, np.random.default_rng(0))
    assert (KNOWN.rows(found) < 0).all() and len(found) == len(PAIRS) - 50


def test_a_large_pool_is_drawn_from_without_repetition():
    drugs = np.stack(np.triu_indices(200, 1), axis=1)
    large = PairEffects.from_edges(drugs[:300], np.arange(300) % 2, 200, 2)
    pool = large.code(drugs)
    found = Negatives(large, pool).draw(0, 100, np.random.default_rng(0))
    assert len(np.unique(large.code(found))) == 100
    assert not np.isin(large.rows(found), large.pairs_with(0)).any()
