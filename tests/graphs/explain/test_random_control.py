"""A ranking is tested against removing random edges or nodes."""

import numpy as np
import pytest

from vicinal.graphs.explain.random_control import (
    NUM_DRAWS,
    RandomControl,
    compare_to_random,
)


def test_top_of_one_sign_is_compared_with_random_sets():
    effects = np.array([0.5, -3.0, 2.0, -1.0, 0.1, 1.0, 0.2, -0.4, 0.3, 2.5])
    calls = []

    def removal_effect(sets: np.ndarray) -> np.ndarray:  # effects are additive
        calls.append(sets)
        return effects[sets].sum(axis=1)

    control = compare_to_random(effects, removal_effect, 0)
    (sets,) = calls
    assert sets.shape == (NUM_DRAWS + 1, 2) and sets[0].tolist() == [1, 3]
    assert (control.num_removed, control.sign, control.num_candidates) == (2, -1, 10)
    assert control.change == control.sum_of_effects == pytest.approx(-4.0)
    random_changes = effects[sets[1:]].sum(axis=1)
    assert control.random_change == pytest.approx(random_changes.mean())
    num_as_large = (random_changes <= -4.0 + 1e-9).sum()
    assert control.p == pytest.approx((1 + num_as_large) / (NUM_DRAWS + 1))
    control = compare_to_random(-effects, lambda sets: -removal_effect(sets), 0)
    assert control.sign == 1 and control.change == pytest.approx(4.0)


def test_equal_effects_and_no_effects_are_not_significant():
    ones, zeros = np.ones(3), np.zeros(3)
    assert compare_to_random(ones, lambda sets: np.ones(len(sets)), 0).p == 1
    assert compare_to_random(zeros, lambda sets: np.zeros(len(sets)), 0).p == 1
    assert compare_to_random(np.zeros(0), np.zeros_like, 0).p == 1


def test_few_sets_are_all_tried_for_every_seed():
    effects = np.array([4.0, -1.0, 0.5, 0.2, -0.1])
    first, second = (
        compare_to_random(effects, lambda sets: effects[sets[:, 0]], seed)
        for seed in (0, 1)
    )
    assert first == second and first.p == 0.2 and first.num_tried == 4
    assert first.random_change == pytest.approx((effects.sum() - 4) / 4)


def test_verdict_gives_both_changes_and_the_p_value():
    control = RandomControl(3, 1, 1.41, 1.5, 0.4, 0.025, 15, 39)
    assert control.verdict("edge", "the log-odds of A") == (
        "Removing the 3 supporting edges ranked highest lowers the log-odds of A by "
        "1.41; removing 3 random edges lowers it by 0.4 on average (39 draws, p = "
        "0.025). The ranking is better than random."
    )


def test_verdict_warns_where_effects_have_the_opposite_sign_together():
    control = RandomControl(3, 1, -1.41, 0.48, -0.4, 0.025, 15, 39)
    verdict = control.verdict("edge", "the log-odds of A")
    assert "supporting edges ranked highest raises the log-odds of A by 1.41" in verdict
    assert "removing 3 random edges raises it by 0.4 on average" in verdict
    assert "their effects sum to +0.48, the opposite sign" in verdict
    assert verdict.endswith("The ranking is better than random.")


def test_verdict_says_if_the_ranking_is_not_better_than_random():
    control = RandomControl(3, -1, -1.41, -0.48, 0.4, 0.2, 15, 39)
    verdict = control.verdict("edge", "the predicted number")
    assert (
        "opposing edges ranked highest raises the predicted number by 1.41" in verdict
    )
    assert "lowers it by 0.4 on average" in verdict and "opposite sign" not in verdict
    assert verdict.endswith("The ranking is not shown to be better than random.")


def test_verdict_says_if_there_are_too_few_edges_for_any_significance():
    control = RandomControl(1, 1, 1.41, 0.48, 0.4, 0.2, 5, 4)
    verdict = control.verdict("edge", "the predicted number")
    assert "Removing the supporting edge ranked highest" in verdict
    assert "all 5 possible choices" in verdict
    assert verdict.endswith("With 5 edges no ranking could be.")


def test_verdict_without_a_change_or_without_a_comparison():
    unchanged = RandomControl(1, 1, 0.0, 0.0, 0, 1, 5, 4)
    assert unchanged.verdict("edge", "the predicted number") == (
        "Removing edges does not change the predicted number."
    )
    alone = RandomControl(1, 1, 2.0, 2.0, 0, 1, 1, 0)
    assert alone.verdict("edge", "the predicted number") == (
        "There are no other edges to compare the ranking with."
    )
