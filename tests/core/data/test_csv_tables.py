"""Columns that the user names; texts that a spreadsheet would run as formulas."""

import csv

import pandas as pd
import pytest

from vicinal.core.data.csv_tables import (
    clean_cell,
    escape_formula,
    named_column,
    unescape_formula,
    write_csv,
)
from vicinal.core.data.quarantine import Quarantined, write_quarantine
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


FORMULAS = [
    "=1+1",
    "+cmd",
    "-a.png",
    "@me",
    "\t=1",
    "\r=1",
    "'=1",
    "''@x",
    "=\nWEBSERVICE(1)",
    "\n=1",
    "\uff1d1",
    "\uff0b1",
    "\uff0dx",
    "\uff20x",
]
TEXTS = ["a=b", "'quoted'", "", "-", "-5", "+1e3", "it's", "a\n=1"]


@pytest.mark.parametrize("text", [*FORMULAS, *TEXTS])
def test_formulas_get_an_apostrophe_and_come_back(text):
    escaped = escape_formula(text)
    assert escaped == (f"'{text}" if text in FORMULAS else text)
    assert unescape_formula(escaped) == text


def test_tables_for_people_hold_no_formulas(tmp_path):
    frame = pd.DataFrame({"=path": ["=a", "b"], "p": [-0.5, 1], "n": [None, "-x"]})
    write_csv(tmp_path / "people.csv", frame)
    lines = (tmp_path / "people.csv").read_text().splitlines()
    assert lines == ["'=path,p,n", "'=a,-0.5,", "b,1.0,'-x"]
    write_csv(tmp_path / "machine.csv", frame, escape=False)
    assert "\n=a,-0.5" in (tmp_path / "machine.csv").read_text()
    assert frame.columns[0] == "=path" and frame.iloc[0, 0] == "=a"
    write_quarantine(tmp_path / "q.csv", [Quarantined("@a", "=b", "-c d")])
    with (tmp_path / "q.csv").open(newline="") as file:
        assert list(csv.reader(file))[1] == ["'@a", "'=b", "'-c d"]


MISSING = ["", " ", "nan", "NA", "n/a", "NULL", "<NA>", "#N/A", "\\N", "NaT", None]


@pytest.mark.parametrize("cell", [*MISSING, pd.NA, pd.NaT, float("nan")])
def test_missing_cells_are_none(cell):
    assert clean_cell(cell) is None


@pytest.mark.parametrize("cell", ["Nat", "nat", "N", "\\n\\n", "#", "<n>", 0])
def test_other_cells_are_texts(cell):
    assert clean_cell(cell) == str(cell)
