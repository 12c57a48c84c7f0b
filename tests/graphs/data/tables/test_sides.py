"""Which columns name two kinds of nodes, and how their names are kept apart."""

import numpy as np
import pytest

from vicinal.graphs.data.tables.sides import name_two_kinds, separate_sides


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("user_id", "item_id", True),
        ("userId", "movieId", True),
        ("userID", "artistID", True),
        ("user", "movie", True),
        ("Customer Name", "Product", True),
        ("student_id", "course_id", True),
        ("buyer", "product", True),
        ("drug", "disease", True),
        ("source", "target", False),
        ("u", "v", False),
        ("from", "to", False),
        ("citing", "cited", False),
        ("paper_id", "cited_paper_id", False),
        ("from_user", "to_user", False),
        ("user_id", "friend_id", False),
        ("user1", "user2", False),
        ("protein_a", "protein_b", False),
        ("parent_id", "child_id", False),
        ("manager", "employee", False),
        ("node", "neighbor", False),
        ("id_1", "id_2", False),
        ("name", "name_2", False),
        ("ego", "alter", False),
        ("nominator_id", "nominee_id", False),
        ("rater", "ratee", False),
        ("truster", "trustee", False),
        ("inviter", "invitee", False),
        ("exporter", "importer", False),
        ("exporter", "product", True),
        ("person_id", "contact_id", False),
        ("employee", "colleague", False),
    ],
)
def test_the_names_of_columns_tell_the_kinds_of_nodes(first, second, expected):
    assert name_two_kinds(first, second) is expected
    assert name_two_kinds(second, first) is expected


def edges(*pairs: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return names in the order of their occurrence, and the rows of both ends."""
    ends = [pair.split("-") for pair in pairs]
    ids = list(dict.fromkeys(name for pair in ends for name in pair))
    source, target = np.array([[ids.index(a), ids.index(b)] for a, b in ends]).T
    return np.array(ids, dtype=object), source, target


def test_equal_numbers_in_both_columns_are_different_nodes():
    found = separate_sides(*edges("7-7", "2-7", "7-3"), ("user_id", "item_id"))
    assert found is not None
    assert found.ids.tolist() == ["user_id:7", "user_id:2", "item_id:7", "item_id:3"]
    pairs = zip(found.ids[found.source], found.ids[found.target], strict=True)
    assert list(pairs) == [
        ("user_id:7", "item_id:7"),
        ("user_id:2", "item_id:7"),
        ("user_id:7", "item_id:3"),
    ]
    assert found.sides.tolist() == [0, 0, 1, 1]
    (note,) = found.notes
    assert "have 1 name in common" in note and "user_id:7 and item_id:7" in note


def test_different_names_stay_as_they_are():
    found = separate_sides(*edges("ann-Alien", "bob-Alien"), ("user", "movie"))
    assert found is not None and found.ids.tolist() == ["ann", "Alien", "bob"]
    assert found.sides.tolist() == [0, 1, 0] and not found.notes


def test_many_equal_names_that_are_no_numbers_are_the_same_nodes():
    given = edges("ann-bob", "bob-ann", "ann-cleo")
    assert separate_sides(*given, ("actor", "partner_name")) is None
    assert separate_sides(*given, ("seller", "agent")) is None
    forced = separate_sides(*given, ("source", "target"), forced=True)
    assert forced is not None and forced.ids[-1] == "target:cleo"
    assert separate_sides(*edges("7-7"), ("source", "target")) is None
