"""Nearest training molecules, by the similarities of RDKit."""

import numpy as np
from rdkit import Chem, DataStructs
from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

from vicinal.molecules.baseline.features import NUM_BITS, RADIUS, morgan_counts
from vicinal.molecules.neighbors import ROWS_PER_BLOCK, least_similarity, nearest

SMILES = ["CCCCO", "CCCCCO", "CCCCN", "c1ccccc1O", "c1ccccc1N", "CC(=O)O", "C1CCCCC1"]
MOLS = [Chem.MolFromSmiles(smiles) for smiles in SMILES]
COUNTS = morgan_counts(MOLS)


def similarities() -> np.ndarray:
    """Return similarities [N, N] of RDKit."""
    generator = GetMorganGenerator(radius=RADIUS, fpSize=NUM_BITS)
    prints = [generator.GetCountFingerprint(mol) for mol in MOLS]
    return np.array([DataStructs.BulkTanimotoSimilarity(p, prints) for p in prints])


def test_the_nearest_are_those_of_rdkit():
    expected = similarities()
    found = nearest(COUNTS, COUNTS, 3)
    assert found.rows[:, 0].tolist() == [*range(7)]
    for row in range(7):
        best = np.sort(expected[row])[::-1][:3]
        np.testing.assert_allclose(found.similarity[row], best, rtol=1e-6)
    others = nearest(COUNTS, COUNTS, 1, leave_self=True)
    assert (
        SMILES[others.rows[0, 0]] == "CCCCCO" and SMILES[others.rows[4, 0]] == SMILES[3]
    )
    np.fill_diagonal(expected, -1)
    np.testing.assert_allclose(others.similarity[:, 0], expected.max(axis=1), rtol=1e-6)


def test_blocks_do_not_matter():
    many = np.tile(COUNTS, (ROWS_PER_BLOCK // 7 + 2, 1))
    assert len(many) > ROWS_PER_BLOCK
    found = nearest(many, COUNTS, 2)
    np.testing.assert_array_equal(
        found.rows, np.tile(nearest(COUNTS, COUNTS, 2).rows, (len(many) // 7, 1))
    )
    copies = nearest(many, many, 1, leave_self=True)
    assert (copies.similarity == 1).all() and (
        copies.rows[:, 0] != np.arange(len(many))
    ).all()


def test_few_molecules_are_outside():
    rng = np.random.default_rng(0)
    chains = [
        Chem.MolFromSmiles("C" * n + "O" * (n % 2)) for n in rng.integers(4, 40, 60)
    ]
    counts = morgan_counts(chains)
    limit = least_similarity(counts)
    inside = nearest(counts, counts, 1, leave_self=True).similarity[:, 0] >= limit
    assert 0.9 <= inside.mean() <= 1
    other = morgan_counts([Chem.MolFromSmiles("c1ccc2c(c1)Cc1ccccc1S2(=O)=O")])
    assert nearest(other, counts, 1).similarity[0, 0] < limit
    assert least_similarity(counts[:1]) == 0
    assert nearest(counts[:1], counts[:1], leave_self=True).rows.shape == (1, 0)
