"""The Gaussian process, against its equations and molecules that it was fitted to."""

import numpy as np
from rdkit import Chem

from vicinal.molecules.generation.optimisation.surrogate import (
    NOISE,
    GaussianProcess,
    count_fingerprints,
    lowest_for_missing,
    tanimoto_kernel,
)

SMILES = ["CCO", "CCN", "c1ccccc1", "c1ccncc1", "CC(=O)O", "CCCCCC", "CC(C)O"]


def fingerprints() -> np.ndarray:
    return count_fingerprints([Chem.MolFromSmiles(smiles) for smiles in SMILES])


def test_the_kernel_by_hand():
    x, y = np.array([[2.0, 1.0, 0.0]]), np.array([[1.0, 1.0, 3.0], [2.0, 1.0, 0.0]])
    # <x, y> = 3, <x, x> = 5, <y, y> = 11
    np.testing.assert_allclose(tanimoto_kernel(x, y), [[3 / 13, 1]])
    eigenvalues = np.linalg.eigvalsh(tanimoto_kernel(fingerprints(), fingerprints()))
    assert eigenvalues.min() > -1e-6


def test_predictions_are_those_of_the_equations():
    prints = fingerprints()
    scores = np.random.default_rng(0).normal(size=(5, 2))
    mean, sd = GaussianProcess(prints[:5], scores).predict(prints[5:])
    kernel = tanimoto_kernel(prints[:5], prints[:5]).numpy() + NOISE * np.eye(5)
    cross = tanimoto_kernel(prints[5:], prints[:5]).numpy()
    centered = scores - scores.mean(axis=0)
    expected = scores.mean(axis=0) + cross @ np.linalg.inv(kernel) @ centered
    variance = 1 - np.diag(cross @ np.linalg.inv(kernel) @ cross.T)
    np.testing.assert_allclose(mean, expected)
    np.testing.assert_allclose(sd, np.sqrt(variance)[:, None] * scores.std(axis=0))


def test_known_molecules_are_predicted_and_equal_scores_are_allowed():
    prints = fingerprints()
    scores = np.arange(7.0)[:, None]
    mean, sd = GaussianProcess(prints, scores).predict(prints)
    assert np.abs(mean - scores).max() < 0.3 and sd.max() < 0.3
    mean, sd = GaussianProcess(prints, np.ones((7, 1))).predict(prints)
    np.testing.assert_allclose(mean, 1)
    np.testing.assert_allclose(sd, 0)


def test_molecules_without_a_score_count_as_the_lowest():
    scores = np.array([[2.0, 5.0], [-np.inf, -np.inf], [3.0, 4.0], [np.nan, 9.0]])
    filled = lowest_for_missing(scores)
    assert filled.tolist() == [[2, 5], [2, 4], [3, 4], [2, 4]]
    assert (lowest_for_missing(scores[1:2]) == -np.inf).all()
