"""Quarantined rows as text."""

from vicinal.core.data.quarantine import MAX_LISTED, Quarantined, quarantine_lines


def test_only_the_first_rows_are_listed():
    rows = [Quarantined(f"n{k}", "", "no edge") for k in range(MAX_LISTED + 3)]
    nameless = Quarantined("", "", "line 2: no id")
    lines = list(quarantine_lines([nameless, *rows], "--json lists all"))
    assert lines[:2] == ["quarantined: line 2: no id", "quarantined: n0: no edge"]
    assert lines[-1] == "... and 4 more (--json lists all)"
    assert len(lines) == MAX_LISTED + 1
    assert list(quarantine_lines(rows[:1], "")) == ["quarantined: n0: no edge"]
