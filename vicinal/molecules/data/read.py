"""Read molecules and their targets: in blocks, or as one table.

Rows that cannot be used are quarantined with their line and the reason. The structures
are not changed, but for what `parse` lists; the notes count it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from rdkit import Chem, rdBase

from vicinal.core.data.csv_tables import clean_cell
from vicinal.core.data.labels import SPLIT_ALIASES, Task, parse_number
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoDataError
from vicinal.molecules.data.columns import ColumnRoles, find_columns, is_identifier
from vicinal.molecules.data.molecule_table import MoleculeTable
from vicinal.molecules.data.parse import MAX_HEAVY_ATOMS, ParsedCell, parse_molecule
from vicinal.molecules.data.sources import (
    ROWS_PER_BLOCK,
    Row,
    Source,
    first_cells,
    open_source,
)
from vicinal.molecules.data.targets import (
    choose_task,
    clean_targets,
    convert_targets,
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
    cannot be read.
    """
    reader = MoleculeReader(data, columns, max_heavy_atoms)
    y = None if y is None else _target_array(y)
    names = _target_names(reader, y)
    molecules = _read_rows(reader, y, len(names))
    cells, target_notes = clean_targets(molecules.cells, names, task)
    targets, classes, bad = convert_targets(cells, choose_task(cells, task))
    blank = [k for k, row in enumerate(cells) if names and not any(map(_is_given, row))]
    bad |= dict.fromkeys(blank, "has no target")
    quarantined = molecules.quarantined
    for k, reason in bad.items():
        label = _label(molecules.cells[k])
        quarantined.append(reader.quarantined(molecules.parsed[k], reason, label))
    usable = [k for k in range(len(cells)) if k not in bad]
    if not usable:
        raise DataError(
            f"No target can be used. The first: {next(iter(bad.values()))}. Name other "
            "columns with --target-columns."
        )
    rows = _Rows([molecules.parsed[k] for k in usable], targets[usable], cells[usable])
    found = _merge_replicates(reader, rows, classes, names)
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
            quarantined.append(reader.quarantined(row, reason, _label(own)))
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


class _Rows(NamedTuple):
    """Rows that can be used, with their targets [N, T] and the cells of these."""

    parsed: list[ParsedRow]
    targets: np.ndarray
    cells: np.ndarray


def _label(cells: Iterable[str | None]) -> str:
    return "|".join(str(cell) for cell in cells if cell is not None)


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


# --- replicates ----------------------------------------------------------------------


def _merge_replicates(
    reader: MoleculeReader,
    rows: _Rows,
    classes: list[tuple[str, ...]],
    names: list[str],
) -> MoleculeTable:
    """Return the table with one row for each structure of a split."""
    weights, splits = _weights(reader, rows.parsed), _splits(reader, rows.parsed)
    groups: dict[tuple[str, str], list[int]] = {}
    for k, row in enumerate(rows.parsed):
        smiles = Chem.MolToSmiles(row.molecule.mol)
        groups.setdefault((smiles, splits[k] if splits else ""), []).append(k)
    kept: list[list[int]] = []
    merged: list[np.ndarray] = []
    deviations: list[np.ndarray] = []
    quarantined: list[Quarantined] = []
    for members in groups.values():
        values = rows.targets[members]
        conflicts = _differ(values) if classes else np.zeros(len(names), bool)
        values = np.where(conflicts, np.nan, values)
        if conflicts.any():
            lines = ", ".join(str(rows.parsed[k].row.line) for k in members)
            which = ", ".join(names[t] for t in np.flatnonzero(conflicts))
            reason = f"the same structure has different classes of {which} ({lines})"
            quarantined += [
                reader.quarantined(rows.parsed[k], reason, _label(rows.cells[k]))
                for k in members
            ]
            if np.isnan(values).all():
                continue
        own = np.ones(len(members)) if weights is None else weights[members]
        kept.append(members)
        merged.append(_mean(values, own))
        deviations.append(_deviation(values))
    if not kept:
        raise NoDataError("Every structure has rows of different classes.")
    shape = len(kept), len(names)
    first = [rows.parsed[members[0]] for members in kept]
    return MoleculeTable(
        mols=[row.molecule.mol for row in first],
        smiles=[row.text for row in first],
        lines=np.array([row.row.line for row in first]),
        target_names=names,
        targets=np.array(merged).reshape(shape),
        classes=classes,
        replicates=np.array([len(members) for members in kept]),
        deviations=np.array(deviations).reshape(shape),
        weights=None if weights is None else np.array([weights[m].sum() for m in kept]),
        split=None if splits is None else np.array([splits[m[0]] for m in kept]),
        quarantined=quarantined,
        notes=_note_replicates(rows, kept, groups, bool(classes)),
    )


