"""Names of examples that model files and tables cannot hold are refused."""

import pytest

from vicinal.core.data.names import problem_of_name, problems_of_names


@pytest.mark.parametrize(
    ("name", "code"),
    [("a\0b", "0000"), ("\x1b[2J", "001B"), ("a\x9f", "009F"), ("a\ud800", "D800")],
)
def test_a_name_with_a_control_character(name, code):
    reason = f"the name contains the character U+{code}"
    assert problem_of_name(name) == reason
    assert problems_of_names(["a", name]) == {name: reason}


def test_names_that_can_be_used():
    names = ["a b", "Ω", "日本", "a\tb", "two\nlines", "", "\N{GRINNING FACE}"]
    assert problems_of_names(names) == {}
    assert [problem_of_name(name) for name in names] == [None] * len(names)
