"""Paired tests, against results by hand and scipy's, for all kinds of targets."""

import numpy as np
import pytest
from scipy.stats import binomtest, permutation_test

from vicinal.core.evaluation.significance import (
    PairedComparison,
    paired_permutation_test,
    sign_test,
)
from vicinal.core.objective import MultiLabel, Numeric, SingleLabel

AB = SingleLabel(("a", "b"))


def test_the_sign_test_by_hand():
    y = np.zeros(12, dtype=int)
    ours = np.array([0] * 9 + [1] * 3)
    theirs = np.array([0] * 4 + [1] * 5 + [0] * 1 + [1] * 2)
    found = sign_test(AB, y, ours, theirs)
    assert found[:2] == (5, 1)
    assert found.p == pytest.approx((6 + 1) / 2**6)  # 5 or 6 heads of 6
    assert not found.better
    assert sign_test(AB, y, theirs, ours)[:2] == (1, 5)


@pytest.mark.parametrize(("wins", "losses"), [(8, 1), (20, 5), (3, 3), (0, 4)])
def test_the_sign_test_equals_the_binomial_test(wins, losses):
    y = np.zeros(50, dtype=int)
    ours = np.concatenate(
        [np.zeros(wins), np.ones(losses), np.zeros(50 - wins - losses)]
    )
    theirs = np.concatenate([np.ones(wins), np.zeros(50 - wins)])
    found = sign_test(AB, y, ours.astype(int), theirs.astype(int))
    assert found[:2] == (wins, losses)
    wanted = binomtest(wins, wins + losses, alternative="greater").pvalue
    assert found.p == pytest.approx(wanted) and found.better == (wanted <= 0.05)


def test_equal_decisions_are_not_better():
    y = np.array([0, 1, 0])
    assert sign_test(AB, y, y, y) == (0, 0, 1.0)


def test_numbers_are_compared_by_absolute_error():
    y = np.array([1.0, 2.0, 3.0, 4.0])
    found = sign_test(
        Numeric(), y, np.add(y, [0.1, -0.1, 2.0, 0.0]), np.add(y, [0.2, 0.3, -1.0, 0.0])
    )
    assert found[:2] == (2, 1)


def test_multilabel_decisions_are_compared_by_correct_labels():
    y = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 1]])
    ours = np.array([[1, 0, 1], [1, 0, 1], [1, 1, 0]])
    theirs = np.array([[1, 1, 0], [0, 0, 1], [0, 1, 1]])
    found = sign_test(MultiLabel(("a", "b", "c")), y, ours, theirs)
    assert found[:2] == (1, 1)


def test_the_sign_test_keeps_its_level():
    draw, rejected = np.random.default_rng(0), 0
    for _ in range(400):
        y = np.zeros(60, dtype=int)
        ours, theirs = draw.integers(0, 2, (2, 60))
        rejected += sign_test(AB, y, ours, theirs).better
    assert rejected <= 0.05 * 400 + 3 * np.sqrt(400 * 0.05 * 0.95)


# --- permutation test ----------------------------------------------------------------


def test_the_permutation_test_by_hand():
    y = np.array([0, 1, 0])
    ours = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    theirs = np.array([[0.8, 0.2], [0.5, 0.5], [0.6, 0.4]])
    found = paired_permutation_test(AB, y, ours, theirs)
    assert found.ours == pytest.approx(2 * (0.01 + 0.04 + 0.25) / 3)
    assert found.theirs == pytest.approx(2 * (0.04 + 0.25 + 0.16) / 3)
    # .06 + .42 - .18 = .30; with other signs .54 and .66 are as large, five are not
    assert found.p == pytest.approx(3 / 8)
    assert (found.wins, found.losses) == (1, 0) and not found.better


def test_the_loss_of_each_kind_of_target_by_hand():
    marks = MultiLabel(("a", "b", "c"))
    y, predicted = np.array([[1, 0, 1.0]]), np.array([[0.5, 0.1, 0.9]])
    assert marks.distance(y, predicted) == pytest.approx([0.25 + 0.01 + 0.01])
    numeric = Numeric(mean=3.0, std=2.0)
    assert numeric.distance(np.array([1.0, 4.0]), np.array([3.0, 3.5])).tolist() == [
        2.0,
        0.5,
    ]
    assert AB.distance(np.array([0, 1]), np.array([[1, 0], [1, 0]])).tolist() == [0, 2]


def simulated(n: int, draw: np.random.Generator, gain: float) -> tuple[np.ndarray, ...]:
    """Return targets and two models' probabilities; our logits are larger by gain."""
    y = draw.integers(0, 2, n)
    ours, theirs = (
        1 / (1 + np.exp(-(a * (2 * y - 1) + draw.normal(size=n))))
        for a in (1 + gain, 1)
    )
    return y, *(np.stack([1 - p, p], axis=1) for p in (ours, theirs))


