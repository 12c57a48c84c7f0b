"""Groups that the user names: by a pattern, by a column, and several joined."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.errors import SettingError
from vicinal.images.data.groups import (
    groups_from_column,
    groups_from_pattern,
    joined,
)

sweep = settings(max_examples=100, deadline=None, database=None)


@st.composite
def several(draw):
    """One to four groupings [N] of the same N pictures, N from 0 to 12."""
    n = draw(st.integers(0, 12))
    grouping = st.lists(st.integers(-3, 12), min_size=n, max_size=n)
    return [np.array(g, dtype=int) for g in draw(st.lists(grouping, min_size=1))][:4]


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two groupings differ in nothing but the numbers."""
    pairs = set(zip(one.tolist(), other.tolist(), strict=True))
    return len(pairs) == len(set(one.tolist())) == len(set(other.tolist()))


def coarser(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether each group of the other lies in one group of this."""
    pairs = set(zip(one.tolist(), other.tolist(), strict=True))
    return len(pairs) == len(set(other.tolist()))


# --- a pattern ------------------------------------------------------------------------

NAMES = ["w1/patient7_a.png", "w1/patient12.png", "w2/patient7_b.png", "w2/x.png"]


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [
        (r"patient(\d+)", [0, 1, 0, 2]),
        (r"patient\d+", [0, 1, 0, 2]),  # no parentheses: all that it matches
        (r"(?:patient)(\d)", [0, 1, 0, 2]),
        (r"(w\d)/patient(\d+)", [0, 0, 1, 2]),  # the first parentheses alone
        (r"^(.*?)/", [0, 0, 1, 1]),
        (r"(?P<ward>w\d)", [0, 0, 1, 1]),
        (r"patient(\d)(?=_)", [0, 1, 0, 2]),
        (r"(?i)PATIENT(\d+)", [0, 1, 0, 2]),
        (r"patient(7)?", [0, 1, 0, 2]),  # at 12 the parentheses match nothing
    ],
)
def test_what_the_pattern_finds_names_the_group(pattern, groups):
    assert groups_from_pattern(NAMES, pattern).tolist() == groups


def test_names_in_which_nothing_is_found_are_alone():
    names = ["a1", "b", "a1x", "", "c", "b"]
    assert groups_from_pattern(names, r"a\d").tolist() == [0, 1, 0, 2, 3, 4]


def test_an_empty_text_names_no_group():
    names = ["x7", "y", "z7", "w"]
    assert groups_from_pattern(names, r"(\d*)$").tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize("pattern", ["patient(", "[", "*", r"(?P<1>x)"])
def test_a_pattern_that_is_none(pattern):
    with pytest.raises(SettingError) as error:
        groups_from_pattern(NAMES, pattern)
    assert "must be a regular expression" in str(error.value)
    assert pattern in str(error.value)


def test_a_pattern_that_finds_nothing_shows_three_names():
    with pytest.raises(SettingError) as error:
        groups_from_pattern(NAMES, r"case(\d+)")
    said = str(error.value)
    assert r"case(\d+)," in said and "4 names" in said
    assert all(repr(name) in said for name in NAMES[:3])
    assert NAMES[3] not in said and ", ..." in said
    with pytest.raises(SettingError) as error:
        groups_from_pattern(NAMES[:2], "case")
    assert ", ..." not in str(error.value)


def test_no_names_are_no_groups():
    assert groups_from_pattern([], "a").tolist() == []
    assert groups_from_column([]).tolist() == []


# --- a column -------------------------------------------------------------------------


def test_equal_cells_are_a_group():
    assert groups_from_column(["b", "a", "b", "c"]).tolist() == [0, 1, 0, 2]
    assert groups_from_column([7, 8.5, 7.0, True, 8.5]).tolist() == [0, 1, 0, 2, 1]
    assert groups_from_column(np.array([3, 3, 1])).tolist() == [0, 0, 1]


def test_spaces_around_a_text_do_not_count():
    assert groups_from_column([" a", "a ", "a b", "ab"]).tolist() == [0, 0, 1, 2]


def test_empty_cells_are_alone():
    values = ["a", "", None, "  ", float("nan"), pd.NA, pd.NaT, "a", "nan", "nan"]
    assert groups_from_column(values).tolist() == [0, 1, 2, 3, 4, 5, 6, 0, 7, 7]


def test_columns_of_a_table():
    table = pd.DataFrame({"site": ["x", None, "x", None], "day": [1, 2, None, 1]})
    assert groups_from_column(table["site"]).tolist() == [0, 1, 0, 2]
    assert groups_from_column(table["day"]).tolist() == [0, 1, 2, 0]


# --- several --------------------------------------------------------------------------


def test_joined_by_hand():
    one, other = np.array([0, 0, 1, 2, 3]), np.array([5, 6, 6, 7, 7])
    # 0 and 1 by the first, 1 and 2 by the second; 3 and 4 by the second
    assert joined(one, other).tolist() == [0, 0, 0, 1, 1]
    assert joined(one).tolist() == [0, 0, 1, 2, 3]
    assert joined(np.arange(4), np.arange(4)[::-1]).tolist() == [0, 1, 2, 3]


@sweep
@given(several())
def test_joined_is_the_finest_that_is_coarser_than_each(groupings):
    groups = joined(*groupings)
    assert all(coarser(groups, each) for each in groupings)
    graph = nx.Graph()
    graph.add_nodes_from(range(len(groups)))
    for each in groupings:
        for number in set(each.tolist()):
            nx.add_path(graph, np.flatnonzero(each == number).tolist())
    assert len(set(groups.tolist())) == nx.number_connected_components(graph)
    assert sorted(set(groups.tolist())) == list(range(len(set(groups.tolist()))))


@sweep
@given(several())
def test_joining_again_changes_nothing(groupings):
    groups = joined(*groupings)
    assert joined(groups).tolist() == groups.tolist()
    assert joined(groups, *groupings).tolist() == groups.tolist()


@sweep
@given(several(), st.randoms())
def test_the_order_of_groupings_does_not_matter(groupings, random):
    shuffled = random.sample(groupings, len(groupings))
    assert joined(*shuffled).tolist() == joined(*groupings).tolist()


@sweep
@given(several(), st.randoms())
def test_the_order_of_pictures_and_the_numbers_do_not_matter(groupings, random):
    order = random.sample(range(len(groupings[0])), len(groupings[0]))
    renamed = [7 - 3 * each[order] for each in groupings]
    assert same(joined(*renamed), joined(*groupings)[order])


def test_groupings_of_different_pictures_cannot_be_joined():
    with pytest.raises(ValueError, match=r"lengths \[2, 3\]"):
        joined(np.arange(2), np.arange(3))
    with pytest.raises(ValueError, match=r"lengths \[\]"):
        joined()
