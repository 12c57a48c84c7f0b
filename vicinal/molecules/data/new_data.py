"""Read other data than those of training: with its columns, without quarantine."""

from collections.abc import Sequence
from typing import Any

from vicinal.errors import DataError
from vicinal.molecules.data.parse import ParsedCell
from vicinal.molecules.data.reader import MoleculeReader
from vicinal.molecules.data.sources import open_source
from vicinal.molecules.settings import MoleculeColumns


def read_all(data: Any, columns: MoleculeColumns) -> list[ParsedCell]:
    """Return the molecule of every row; DataError for a row that has none."""
    reader, found = MoleculeReader(data, columns), []
    for row in reader.rows():
        if row.molecule.mol is None:
            where = f"{reader.source.unit} {row.row.line}"
            raise DataError(
                f"X must be structures that can be read. {where} ({row.text!r}): "
                f"{row.molecule.reason}. `vicinal predict` leaves such rows blank."
            )
        found.append(row.molecule)
    return found


def known_columns(
    data: Any, named: MoleculeColumns, targets: Sequence[str] = ()
) -> MoleculeColumns:
    """Return the columns that training named, as far as other data have them.

    targets: names of the model's targets; where none is there, they are detected.
    """
    names = {str(name) for name in open_source(data).names}
    smiles, split = named.smiles_columns, named.splits_column
    found = tuple(name for name in targets if name in names)
    return MoleculeColumns(
        smiles_columns=smiles if smiles and names.issuperset(smiles) else None,
        target_columns=found or None,
        splits_column=split if split in names else None,
    )
