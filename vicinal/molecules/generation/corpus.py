"""The molecules from which a generator learns."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from rdkit import Chem

from vicinal.core.data.quarantine import Quarantined
from vicinal.core.data.splits import TEST, TRAIN, VAL
from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoDataError
from vicinal.molecules.data.read import count_notes
from vicinal.molecules.data.reader import MoleculeReader
from vicinal.molecules.generation.evaluation.similarity import pack_fingerprint
from vicinal.molecules.generation.grammar.fragments import (
    FragmentTree,
    cut_molecule,
    has_stereo,
    in_canonical_order,
    without_stereo,
)
from vicinal.molecules.generation.grammar.growth import grow_from
from vicinal.molecules.generation.grammar.vocabulary import Sequences, Vocabulary
from vicinal.molecules.settings import MoleculeColumns

MIN_MOLECULES = 10
"""of different structure, from which something can be learned"""

SEVERAL_PARTS = "several molecules without a bond between them"


@dataclass(frozen=True)
class MoleculeCorpus:
    """Different molecules, without stereochemistry, cut into fragments."""

    smiles: list[str]
    """[N] canonical"""

    trees: list[FragmentTree]
    prints: np.ndarray
    """[N, bytes] fingerprints (`pack_fingerprint`)"""

    num_rows: int
    quarantined: list[Quarantined]
    notes: list[str]

    def __len__(self) -> int:
        return len(self.smiles)


def read_corpus(
    data: Any,
    columns: MoleculeColumns | None = None,
    report_progress: Callable[[int], None] | None = None,
    least: int = MIN_MOLECULES,
) -> MoleculeCorpus:
    """Read the molecules of a source; arguments as for `MoleculeReader`.

    Stereochemistry is dropped; molecules that are then equal count once.
    Raises NoDataError where no row, DataError where fewer than `least` can be used.
    """
    reader = MoleculeReader(data, columns)
    trees: dict[str, FragmentTree] = {}
    prints: list[np.ndarray] = []
    quarantined: list[Quarantined] = []
    changes: Counter[str] = Counter()
    num_rows = num_stereo = num_repeated = 0
    for num_rows, row in enumerate(reader.rows(), 1):
        mol, reason = row.molecule.mol, row.molecule.reason
        if mol is not None and len(Chem.GetMolFrags(mol)) > 1:  # such as a complex
            mol, reason = None, SEVERAL_PARTS
        if report_progress is not None:
            report_progress(num_rows)
        if mol is None:
            quarantined.append(reader.quarantined(row, reason or "", ""))
            continue
        changes.update(row.molecule.notes)
        flat = without_stereo(mol)
        smiles = Chem.MolToSmiles(flat)
        num_stereo += has_stereo(mol)
        num_repeated += smiles in trees
        if smiles not in trees:
            trees[smiles] = cut_molecule(in_canonical_order(flat))
            prints.append(pack_fingerprint(flat))
    if not trees:
        first = f" The first: {quarantined[0].reason}." if quarantined else ""
        raise NoDataError(f"No row has a molecule that can be used.{first}")
    if len(trees) < least:
        raise DataError(
            f"A generator learns from {least} different molecules or more. Got "
            f"{pluralize(len(trees), 'molecule')}."
        )
    read = num_rows - len(quarantined)
    notes = [*reader.notes, *count_notes(changes, read)]
    if num_stereo:
        notes.append(
            f"{num_stereo:,} of {read:,} molecules: stereochemistry was dropped; new "
            "molecules have none"
        )
    if num_repeated:
        notes.append(
            f"{pluralize(num_repeated, 'row')} repeat the molecule of another row, "
            "apart from stereochemistry: each molecule counts once"
        )
    return MoleculeCorpus(
        [*trees], [*trees.values()], np.stack(prints), num_rows, quarantined, notes
    )


def split_molecules(
    count: int, val_fraction: float, test_fraction: float, seed: int
) -> np.ndarray:
    """Return train, val or test [N], at random."""
    order = np.random.default_rng(seed).permutation(count)
    ends = np.cumsum([round(test_fraction * count), round(val_fraction * count)])
    found = np.full(count, TRAIN, dtype=object)
    found[order[: ends[0]]] = TEST
    found[order[ends[0] : ends[1]]] = VAL
    return found


def draw_orders(
    trees: list[FragmentTree], vocabulary: Vocabulary, orders: int, seed: int
) -> list[Sequences]:
    """Return orders of growth of molecules, each from another fragment at random.

    Those with fewer fragments repeat theirs.
    """
    rng = np.random.default_rng(seed)
    firsts = [rng.permutation(len(tree.fragments)) for tree in trees]
    return [
        Sequences.from_growths(
            [
                grow_from(tree, int(first[k % len(first)]))
                for tree, first in zip(trees, firsts, strict=True)
            ],
            vocabulary,
        )
        for k in range(orders)
    ]


def sequences_of(
    smiles: Iterable[str], vocabulary: Vocabulary, seed: int
) -> tuple[np.ndarray, Sequences]:
    """Return one order of growth of each molecule whose fragments are all known.

    Also the rows [M] of these molecules.
    """
    trees = [cut_molecule(Chem.MolFromSmiles(text)) for text in smiles]
    covered = [row for row, tree in enumerate(trees) if vocabulary.covers(tree)]
    (found,) = draw_orders([trees[row] for row in covered], vocabulary, 1, seed)
    return np.array(covered, np.int64), found
