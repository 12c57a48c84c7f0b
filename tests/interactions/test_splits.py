"""Splits: no cell in two parts, and what each leaves out."""

import numpy as np
import pytest

from vicinal.interactions.pair_effects import PairEffects
from vicinal.interactions.splits import split_by_effect, split_by_pair


@pytest.fixture
def pair_effects() -> PairEffects:
    rng = np.random.default_rng(0)
    first, second = np.triu_indices(30, 1)
    rows, effects = np.nonzero(rng.random((len(first), 5)) < 0.5)
    pairs = np.stack([first[rows], second[rows]], axis=1)
    return PairEffects.from_edges(pairs, effects, 30, 5)


def cells(part: PairEffects) -> set[tuple[int, ...]]:
    rows, effects = part.table.nonzero()
    pairs = part.pairs[rows].tolist()
    return {(*pair, k) for pair, k in zip(pairs, effects.tolist(), strict=True)}


@pytest.mark.parametrize("divide", [split_by_effect, split_by_pair])
def test_every_cell_is_in_one_part(pair_effects, divide):
    parts = divide(pair_effects, 0.1, 3)
    sets = [cells(part) for part in parts]
    assert sum(map(len, sets)) == len(set.union(*sets)) == pair_effects.table.nnz
    assert set.union(*sets) == cells(pair_effects)
    again, other = divide(pair_effects, 0.1, 3), divide(pair_effects, 0.1, 4)
    assert cells(again.test) == sets[2] != cells(other.test)


def test_a_tenth_of_each_effect_is_left_out(pair_effects):
    split = split_by_effect(pair_effects, 0.1, 0)
    totals = np.asarray(pair_effects.table.sum(axis=0)).ravel()
    for part in split[1:]:
        counts = np.asarray(part.table.sum(axis=0)).ravel()
        assert (np.abs(counts - totals / 10) <= 1).all()


def test_pairs_are_left_out_with_all_effects(pair_effects):
    split = split_by_pair(pair_effects, 0.1, 0)
    codes = [set(part.codes.tolist()) for part in split]
    assert not codes[0] & codes[1] and not codes[0] & codes[2]
    assert len(codes[2]) == round(0.1 * len(pair_effects.codes))
