"""Fingerprints and descriptors of RDKit, and their scaling."""

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import Descriptors, rdMolDescriptors
from scipy.stats import norm, rankdata

from vicinal.molecules.baseline.features import (
    NUM_BITS,
    Scaler,
    describe,
    descriptor_names,
    morgan_counts,
    normal_scores,
    substructure_counts,
)

MOLS = [
    Chem.MolFromSmiles(s) for s in ("CCCCO", "c1ccccc1O", "CC(=O)Nc1ccccc1", "[Na+]")
]


def test_fingerprints_do_not_depend_on_the_order_of_atoms():
    same = [Chem.MolFromSmiles(smiles) for smiles in ("OCCCC", "Oc1ccccc1")]
    counts = morgan_counts(MOLS)
    assert counts.shape == (4, NUM_BITS)
    np.testing.assert_array_equal(morgan_counts(same), counts[:2])
    assert counts[0].sum() > counts[3].sum() > 0


def test_counts_are_those_of_both_fingerprints_of_rdkit():
    counts = substructure_counts(MOLS)
    np.testing.assert_array_equal(counts[:, :NUM_BITS], morgan_counts(MOLS))
    for row, mol in zip(counts, MOLS, strict=True):
        old = rdMolDescriptors.GetHashedMorganFingerprint(
            mol, 2, NUM_BITS, useFeatures=True
        )
        expected = np.bincount(
            list(old.GetNonzeroElements()),
            list(old.GetNonzeroElements().values()),
            NUM_BITS,
        )
        np.testing.assert_array_equal(row[NUM_BITS:], expected)
    alcohol, thiol = (Chem.MolFromSmiles(text) for text in ("CCCO", "CCCS"))
    a, b = substructure_counts([alcohol, thiol])
    assert (a[:NUM_BITS] != b[:NUM_BITS]).any()


@pytest.mark.parametrize("kind", ["fast", "all"])
def test_descriptors_have_names_and_are_numbers(kind):
    names, values = descriptor_names(kind), describe(MOLS, kind)
    assert values.shape == (4, len(names)) and len({*names}) == len(names)
    assert len(names) > (150 if kind == "all" else 35)
    assert np.isfinite(values[:3]).all()


def test_descriptors_are_those_of_rdkit():
    values = dict(zip(descriptor_names("all"), describe(MOLS, "all").T, strict=True))
    for name in ("MolWt", "TPSA", "MolLogP", "RingCount"):
        expected = [getattr(Descriptors, name)(mol) for mol in MOLS]
        np.testing.assert_allclose(values[name], expected)


def test_scaling_ignores_outliers_and_stays_in_the_range_of_training():
    rng = np.random.default_rng(0)
    x = rng.normal(7, 3, (500, 3))
    x[:, 2] = 4.0  # does not vary
    x[0, 0], x[1, 1], x[2, 1] = 1e6, np.nan, np.inf
    scaler = Scaler.fit(x)
    scaled = scaler(x)
    assert scaler.kept.tolist() == [True, True, False] and scaled.shape == (500, 2)
    assert np.abs(np.median(scaled, axis=0)).max() < 1e-9
    assert np.abs(scaled[3:].std(axis=0) - 1).max() < 0.15
    assert scaled[0, 0] == 5 and scaled[1, 1] == scaled[2, 1] == 0
    new = np.array([[1e9, -1e9, 0.0]])
    np.testing.assert_array_equal(
        scaler(new), [[scaled[:, 0].max(), scaled[:, 1].min()]]
    )


def test_normal_scores_are_those_of_ranks():
    x = np.random.default_rng(0).lognormal(0, 2, (500, 2))
    x[:, 1] = np.where(np.arange(500) < 400, 0, 1)
    quantiles = np.quantile(x, np.linspace(0, 1, 201), axis=0)
    scores = normal_scores(x, quantiles)
    expected = norm.ppf((rankdata(x[:, 0]) - 0.5) / 500)
    inner = np.abs(expected) < 2
    np.testing.assert_allclose(scores[inner, 0], expected[inner], atol=0.1)
    assert np.abs(scores).max() < 3.2
    two = norm.ppf([0.4, 0.9])  # the middle of the ranks of equal values
    np.testing.assert_allclose(np.unique(scores[:, 1]), two, atol=0.02)


def test_scaling_with_normal_scores_is_their_mean_with_a_linear_one():
    x = np.random.default_rng(0).lognormal(0, 1, (501, 3))
    x[:, 2] = 4.0  # does not vary
    scaler = Scaler.fit(x).with_normal_scores(x)
    scaled, order = scaler(x), np.argsort(x[:, 0])
    assert scaled.shape == (501, 2) and (np.diff(scaled[order, 0]) >= 0).all()
    assert np.abs(np.median(scaled, axis=0)).max() < 1e-9
    linear = (x[:, :2] - np.median(x[:, :2], axis=0)) / x[:, :2].std(axis=0)
    scores = norm.ppf((rankdata(x[:, :2], axis=0) - 0.5) / 501)
    inner = (np.abs(scores) < 2) & (np.abs(linear) < 5)
    expected = (linear + scores) / 2
    np.testing.assert_allclose(scaled[inner], expected[inner], atol=0.1)
    new = np.array([[1e9, -1e9, 4.0], [np.nan, np.inf, 4.0]])
    limits = [[scaled[:, 0].max(), scaled[:, 1].min()], [0, 0]]
    np.testing.assert_array_equal(scaler(new), limits)
