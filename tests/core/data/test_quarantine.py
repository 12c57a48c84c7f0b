"""Quarantined rows as text."""

from vicinal.core.data.quarantine import (
    MAX_LISTED,
    Quarantined,
    quarantine_lines,
    write_quarantine,
)


def test_only_the_first_rows_are_listed():
    rows = [Quarantined(f"n{k}", "", "no edge") for k in range(MAX_LISTED + 3)]
    nameless = Quarantined("", "", "line 2: no id")
    lines = list(quarantine_lines([nameless, *rows], "--json lists all"))
    assert lines[:2] == ["quarantined: line 2: no id", "quarantined: n0: no edge"]
    assert lines[-1] == "... and 4 more (--json lists all)"
    assert len(lines) == MAX_LISTED + 1
    assert list(quarantine_lines(rows[:1], "")) == ["quarantined: n0: no edge"]


def test_a_name_prints_no_line_of_its_own():
    row = Quarantined("a\nquarantined: b", "", "bad\tcell")
    (line,) = quarantine_lines([row], "")
    assert line == r"quarantined: a\nquarantined: b: bad\tcell"


def test_a_name_that_is_not_utf8_is_written_escaped(tmp_path):
    write_quarantine(tmp_path / "q.csv", [Quarantined("a\udcff", "x", "reason")])
    assert r"a\udcff,x,reason" in (tmp_path / "q.csv").read_text()
