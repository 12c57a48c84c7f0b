"""Files and tables of molecules, read in blocks of rows.

=======================  =============================================================
.csv .tsv .txt           cells split by commas, semicolons, tabs or bars, with a header
.smi .smiles .ism        a structure and a name per line
.sdf .mol                records of RDKit, whose properties are columns
.parquet                 if pyarrow is installed
DataFrame                of pandas
list of texts            structures
=======================  =============================================================

Text may be gzipped.
"""

import csv
import gzip
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from rdkit import Chem, rdBase

from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoDataError
from vicinal.graphs.data.tables.text_files import (
    check_exists,
    damage_as_data_error,
    open_text,
    read_format,
)
from vicinal.molecules.data.columns import hold_structures, letters

ROWS_PER_BLOCK = 10_000
SAMPLED_ROWS = 1000
"""rows by which the columns are found"""

SMILES_SUFFIXES = (".smi", ".smiles", ".ism")
RECORD_SUFFIXES = (".sdf", ".sd", ".mol")
TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".tab")

STRUCTURE, NAME = "smiles", "name"
"""columns of files without a header"""


class Row(NamedTuple):
    """A row of a table."""

    line: int
    """in the file, from 1; of a DataFrame or list, from 0; of a record, from 1"""

    cells: Sequence[Any]
    problem: str = ""
    """why the row cannot be used"""


class Source(Protocol):
    """A table of rows."""

    names: list[str]
    """of the columns"""

    unit: str
    """what a row is called: line, row or record"""

    notes: list[str]

    def rows(self) -> Iterator[Row]:
        """Yield the rows, from the beginning."""
        ...


def open_source(data: Any) -> Source:
    """Return the rows of a path, DataFrame or list; DataError for another object."""
    if isinstance(data, (str, PathLike)):
        return _open_path(Path(data))
    if hasattr(data, "columns"):
        return FrameSource(data)
    if isinstance(data, Iterable) and not isinstance(data, (bytes, dict)):
        return ListSource(list(data))
    raise DataError(
        "data must be a path, a DataFrame or a list of SMILES. Got "
        f"{type(data).__name__}."
    )


def _open_path(path: Path) -> Source:
    check_exists(path)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    suffix = next((s for s in reversed(suffixes) if s != ".gz"), "")
    if path.is_dir():
        raise DataError(f"{path} is a directory. Name a file of molecules in it.")
    if suffix in RECORD_SUFFIXES:
        return RecordSource(path)
    if suffix in SMILES_SUFFIXES:
        return SmilesSource(path)
    if suffix == ".parquet":
        return FrameSource(_read_parquet(path))
    if suffix in TEXT_SUFFIXES:
        return TextSource(path)
    known = ", ".join((*TEXT_SUFFIXES, *SMILES_SUFFIXES, *RECORD_SUFFIXES, ".parquet"))
    raise DataError(f"{path} must be a file of molecules: {known}, or one of them .gz.")


def _read_parquet(path: Path) -> Any:
    import pandas as pd

    try:
        return pd.read_parquet(path)
    except ImportError as error:
        raise DataError(
            f"Reading {path} needs pyarrow: pip install pyarrow, or save it as CSV."
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}.") from error