@pytest.mark.slow
def test_the_permutation_test_keeps_its_level():
    draw, few, many = np.random.default_rng(0), 0, 0
    for _ in range(400):
        few += paired_permutation_test(AB, *simulated(8, draw, 0)).p <= 0.05
        many += paired_permutation_test(AB, *simulated(60, draw, 0)).p <= 0.05
    assert max(few, many) <= 0.05 * 400 + 3 * np.sqrt(400 * 0.05 * 0.95)
    assert few > 0 and many > 0


@pytest.mark.slow
def test_the_permutation_test_is_more_powerful_than_the_sign_test():
    draw, by_loss, by_sign = np.random.default_rng(1), 0, 0
    for _ in range(200):
        y, ours, theirs = simulated(100, draw, 0.5)
        by_loss += paired_permutation_test(AB, y, ours, theirs).p <= 0.05
        by_sign += sign_test(AB, y, AB.decide(ours), AB.decide(theirs)).better
    assert by_loss > 1.3 * by_sign > 0


def test_a_lower_loss_with_more_errors_is_not_better():
    y = np.zeros(40, dtype=int)
    theirs = np.full((40, 2), (0.51, 0.49))
    ours = np.full((40, 2), (0.99, 0.01))
    ours[:2] = 0.49, 0.51
    found = paired_permutation_test(AB, y, ours, theirs)
    assert found.p <= 0.05 and (found.wins, found.losses) == (0, 2)
    assert not found.better


def test_grouped_examples_share_a_sign():
    y = np.array([0, 1, 0, 0])
    ours = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5], [0.5, 0.5]])
    theirs = np.array([[0.8, 0.2], [0.5, 0.5], [0.6, 0.4], [0.6, 0.4]])
    found = paired_permutation_test(AB, y, ours, theirs, np.array([7, 3, 5, 5]))
    # .06 + .42 - (.18 + .18) = .12; with other signs .84 and .72 are as large, five not
    assert found.p == pytest.approx(3 / 8)
    assert found.theirs == pytest.approx(2 * (0.04 + 0.25 + 2 * 0.16) / 4)
    assert found.groups == 3


def test_copies_do_not_change_the_p_value():
    y, ours, theirs = simulated(12, np.random.default_rng(3), 0.6)
    once = paired_permutation_test(AB, y, ours, theirs)
    copied = np.tile(np.arange(12), 3)
    y, ours, theirs = y[copied], ours[copied], theirs[copied]
    thrice = paired_permutation_test(AB, y, ours, theirs, copied)
    assert thrice.p == pytest.approx(once.p) and thrice.wins == 3 * once.wins
    assert paired_permutation_test(AB, y, ours, theirs).p < once.p


@pytest.mark.parametrize(
    ("p", "wins", "losses", "groups", "text"),
    [
        (0.01, 4, 4, 9, "kept"),
        (0.2, 9, 1, 5, "not significantly lower"),
        (0.01, 0, 2, 9, "gets more examples wrong"),
        (2**-4, 20, 0, 4, "4 independent validation examples are too few"),
    ],
)
def test_the_verdict_gives_the_reason(p, wins, losses, groups, text):
    found = PairedComparison("Brier score", 0.1, 0.2, p, wins, losses, groups)
    assert text in found.verdict and found.better == (text == "kept")
    assert found.verdict.startswith("kept" if found.better else "not kept: ")
    assert found.to_dict()["better"] == found.better


def test_one_example_is_not_significant():
    one = np.array([0])
    both = np.array([[0.9, 0.1]]), np.array([[0.1, 0.9]])
    assert paired_permutation_test(AB, one, *both).p == 0.5


@pytest.mark.parametrize("n", [8, 13, 14, 40])
def test_the_p_value_equals_scipy(n):
    y, ours, theirs = simulated(n, np.random.default_rng(n), 0.4)
    gain = AB.distance(y, theirs) - AB.distance(y, ours)
    wanted = permutation_test(
        (gain,), np.mean, permutation_type="samples", alternative="greater", rng=1
    )
    off = 1e-9 if n <= 13 else 0.02
    found = paired_permutation_test(AB, y, ours, theirs)
    assert found.p == pytest.approx(wanted.pvalue, abs=off)


@pytest.mark.parametrize("n", [5, 30])
def test_nan_predictions_are_not_better(n):
    y = np.arange(float(n))
    found = paired_permutation_test(Numeric(), y, np.full(n, np.nan), y + 1)
    assert found.p == 1.0 and not found.better


def test_equal_predictions_are_not_better():
    y, ours, _ = simulated(30, np.random.default_rng(0), 0)
    assert paired_permutation_test(AB, y, ours, ours).p == 1.0


def test_the_verdict_on_a_higher_loss():
    found = PairedComparison("Brier score", 0.3, 0.2, 0.9, 3, 5, 20)
    assert found.verdict == "not kept: its validation loss is not lower"
