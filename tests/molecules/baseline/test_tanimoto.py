"""Tanimoto similarities beside RDKit's, and by their definition."""

import numpy as np
import pytest
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator

from vicinal.molecules.baseline import tanimoto as module
from vicinal.molecules.baseline.features import NUM_BITS, RADIUS, morgan_counts
from vicinal.molecules.baseline.tanimoto import reached_thresholds, tanimoto

SMILES = ["CCCCO", "CCCCN", "c1ccccc1O", "CC(=O)Nc1ccccc1", "CCCCCCCC", "O=C(O)CC", "C"]
MOLS = [Chem.MolFromSmiles(smiles) for smiles in SMILES]


def test_similarities_are_those_of_rdkit():
    generator = rdFingerprintGenerator.GetMorganGenerator(
        radius=RADIUS, fpSize=NUM_BITS
    )
    prints = [generator.GetCountFingerprint(mol) for mol in MOLS]
    expected = [DataStructs.BulkTanimotoSimilarity(p, prints) for p in prints]
    counts = morgan_counts(MOLS)
    assert counts.max() > 1
    np.testing.assert_allclose(tanimoto(counts, counts), expected, rtol=1e-6)
    nothing = np.zeros((1, NUM_BITS), np.uint16)
    assert tanimoto(nothing, nothing) == 1 and not tanimoto(nothing, counts).any()


def counts(seed: int, rows: int) -> np.ndarray:
    """Return counts [rows, 300]: of some substructures in most rows, of most in few."""
    rng = np.random.default_rng(seed)
    frequency = np.where(np.arange(300) < 20, 3.0, 0.02)
    return rng.poisson(frequency, (rows, 300)).astype(np.uint16)


@pytest.mark.parametrize("share", [0.0, 0.01, 1.0], ids=["dense", "both", "sparse"])
def test_similarities_are_smaller_over_larger_counts(share: float, monkeypatch):
    monkeypatch.setattr(module, "DENSE_SHARE", share)
    a, b = counts(0, 40), counts(1, 30)
    b[3] = 0
    pairs = a[:, None].astype(float), b[None].astype(float)
    expected = np.minimum(*pairs).sum(-1) / np.maximum(*pairs).sum(-1)
    np.testing.assert_allclose(tanimoto(a, b), expected, rtol=1e-12)
    np.testing.assert_array_equal(tanimoto(a, a), tanimoto(a, a.copy()))


def test_a_count_reaches_all_thresholds_up_to_itself():
    few = np.array([[0, 2], [3, 0], [0, 0]], np.uint16)
    expected = [[0, 0, 0, 1, 1, 0], [1, 1, 1, 0, 0, 0], [0] * 6]
    np.testing.assert_array_equal(reached_thresholds(few, 3).toarray(), expected)


def test_no_molecules_have_no_similarities():
    some = counts(0, 4)
    assert tanimoto(some[:0], some).shape == (0, 4)
    assert tanimoto(some, some[:0]).shape == (4, 0)
