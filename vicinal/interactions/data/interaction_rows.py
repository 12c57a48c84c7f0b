"""Rows of a table of interactions as numbers of drugs and effects."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from vicinal.core.data.labels import parse_number, quote_names
from vicinal.core.data.names import problem_of_name
from vicinal.core.data.quarantine import Quarantined
from vicinal.interactions.data.cells import (
    BLANK,
    CellParts,
    CodedColumn,
    NameIndex,
    have_problems,
    split_cell,
)
from vicinal.interactions.data.columns import LABEL_NAMES, InteractionRoles
from vicinal.interactions.data.facts import MAX_DRUGS, PROBLEMS, Rows, find_problems
from vicinal.interactions.data.tables import Table
from vicinal.molecules.data.columns import letters

EFFECT_MARKS, DRUG_MARKS = "|", "|;"
"""what separates several effects in a cell, and the drugs of a set"""

INTERACTION = "interaction"
"""the effect of a table that gives only whether two drugs interact"""


@dataclass(frozen=True)
class InteractionRows:
    """N rows, their names, and what is needed to report a row."""

    table: Table
    rows: Rows
    drugs: NameIndex
    effects: NameIndex
    parts: CellParts
    """effects of each cell of effects"""

    effect_cells: CodedColumn
    notes: list[str]

    def __len__(self) -> int:
        return len(self.rows.effects)

    def check(self) -> tuple[np.ndarray, list[Quarantined]]:
        """Return which rows are usable [N] bool, and the others with the reasons."""
        problems = find_problems(
            self.rows,
            self.parts,
            have_problems(self.drugs.names),
            have_problems(self.effects.names),
        )
        others = np.flatnonzero(problems)
        return problems == 0, [
            self.quarantined(row, self._reason(row, PROBLEMS[problems[row]]))
            for row in others.tolist()
        ]

    def quarantined(self, row: int, reason: str) -> Quarantined:
        """Return a row that cannot be used."""
        line = f"{self.table.unit} {self.table.line_of(row)}"
        return Quarantined(line, self.effect_cells.text(row), reason)

    def _reason(self, row: int, problem: str) -> str:
        codes = self.rows.drugs[:, row].tolist()
        names = [self.drugs.names[k] for k in codes if k != BLANK]
        match problem:
            case "blank drugs":
                return "no drug is given"
            case "blank drug":
                return "a drug is blank before the last one"
            case "many drugs":
                return f"more than {MAX_DRUGS} drugs"
            case "name of a drug":
                return f"a drug: {_first_problem(names)}"
            case "repeated drug" if len(names) == 2:
                return f"{names[0]!r} is paired with itself"
            case "repeated drug":
                repeated = next(name for name in names if names.count(name) > 1)
                return f"{repeated!r} is given twice in the set"
            case "blank effect":
                return "the effect is blank"
            case "name of an effect":
                cell = self.effect_cells.text(row)
                return f"an effect: {_first_problem(split_cell(cell, EFFECT_MARKS))}"
        return "the label is blank"


def _first_problem(names: Iterable[str]) -> str | None:
    return next((why for why in map(problem_of_name, names) if why), None)


def read_rows(table: Table, roles: InteractionRoles) -> InteractionRows:
    """Read the columns of drugs, effects and labels of a table."""
    labelled = [] if roles.label is None else [roles.label]
    columns = table.read([*roles.drugs, roles.effect, *labelled])
    drugs, effects = NameIndex(), NameIndex(ignore_case=True)
    drug_cells = [columns[name] for name in roles.drugs]
    if roles.is_set:
        drug_codes = _drugs_of_sets(drug_cells[0], drugs)
    else:
        drug_codes = np.stack([_number(column, drugs) for column in drug_cells])
    effect_cells = columns[roles.effect]
    if roles.label is not None:
        labels, notes = parse_labels(columns[roles.label]), list[str]()
    else:
        labels, effect_cells, notes = _separate_labels(roles.effect, effect_cells)
    is_ignored = roles.label is not None and labels is None
    if ignored := [*roles.others, *(labelled if is_ignored else [])]:
        notes.append(f"columns that are not read: {quote_names(ignored)}")
    parts = CellParts.from_cells(effect_cells.cells, EFFECT_MARKS, effects)
    rows = Rows(drug_codes, effect_cells.codes, labels)
    notes = [*roles.notes, *notes]
    return InteractionRows(table, rows, drugs, effects, parts, effect_cells, notes)


def _separate_labels(
    name: str, effects: CodedColumn
) -> tuple[np.ndarray | None, CodedColumn, list[str]]:
    """Return the labels of a column of effects that are only 0 and 1, and the effects.

    name: of the column; others than label, y or the like have no labels.
    """
    labels = parse_labels(effects) if letters(name) in LABEL_NAMES else None
    if labels is None or not (labels == 0).any():
        return None, effects, []
    codes = np.where(labels == BLANK, BLANK, 0).astype(np.int32)
    note = (
        f"the column {name!r} is 1 where drugs interact and 0 where they do not; the "
        f"only effect is {INTERACTION!r}"
    )
    return labels, CodedColumn(codes, [INTERACTION]), [note]


def _number(column: CodedColumn, index: NameIndex) -> np.ndarray:
    """Return the numbers [N] that an index gives to the cells of a column."""
    return np.append(index.rows(column.cells), np.int32(BLANK))[column.codes]


def _drugs_of_sets(column: CodedColumn, drugs: NameIndex) -> np.ndarray:
    """Return drugs [K, N] of cells such as a|b|c; K is at most MAX_DRUGS + 1."""
    parts = CellParts.from_cells(column.cells, DRUG_MARKS, drugs)
    width = min(int(parts.lengths.max(initial=1)), MAX_DRUGS + 1)
    cells = np.repeat(np.arange(len(column.cells)), parts.lengths)
    places = np.arange(len(parts.codes)) - parts.starts[cells]
    drugs_of_cells = np.full((width, len(column.cells) + 1), BLANK, np.int32)
    shown = places < width
    drugs_of_cells[places[shown], cells[shown]] = parts.codes[shown]
    return drugs_of_cells[:, column.codes]


def parse_labels(column: CodedColumn) -> np.ndarray | None:
    """Return labels [N] int8 of 1, 0 and BLANK; None if the cells are others."""
    words = {"true": 1.0, "false": 0.0}
    values = [words.get(cell.lower(), parse_number(cell)) for cell in column.cells]
    if not values or any(value not in (0, 1) for value in values):
        return None
    return np.array([*values, BLANK], np.int8)[column.codes]
