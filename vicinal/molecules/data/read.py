"""Read molecules and their targets: in blocks, or as one table.

Rows that cannot be used are quarantined with their line and the reason. The structures
are not changed, but for what `parse` lists; the notes count it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from rdkit import Chem

from vicinal.core.data.csv_tables import clean_cell
from vicinal.core.data.labels import (
    MAX_INTEGER_CLASSES,
    SPLIT_ALIASES,
    Task,
    parse_number,
)
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoDataError
from vicinal.molecules.data.columns import Columns, find_columns
from vicinal.molecules.data.molecule_table import MoleculeTable
from vicinal.molecules.data.parse import MAX_HEAVY_ATOMS, Molecule, parse_molecule
from vicinal.molecules.data.sources import (
    ROWS_PER_BLOCK,
    Row,
    Source,
    first_cells,
    open_source,
)
from vicinal.molecules.settings import MoleculeColumns

BINARY = frozenset({0.0, 1.0})


class ParsedRow(NamedTuple):
    """A row of the source and its molecule."""

    row: Row
    text: str
    """the structure as it was given"""

    molecule: Molecule


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
        cells = first_cells(self.source)
        self.columns: Columns = find_columns(
            self.source.names, lambda name: cells[name], columns or MoleculeColumns()
        )
        self.max_heavy_atoms = max_heavy_atoms
        self.notes = [*self.source.notes, *self.columns.notes]
        self._position = {name: k for k, name in enumerate(self.source.names)}

    def cell(self, row: Row, column: Any) -> Any:
        """Return the cell of a column."""
        return row.cells[self._position[column]]

    def rows(self) -> Iterator[ParsedRow]:
        """Yield every row with its molecule, or with the reason why it has none."""
        for row in self.source.rows():
            cell = self.cell(row, self.columns.structure)
            if row.problem:
                molecule = Molecule(None, row.problem)
            else:
                molecule = parse_molecule(cell, self.max_heavy_atoms)
            text = Chem.MolToSmiles(cell) if isinstance(cell, Chem.Mol) else cell
            yield ParsedRow(row, text if isinstance(text, str) else "", molecule)

    def blocks(self, size: int = ROWS_PER_BLOCK) -> Iterator[list[ParsedRow]]:
        """Yield the rows in blocks, of which one is in memory."""
        rows = self.rows()
        while block := list(islice(rows, size)):
            yield block

    def quarantined(self, parsed: ParsedRow, reason: str, label: str) -> Quarantined:
        """Return a row that cannot be used."""
        where = f"{self.source.unit} {parsed.row.line}"
        return Quarantined(parsed.text, label, f"{where}: {reason}")


def read_molecules(
    data: Any,
    y: Any = None,
    *,
    task: Task = "auto",
    columns: MoleculeColumns | None = None,
    max_heavy_atoms: int = MAX_HEAVY_ATOMS,
) -> MoleculeTable:
    """Read all molecules of a source and their targets.

    y: targets [N] or [N, T] of a list of structures. task: auto: classification where
    every target is 0 and 1, or texts, or whole numbers of few values. columns,
    max_heavy_atoms: see `MoleculeReader`. Rows of one structure are merged: numbers to
    their mean; rows of different classes are quarantined.
    Raises NoDataError if no row can be used, DataError for columns or targets that
    cannot be read.
    """
    reader = MoleculeReader(data, columns, max_heavy_atoms)
    names = [str(name) for name in reader.columns.targets]
    given = None if y is None else _given_targets(y)
    if given is not None:
        names = [f"target {k + 1}" for k in range(given.shape[1])]
        names = ["target"] if len(names) == 1 else names
    parsed, cells, quarantined, counts = [], [], [], Counter[str]()
    num_rows = 0
    for number, row in enumerate(reader.rows()):
        num_rows += 1
        if given is not None and number >= len(given):
            raise _wrong_length(given, reader)
        labels = _target_cells(reader, row, given, number)
        label = "|".join(str(cell) for cell in labels if cell is not None)
        if row.molecule.mol is None:
            quarantined.append(reader.quarantined(row, row.molecule.reason, label))
            continue
        if names and all(cell is None for cell in labels):
            reason = "has no target" if len(names) == 1 else "has none of the targets"
            quarantined.append(reader.quarantined(row, reason, ""))
            continue
        counts.update(row.molecule.notes)
        parsed.append(row)
        cells.append(labels)
    if given is not None and num_rows != len(given):
        raise _wrong_length(given, reader)
    if not parsed:
        first = f" The first: {quarantined[0].reason}." if quarantined else ""
        raise NoDataError(f"No row has a molecule that can be used.{first}")
    table = np.array(cells, dtype=object).reshape(len(parsed), len(names))
    chosen = _choose_task(table, task)
    targets, classes, bad = _convert_targets(table, chosen)
    for k, reason in bad:
        quarantined.append(
            reader.quarantined(parsed[k], reason, str(table[k].tolist()))
        )
    kept = np.array([k not in dict(bad) for k in range(len(parsed))], dtype=bool)
    notes = [*reader.notes, *_count_notes(counts, len(parsed))]
    parsed = [row for row, keep in zip(parsed, kept, strict=True) if keep]
    return _merge_replicates(
        reader, parsed, targets[kept], classes, names, num_rows, quarantined, notes
    )


def _given_targets(y: Any) -> np.ndarray:
    array = np.asarray(y, dtype=object)
    if array.ndim not in (1, 2):
        raise DataError(f"y must have shape [N] or [N, T]. Got {list(array.shape)}.")
    return array.reshape(len(array), -1)


def _wrong_length(given: np.ndarray, reader: MoleculeReader) -> DataError:
    count = sum(1 for _ in reader.source.rows())
    return DataError(
        f"y must have a target for each of {pluralize(count, 'molecule')}. Got "
        f"{len(given):,}."
    )


def _target_cells(
    reader: MoleculeReader, row: ParsedRow, given: np.ndarray | None, number: int
) -> list[str | None]:
    """Return the targets of a row as texts; None for a blank."""
    if given is not None:
        return [clean_cell(cell) for cell in given[number]]
    names = reader.columns.targets
    return [clean_cell(reader.cell(row.row, name)) for name in names]


def _count_notes(counts: Counter[str], total: int) -> list[str]:
    """Return a note for each kind of change, with the number of molecules."""
    kinds = Counter[str]()
    for note, count in counts.items():
        kinds[note.partition(":")[0]] += count
    return [
        f"{count:,} of {total:,} molecules: {kind}" for kind, count in kinds.items()
    ]


# --- targets -------------------------------------------------------------------------


def _choose_task(cells: np.ndarray, task: Task) -> str:
    if task == "multilabel":
        raise DataError(
            "Molecules have targets and no lists of labels. Name columns of 0 and 1 "
            "with --target-columns, and use --task classification."
        )
    if task != "auto" or not cells.size:
        return "classification" if task == "auto" else task
    kinds = {_kind_of_target(column) for column in cells.T}
    if len(kinds) > 1:
        raise DataError(
            "Some targets are classes and some are numbers. Name those of one kind "
            "with --target-columns, or choose with --task."
        )
    return kinds.pop()


def _kind_of_target(cells: Sequence[str | None]) -> str:
    numbers = {parse_number(cell) for cell in cells if cell is not None}
    if None in numbers:
        texts = sum(parse_number(c) is None for c in cells if c is not None)
        present = sum(cell is not None for cell in cells)
        return "regression" if 10 * texts < present else "classification"
    whole = all(float(value or 0).is_integer() for value in numbers)
    few = len(numbers) <= MAX_INTEGER_CLASSES
    return "classification" if whole and (numbers <= BINARY or few) else "regression"


def _convert_targets(
    cells: np.ndarray, task: str
) -> tuple[np.ndarray, list[tuple[str, ...]], list[tuple[int, str]]]:
    """Return targets [N, T], the classes of each, and rows that cannot be used."""
    targets = np.full(cells.shape, np.nan)
    bad: list[tuple[int, str]] = []
    classes: list[tuple[str, ...]] = []
    for t, column in enumerate(cells.T):
        if task == "regression":
            for k, cell in enumerate(column):
                value = None if cell is None else parse_number(cell)
                if cell is not None and value is None:
                    bad.append((k, f"the target {cell!r} is not a number"))
                targets[k, t] = np.nan if value is None else value
            continue
        names = [None if cell is None else _class_name(cell) for cell in column]
        found = sorted({name for name in names if name is not None}, key=_class_order)
        classes.append(tuple(found))
        position = {name: k for k, name in enumerate(found)}
        targets[:, t] = [np.nan if n is None else position[n] for n in names]
    return targets, classes, bad


def _class_name(cell: str) -> str:
    """Return the name of a class: 1.0 beside blanks is 1."""
    value = parse_number(cell)
    return str(int(value)) if value is not None and value.is_integer() else cell


def _class_order(name: str) -> tuple[float, str]:
    value = parse_number(name)
    return (float("inf") if value is None else value, name)


# --- replicates ----------------------------------------------------------------------


def _merge_replicates(
    reader: MoleculeReader,
    parsed: list[ParsedRow],
    targets: np.ndarray,
    classes: list[tuple[str, ...]],
    names: list[str],
    num_rows: int,
    quarantined: list[Quarantined],
    notes: list[str],
) -> MoleculeTable:
    """Return the table with one row for each structure."""
    rows_of: dict[str, list[int]] = {}
    for k, row in enumerate(parsed):
        rows_of.setdefault(Chem.MolToSmiles(row.molecule.mol), []).append(k)
    kept, merged, deviations = [], [], []
    for rows in rows_of.values():
        values = targets[rows]
        conflict = bool(classes) and _differ(values)
        if conflict:
            lines = ", ".join(str(parsed[k].row.line) for k in rows)
            reason = f"the same structure has different classes ({lines})"
            quarantined += [reader.quarantined(parsed[k], reason, "") for k in rows]
            continue
        kept.append(rows)
        merged.append(_mean(values))
        deviations.append(_deviation(values))
    if not kept:
        raise NoDataError("Every structure has rows of different classes.")
    first = [rows[0] for rows in kept]
    sizes = np.array([len(rows) for rows in kept])
    if (sizes > 1).any():
        how = "equal" if classes else "averaged"
        notes.append(
            f"{int(sizes[sizes > 1].sum()):,} rows are replicates of "
            f"{pluralize(int((sizes > 1).sum()), 'structure')}: merged, {how}"
        )
    return MoleculeTable(
        mols=[parsed[k].molecule.mol for k in first],
        smiles=[parsed[k].text for k in first],
        lines=np.array([parsed[k].row.line for k in first]),
        target_names=names,
        targets=np.array(merged).reshape(len(kept), len(names)),
        classes=classes,
        replicates=sizes,
        deviations=np.array(deviations).reshape(len(kept), len(names)),
        weights=_weights(reader, parsed, kept),
        split=_splits(reader, parsed, kept),
        num_rows=num_rows,
        quarantined=quarantined,
        notes=notes,
    )


def _differ(values: np.ndarray) -> bool:
    """Return whether a column of [R, T] has two different values."""
    return any(len({*column[~np.isnan(column)]}) > 1 for column in values.T)


def _mean(values: np.ndarray) -> list[float]:
    columns = (column[~np.isnan(column)] for column in values.T)
    return [float(column.mean()) if len(column) else np.nan for column in columns]


def _deviation(values: np.ndarray) -> list[float]:
    columns = (column[~np.isnan(column)] for column in values.T)
    return [float(c.std(ddof=1)) if len(c) > 1 else np.nan for c in columns]


def _weights(
    reader: MoleculeReader, parsed: list[ParsedRow], kept: list[list[int]]
) -> np.ndarray | None:
    """Return the weight of each structure: the sum over its rows."""
    column = reader.columns.weight
    if column is None:
        return None
    weights = [parse_number(reader.cell(row.row, column)) for row in parsed]
    for weight, row in zip(weights, parsed, strict=True):
        if weight is None or weight < 0:
            cell = reader.cell(row.row, column)
            raise DataError(
                f"Weights must be numbers from 0 on. Got {cell!r} in "
                f"{reader.source.unit} {row.row.line}."
            )
    return np.array([sum(weights[k] or 0.0 for k in rows) for rows in kept])


def _splits(
    reader: MoleculeReader, parsed: list[ParsedRow], kept: list[list[int]]
) -> np.ndarray | None:
    """Return the user's split of each structure: that of its first row."""
    column = reader.columns.split
    if column is None:
        return None
    cells = [clean_cell(reader.cell(parsed[rows[0]].row, column)) for rows in kept]
    unknown = {c for c in cells if c is not None and c.lower() not in SPLIT_ALIASES}
    if unknown:
        raise DataError(
            f"Splits must be train, val or test. Got {sorted(unknown)[0]!r} in the "
            f"column {column!r}."
        )
    return np.array([SPLIT_ALIASES.get((c or "").lower(), "") for c in cells])
