"""Groups given by the user: by a pattern, by a column, and merged."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.errors import SettingError
from vicinal.images.data.sources.groups import (
    groups_from_column,
    groups_from_pattern,
    merge_groups,
)

sweep = settings(max_examples=100, deadline=None, database=None)


@st.composite
def groupings_strategy(draw):
    """Draw one to four groupings [N] of the same N images, N from 0 to 12."""
    n = draw(st.integers(0, 12))
    grouping = st.lists(st.integers(-3, 12), min_size=n, max_size=n)
    return [np.array(g, dtype=int) for g in draw(st.lists(grouping, min_size=1))][:4]


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two groupings differ in the group numbers only."""
    pairs = set(zip(one.tolist(), other.tolist(), strict=True))
    return len(pairs) == len(set(one.tolist())) == len(set(other.tolist()))


def coarser(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether each group of `other` is inside one group of `one`."""
    pairs = set(zip(one.tolist(), other.tolist(), strict=True))
    return len(pairs) == len(set(other.tolist()))


# --- a pattern ------------------------------------------------------------------------

NAMES = ["w1/patient7_a.png", "w1/patient12.png", "w2/patient7_b.png", "w2/x.png"]


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [
        (r"patient(\d+)", [0, 1, 0, 2]),
        (r"patient\d+", [0, 1, 0, 2]),  # no capturing group: the whole match
        (r"(?:patient)(\d)", [0, 1, 0, 2]),
        (r"(w\d)/patient(\d+)", [0, 0, 1, 2]),  # the first capturing group only
        (r"^(.*?)/", [0, 0, 1, 1]),
        (r"(?P<ward>w\d)", [0, 0, 1, 1]),
        (r"patient(\d)(?=_)", [0, 1, 0, 2]),
        (r"(?i)PATIENT(\d+)", [0, 1, 0, 2]),
        (r"patient(7)?", [0, 1, 0, 2]),  # for 12 the group matches nothing
    ],
)
def test_the_matched_text_identifies_the_group(pattern, groups):
    assert groups_from_pattern(NAMES, pattern).tolist() == groups


def test_names_without_a_match_are_groups_of_their_own():
    names = ["a1", "b", "a1x", "", "c", "b"]
    assert groups_from_pattern(names, r"a\d").tolist() == [0, 1, 0, 2, 3, 4]


def test_names_with_an_empty_match_are_groups_of_their_own():
    names = ["x7", "y", "z7", "w"]
    assert groups_from_pattern(names, r"(\d*)$").tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize("pattern", ["patient(", "[", "*", r"(?P<1>x)"])
def test_invalid_pattern_raises(pattern):
    with pytest.raises(SettingError) as error:
        groups_from_pattern(NAMES, pattern)
    assert "must be a regular expression" in str(error.value)
    assert pattern in str(error.value)


def test_a_pattern_without_any_match_raises_with_three_names():
    with pytest.raises(SettingError) as error:
        groups_from_pattern(NAMES, r"case(\d+)")
    message = str(error.value)
    assert r"case(\d+) matches" in message and "4 names" in message
    assert all(repr(name) in message for name in NAMES[:3])
    assert NAMES[3] not in message and ", ..." in message
    with pytest.raises(SettingError) as error:
        groups_from_pattern(NAMES[:2], "case")
    assert ", ..." not in str(error.value)


def test_no_names_give_no_groups():
    assert groups_from_pattern([], "a").tolist() == []
    assert groups_from_column([]).tolist() == []


# --- a column -------------------------------------------------------------------------


def test_equal_cells_form_a_group():
    assert groups_from_column(["b", "a", "b", "c"]).tolist() == [0, 1, 0, 2]
    assert groups_from_column([7, 8.5, 7.0, True, 8.5]).tolist() == [0, 1, 0, 2, 1]
    assert groups_from_column(np.array([3, 3, 1])).tolist() == [0, 0, 1]


def test_surrounding_spaces_are_ignored():
    assert groups_from_column([" a", "a ", "a b", "ab"]).tolist() == [0, 0, 1, 2]


def test_empty_cells_are_groups_of_their_own():
    values = ["a", "", None, "  ", float("nan"), pd.NA, pd.NaT, "a", "nan", "nan"]
    assert groups_from_column(values).tolist() == [0, 1, 2, 3, 4, 5, 6, 0, 7, 7]


def test_columns_of_a_data_frame():
    table = pd.DataFrame({"site": ["x", None, "x", None], "day": [1, 2, None, 1]})
    assert groups_from_column(table["site"]).tolist() == [0, 1, 0, 2]
    assert groups_from_column(table["day"]).tolist() == [0, 1, 2, 0]


# --- merged groupings -----------------------------------------------------------------


def test_merge_groups_by_hand():
    one, other = np.array([0, 0, 1, 2, 3]), np.array([5, 6, 6, 7, 7])
    # 0 and 1 by the first, 1 and 2 by the second; 3 and 4 by the second
    assert merge_groups(one, other).tolist() == [0, 0, 0, 1, 1]
    assert merge_groups(one).tolist() == [0, 0, 1, 2, 3]
    assert merge_groups(np.arange(4), np.arange(4)[::-1]).tolist() == [0, 1, 2, 3]


@sweep
@given(groupings_strategy())
def test_merged_groups_are_the_connected_components(groupings):
    groups = merge_groups(*groupings)
    assert all(coarser(groups, each) for each in groupings)
    graph = nx.Graph()
    graph.add_nodes_from(range(len(groups)))
    for each in groupings:
        for number in set(each.tolist()):
            nx.add_path(graph, np.flatnonzero(each == number).tolist())
    assert len(set(groups.tolist())) == nx.number_connected_components(graph)
    assert sorted(set(groups.tolist())) == list(range(len(set(groups.tolist()))))


@sweep
@given(groupings_strategy())
def test_merging_again_changes_nothing(groupings):
    groups = merge_groups(*groupings)
    assert merge_groups(groups).tolist() == groups.tolist()
    assert merge_groups(groups, *groupings).tolist() == groups.tolist()


@sweep
@given(groupings_strategy(), st.randoms())
def test_the_order_of_groupings_does_not_matter(groupings, random):
    shuffled = random.sample(groupings, len(groupings))
    assert merge_groups(*shuffled).tolist() == merge_groups(*groupings).tolist()


@sweep
@given(groupings_strategy(), st.randoms())
def test_the_order_of_images_and_the_numbers_do_not_matter(groupings, random):
    order = random.sample(range(len(groupings[0])), len(groupings[0]))
    renamed = [7 - 3 * each[order] for each in groupings]
    assert same(merge_groups(*renamed), merge_groups(*groupings)[order])


def test_groupings_of_different_lengths_raise():
    with pytest.raises(ValueError, match=r"lengths \[2, 3\]"):
        merge_groups(np.arange(2), np.arange(3))
    with pytest.raises(ValueError, match=r"lengths \[\]"):
        merge_groups()
