"""Merge the rows of one structure, with their weights, splits and times."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from rdkit import Chem

from vicinal.core.data.csv_tables import clean_cell
from vicinal.core.data.labels import SPLIT_ALIASES, parse_number
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.data.times import parse_time
from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoDataError
from vicinal.molecules.data.molecule_table import MoleculeTable
from vicinal.molecules.data.reader import MoleculeReader, ParsedRow


class UsableRows(NamedTuple):
    """Rows that can be used."""

    parsed: list[ParsedRow]
    targets: np.ndarray
    """[N, T]"""

    cells: np.ndarray
    """[N, T] of the targets"""

    times: np.ndarray | None
    """[N]"""


def label_of(cells: Iterable[str | None]) -> str:
    """Return the cells of targets as one text."""
    return "|".join(str(cell) for cell in cells if cell is not None)


def merge_replicates(
    reader: MoleculeReader,
    rows: UsableRows,
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
                reader.quarantined(rows.parsed[k], reason, label_of(rows.cells[k]))
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
        ids=None if reader.id_column is None else [reader.id(row) for row in first],
        times=None
        if rows.times is None
        else np.array([rows.times[m].min() for m in kept]),
        quarantined=quarantined,
        notes=_note_replicates(rows, kept, groups, bool(classes)),
    )


def _note_replicates(
    rows: UsableRows,
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
        how = "equal" if are_classes else f"averaged{_spread(rows.targets, several)}"
        notes.append(
            f"{sum(map(len, several)):,} rows are replicates of "
            f"{pluralize(len(several), 'structure')}{forms if changed else ''}: "
            f"merged, {how}"
        )
    splits_of = Counter(smiles for smiles, _ in groups)
    repeated = sum(count > 1 for count in splits_of.values())
    if repeated:
        notes.append(f"{pluralize(repeated, 'structure')} in more than one split")
    return notes


def _spread(targets: np.ndarray, several: list[list[int]]) -> str:
    """Return the pooled standard deviation of replicates as text, of each target."""
    squares, degrees = np.zeros(targets.shape[1]), np.zeros(targets.shape[1])
    for members in several:
        values = targets[members]
        known = ~np.isnan(values)
        own = known.any(axis=0)
        squares[own] += np.nanvar(values[:, own], axis=0) * known[:, own].sum(axis=0)
        degrees += np.maximum(known.sum(axis=0) - 1, 0)
    if not (degrees > 0).any():
        return ""
    found = np.sqrt(squares[degrees > 0] / degrees[degrees > 0])
    shown = ", ".join(f"{value:.3g}" for value in found[:MAX_SPREADS])
    return f" (standard deviation {shown}, which no model can predict)"


MAX_SPREADS = 5
"""targets whose deviation is shown"""


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


def times_of(reader: MoleculeReader, parsed: list[ParsedRow]) -> np.ndarray | None:
    """Return the time of each row, NaN where it has none; None without a column."""
    column = reader.columns.time
    if column is None:
        return None
    cells = [clean_cell(reader.cell(row.row, column)) for row in parsed]
    times = [None if cell is None else parse_time(cell) for cell in cells]
    return np.array([np.nan if time is None else time for time in times])


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
