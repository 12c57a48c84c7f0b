"""Similarities of molecules, against values by hand and RDKit's."""

import numpy as np
import pytest
from rdkit import Chem, DataStructs

from vicinal.molecules.generation.evaluation.similarity import (
    diversity,
    find_nearest,
    fingerprints,
    pack_fingerprint,
    unpack_fingerprints,
)

ETHANOL, AMINE, PHENOL = map(Chem.MolFromSmiles, ("CCO", "CCN", "Oc1ccccc1"))


def similarity(a, b) -> float:
    return DataStructs.TanimotoSimilarity(*fingerprints([a, b]))


def test_diversity_is_one_minus_the_mean_of_all_pairs():
    own = similarity(ETHANOL, AMINE)
    assert 0 < own < 1
    assert diversity([ETHANOL, AMINE]) == pytest.approx(1 - own)
    assert diversity([ETHANOL, AMINE, ETHANOL]) == pytest.approx(1 - (2 * own + 1) / 3)
    assert np.isnan(diversity([ETHANOL]))


def test_the_nearest_is_the_most_similar():
    found = find_nearest([ETHANOL, PHENOL], fingerprints([AMINE, PHENOL]))
    assert [near.row for near in found] == [0, 1]
    assert found[0].similarity == pytest.approx(similarity(ETHANOL, AMINE))
    assert found[1].similarity == 1
    with pytest.raises(ValueError):
        find_nearest([ETHANOL], [])


def test_packed_fingerprints_come_back():
    mols = [ETHANOL, AMINE, PHENOL]
    packed = np.stack([pack_fingerprint(mol) for mol in mols])
    assert packed.shape == (3, 256) and packed.dtype == np.uint8
    assert unpack_fingerprints(packed) == fingerprints(mols)