class TextSource:
    """A table of text with a header."""

    unit = "line"

    def __init__(self, path: Path) -> None:
        self.path, self.notes = path, list[str]()
        form = read_format(path, "smiles[,target]")
        self._skipped = form.num_skipped
        width = max(map(len, form.rows[:SAMPLED_ROWS]))
        # one column: SMILES and a name after a space are one cell
        self._separator = form.separator if form.separator != "::" else None
        if self._separator is None and len(form.rows[0]) == 1 < width:
            width = 1
        first = form.rows[0]
        self._has_header = not any(hold_structures([cell]) for cell in first)
        self.names = first if self._has_header else self._default_names(width)
        if not self._has_header:
            self.notes.append(f"{path.name} has no header: {', '.join(self.names)}")
        repeated = [name for k, name in enumerate(self.names) if name in self.names[:k]]
        if repeated:
            raise DataError(
                f"{path} has two columns {repeated[0]!r}. Rename one in the header."
            )

    def _default_names(self, width: int) -> list[str]:
        if width == 1:
            return [STRUCTURE]
        return [f"column {k + 1}" for k in range(width)]

    def rows(self) -> Iterator[Row]:
        width = len(self.names)
        with damage_as_data_error(self.path), open_text(self.path) as file:
            for _ in range(self._skipped):
                file.readline()
            if self._separator is None:
                lines: Iterable[list[str]] = ([line.strip()] for line in file)
                reader = None
            else:
                lines = reader = csv.reader(file, delimiter=self._separator)
            for number, cells in enumerate(lines, 1):
                if number == 1 and self._has_header:
                    continue
                line = self._skipped + (number if reader is None else reader.line_num)
                yield self._row(line, cells, width)

    @staticmethod
    def _row(line: int, cells: list[str], width: int) -> Row:
        if len(cells) == width:
            return Row(line, cells)
        if not cells:
            return Row(line, [""] * width)
        problem = f"has {pluralize(len(cells), 'cell')}, the header {width}"
        return Row(line, (cells + [""] * width)[:width], problem)


class SmilesSource:
    """A structure and, behind a space or tab, a name per line."""

    unit = "line"

    def __init__(self, path: Path) -> None:
        self.path, self.names, self.notes = path, [STRUCTURE, NAME], list[str]()

    def rows(self) -> Iterator[Row]:
        with damage_as_data_error(self.path), open_text(self.path) as file:
            for number, line in enumerate(file, 1):
                structure, _, name = line.strip().partition(" ")
                if "\t" in line:
                    structure, _, name = line.strip().partition("\t")
                is_header = number == 1 and letters(structure) in ("smiles", "smi")
                if not is_header:
                    yield Row(number, [structure, name.strip()])


class RecordSource:
    """Records of an SD file; the properties of the first ones are columns."""

    unit = "record"

    def __init__(self, path: Path) -> None:
        self.path, self.notes = path, list[str]()
        properties = dict[str, None]()
        for mol in islice(self._records(), SAMPLED_ROWS):
            if mol is not None:
                properties |= dict.fromkeys(mol.GetPropNames())
        self.names = [STRUCTURE, NAME, *(p for p in properties if p != STRUCTURE)]

    def _records(self) -> Iterator[Any]:
        opened = gzip.open if self.path.suffix.lower() == ".gz" else open
        with opened(self.path, "rb") as file, rdBase.BlockLogs():
            if ".mol" in [suffix.lower() for suffix in self.path.suffixes]:
                yield Chem.MolFromMolBlock(file.read().decode(errors="replace"))
                return
            yield from Chem.ForwardSDMolSupplier(file)

    def rows(self) -> Iterator[Row]:
        for number, mol in enumerate(self._records(), 1):
            if mol is None:
                blank = [None] * len(self.names)
                yield Row(number, blank, "cannot be read as a record of an SD file")
                continue
            name = mol.GetProp("_Name") if mol.HasProp("_Name") else ""
            cells = [mol.GetProp(k) if mol.HasProp(k) else None for k in self.names[2:]]
            yield Row(number, [mol, name, *cells])


class FrameSource:
    """A DataFrame."""

    unit = "row"

    def __init__(self, frame: Any) -> None:
        self.frame, self.notes = frame, list[str]()
        self.names = list(frame.columns)

    def rows(self) -> Iterator[Row]:
        for number, cells in enumerate(self.frame.itertuples(index=False, name=None)):
            yield Row(number, cells)


class ListSource:
    """A list of structures: SMILES, InChI or molecules of RDKit."""

    unit = "row"

    def __init__(self, structures: list[Any]) -> None:
        self.structures, self.names = structures, [STRUCTURE]
        self.notes = list[str]()

    def rows(self) -> Iterator[Row]:
        return (Row(number, [cell]) for number, cell in enumerate(self.structures))


def first_cells(source: Source) -> dict[str, list[Any]]:
    """Return the cells of the first rows, by column; NoDataError if there are none."""
    rows = [row for row in islice(source.rows(), SAMPLED_ROWS) if not row.problem]
    if not rows:
        raise NoDataError("There are no rows of molecules.")
    return {name: [row.cells[k] for row in rows] for k, name in enumerate(source.names)}
