"""Files and tables of molecules, read in blocks of rows.

=======================  =============================================================
.csv .tsv .txt           cells split by commas, semicolons, tabs or bars
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

from vicinal.core.data.labels import is_missing, parse_number
from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoDataError
from vicinal.graphs.data.tables.text_files import (
    GZIP,
    TextFormat,
    check_exists,
    damage_as_data_error,
    open_text,
    read_format,
)
from vicinal.molecules.data.columns import SAMPLED_CELLS, STRUCTURE_NAMES, letters
from vicinal.molecules.data.parse import parse_molecule

ROWS_PER_BLOCK = 1000
"""molecules of RDKit take up to 40 KB each"""

SAMPLED_ROWS = 1000
"""rows by which the columns are found"""

SMILES_SUFFIXES = (".smi", ".smiles", ".ism")
RECORD_SUFFIXES = (".sdf", ".sd", ".mol")
TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".tab")

STRUCTURE, NAME = "smiles", "name"
"""columns of files without a header"""

ONE_COLUMN = "\x1f"
"""separator of tables of one column: no text has it"""


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

    structure: str | None
    """the column of structures; None: to be found"""

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
    """A table of text, with a header or without."""

    unit = "line"

    def __init__(self, path: Path) -> None:
        self.path, self.notes = path, list[str]()
        self.structure: str | None = None
        form = read_format(path, "smiles[,target]")
        self._skipped = form.num_skipped
        self._separator = self._find_separator(form)
        rows = self._first_rows(form)
        commented = next((c.lstrip("#% ") for c in form.comments), "")
        header = next(self._cells([commented]), [])
        self._has_header = False
        if len(header) == len(rows[0]) and has_usual_name(header):
            self.names = header
        elif is_header(rows):
            self._has_header, self.names = True, rows[0]
        else:
            width = len(rows[0])
            self.names = [f"column {k + 1}" for k in range(width)]
            self.names = [STRUCTURE] if width == 1 else self.names
            column = structure_column(rows)
            self.structure = None if column is None else self.names[column]
            self.notes.append(f"{path.name} has no header: {', '.join(self.names)}")
        repeated = [name for k, name in enumerate(self.names) if name in self.names[:k]]
        if repeated:
            raise DataError(
                f"{path} has two columns {repeated[0]!r}. Rename one in the header."
            )

    @staticmethod
    def _find_separator(form: TextFormat) -> str:
        """Return what splits cells; a mark that no text has for one column.

        Spaces split cells only where all rows have as many as the header, which has a
        usual name: a name may follow a SMILES behind a space.
        """
        if form.separator not in (None, "::"):
            return form.separator or ""
        widths = {len(row) for row in form.rows}
        is_even = form.separator is None and len(widths) == 1 < max(widths)
        return " " if is_even and has_usual_name(form.rows[0]) else ONE_COLUMN

    def _first_rows(self, form: TextFormat) -> list[list[str]]:
        with damage_as_data_error(self.path), open_text(self.path) as file:
            for _ in range(form.num_skipped):
                file.readline()
            return [*islice(self._cells(file), SAMPLED_ROWS)] or [[""]]

    def _cells(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """Yield the cells of rows, without empty ones at the end."""
        for cells in csv.reader(lines, delimiter=self._separator, strict=True):
            while len(cells) > 1 and not cells[-1].strip():
                cells.pop()
            yield [cell.strip() for cell in cells]

    def rows(self) -> Iterator[Row]:
        width = len(self.names)
        with damage_as_data_error(self.path), open_text(self.path) as file:
            for _ in range(self._skipped):
                file.readline()
            reader = _CountedLines(file)
            for number, cells in enumerate(self._cells(reader), 1):
                if number > 1 or not self._has_header:
                    yield self._row(self._skipped + reader.count, cells, width)

    @staticmethod
    def _row(line: int, cells: list[str], width: int) -> Row:
        padded = (cells + [""] * width)[:width]
        if len(cells) <= width:  # empty cells at the end are not there
            return Row(line, padded)
        problem = f"has {pluralize(len(cells), 'cell')}, the header {width}"
        return Row(line, padded, problem)


class _CountedLines:
    """The lines of a file, and the number of those that were read."""

    def __init__(self, file: Iterable[str]) -> None:
        self._file, self.count = file, 0

    def __iter__(self) -> Iterator[str]:
        for line in self._file:
            self.count += 1
            yield line


def has_usual_name(cells: Sequence[str]) -> bool:
    """Return whether a cell is a usual name of a column of structures."""
    return any(letters(c) in STRUCTURE_NAMES or "smiles" in letters(c) for c in cells)


def is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row of a table names its columns.

    It does unless it has a number, or a molecule where other rows have molecules too.
    """
    if has_usual_name(rows[0]):
        return True
    is_data = any(parse_number(cell) is not None for cell in rows[0])
    return not is_data and structure_column(rows) is None


