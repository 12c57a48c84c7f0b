"""Read molecules and their targets: in blocks, or as one table.

Rows that cannot be used are quarantined with their line and the reason. The structures
are not changed, but for what `parse` lists; the notes count it.
"""

from collections import Counter
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from vicinal.core.data.csv_tables import clean_cell
from vicinal.core.data.labels import Task
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoDataError
from vicinal.molecules.data.molecule_table import MoleculeTable
from vicinal.molecules.data.parse import MAX_HEAVY_ATOMS
from vicinal.molecules.data.reader import MoleculeReader, ParsedRow
from vicinal.molecules.data.replicates import (
    UsableRows,
    label_of,
    merge_replicates,
    times_of,
)
from vicinal.molecules.data.targets import (
    choose_task,
    clean_targets,
    convert_targets,
)
from vicinal.molecules.settings import MoleculeColumns


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
    max_heavy_atoms: see `MoleculeReader`. Rows of one structure, after salts, isotopes
    and atom maps are removed, are merged within a split: numbers to their weighted
    mean; a target of different classes becomes a blank.
    Raises NoDataError if no row can be used, DataError for columns or targets that
    cannot be read, ClassError or SettingError for a positive class that they lack.
    """
    reader = MoleculeReader(data, columns, max_heavy_atoms)
    y = None if y is None else _target_array(y)
    names = _target_names(reader, y)
    molecules = _read_rows(reader, y, len(names))
    cells, target_notes = clean_targets(molecules.cells, names, task)
    positive = None if columns is None else columns.positive_class
    targets, classes, bad = convert_targets(cells, choose_task(cells, task), positive)
    blank = [k for k, row in enumerate(cells) if names and not any(map(_is_given, row))]
    bad |= dict.fromkeys(blank, "has no target")
    times = times_of(reader, molecules.parsed)
    if times is not None and columns is not None and columns.time_column is not None:
        undated = np.flatnonzero(np.isnan(times)).tolist()
        reason = f"has no date or number in the column {columns.time_column!r}"
        bad |= dict.fromkeys(undated, reason)
    elif times is not None and np.isnan(times).any():
        times = None  # the column was not named, and may hold something else
    quarantined = molecules.quarantined
    for k, reason in bad.items():
        label = label_of(molecules.cells[k])
        quarantined.append(reader.quarantined(molecules.parsed[k], reason, label))
    usable = [k for k in range(len(cells)) if k not in bad]
    if not usable:
        raise DataError(
            f"No target can be used. The first: {next(iter(bad.values()))}. Name other "
            "columns with --target-columns."
        )
    rows = UsableRows(
        [molecules.parsed[k] for k in usable],
        targets[usable],
        cells[usable],
        None if times is None else times[usable],
    )
    found = merge_replicates(reader, rows, classes, names)
    counts = Counter(n for row in molecules.parsed for n in row.molecule.notes)
    notes = [*reader.notes, *count_notes(counts, len(cells)), *target_notes]
    notes += _note_reasons(quarantined)
    return replace(
        found,
        num_rows=molecules.num_rows,
        quarantined=quarantined + found.quarantined,
        notes=notes + found.notes,
    )


class _Molecules(NamedTuple):
    """The rows with a molecule and a target, and those that were left out."""

    parsed: list[ParsedRow]
    cells: np.ndarray
    """[N, T] texts of the targets; None for a blank"""

    quarantined: list[Quarantined]
    num_rows: int


def _read_rows(
    reader: MoleculeReader, y: np.ndarray | None, num_targets: int
) -> _Molecules:
    """Read all rows; y: targets of theirs, [N, T].

    Raises DataError if y has another length, NoDataError if no row can be used.
    """
    parsed: list[ParsedRow] = []
    cells: list[list[str | None]] = []
    quarantined: list[Quarantined] = []
    num_rows = 0
    for num_rows, row in enumerate(reader.rows(), 1):
        if y is not None and num_rows > len(y):
            break
        own = _target_cells(reader, row, y, num_rows - 1)
        reason = row.molecule.reason
        if (
            row.molecule.mol is not None
            and num_targets
            and not any(map(_is_given, own))
        ):
            reason = "has no target" if num_targets == 1 else "has none of the targets"
        if reason:
            quarantined.append(reader.quarantined(row, reason, label_of(own)))
        else:
            parsed.append(row)
            cells.append(own)
    if y is not None and num_rows != len(y):
        raise DataError(
            f"y must have a target for each of "
            f"{pluralize(sum(1 for _ in reader.source.rows()), 'molecule')}. Got "
            f"{len(y):,}."
        )
    if not parsed:
        first = f" The first: {quarantined[0].reason}." if quarantined else ""
        raise NoDataError(f"No row has a molecule that can be used.{first}")
    table = np.array(cells, dtype=object).reshape(len(parsed), num_targets)
    return _Molecules(parsed, table, quarantined, num_rows)


def _is_given(cell: Any) -> bool:
    return cell is not None


def _target_array(y: Any) -> np.ndarray:
    """Return targets [N] or [N, T] as an array [N, T] of objects."""
    array = np.asarray(y, dtype=object)
    if array.ndim not in (1, 2):
        raise DataError(f"y must have shape [N] or [N, T]. Got {list(array.shape)}.")
    return array.reshape(len(array), array.shape[1] if array.ndim == 2 else 1)


def _target_names(reader: MoleculeReader, y: np.ndarray | None) -> list[str]:
    if y is None:
        return [str(name) for name in reader.columns.targets]
    names = [f"target {k + 1}" for k in range(y.shape[1])]
    return ["target"] if len(names) == 1 else names


def _target_cells(
    reader: MoleculeReader, row: ParsedRow, y: np.ndarray | None, number: int
) -> list[str | None]:
    """Return the targets of a row as texts; None for a blank."""
    if y is not None:
        return [clean_cell(cell) for cell in y[number]]
    names = reader.columns.targets
    return [clean_cell(reader.cell(row.row, name)) for name in names]


BLANKS = ("blank", "has no target", "has none of the targets")
"""reasons that are no errors of the data"""

MAX_REASONS = 3


def _note_reasons(quarantined: list[Quarantined]) -> list[str]:
    """Return a note on rows that are quarantined for other reasons than a blank."""
    others = [row for row in quarantined if not row.reason.endswith(BLANKS)]
    if not others or len(others) == len(quarantined):
        return []
    shown = "; ".join(row.reason for row in others[:MAX_REASONS])
    more = f" and {len(others) - MAX_REASONS} more" if len(others) > MAX_REASONS else ""
    return [
        f"{pluralize(len(others), 'row')} quarantined for other reasons than a blank: "
        f"{shown}{more}"
    ]


def count_notes(counts: Counter[str], total: int) -> list[str]:
    """Return a note for each kind of change, with the number of molecules."""
    kinds = Counter[str]()
    for note, count in counts.items():
        kinds[note.partition(":")[0]] += count
    return [
        f"{count:,} of {total:,} molecules: {kind}" for kind, count in kinds.items()
    ]
