"""Tables of drugs, with structures, targets and effects, and of proteins."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from vicinal.core.data.labels import quote_names
from vicinal.core.data.names import problem_of_name
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.text import pluralize
from vicinal.errors import DataError
from vicinal.interactions.data.cells import (
    BLANK,
    CellParts,
    CodedColumn,
    NameIndex,
    have_problems,
)
from vicinal.interactions.data.columns import (
    DrugRoles,
    find_drug_columns,
    find_protein_columns,
)
from vicinal.interactions.data.tables import Table, open_table
from vicinal.molecules.data.parse import parse_molecule

MARKS = "|;"
"""what separates targets or effects in a cell"""


class Names(NamedTuple):
    """The names of all tables, each numbered in the order of its appearance."""

    drugs: NameIndex
    effects: NameIndex
    proteins: NameIndex


class DrugTable(NamedTuple):
    """What a table of drugs holds, by the numbers of `Names`."""

    drugs: np.ndarray
    """different drugs"""

    smiles: dict[int, str]
    """structures that can be read"""

    targets: np.ndarray
    """[T, 2] drug and protein"""

    singles: np.ndarray
    """[M, 2] drug and an effect that it has when taken alone"""

    has_structures: bool
    quarantined: list[Quarantined]
    notes: list[str]


def no_drugs() -> DrugTable:
    """Return an empty table."""
    none, pairs = np.zeros(0, np.int32), np.zeros((0, 2), np.int32)
    return DrugTable(none, {}, pairs, pairs, False, [], [])


def read_drugs(data: Any, names: Names, used: np.ndarray) -> DrugTable:
    """Read a table of drugs; a drug may have several rows.

    names: new names are added. used: numbers of the drugs of the interactions, which
    decide which column holds the names of the drugs. DataError if none holds them.
    """
    table = open_table(data, "id,smiles,targets,effects")
    roles = find_drug_columns(table.names)
    kinds = [k for k in (roles.smiles, roles.targets, roles.effects) if k is not None]
    columns = table.read([*roles.names, *kinds])
    interacting = [names.drugs.names[k] for k in used]
    id_column = _matching_column(columns, roles, interacting)
    reader = _DrugReader(table, columns[id_column], names)
    targets = reader.entries(columns.get(roles.targets or ""), names.proteins)
    singles = reader.entries(columns.get(roles.effects or ""), names.effects)
    smiles = reader.structures(columns.get(roles.smiles or ""))
    others = [k for k in roles.names if k != id_column] + roles.others
    notes = [f"columns of drugs that are not read: {quote_names(others)}"]
    drugs = np.unique(reader.drugs[reader.drugs != BLANK])
    missing = [names.drugs.names[k] for k in np.setdiff1d(used, drugs)]
    notes = notes if others else []
    if missing:
        count = pluralize(len(missing), "drug")
        notes.append(
            f"{count} of the interactions not in the table of drugs: "
            f"{quote_names(missing)}"
        )
    has_structures = roles.smiles is not None
    return DrugTable(
        drugs, smiles, targets, singles, has_structures, reader.quarantined, notes
    )


def _matching_column(
    columns: dict[str, CodedColumn], roles: DrugRoles, interacting: Sequence[str]
) -> str:
    """Return the column that has most of the drugs of the interactions."""
    wanted = set(interacting)
    counts = {k: len(wanted.intersection(columns[k].cells)) for k in roles.names}
    best = max(roles.names, key=lambda name: counts[name])
    if not counts[best]:
        raise DataError(
            f"No drug of the interactions ({quote_names(interacting, 3)}) is in the "
            f"column {best!r} of the table of drugs ("
            f"{quote_names(columns[best].cells, 3)}). Both must use the same names."
        )
    return best


class _DrugReader:
    """The rows of a table of drugs."""

    def __init__(self, table: Table, column: CodedColumn, names: Names) -> None:
        self.table, self.names = table, names
        self.quarantined: list[Quarantined] = []
        bad = [problem_of_name(name) for name in column.cells]
        codes = [
            BLANK if bad[k] else names.drugs.row(name)
            for k, name in enumerate(column.cells)
        ]
        self.drugs = np.array([*codes, BLANK], np.int32)[column.codes]
        """[N] number of the drug of each row"""

        for row in np.flatnonzero(self.drugs == BLANK).tolist():
            text = column.text(row)
            self.quarantine(row, "", problem_of_name(text) or "no drug is given")

    def quarantine(self, row: int, label: str, reason: str) -> None:
        name = f"drugs {self.table.unit} {self.table.line_of(row)}"
        self.quarantined.append(Quarantined(name, label, reason))

    def entries(self, column: CodedColumn | None, index: NameIndex) -> np.ndarray:
        """Return the drug and the name [M, 2] for each name in each cell, once."""
        if column is None:
            return np.zeros((0, 2), np.int32)
        parts = CellParts.from_cells(column.cells, MARKS, index)
        bad = np.append(parts.any(have_problems(index.names)), False)[column.codes]
        for row in np.flatnonzero(bad).tolist():
            reason = problem_of_name(column.text(row)) or ""
            self.quarantine(row, column.text(row), reason)
        usable = (self.drugs != BLANK) & (column.codes != BLANK) & ~bad
        rows = np.flatnonzero(usable)
        positions, codes = parts.take(column.codes[rows])
        return np.unique(np.stack([self.drugs[rows[positions]], codes], axis=1), axis=0)

    def structures(self, column: CodedColumn | None) -> dict[int, str]:
        """Return the first structure of each drug that can be read."""
        if column is None:
            return {}
        given = np.flatnonzero((self.drugs != BLANK) & (column.codes != BLANK))
        cells = np.stack([self.drugs[given], column.codes[given]])
        _, first = np.unique(cells, axis=1, return_index=True)
        found = dict[int, str]()
        for row in given[np.sort(first)].tolist():
            drug, text = int(self.drugs[row]), column.text(row)
            parsed = parse_molecule(text)
            if drug in found:
                name = self.names.drugs.names[drug]
                self.quarantine(row, text, f"another structure of {name!r}")
            elif parsed.mol is None:
                self.quarantine(row, text, f"structure: {parsed.reason}")
            else:
                found[drug] = text
        return found


class ProteinTable(NamedTuple):
    """What a table of proteins holds, by the numbers of `Names`."""

    edges: np.ndarray
    """[K, 2] int32 different pairs, the lower number first"""

    quarantined: list[Quarantined]
    notes: list[str]


def read_proteins(data: Any, proteins: NameIndex) -> ProteinTable:
    """Read a table of pairs of proteins; new proteins are added to the index."""
    table = open_table(data, "protein_1,protein_2")
    names = find_protein_columns(table.names)
    columns = table.read(names)
    ends = np.stack(
        [
            np.append(proteins.rows(columns[k].cells), BLANK)[columns[k].codes]
            for k in names
        ]
    )
    bad = np.append(have_problems(proteins.names), True)[ends].any(axis=0)
    quarantined = []
    for row in np.flatnonzero(bad).tolist():
        line = f"proteins {table.unit} {table.line_of(row)}"
        texts = [columns[k].text(row) for k in names]
        reason = next(filter(None, map(problem_of_name, texts)), "a protein is blank")
        quarantined.append(Quarantined(line, "", reason))
    loops = ends[0] == ends[1]
    edges = np.unique(np.sort(ends[:, ~bad & ~loops].T, axis=1), axis=0)
    others = [name for name in table.names if name not in names]
    notes = [f"columns of proteins that are not read: {quote_names(others)}"]
    notes = notes if others else []
    if num_loops := int((loops & ~bad).sum()):
        rows = pluralize(num_loops, "row")
        notes.append(f"{rows} of a protein with itself not used")
    return ProteinTable(edges.astype(np.int32), quarantined, notes)
