"""Where in a molecule the substructures are that a fingerprint counts."""

from typing import Any, NamedTuple

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from vicinal.molecules.baseline.features import (
    NUM_BITS,
    NUM_COUNTS,
    fingerprint_generators,
)


class Substructure(NamedTuple):
    """A circular substructure of a molecule."""

    bit: int
    """column of `substructure_counts`"""

    atoms: tuple[int, ...]
    """rows of its atoms"""

    radius: int
    """bonds from the atom in its centre"""

    center: int
    """row of that atom"""


def substructures(mol: Any) -> list[Substructure]:
    """Return each substructure of `substructure_counts`, once for each count."""
    distances = Chem.GetDistanceMatrix(mol)
    found = []
    for k, generator in enumerate(fingerprint_generators().values()):
        output = rdFingerprintGenerator.AdditionalOutput()
        output.AllocateBitInfoMap()
        generator.GetCountFingerprint(mol, additionalOutput=output)
        for bit, places in output.GetBitInfoMap().items():
            for center, radius in places:
                rows = np.flatnonzero(distances[center] <= radius)
                atoms, column = tuple(rows.tolist()), k * NUM_BITS + int(bit)
                found.append(Substructure(column, atoms, int(radius), int(center)))
    return found


def spread_over_atoms(
    places: list[Substructure], weights: dict[int, float], num_atoms: int
) -> np.ndarray:
    """Return the share [A] of each atom of the weights of bits.

    The weight of a bit is divided among its substructures, and among their atoms.
    """
    counts: dict[int, int] = {}
    for place in places:
        counts[place.bit] = counts.get(place.bit, 0) + 1
    shares = np.zeros(num_atoms)
    for place in places:
        own = weights.get(place.bit, 0.0) / counts[place.bit]
        shares[list(place.atoms)] += own / len(place.atoms)
    return shares


def counts_without(places: list[Substructure], atoms: set[int]) -> np.ndarray:
    """Return the fingerprint [F] without the substructures that touch some atoms."""
    counts = np.zeros(NUM_COUNTS, np.uint16)
    for place in places:
        if not atoms.intersection(place.atoms):
            counts[place.bit] += 1
    return counts
