"""The substructure that causes a number is found in a set of molecules."""

import numpy as np
import pytest
from rdkit import Chem

from vicinal.molecules.baseline.model import Baseline, molecule_features
from vicinal.molecules.explain.fragments import important_fragments

CHAINS = ["C" * n for n in range(2, 14)]
SMILES = [
    start + chain + end
    for chain in CHAINS
    for start in ("", "C1CCCCC1")
    for end in ("", "O", "F", "C#N")
]
MOLS = [Chem.MolFromSmiles(smiles) for smiles in SMILES]
FEATURES = molecule_features(MOLS)


@pytest.mark.parametrize(
    ("part", "element"),
    [
        ("O", "O"),
        *(pytest.param(*k, marks=pytest.mark.slow) for k in (("#N", "N"), ("F", "F"))),
    ],
)
def test_the_cause_is_the_first(part, element):
    y = np.array([2.0 * (part in smiles) for smiles in SMILES])[:, None]
    found = important_fragments(Baseline.fit(FEATURES, y), MOLS, FEATURES)
    assert found and element in found[0].smiles
    assert found[0].molecules == 24 and found[0].low > 0
    low, mean, high = found[0].low, found[0].mean, found[0].high
    assert low < mean < high


def test_of_noise_few_are_certain():
    y = np.random.default_rng(0).normal(size=(len(SMILES), 1))
    found = important_fragments(Baseline.fit(FEATURES, y), MOLS, FEATURES)
    cause = important_fragments(
        Baseline.fit(FEATURES, 2.0 * np.array([["O" in s] for s in SMILES])),
        MOLS,
        FEATURES,
    )
    assert all(abs(f.mean) < 0.5 * abs(cause[0].mean) for f in found)
