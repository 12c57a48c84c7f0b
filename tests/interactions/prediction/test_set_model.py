"""The model of sets, on sets whose effects come from their pairs."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from vicinal.interactions.demo import make_pharmacology
from vicinal.interactions.prediction.set_model import (
    count_members,
    draw_set_cells,
    set_features,
)
from vicinal.interactions.predictor import InteractionPredictor


def make_sets(count: int, size: int) -> tuple[list, list]:
    """Return random sets, with every effect that one of their pairs has."""
    complete = make_pharmacology(reported=1.0)
    by_pair: dict[tuple[int, int], set[int]] = {}
    for (a, b), effect in zip(
        complete.pairs.tolist(), complete.pair_effects, strict=True
    ):
        by_pair.setdefault((a, b), set()).add(int(effect))
    rng = np.random.default_rng(0)
    sets = {
        tuple(sorted(map(int, rng.choice(120, size, replace=False))))
        for _ in range(count)
    }
    effects = [
        tuple(sorted(set().union(*(by_pair.get(p, set()) for p in combinations(s, 2)))))
        for s in sorted(sets)
    ]
    return sorted(sets), effects


@pytest.mark.usefixtures("short_training")
def test_sets_of_a_table_are_held_against_pairs_and_frequencies(pharmacology):
    sets, effects = make_sets(150, 3)
    table = replace(pharmacology, sets=sets, set_effects=effects)
    scores = InteractionPredictor().fit(table).model_.set_scores
    # a third of the negatives keep the pair that leads to the effect
    assert min(scores["pairs and members"], scores["set model"]) > 0.65
    # negatives have drugs that are as frequent
    assert abs(scores["frequency of the drugs"] - 0.5) < 0.15


def test_a_negative_replaces_one_drug_and_is_not_known():
    sets, effects = make_sets(60, 4)
    frequency = np.bincount(np.concatenate(sets), minlength=120)
    rng = np.random.default_rng(0)
    cells = draw_set_cells(np.arange(20), sets, effects, frequency, rng)
    known = {(s, e) for s, own in zip(sets, effects, strict=True) for e in own}
    assert len(cells.truth) > 20
    for drugs, effect, truth in zip(*cells, strict=True):
        assert ((drugs, effect) in known) == truth and len(set(drugs)) == 4
    for one, other in zip(cells.sets[::2], cells.sets[1::2], strict=True):
        assert len(set(one) & set(other)) == 3


def test_features_by_hand():
    counts = count_members([(0, 1, 2)], [(1,)], (4, 2))
    assert counts[:, 1].tolist() == [1, 1, 1, 0]
    parts = [np.array([[0.0, 0.5], [0.0, 0.5], [0.0, np.nan]])]
    found = set_features([(0, 1, 3)], np.array([1]), counts, parts)[0]
    expected = [np.log(0.75 / 0.25), 2 * np.log(2), 0.5, 3]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_features_do_not_depend_on_the_order():
    counts = np.random.default_rng(0).random((5, 2))
    parts = np.random.default_rng(1).random((3, 2))
    one = set_features([(0, 1, 2)], np.array([0]), counts, [parts])
    other = set_features([(2, 0, 1)], np.array([0]), counts, [parts[::-1]])
    assert one == pytest.approx(other)
