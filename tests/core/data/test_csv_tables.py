"""Columns that the user names."""

import pytest

from vicinal.core.data.csv_tables import named_column
from vicinal.errors import DataError


def test_a_column_is_found_exactly_or_else_in_any_case():
    columns = ["Age", "age", " Town ", 3]
    assert named_column(columns, "age", "the table") == "age"
    assert named_column(columns, "AGE", "the table") == "Age"
    assert named_column(columns, "town", "the table") == " Town "
    assert named_column(columns, "3", "the table") == 3


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["label", "path"], "There is no column 'lable' in nodes.csv. Did you mean "),
        (["a", "b"], "There is no column 'lable' in nodes.csv. Known: a, b."),
        ([], "There is no column 'lable' in nodes.csv. It has no columns."),
    ],
)
def test_a_column_that_is_missing_is_refused_with_those_there_are(columns, message):
    with pytest.raises(DataError) as caught:
        named_column(columns, "lable", "nodes.csv")
    assert str(caught.value).startswith(message)
