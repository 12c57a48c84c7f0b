"""Splits keep the rules of the docstring for any classes, groups and fractions."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.core.data.splits import (
    SPLITS,
    TEST,
    TRAIN,
    UNUSED,
    VAL,
    Fractions,
    check_test_split,
    complete_split,
    split,
    split_labelled,
)
from vicinal.errors import NoDataError

sweep = settings(max_examples=80, deadline=None, database=None)
seeds = st.integers(0, 2**32 - 1)
fractions = st.sampled_from(
    [Fractions(), Fractions(0.8, 0.1, 0.1), Fractions(0.1, 0.3, 0.6)]
)


@st.composite
def grouped(draw):
    """Draw strata [N] and groups [N]; the examples of a group are of one class."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=40))
    classes = draw(st.lists(st.sampled_from("abc"), min_size=len(sizes)))
    order = draw(st.permutations(range(sum(sizes))))
    groups = np.repeat(np.arange(len(sizes)), sizes)[order]
    return np.array(classes)[groups], groups


def groups_by_part(strata, groups, parts) -> dict[str, Counter[str]]:
    """How many groups of each class are in each part."""
    one_each = {(g, s, p) for g, s, p in zip(groups, strata, parts, strict=True)}
    table = {str(s): Counter() for s in strata}
    for _, stratum, part in one_each:
        table[str(stratum)][str(part)] += 1
    return table


@sweep
@given(grouped(), fractions, seeds)
def test_a_group_is_in_one_split(data, shares, seed):
    strata, groups = data
    parts = split(strata, groups, fractions=shares, seed=seed)
    assert parts.shape == strata.shape and set(parts) <= set(SPLITS)
    sides = {(g, p) for g, p in zip(groups, parts, strict=True)}
    assert len(sides) == len(set(groups))


@sweep
@given(grouped(), fractions, seeds)
def test_small_classes_follow_the_documented_rule(data, shares, seed):
    strata, groups = data
    parts = split(strata, groups, fractions=shares, seed=seed)
    for found in groups_by_part(strata, groups, parts).values():
        number = sum(found.values())
        if number == 1:
            assert set(found) == {TRAIN}
        elif number == 2:
            assert set(found) == {TRAIN, TEST}
        else:
            assert set(found) == set(SPLITS)


@sweep
@given(grouped(), seeds)
def test_the_same_seed_gives_the_same_split(data, seed):
    strata, groups = data
    assert (split(strata, groups, seed=seed) == split(strata, groups, seed=seed)).all()


def test_another_seed_gives_another_split():
    strata = np.zeros(200)
    assert (split(strata, seed=1) != split(strata, seed=2)).any()


@sweep
@given(grouped(), seeds, seeds)
def test_the_split_of_a_group_does_not_depend_on_the_order_of_rows(data, seed, shuffle):
    strata, groups = data
    order = np.random.default_rng(shuffle).permutation(len(strata))
    parts = split(strata, groups, seed=seed)
    assert (split(strata[order], groups[order], seed=seed) == parts[order]).all()


@sweep
@given(st.lists(st.sampled_from("abc"), min_size=1), seeds, seeds)
def test_counts_do_not_depend_on_the_order_of_rows(classes, seed, shuffle):
    strata = np.array(classes)
    order = np.random.default_rng(shuffle).permutation(len(strata))
    pair = [(s, split(s, seed=seed)) for s in (strata, strata[order])]
    one, other = (Counter(zip(s, p, strict=True)) for s, p in pair)
    assert one == other


@pytest.mark.parametrize("names", [list("abc"), [3, 1, 2], [True, False, True]])
def test_strata_can_be_names_or_numbers(names):
    strata = np.array(names * 20, dtype=object)
    assert set(split(strata)) == set(SPLITS)


@pytest.mark.parametrize(
    "shares", [Fractions(), Fractions(0.9, 0.05, 0.05), Fractions(0.2, 0.5, 0.3)]
)
def test_every_class_is_split_near_the_fractions(shares):
    draw = np.random.default_rng(0)
    groups = draw.integers(0, 3000, 10_000)
    strata = np.array(list("aaabbc"))[groups % 6]
    parts = split(strata, groups, fractions=shares, seed=3)
    for stratum in "abc":
        mine = parts[strata == stratum]
        for name, share in zip(SPLITS, shares, strict=True):
            assert (mine == name).mean() == pytest.approx(share, abs=0.005)


def test_counts_without_groups_are_the_nearest_integers():
    # 15 % of 19 is 2.85, of 16 is 2.4
    assert Counter(split(np.zeros(19))) == {TRAIN: 13, VAL: 3, TEST: 3}
    assert Counter(split(np.zeros(16))) == {TRAIN: 12, VAL: 2, TEST: 2}
    parts = split(np.repeat(["a", "b"], [100, 20]))
    assert Counter(parts[:100]) == {TRAIN: 70, VAL: 15, TEST: 15}
    assert Counter(parts[100:]) == {TRAIN: 14, VAL: 3, TEST: 3}


