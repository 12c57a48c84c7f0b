"""Tables of text, Parquet or pandas, of which some columns are read.

====================  =============================================================
.csv .tsv .txt .tab   cells split by commas, semicolons or tabs; may be gzipped
.parquet              if pyarrow is installed
DataFrame             of pandas; cells may be lists
====================  =============================================================
"""

import csv
import unicodedata
import warnings
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

from vicinal.errors import DataError, NoDataError
from vicinal.graphs.data.formats.graph_files import read_parquet
from vicinal.graphs.data.tables.text_files import (
    TableText,
    check_exists,
    damage_as_data_error,
    open_text,
    read_format,
)
from vicinal.interactions.data.cells import CodedColumn, ColumnEncoder

ROWS_PER_BLOCK = 500_000
TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".tab")
SEPARATORS = (",", ";", "\t")


class Table(Protocol):
    """A table with named columns."""

    names: list[str]
    unit: str
    """what a row is called: line or row"""

    source: str
    """the file, for messages"""

    def read(self, columns: Sequence[str]) -> dict[str, CodedColumn]:
        """Return the cells of some columns."""
        ...

    def line_of(self, row: int) -> int:
        """Return the line of a row of the cells, counted from 0, in the source."""
        ...


def open_table(data: Any, expected: str) -> Table:
    """Return the table at a path, or of a DataFrame; DataError for another object.

    expected: the columns, for the error about an empty file.
    """
    if hasattr(data, "columns") and hasattr(data, "iloc"):
        return FrameTable(data, "the DataFrame", expected)
    if not isinstance(data, (str, PathLike)):
        kind = type(data).__name__
        raise DataError(f"data must be a path or a DataFrame. Got {kind}.")
    path = Path(data)
    check_exists(path)
    if path.is_dir():
        raise DataError(f"{path} is a directory. Name a table in it.")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    suffix = next((s for s in reversed(suffixes) if s != ".gz"), "")
    if suffix == ".parquet":
        return FrameTable(read_parquet(path), str(path), expected)
    if suffix in TEXT_SUFFIXES:
        return TextTable(path, expected)
    known = ", ".join((*TEXT_SUFFIXES, ".parquet"))
    raise DataError(f"{path} must be a table: {known}, or text with .gz.")


class TextTable:
    """A table of text, whose first line names the columns."""

    unit = "line"

    def __init__(self, path: Path, expected: str) -> None:
        self._path, self.source = path, str(path)
        self._format = read_format(path, expected)
        separator = self._format.separator
        self._separator = separator if separator in SEPARATORS else "\t"
        self.names = self._read_names()
        check_unique(self.names, self.source)
        self._text: TableText | None = None

    def _read_names(self) -> list[str]:
        with damage_as_data_error(self._path), self._open() as file:
            cells = next(csv.reader(file, delimiter=self._separator))
        return [unicodedata.normalize("NFC", cell).strip() for cell in cells]

    def _open(self) -> Any:
        """Return the file from the header on."""
        file = open_text(self._path)
        for _ in range(self._format.num_skipped):
            file.readline()
        return file

    def read(self, columns: Sequence[str]) -> dict[str, CodedColumn]:
        """Return the cells of some columns; NoDataError if there are no rows."""
        import pandas as pd

        encoders = {name: ColumnEncoder() for name in columns}
        with damage_as_data_error(self._path), self._open() as file:
            self._text = TableText(file, self._separator, has_comments=False)
            with warnings.catch_warnings():
                # rows longer than the header would shift or lose cells
                warnings.simplefilter("error", pd.errors.ParserWarning)
                blocks = pd.read_csv(
                    self._text,  # pyright: ignore[reportArgumentType]
                    sep=self._separator,
                    header=0,
                    names=self.names,
                    dtype={k: "category" if k in encoders else str for k in self.names},
                    keep_default_na=False,
                    index_col=False,
                    chunksize=ROWS_PER_BLOCK,
                )
                for block in blocks:
                    for name, encoder in encoders.items():
                        encoder.add(block[name])
        return _columns(encoders, self.source)

    def line_of(self, row: int) -> int:
        """Return the line of a row, counted from 1; rows are counted from 0."""
        assert self._text is not None, "the table has not been read"
        return self._format.num_skipped + 1 + self._text.line_of(row + 1)


class FrameTable:
    """A DataFrame, whose rows are counted from 0."""

    unit = "row"

    def __init__(self, frame: Any, source: str, expected: str) -> None:
        if not frame.shape[1]:
            raise NoDataError(f"{source} is empty. Expected columns {expected}.")
        self.source = source
        self.names = [str(name).strip() for name in frame.columns]
        check_unique(self.names, source)
        self._frame = frame

    def read(self, columns: Sequence[str]) -> dict[str, CodedColumn]:
        """Return the cells of some columns; NoDataError if there are no rows."""
        encoders = {name: ColumnEncoder() for name in columns}
        for name, encoder in encoders.items():
            column = self._frame.iloc[:, self.names.index(name)]
            is_object = column.dtype.kind == "O"
            encoder.add(column.map(_join_list) if is_object else column)
        return _columns(encoders, self.source)

    def line_of(self, row: int) -> int:
        return row


def _join_list(cell: Any) -> Any:
    """Return a list of names as one text."""
    if isinstance(cell, (set, frozenset)):
        cell = sorted(cell)
    return "|".join(map(str, cell)) if isinstance(cell, (list, tuple)) else cell


def _columns(encoders: dict[str, ColumnEncoder], source: str) -> dict[str, CodedColumn]:
    columns = {name: encoder.column() for name, encoder in encoders.items()}
    if not all(len(column.codes) for column in columns.values()):
        raise NoDataError(f"{source} has no rows below its header.")
    return columns


def check_unique(names: Sequence[str], source: str) -> None:
    """Raise DataError for two columns of one name."""
    repeated = [name for k, name in enumerate(names) if name in names[:k]]
    if repeated:
        raise DataError(
            f"{source} has two columns {repeated[0]!r}. Rename one in the header."
        )
