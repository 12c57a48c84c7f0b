"""Splits: no cell in two parts, and what each leaves out."""

import numpy as np
import pytest

from vicinal.interactions.evaluation.splits import (
    DRUG_FOLDS,
    SITUATIONS,
    Fold,
    Split,
    split_by_drug,
    split_by_effect,
    split_by_pair,
)
from vicinal.interactions.pair_effects import PairEffects


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


def parts_of(split: Split) -> list[PairEffects]:
    """Return the training part, and the held-out facts of the first situation."""
    (fold,) = split.validation
    assert fold.train is split.train  # one fit serves both
    held_out = (next(iter(parts.values())).facts for parts in (fold.parts, split.test))
    return [split.train, *held_out]


@pytest.mark.parametrize("divide", [split_by_effect, split_by_pair])
def test_every_cell_is_in_one_part(pair_effects, divide):
    sets = [cells(part) for part in parts_of(divide(pair_effects, 0.1, 3))]
    assert sum(map(len, sets)) == len(set.union(*sets)) == pair_effects.table.nnz
    assert set.union(*sets) == cells(pair_effects)
    again, other = (parts_of(divide(pair_effects, 0.1, k))[2] for k in (3, 4))
    assert cells(again) == sets[2] != cells(other)


def test_a_tenth_of_each_effect_is_left_out(pair_effects):
    split = split_by_effect(pair_effects, 0.1, 0)
    totals = np.asarray(pair_effects.table.sum(axis=0)).ravel()
    for part in parts_of(split)[1:]:
        counts = np.asarray(part.table.sum(axis=0)).ravel()
        assert (np.abs(counts - totals / 10) <= 1).all()


def test_pairs_are_left_out_with_all_effects(pair_effects):
    split = split_by_pair(pair_effects, 0.1, 0)
    codes = [set(part.codes.tolist()) for part in parts_of(split)]
    assert not codes[0] & codes[1] and not codes[0] & codes[2]
    assert len(codes[2]) == round(0.1 * len(pair_effects.codes))


def test_new_drugs_are_in_no_training_pair(pair_effects):
    split = split_by_drug(pair_effects, 0.1, 0)
    test_drugs = np.flatnonzero(split.train.degrees == 0)
    assert len(test_drugs) == 3 and len(split.validation) == DRUG_FOLDS
    left_out = [np.flatnonzero(fold.train.degrees == 0) for fold in split.validation]
    assert [len(drugs) for drugs in left_out] == [6] * DRUG_FOLDS  # and the test drugs
    new = np.concatenate([np.setdiff1d(drugs, test_drugs) for drugs in left_out])
    assert len(np.unique(new)) == 3 * DRUG_FOLDS  # other drugs in each fold
    for fold in [*split.validation, Fold(split.train, split.test)]:
        known = fold.train.degrees > 0
        one, two = (fold.parts[name].facts for name in SITUATIONS[2:])
        assert (known[one.pairs].sum(axis=1) == 1).all()
        assert not known[two.pairs].any()
        of_test = np.isin(one.pairs, test_drugs).any()
        assert of_test == (fold.train is split.train)
        for kind in ("random", "interacting"):
            drawn = fold.parts["one new drug"].draw(kind, 0)
            assert (known[drawn.pairs].sum(axis=1) == 1).all()
            assert drawn.truth.sum() == len(drawn.truth) / 2 > 0
            rows = pair_effects.rows(drawn.pairs)
            has = pair_effects.known_effects(drawn.pairs).toarray()
            truth = has[np.arange(len(rows)), drawn.effects] > 0
            np.testing.assert_array_equal(truth, drawn.truth)
            assert kind == "random" or (rows >= 0).all()