def _note_replicates(
    rows: _Rows,
    kept: list[list[int]],
    groups: dict[tuple[str, str], list[int]],
    are_classes: bool,
) -> list[str]:
    """Return notes on merged rows, and on structures in several splits."""
    notes = []
    several = [members for members in kept if len(members) > 1]
    if several:
        kinds = [
            {rows.parsed[k].molecule.notes for k in members} for members in several
        ]
        changed = sum(len(kind) > 1 for kind in kinds)
        forms = f" ({changed:,} of them in forms of other salts or isotopes)"
        notes.append(
            f"{sum(map(len, several)):,} rows are replicates of "
            f"{pluralize(len(several), 'structure')}{forms if changed else ''}: "
            f"merged, {'equal' if are_classes else 'averaged'}"
        )
    splits_of = Counter(smiles for smiles, _ in groups)
    repeated = sum(count > 1 for count in splits_of.values())
    if repeated:
        notes.append(f"{pluralize(repeated, 'structure')} in more than one split")
    return notes


def _differ(values: np.ndarray) -> np.ndarray:
    """Return whether each column [T] of values [R, T] has two different numbers."""
    return np.array([len({*column[~np.isnan(column)]}) > 1 for column in values.T])


def _mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean [T] of what is known of values [R, T]."""
    known = ~np.isnan(values)
    own = weights[:, None] * known
    own = np.where(own.sum(axis=0) > 0, own, known)  # all weights are 0
    total = own.sum(axis=0)
    sums = (own * np.where(known, values, 0)).sum(axis=0)
    return np.where(total > 0, sums / np.maximum(total, 1e-300), np.nan)


def _deviation(values: np.ndarray) -> np.ndarray:
    """Return the standard deviation [T] of what is known; NaN for fewer than two."""
    columns = (column[~np.isnan(column)] for column in values.T)
    return np.array([c.std(ddof=1) if len(c) > 1 else np.nan for c in columns])


def _weights(reader: MoleculeReader, parsed: list[ParsedRow]) -> np.ndarray | None:
    """Return the weight of each row; None without a column of weights."""
    column = reader.columns.weight
    if column is None:
        return None
    weights = []
    for row in parsed:
        cell = reader.cell(row.row, column)
        weight = parse_number(cell)
        if weight is None or weight < 0:
            raise DataError(
                f"Weights must be numbers from 0 on. Got {cell!r} in "
                f"{reader.source.unit} {row.row.line}."
            )
        weights.append(weight)
    return np.array(weights)


def _splits(reader: MoleculeReader, parsed: list[ParsedRow]) -> list[str] | None:
    """Return the user's split of each row; None without a column of splits."""
    column = reader.columns.split
    if column is None:
        return None
    cells = [clean_cell(reader.cell(row.row, column)) for row in parsed]
    unknown = {c for c in cells if c is not None and c.lower() not in SPLIT_ALIASES}
    if unknown:
        raise DataError(
            f"Splits must be train, val or test. Got {min(unknown)!r} in the column "
            f"{column!r}. Name another one with --splits-column."
        )
    return [SPLIT_ALIASES.get((cell or "").lower(), "") for cell in cells]
