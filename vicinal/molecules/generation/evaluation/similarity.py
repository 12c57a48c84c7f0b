"""Similarities of molecules by Morgan fingerprints."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from rdkit import DataStructs
from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

RADIUS, BITS = 2, 2048
NUM_BYTES = BITS // 8
_GENERATOR = GetMorganGenerator(radius=RADIUS, fpSize=BITS)


def fingerprints(mols: Sequence[Any]) -> list[Any]:
    """Return Morgan fingerprints of radius 2 as bit vectors of RDKit."""
    return list(_GENERATOR.GetFingerprints(list(mols)))


def pack_fingerprint(mol: Any) -> np.ndarray:
    """Return such a fingerprint as bytes [BITS / 8], which a model file can hold."""
    bits = _GENERATOR.GetFingerprint(mol)
    return np.frombuffer(DataStructs.BitVectToBinaryText(bits), np.uint8)


def unpack_fingerprints(packed: np.ndarray) -> list[Any]:
    """Return the bit vectors of packed fingerprints [N, BITS / 8]."""
    return [DataStructs.CreateFromBinaryText(row.tobytes()) for row in packed]


class Nearest(NamedTuple):
    """The most similar of known molecules."""

    row: int
    similarity: float
    """Tanimoto similarity, from 0 to 1"""


def find_nearest(mols: Sequence[Any], known: Sequence[Any]) -> list[Nearest]:
    """Return the nearest of the known fingerprints for each molecule.

    ValueError where none is known.
    """
    found = []
    for own in fingerprints(mols):
        similar = np.asarray(DataStructs.BulkTanimotoSimilarity(own, known))
        row = int(similar.argmax())
        found.append(Nearest(row, float(similar[row])))
    return found


def diversity(mols: Sequence[Any]) -> float:
    """Return 1 - mean similarity of two molecules; NaN for fewer than two."""
    prints = fingerprints(mols)
    if len(prints) < 2:
        return np.nan
    total = sum(
        sum(DataStructs.BulkTanimotoSimilarity(prints[k], prints[:k]))
        for k in range(1, len(prints))
    )
    return 1 - total / (len(prints) * (len(prints) - 1) / 2)
