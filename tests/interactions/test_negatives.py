"""Negatives are different pairs that do not have the effect."""

import numpy as np
import pytest

from vicinal.interactions.negatives import draw_negatives
from vicinal.interactions.pair_effects import PairEffects

FIRST, SECOND = np.triu_indices(12, 1)
PAIRS = np.stack([FIRST, SECOND], axis=1)
EFFECTS = (FIRST + SECOND) % 3
KNOWN = PairEffects.from_edges(PAIRS[:50], EFFECTS[:50], 12, 3)


@pytest.mark.parametrize("kind", ["random", "interacting"])
def test_negatives_do_not_have_the_effect(kind):
    rng = np.random.default_rng(0)
    found = draw_negatives(KNOWN, KNOWN, 1, 10, kind, rng)
    rows = KNOWN.rows(found)
    assert len(np.unique(found, axis=0)) == 10 and (found[:, 0] < found[:, 1]).all()
    assert not np.isin(rows, KNOWN.pairs_with(1)).any()
    if kind == "interacting":
        assert (rows >= 0).all()


def test_there_are_no_more_than_exist():
    rng = np.random.default_rng(0)
    free = len(KNOWN.codes) - len(KNOWN.pairs_with(1))
    assert len(draw_negatives(KNOWN, KNOWN, 1, 999, "interacting", rng)) == free
    every = draw_negatives(KNOWN, KNOWN, 1, 999, "random", rng)
    assert len(every) == len(PAIRS) - len(KNOWN.pairs_with(1))


def test_random_negatives_are_new_pairs_where_these_are_asked():
    rng = np.random.default_rng(0)
    found = draw_negatives(KNOWN, KNOWN, 1, 999, "random", rng, new_to=KNOWN)
    assert (KNOWN.rows(found) < 0).all() and len(found) == len(PAIRS) - 50
