"""Sets of drugs to predict, from a table."""

from collections.abc import Callable, Sequence
from pathlib import Path

from vicinal.core.data.csv_tables import clean_cell, read_csv
from vicinal.core.data.quarantine import Quarantined
from vicinal.errors import DataError
from vicinal.interactions.data.columns import drug_columns
from vicinal.interactions.data.facts import MAX_DRUGS


def read_sets(
    path: str | Path, problem_of: Callable[[str], str | None]
) -> tuple[list[list[str]], list[Quarantined]]:
    """Return the sets of a table, one in each row, and the rows that cannot be used.

    Columns of drugs are those that training data have: drug_1, drug_2 ..., or one
    column with several drugs in a cell, separated by |. problem_of: why a drug cannot
    be predicted; None if it can.
    """
    frame = read_csv(Path(path), "drug_1,drug_2")
    columns, _ = drug_columns([str(name) for name in frame.columns])
    sets, quarantined = [], []
    for row, cells in enumerate(frame[columns].itertuples(index=False)):
        names = _names(cells, split=len(columns) == 1)
        reason = _problem(names, problem_of)
        if reason is None:
            sets.append(names)
        else:
            label = "|".join(names)
            quarantined.append(Quarantined(f"line {row + 2}", label, reason))
    if not sets:
        reasons = "; ".join(each.reason for each in quarantined[:3])
        raise DataError(f"No row of {path} is a set of drugs. {reasons}")
    return sets, quarantined


def _names(cells: Sequence[str], *, split: bool) -> list[str]:
    """Return the drugs of a row."""
    parts = cells[0].replace(";", "|").split("|") if split else cells
    cleaned = (clean_cell(part) for part in parts)
    return [name for name in cleaned if name is not None]


def _problem(names: list[str], problem_of: Callable[[str], str | None]) -> str | None:
    """Return why a row cannot be used; None if it can."""
    if len(names) != len(set(names)):
        return "a drug is in the set twice"
    if not 2 <= len(names) <= MAX_DRUGS:
        return f"a set has 2 to {MAX_DRUGS} drugs, this one {len(names)}"
    return next(filter(None, map(problem_of, names)), None)
