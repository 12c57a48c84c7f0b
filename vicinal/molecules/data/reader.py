"""The molecules of a source, row by row or in blocks."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

from rdkit import Chem, rdBase

from vicinal.core.data.csv_tables import clean_cell
from vicinal.core.data.quarantine import Quarantined
from vicinal.molecules.data.columns import ColumnRoles, find_columns, is_identifier
from vicinal.molecules.data.parse import MAX_HEAVY_ATOMS, ParsedCell, parse_molecule
from vicinal.molecules.data.sources import (
    ROWS_PER_BLOCK,
    Row,
    Source,
    first_cells,
    open_source,
)
from vicinal.molecules.settings import MoleculeColumns


class ParsedRow(NamedTuple):
    """A row of the source and its molecule."""

    row: Row
    text: str
    """the structure as it was given"""

    molecule: ParsedCell


class MoleculeReader:
    """The molecules of a source, row by row.

    data: a path, a DataFrame or a list of structures; see `sources`. columns: those
    that the user named. max_heavy_atoms: larger molecules are quarantined.
    """

    def __init__(
        self,
        data: Any,
        columns: MoleculeColumns | None = None,
        max_heavy_atoms: int = MAX_HEAVY_ATOMS,
    ) -> None:
        self.source: Source = open_source(data)
        cells, named = first_cells(self.source), columns or MoleculeColumns()
        if self.source.structure is not None and named.smiles_columns is None:
            named = replace(named, smiles_columns=(self.source.structure,))
        self.columns: ColumnRoles = find_columns(
            self.source.names, lambda name: cells[name], named
        )
        self.max_heavy_atoms = max_heavy_atoms
        others = [*self.columns.others, *self.columns.targets]
        self.id_column = next((k for k in others if is_identifier(k)), None)
        self.notes = [*self.source.notes, *self.columns.notes]
        self._position = {name: k for k, name in enumerate(self.source.names)}

    def cell(self, row: Row, column: Any) -> Any:
        """Return the cell of a column."""
        return row.cells[self._position[column]]

    def rows(self) -> Iterator[ParsedRow]:
        """Yield every row with its molecule, or with the reason why it has none."""
        for row in self.source.rows():
            cell = self.cell(row, self.columns.structure)
            if row.problem and not isinstance(cell, Chem.Mol):
                molecule = ParsedCell(None, row.problem)
            else:
                molecule = parse_molecule(cell, self.max_heavy_atoms)
            yield ParsedRow(row, _as_text(cell), molecule)

    def blocks(self, size: int = ROWS_PER_BLOCK) -> Iterator[list[ParsedRow]]:
        """Yield the rows in blocks, of which one is in memory."""
        rows = self.rows()
        while block := list(islice(rows, size)):
            yield block

    def quarantined(self, parsed: ParsedRow, reason: str, label: str) -> Quarantined:
        """Return a row that cannot be used."""
        where = f"{self.source.unit} {parsed.row.line}"
        return Quarantined(parsed.text or self.id(parsed), label, f"{where}: {reason}")

    def id(self, parsed: ParsedRow) -> str:
        """Return the cell of the column of identifiers; "" without one."""
        if self.id_column is None:
            return ""
        return clean_cell(self.cell(parsed.row, self.id_column)) or ""


def _as_text(cell: Any) -> str:
    """Return a structure as it was given, or the SMILES of a Mol."""
    if isinstance(cell, Chem.Mol):
        with rdBase.BlockLogs():
            return Chem.MolToSmiles(cell)
    return cell if isinstance(cell, str) else ""