def structure_column(rows: Sequence[Sequence[str]]) -> int | None:
    """Return the first column of molecules, in the first row and in half of others."""
    for k, cell in enumerate(rows[0]):
        others = [row[k] for row in rows[1:][:SAMPLED_CELLS] if k < len(row)]
        readable = [other for other in others if parse_molecule(other).mol is not None]
        if parse_molecule(cell).mol is not None and 2 * len(readable) >= len(others):
            return k
    return None


class SmilesSource:
    """A structure and, behind a space or tab, a name per line."""

    unit = "line"
    structure: str | None = STRUCTURE

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
    structure: str | None = STRUCTURE

    def __init__(self, path: Path) -> None:
        self.path, self.notes = path, list[str]()
        properties = dict[str, None]()
        for _, named in islice(self._records(), SAMPLED_ROWS):
            properties |= dict.fromkeys(named)
        self.names = [STRUCTURE, NAME]
        self.names += [name for name in properties if name not in self.names]

    def _records(self) -> Iterator[tuple[Any, dict[str, str]]]:
        """Yield the molecule of each record, unless there is none, and its properties.

        What RDKit cannot read as a molecule is read again without its checks, which say
        why.
        """
        supplier = Chem.SDMolSupplier()
        for text in self._texts():
            mol: Any = None
            with rdBase.BlockLogs():
                supplier.SetData(text)
                mol = next(iter(supplier), None)
                if mol is None:
                    supplier.SetData(text, sanitize=False)
                    mol = next(iter(supplier), None)
            named = dict[str, str]()
            if mol is not None:
                named = {k: mol.GetProp(k) for k in mol.GetPropNames()}
                named[NAME] = mol.GetProp("_Name") if mol.HasProp("_Name") else ""
            yield mol, named

    def _texts(self) -> Iterator[str]:
        """Yield the text of each record."""
        with damage_as_data_error(self.path):
            opened = gzip.open if is_gzipped(self.path) else open
            lines: list[str] = []
            with opened(self.path, "rt", encoding="utf-8", errors="replace") as file:
                for line in file:
                    lines.append(line)
                    if line.startswith("$$$$"):
                        yield "".join(lines)
                        lines = []
            if any(line.strip() for line in lines):
                yield "".join(lines)

    def rows(self) -> Iterator[Row]:
        for number, (mol, named) in enumerate(self._records(), 1):
            cells = [mol, *(named.get(name) for name in self.names[1:])]
            problem = "" if mol is not None else "cannot be read as a record"
            yield Row(number, cells, problem)


def is_gzipped(path: Path) -> bool:
    """Return whether a file begins like one that is gzipped."""
    with path.open("rb") as file:
        return file.read(2) == GZIP


class FrameSource:
    """A DataFrame."""

    unit = "row"
    structure: str | None = None

    def __init__(self, frame: Any) -> None:
        self.frame, self.notes = frame, list[str]()
        self.names = list(frame.columns)

    def rows(self) -> Iterator[Row]:
        for number, cells in enumerate(self.frame.itertuples(index=False, name=None)):
            yield Row(number, cells)


class ListSource:
    """A list of structures: SMILES, InChI or molecules of RDKit."""

    unit = "row"
    structure: str | None = STRUCTURE

    def __init__(self, structures: list[Any]) -> None:
        self.structures, self.names = structures, [STRUCTURE]
        self.notes = list[str]()

    def rows(self) -> Iterator[Row]:
        return (Row(number, [cell]) for number, cell in enumerate(self.structures))


def first_cells(source: Source) -> dict[str, list[Any]]:
    """Return the cells of the first rows, by column; NoDataError if there are none.

    Of a column that is blank there, the first cells that are not.
    """
    rows = [*islice(source.rows(), SAMPLED_ROWS)]
    usable = [row for row in rows if not row.problem]
    if not usable:
        first = f" The first: {rows[0].line} {rows[0].problem}." if rows else ""
        raise NoDataError(f"There are no rows of molecules.{first}")
    cells = {k: [row.cells[n] for row in usable] for n, k in enumerate(source.names)}
    blank = [name for name in cells if not any(map(_has_content, cells[name]))]
    if blank and len(rows) == SAMPLED_ROWS:
        for row in source.rows():
            for name in blank:
                cell = row.cells[source.names.index(name)]
                if _has_content(cell):
                    cells[name].append(cell)
            blank = [k for k in blank if len(cells[k]) < len(usable) + SAMPLED_CELLS]
            if not blank:
                break
    return cells


def _has_content(cell: Any) -> bool:
    return not is_missing(cell) and (not isinstance(cell, str) or cell.strip() != "")
