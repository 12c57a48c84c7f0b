"""Covariances of molecules beside scikit-learn's, and derivatives by differences."""

import numpy as np
import pytest
from rdkit import Chem
from sklearn.gaussian_process.kernels import RBF, Matern

from vicinal.molecules.baseline.features import morgan_counts
from vicinal.molecules.baseline.kernels import (
    CANDIDATES,
    RADIAL,
    MolecularKernel,
    median_width,
    squared_distances,
)
from vicinal.molecules.baseline.tanimoto import tanimoto

SMILES = ["CCCCO", "CCCCN", "c1ccccc1O", "CC(=O)Nc1ccccc1", "CCCCCCCC", "O=C(O)CC", "C"]
COUNTS = morgan_counts([Chem.MolFromSmiles(smiles) for smiles in SMILES])
X = np.random.default_rng(0).normal(size=(len(SMILES), 4))


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_a_kernel_is_one_of_a_molecule_with_itself_and_positive(candidate):
    similar = tanimoto(COUNTS, COUNTS)
    radial, share, factor, _ = candidate
    kernel = candidate.kernel(median_width(X))
    assert kernel == MolecularKernel(factor * median_width(X), share, radial)
    k = kernel(similar, X, X)
    np.testing.assert_allclose(np.diag(k), 1, rtol=1e-6)
    assert np.linalg.eigvalsh(k).min() > 0 and np.allclose(k, k.T)
    length = kernel.width**0.5
    reference = Matern(length, nu=1.5) if radial == "Matern 3/2" else RBF(length)
    np.testing.assert_allclose(k, share * similar + (1 - share) * reference(X))


@pytest.mark.parametrize("name", RADIAL)
def test_derivatives_are_those_of_the_covariance(name: str):
    r2, step = np.array([0.0, 0.01, 0.5, 2.0, 9.0]), 1e-6
    covariance, derivative, _ = RADIAL[name]
    expected = (covariance(r2 + 2 * step) - covariance(r2)) / (2 * step)
    np.testing.assert_allclose(derivative(r2 + step), expected, rtol=2e-3)


@pytest.mark.parametrize("name", RADIAL)
def test_the_printed_formula_is_the_covariance(name: str):
    d, w = 0.7, 2 * 1.3
    names = {"d": d, "w": w, "exp": np.exp, "sqrt": np.sqrt}
    formula, *definitions = RADIAL[name].formula.replace("6 d", "6 * d").split(", ")
    for definition in definitions:  # such as s = ...
        symbol, value = definition.split(" = ")
        names[symbol] = eval(value, names)
    expected = RADIAL[name].covariance(np.array(d / 1.3))
    value = eval(formula.replace(") exp", ") * exp"), names)
    assert value == pytest.approx(float(expected))


def test_distances_are_those_of_differences():
    expected = ((X[:, None] - X[None, :3]) ** 2).sum(-1)
    np.testing.assert_allclose(squared_distances(X, X[:3]), expected, atol=1e-12)


def test_the_width_is_the_median_squared_distance():
    pairs = [((a - b) ** 2).sum() for k, a in enumerate(X) for b in X[:k]]
    assert median_width(X) == pytest.approx(np.median(pairs))
    assert median_width(X[:1]) == 1 and median_width(np.ones((3, 2))) == 1
