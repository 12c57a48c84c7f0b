"""What a table of molecules holds, row by row: for `check` of files of any size."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from rdkit import Chem

from vicinal.core.data.csv_tables import clean_cell
from vicinal.core.data.labels import MAX_INTEGER_CLASSES, parse_number
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.text import pluralize
from vicinal.molecules.data.molecule_table import MoleculeTable
from vicinal.molecules.data.read import count_notes
from vicinal.molecules.data.reader import MoleculeReader, ParsedRow

MAX_TEXTS = 3
"""cells that are shown of those that are no numbers"""

MAX_SHOWN = 10
"""different values of a target up to which each is shown, and columns that are named"""


class TargetSummary:
    """The values of one target, seen one at a time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.known = 0
        self.low, self.high = float("inf"), float("-inf")
        self.values: Counter[str] | None = Counter()
        self.num_texts = 0
        self.texts: list[str] = []
        """first cells that are no numbers"""

    def add(self, cell: str | None) -> None:
        """Count a cell; None: a blank."""
        if cell is None:
            return
        self.known += 1
        value = parse_number(cell)
        if value is None:
            self.num_texts += 1
            self.texts += [cell] if len(self.texts) < MAX_TEXTS else []
        else:
            self.low, self.high = min(self.low, value), max(self.high, value)
        if self.values is not None:
            self.values[_short_name(cell, value)] += 1
            if len(self.values) > MAX_INTEGER_CLASSES:
                self.values = None

    @property
    def numeric(self) -> bool:
        """Return whether nearly all cells are numbers."""
        return 10 * self.num_texts <= self.known

    @property
    def are_classes(self) -> bool:
        """Return whether the values are texts, or few whole numbers."""
        if not self.numeric:
            return True
        values = self.values
        return values is not None and all(k.lstrip("-").isdigit() for k in values)

    def __str__(self) -> str:
        if self.values is not None and len(self.values) <= MAX_SHOWN:
            shown = ", ".join(f"{n:,} of {v}" for v, n in self.values.most_common())
            return f"target {self.name}: {self.known:,} known: {shown or 'none'}"
        if self.numeric:
            count = self.known - self.num_texts
            text = f"{count:,} numbers from {self.low:g} to {self.high:g}"
            if self.texts:
                shown = ", ".join(map(repr, self.texts))
                text += f"; {self.num_texts:,} are not numbers, such as {shown}"
            return f"target {self.name}: {text}"
        return f"target {self.name}: {self.known:,} texts"


def _short_name(cell: str, value: float | None) -> str:
    return str(int(value)) if value is not None and value.is_integer() else cell


class MoleculeSummary:
    """The molecules and targets of a source, of which one block is in memory."""

    def __init__(self, reader: MoleculeReader) -> None:
        self.reader = reader
        self.num_rows = self.usable = self.atoms = self.largest = self.unlabelled = 0
        self.notes: Counter[str] = Counter()
        self.structures: set[int] = set()
        """hashes of canonical SMILES"""

        self.quarantined: list[Quarantined] = []
        self.targets = [TargetSummary(str(k)) for k in reader.columns.targets]

    def add(self, rows: Iterable[ParsedRow]) -> None:
        """Count rows."""
        for row in rows:
            self.num_rows += 1
            cells = [
                clean_cell(self.reader.cell(row.row, k))
                for k in self.reader.columns.targets
            ]
            if row.molecule.mol is None:
                label = "|".join(cell for cell in cells if cell is not None)
                reason = row.molecule.reason
                self.quarantined.append(self.reader.quarantined(row, reason, label))
                continue
            self.usable += 1
            self.unlabelled += bool(cells) and not any(c is not None for c in cells)
            atoms = row.molecule.mol.GetNumHeavyAtoms()
            self.atoms += atoms
            self.largest = max(self.largest, atoms)
            self.notes.update(row.molecule.notes)
            self.structures.add(hash(Chem.MolToSmiles(row.molecule.mol)))
            for target, cell in zip(self.targets, cells, strict=True):
                target.add(cell)

    def task(self, wanted: str) -> str:
        """Return the task of the targets as --task has it; none without targets."""
        if not self.targets:
            return "none"
        if wanted != "auto":
            return wanted
        classes = all(target.are_classes for target in self.targets)
        return "classification" if classes else "regression"

    def lines(self) -> list[str]:
        """Return what was found, in sentences."""
        columns = self.reader.columns
        mean = self.atoms / max(self.usable, 1)
        lines = [
            f"{pluralize(self.usable, 'molecule')} of {pluralize(self.num_rows, 'row')}"
            f": {mean:.1f} heavy atoms on average, {self.largest} at most",
            f"structures: column {columns.structure}; "
            f"{len(self.structures):,} different ones",
            *map(str, self.targets),
        ]
        if columns.others:
            names = [str(k) or "(no name)" for k in columns.others]
            shown = ", ".join(names[:MAX_SHOWN])
            if len(names) > MAX_SHOWN:
                shown += f" and {len(names) - MAX_SHOWN:,} more"
            lines.append(f"columns that are not used: {shown}")
        if self.unlabelled:
            lines.append(f"{pluralize(self.unlabelled, 'molecule')} without a target")
        return lines

    def all_notes(self) -> list[str]:
        """Return notes on the columns, and on what was changed in structures."""
        return [*self.reader.notes, *count_notes(self.notes, self.usable)]

    def statistics(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        return {
            "rows": self.num_rows,
            "molecules": self.usable,
            "heavy_atoms": round(self.atoms / max(self.usable, 1), 2),
            "targets": {target.name: target.known for target in self.targets},
        }


def describe_molecules(data: MoleculeTable) -> list[str]:
    """Return the number of molecules, their sizes and their targets, in sentences."""
    atoms = np.array([mol.GetNumHeavyAtoms() for mol in data.mols])
    lines = [
        f"{pluralize(len(data), 'molecule')} of {pluralize(data.num_rows, 'row')}: "
        f"{atoms.mean():.1f} heavy atoms on average, {atoms.max()} at most"
    ]
    for k, name in enumerate(data.target_names):
        known = data.targets[~np.isnan(data.targets[:, k]), k]
        if not data.classes:
            lines.append(
                f"target {name}: {len(known):,} numbers from {known.min():g} to "
                f"{known.max():g}"
            )
            continue
        counts = np.bincount(known.astype(int), minlength=len(data.classes[k]))
        pairs = zip(counts.tolist(), data.classes[k], strict=True)
        shown = ", ".join(f"{n:,} of {c}" for n, c in pairs)
        lines.append(f"target {name}: {len(known):,} known: {shown}")
    return lines


def molecule_counts(data: MoleculeTable) -> dict[str, Any]:
    """Return the number of molecules, of rows, and of each target."""
    known = (~np.isnan(data.targets)).sum(axis=0).tolist()
    atoms = [mol.GetNumHeavyAtoms() for mol in data.mols]
    return {
        "rows": data.num_rows,
        "molecules": len(data),
        "heavy_atoms": round(float(np.mean(atoms)), 2),
        "targets": dict(zip(data.target_names, known, strict=True)),
    }