@sweep
@given(grouped(), seeds, st.sampled_from([VAL, TEST]))
def test_a_split_of_fraction_0_is_empty(data, seed, empty):
    strata, groups = data
    shares = Fractions(0.8, 0.2, 0)._replace(**{VAL: 0.2, TEST: 0.2} | {empty: 0.0})
    parts = split(strata, groups, fractions=shares, seed=seed)
    other = TEST if empty == VAL else VAL
    for found in groups_by_part(strata, groups, parts).values():
        wanted = {TRAIN} if sum(found.values()) == 1 else {TRAIN, other}
        assert set(found) == wanted


@sweep
@given(grouped(), seeds)
def test_everything_can_be_in_train(data, seed):
    strata, groups = data
    parts = split(strata, groups, fractions=Fractions(1, 0, 0), seed=seed)
    assert set(parts) == {TRAIN}


@sweep
@given(seeds)
def test_a_huge_group_is_in_train(seed):
    # 900 copies of one image and 100 others: to test on the copies tests nothing
    groups = np.r_[np.zeros(900, int), np.arange(1, 101)]
    parts = split(np.zeros(1000), groups, seed=seed)
    assert set(parts[:900]) == {TRAIN}
    assert Counter(parts[900:]) == {TRAIN: 70, VAL: 15, TEST: 15}


@sweep
@given(seeds)
def test_the_largest_of_three_large_groups_is_in_train(seed):
    groups = np.repeat([0, 1, 2], [10, 80, 20])
    parts = split(np.zeros(110), groups, seed=seed)
    assert [str(parts[groups == g][0]) for g in range(3)] == [TEST, TRAIN, VAL]


def test_a_group_has_the_class_of_its_first_row():
    # the only group whose first row is "a": for training alone, with all its rows
    strata = np.array(list("ab" + "b" * 30))
    groups = np.r_[0, 0, np.arange(1, 31)]
    assert set(split(strata, groups)[:2]) == {TRAIN}


def test_an_empty_input_has_an_empty_split():
    assert split(np.zeros(0)).tolist() == []


# --- the user's split ---------------------------------------------------------------


def draw_first(rows: np.ndarray, fractions: Fractions) -> np.ndarray:
    """Take the first rows as the test split."""
    count = round(fractions.test * len(rows))
    return np.array([TEST] * count + [TRAIN] * (len(rows) - count))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("train train train train", "test val train train"),
        ("train test train train", "val test train train"),
        ("val train train train", "val test train train"),
        ("val test train train", "val test train train"),
        ("val test val test", "val test val test"),
    ],
)
def test_what_a_split_lacks_is_taken_from_train(given, expected):
    given = np.array(given.split())
    found = complete_split(given, draw_first, val=0.34, test=0.25)
    assert found.tolist() == expected.split()


def test_nothing_is_drawn_where_the_fraction_is_0():
    given = np.array([TRAIN, UNUSED, TRAIN], dtype=object)
    found = complete_split(given, draw_first, val=0.0, test=0.5)
    assert found.tolist() == [TEST, UNUSED, TRAIN]
    assert given.tolist() == [TRAIN, UNUSED, TRAIN]


@sweep
@given(grouped(), seeds, st.booleans())
def test_labelled_examples_are_split_as_if_they_were_alone(data, seed, stratified):
    strata, groups = data
    label_mask = np.random.default_rng(seed).random(len(strata)) < 0.7
    classes = strata.astype(object)
    classes[~label_mask] = None
    found = split_labelled(
        label_mask,
        None,
        classes if stratified else None,
        groups,
        val=0.2,
        test=0.1,
        seed=seed,
    )
    alone = split(
        strata[label_mask] if stratified else np.zeros(label_mask.sum()),
        groups[label_mask],
        fractions=Fractions(0.7, 0.2, 0.1),
        seed=seed,
    )
    assert (found[~label_mask] == UNUSED).all()
    assert (found[label_mask] == alone).all()


def test_a_given_split_is_kept_and_completed_by_class_and_group():
    n = 120
    classes = np.array(["a", "b"] * (n // 2), dtype=object)
    groups = np.arange(n) // 4
    given = np.where(np.arange(n) < 40, TEST, TRAIN)
    given[-4:] = UNUSED
    label_mask = np.arange(n) % 10 > 0
    found = split_labelled(
        label_mask, given, classes, groups, val=0.25, test=0.25, seed=3
    )
    assert (found[~label_mask] == UNUSED).all() and (found[-4:] == UNUSED).all()
    rows = np.flatnonzero(label_mask[:40])
    assert (found[:40][rows] == TEST).all()
    rest = np.flatnonzero((np.arange(n) >= 40) & (found != UNUSED))
    assert set(found[rest]) == {TRAIN, VAL}
    assert (found[rest] == VAL).mean() == pytest.approx(0.25, abs=0.06)
    for group in np.unique(groups[rest]):
        assert len(set(found[rest][groups[rest] == group])) == 1


def test_an_empty_test_split_raises():
    check_test_split(1)
    with pytest.raises(NoDataError) as caught:
        check_test_split(0)
    message = "There is no test split. Fit with test_fraction above 0."
    assert str(caught.value) == message
    with pytest.raises(NoDataError, match=r"split\. Pass graphs, or fit with test_f"):
        check_test_split(0, "graphs")
