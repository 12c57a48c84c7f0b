"""Columns of a table of molecules: structures, targets, weights and splits.

They are found by their names, then by what they hold. What is decided is noted.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from rdkit import Chem

from vicinal.core.data.csv_tables import is_empty, named_column
from vicinal.core.data.labels import (
    SPLIT_ALIASES,
    is_missing,
    parse_number,
    quote_names,
)
from vicinal.errors import DataError
from vicinal.graphs.data.tables.column_names import is_row_number_name
from vicinal.molecules.data.parse import parse_molecule
from vicinal.molecules.settings import MoleculeColumns

STRUCTURE_NAMES = (
    *("smiles", "canonicalsmiles", "isomericsmiles", "molsmiles", "smile", "smi"),
    *("structure", "molecule", "mol", "compound", "inchi", "standardinchi"),
)
"""names of columns of structures, in the order of preference; letters only"""

TARGET_NAMES = (
    *("label", "target", "y", "class", "activity", "active", "value", "response"),
    *("measured", "exp", "outcome"),
)
TIME_NAMES = ("date", "year", "datetime")
SPLIT_NAMES = ("split", "set", "subset", "fold")
ID_WORDS = frozenset("id ids name num number no cas casrn inchikey key cid sid".split())
"""last words of names of columns of identifiers"""

SAMPLED_CELLS = 50
FEWEST_STRUCTURES = 0.8
"""share of the sampled cells of a column of structures that can be read"""

SHORTEST_MEAN = 5
"""characters of structures on average: class names such as C and N are shorter"""

Cells = Callable[[Any], list[Any]]
"""returns the cells of a column"""


class ColumnRoles(NamedTuple):
    """What each column of a table is read as."""

    structure: Any
    targets: list[Any]
    weight: Any | None
    split: Any | None
    others: list[Any]
    notes: list[str]
    time: Any | None = None


def find_columns(
    names: Sequence[Any], cells: Cells, given: MoleculeColumns
) -> ColumnRoles:
    """Return the columns of a table; cells: of its first rows.

    Raises DataError if there is no column of structures, if there are two of different
    molecules, or if a column that the user named is missing.
    """
    ignored = [named_column(names, k, "the table") for k in given.ignore_columns or ()]
    names = [name for name in names if name not in ignored]
    structure, notes = structure_column(names, cells, given)
    weight = split = time = None
    if given.weight_column is not None:
        weight = named_column(names, given.weight_column, "the table")
    if given.splits_column is not None:
        split = named_column(names, given.splits_column, "the table")
    else:
        usual = (k for k in names if letters(k) in SPLIT_NAMES)
        split = next((k for k in usual if _are_splits(cells(k))), None)
    if given.time_column is not None:
        time = named_column(names, given.time_column, "the table")
    used = [structure, weight, split, time]
    rest = [name for name in names if name not in used]
    targets, target_notes = target_columns(rest, cells, given)
    others = [name for name in rest if name not in targets]
    if time is None:
        time = next((k for k in others if letters(k) in TIME_NAMES), None)
    notes += target_notes
    return ColumnRoles(structure, targets, weight, split, others, notes, time)


def _are_splits(cells: Sequence[Any]) -> bool:
    """Return whether the cells are train, val, test or the like, or blank."""
    present = {str(cell).strip().lower() for cell in cells if not _is_blank(cell)}
    return bool(present) and present <= SPLIT_ALIASES.keys()


def letters(name: Any) -> str:
    """Return a name in lower case, without what is no letter or digit."""
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


def first_word(name: Any) -> str:
    """Return the first word of a name, in lower case."""
    return re.split(r"[^a-z0-9]", str(name).strip().lower(), maxsplit=1)[0]


# --- structures ----------------------------------------------------------------------


def structure_column(
    names: Sequence[Any], cells: Cells, given: MoleculeColumns
) -> tuple[Any, list[str]]:
    """Return the column of structures, and a note where it is not obvious."""
    if given.smiles_columns:
        found = [named_column(names, k, "the table") for k in given.smiles_columns]
        if len(found) > 1:
            raise DataError(
                f"A row must be one molecule. Got the columns {quote_names(found)}. "
                "Name one with --smiles-columns."
            )
        return found[0], []
    usual = [name for name in names if letters(name) in STRUCTURE_NAMES]
    usual += [n for n in names if "smiles" in letters(n) and n not in usual]
    usual.sort(key=lambda name: _preference(letters(name)))
    readable = [name for name in usual if hold_structures(cells(name))]
    if readable:
        _check_one_molecule(readable)
        others = readable[1:]
        note = f"structures are read from {readable[0]!r}, not from "
        return readable[0], [note + quote_names(others)] if others else []
    found = [k for k in names if k not in usual and hold_structures(cells(k))]
    if len(found) == 1:
        note = f"structures are read from the column {found[0]!r}, by its content"
        return found[0], [note]
    if usual:  # of which few can be read: their rows say why
        return usual[0], []
    several = f" {quote_names(found)} may be." if found else ""
    raise DataError(
        f"The table has no column of structures: expected smiles. Got "
        f"{', '.join(map(str, names))}.{several} Name it with --smiles-columns."
    )


def _preference(name: str) -> int:
    return STRUCTURE_NAMES.index(name) if name in STRUCTURE_NAMES else 2


def _check_one_molecule(names: Sequence[Any]) -> None:
    """Raise DataError for columns such as drug1_smiles and drug2_smiles."""
    stems = {re.sub(r"\d+|(?<![a-z])[ab](?![a-z])", "#", str(k).lower()) for k in names}
    if len(stems) < len(names) and any("#" in stem for stem in stems):
        raise DataError(
            f"A row has several molecules: {quote_names([*map(str, names)])}. Name one "
            "column with --smiles-columns."
        )


def hold_structures(cells: Sequence[Any]) -> bool:
    """Return whether most cells that are not empty are SMILES or InChI."""
    present = [cell for cell in cells if not _is_blank(cell)][:SAMPLED_CELLS]
    if present and all(isinstance(cell, Chem.Mol) for cell in present):
        return True
    texts = [cell for cell in present if isinstance(cell, str)]
    if not texts or sum(map(len, texts)) < SHORTEST_MEAN * len(texts):
        return False
    readable = sum(parse_molecule(text).mol is not None for text in texts)
    return readable >= FEWEST_STRUCTURES * len(texts)


# --- targets -------------------------------------------------------------------------


def target_columns(
    names: Sequence[Any], cells: Cells, given: MoleculeColumns
) -> tuple[list[Any], list[str]]:
    """Return the columns of targets, and a note on what they are.

    Without names of the user: one of a usual name, the only one of numbers, or all of
    0, 1 and blanks. None where that is unclear: the note says which there are.
    """
    if given.target_columns is not None:
        return [named_column(names, k, "the table") for k in given.target_columns], []
    usual = [name for name in names if letters(name) in TARGET_NAMES]
    if usual:
        usual.sort(key=lambda name: TARGET_NAMES.index(letters(name)))
        return usual[:1], []
    words = [n for n in names if first_word(n) in TARGET_NAMES]
    if len(words) == 1 and _is_target(words[0], cells(words[0])):
        return words, [f"the target is the column {str(words[0])!r}"]
    numeric = [name for name in names if _is_target(name, cells(name))]
    if not numeric:
        others = quote_names([*map(str, names)])
        note = f"no target is chosen; --target-columns names one of {others}"
        return [], [note] if names else []
    if len(numeric) == 1:
        return numeric, [f"the target is the column {str(numeric[0])!r}"]
    binary = [name for name in numeric if _numbers(cells(name)) <= {0.0, 1.0}]
    if binary == numeric:
        return numeric, [f"the targets are {len(numeric)} columns of 0 and 1"]
    shown = quote_names([*map(str, numeric)])
    return [], [f"no target is chosen among {shown}; name it with --target-columns"]


def _is_target(name: Any, cells: Sequence[Any]) -> bool:
    """Return whether a column holds numbers that do not number the rows."""
    values = [parse_number(cell) for cell in cells if not _is_blank(cell)]
    numbers = [value for value in values if value is not None]
    if not numbers or len(numbers) < 0.9 * len(values):
        return False
    if is_row_number_name(name) or is_identifier(name):
        return False
    return not _counts_up(numbers)


def is_identifier(name: Any) -> bool:
    """Return whether the name of a column ends like that of identifiers."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", str(name))
    return bool(words) and words[-1].lower() in ID_WORDS


def _counts_up(numbers: Sequence[float]) -> bool:
    """Return whether numbers are 0, 1, 2... or 1, 2, 3...."""
    start = numbers[0]
    return (
        len(numbers) > 5
        and start in (0, 1)
        and [*numbers] == [start + k for k in range(len(numbers))]
    )


def _numbers(cells: Sequence[Any]) -> set[float | None]:
    return {parse_number(cell) for cell in cells if not _is_blank(cell)}


def _is_blank(cell: Any) -> bool:
    return is_missing(cell) or (isinstance(cell, str) and is_empty(cell.strip()))
