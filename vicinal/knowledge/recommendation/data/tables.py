"""Tables as columns of numbered cells: text, Parquet, or a DataFrame of pandas.

==============================  ====================================================
.csv .tsv .txt .tab .dat .inter  cells split by commas, semicolons, tabs, `|`, `::` or
.data                            spaces; may be gzipped
.parquet                         if pyarrow is installed
DataFrame                        of pandas
==============================  ====================================================
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vicinal.core.data.csv_tables import clean_cell, restore_integers
from vicinal.core.data.names import problems_of_names
from vicinal.errors import DataError, NoDataError
from vicinal.graphs.data.formats.graph_files import read_parquet
from vicinal.graphs.data.tables.column_names import is_number
from vicinal.graphs.data.tables.text_files import (
    TableText,
    check_exists,
    damage_as_data_error,
    open_text,
    read_format,
)

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".tab", ".dat", ".data", ".inter", ".item")
BLANK = -1
"""number of a blank cell"""


class CodedColumn(NamedTuple):
    """The cells of N rows by their numbers."""

    codes: np.ndarray
    """[N] int64 numbers in `cells`; BLANK: blank"""

    cells: list[str]
    """distinct texts (NFC, stripped)"""

    def text(self, row: int) -> str:
        """Return the cell of a row, "" for a blank one."""
        code = self.codes[row]
        return "" if code == BLANK else self.cells[code]

    @property
    def have_problems(self) -> np.ndarray:
        """Return [len(cells)] bool: names with control characters."""
        problems = problems_of_names(self.cells)
        return np.array([cell in problems for cell in self.cells], bool)


@dataclass(frozen=True)
class Table:
    """The names of the columns of a table, and how to read its cells."""

    names: list[str]
    """"1", "2", ... where it has no header"""

    has_header: bool
    unit: str
    """what a row is called: line or row"""

    source: str
    """the file, for messages"""

    read_frame: Callable[[], tuple[Any, Callable[[int], int]]]
    """return a DataFrame of all columns, and the line of a row in the source"""

    def read(
        self, columns: Sequence[str]
    ) -> tuple[list[CodedColumn], Callable[[int], int]]:
        """Return the cells of some columns, and the line of a row, counted from 0.

        Raises NoDataError if there are no rows.
        """
        frame, line_of = self.read_frame()
        if not len(frame):
            raise NoDataError(f"{self.source} has no rows.")
        positions = [self.names.index(name) for name in columns]
        return [code_column(frame.iloc[:, k]) for k in positions], line_of


def code_column(column: Any) -> CodedColumn:
    """Return the cells of a pandas Series by their numbers."""
    import pandas as pd

    codes, values = pd.factorize(column)
    if getattr(values, "dtype", None) is not None and values.dtype.kind == "f":
        values = restore_integers(values)
    index = dict[str, int]()
    numbers = [
        BLANK if text is None else index.setdefault(text, len(index))
        for text in map(clean_cell, values)
    ]
    return CodedColumn(np.array([*numbers, BLANK], np.int64)[codes], [*index])


def open_table(data: Any, expected: str, header: bool | None = True) -> Table:
    """Return the table at a path, or of a DataFrame; DataError for another object.

    expected: the columns, for messages. header: whether the first line names the
    columns; None: unless it holds a number.
    """
    if hasattr(data, "columns") and hasattr(data, "iloc"):
        return _frame_table(data, "the DataFrame", expected)
    if not isinstance(data, (str, PathLike)):
        kind = type(data).__name__
        raise DataError(f"data must be a path or a DataFrame. Got {kind}.")
    path = Path(data)
    check_exists(path)
    if path.is_dir():
        raise DataError(f"{path} is a directory. Name a table in it.")
    suffix = table_suffix(path)
    if suffix == ".parquet":
        return _frame_table(read_parquet(path), str(path), expected)
    if suffix in TEXT_SUFFIXES:
        return _text_table(path, expected, header)
    known = ", ".join((*TEXT_SUFFIXES, ".parquet"))
    raise DataError(f"{path} must be a table: {known}, or text with .gz.")


def table_suffix(path: Path) -> str:
    """Return the suffix of a file in lower case, without .gz."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return next((s for s in reversed(suffixes) if s != ".gz"), "")


def _frame_table(frame: Any, source: str, expected: str) -> Table:
    if not frame.shape[1]:
        raise NoDataError(f"{source} is empty. Expected columns {expected}.")
    names = [str(name).strip() for name in frame.columns]
    _check_unique(names, source)
    return Table(names, True, "row", source, lambda: (frame, lambda row: row))


def _text_table(path: Path, expected: str, header: bool | None) -> Table:
    form = read_format(path, expected)
    first = form.rows[0]
    if header is None:
        header = not any(map(is_number, first))
    names = list(first) if header else [str(k + 1) for k in range(len(first))]
    _check_unique(names, str(path))

    def read_frame() -> tuple[Any, Callable[[int], int]]:
        import pandas as pd

        with damage_as_data_error(path), open_text(path) as file:
            for _ in range(form.num_skipped):
                file.readline()
            text = TableText(file, form.separator, has_comments=False)
            with warnings.catch_warnings():
                # rows longer than the header would shift or lose cells
                warnings.simplefilter("error", pd.errors.ParserWarning)
                frame = pd.read_csv(
                    text,  # pyright: ignore[reportArgumentType]
                    sep=form.pandas_separator,
                    header=0 if header else None,
                    names=names,
                    dtype="category",
                    keep_default_na=False,
                    index_col=False,
                )
        first_row = form.num_skipped + 1
        return frame, lambda row: first_row + text.line_of(row + int(header))

    return Table(names, header, "line", str(path), read_frame)


def _check_unique(names: Sequence[str], source: str) -> None:
    """Raise DataError for two columns of one name."""
    repeated = [name for k, name in enumerate(names) if name in names[:k]]
    if repeated:
        raise DataError(
            f"{source} has two columns {repeated[0]!r}. Rename one in the header."
        )
