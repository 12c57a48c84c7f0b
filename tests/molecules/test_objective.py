"""Targets as columns, and probabilities from scores."""

from collections.abc import Sequence

import numpy as np
import pytest
from rdkit import Chem
from sklearn.linear_model import LogisticRegression

from vicinal.core.objective import (
    MultiLabel,
    MultiNumeric,
    Numeric,
    Objective,
    SingleLabel,
)
from vicinal.errors import DataError
from vicinal.molecules.data.read import read_molecules
from vicinal.molecules.objective import (
    PlattScaling,
    columns_of,
    cross_fitted_predictions,
    from_columns,
    make_objective,
    predictions_of,
    target_columns,
    targets_of,
)

SMILES = ["C" * k for k in range(2, 14)]
TWO, THREE = SingleLabel(("a", "b")), SingleLabel(("a", "b", "c"))


def objective_of(*columns: Sequence[object]) -> Objective:
    y = np.array(columns, dtype=object).T
    return make_objective(read_molecules(SMILES, y))


def test_the_objective_follows_from_the_targets():
    numbers = [k + 0.5 for k in range(12)]
    assert objective_of(["x", "y"] * 6) == SingleLabel(("x", "y"))
    assert objective_of([0, 1, 2] * 4) == SingleLabel(("0", "1", "2"))
    assert objective_of(numbers) == Numeric(6.0, float(np.std(numbers)))
    assert objective_of([0, 1] * 6, [1, 1, 0] * 4) == MultiLabel(
        ("target 1", "target 2")
    )
    found = objective_of(numbers, [None, *numbers[1:]])
    assert isinstance(found, MultiNumeric)
    assert found.means == pytest.approx((6.0, 6.5))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([["x"] * 12], "must have two classes or more"),
        ([[0, 1, 2] * 4, [0, 1] * 6], "Each of several targets must have two classes"),
    ],
)
def test_targets_that_cannot_be_learned_are_refused(columns, message):
    with pytest.raises(DataError, match=message):
        objective_of(*columns)


def test_classes_become_columns_of_0_and_1():
    rows = np.array([[0.0], [2.0], [np.nan]])
    np.testing.assert_array_equal(target_columns(TWO, rows), rows)
    expected = [[1, 0, 0], [0, 0, 1], [np.nan] * 3]
    np.testing.assert_array_equal(target_columns(THREE, rows), expected)
    assert targets_of(THREE, rows[:2]).tolist() == [0, 2]
    with pytest.raises(ValueError, match="must be known"):
        targets_of(THREE, rows)


@pytest.mark.parametrize("objective", [TWO, THREE, MultiLabel(("a", "b")), Numeric()])
def test_columns_and_predictions_are_the_same_numbers(objective):
    rng, columns = np.random.default_rng(0), 1 if objective in (TWO, Numeric()) else 2
    columns = 3 if objective is THREE else columns
    values = rng.uniform(size=(4, columns))
    if objective is THREE:
        values /= values.sum(axis=1, keepdims=True)
    found = columns_of(objective, from_columns(objective, values))
    np.testing.assert_allclose(found, values)


def test_scaled_scores_are_those_of_a_logistic_regression():
    rng = np.random.default_rng(0)
    scores = rng.normal(3, 2, 20_000)
    y = (rng.uniform(size=20_000) < 1 / (1 + np.exp(-(2 * scores - 5)))).astype(float)
    found = PlattScaling.fit(scores, y)
    reference = LogisticRegression(C=np.inf).fit(scores[:, None], y)
    assert found.factor == pytest.approx(float(reference.coef_[0, 0]), rel=0.01)
    assert found.intercept == pytest.approx(float(reference.intercept_[0]), rel=0.01)
    assert found(np.array([2.5]))[0] == pytest.approx(0, abs=0.1)


def test_a_few_examples_give_no_certainty():
    found = PlattScaling.fit(np.array([0.0, 1, 2, 3]), np.array([0.0, 0, 1, 1]))
    p = 1 / (1 + np.exp(-found(np.array([3.0]))))
    assert 0.6 < p[0] < 0.95


def test_scores_that_are_worse_than_none_are_not_turned_around():
    found = PlattScaling.fit(np.array([3.0, 2, 1, 0]), np.array([0.0, 0, 1, 1]))
    assert found.factor == 0
    alone = PlattScaling.fit(np.array([3.0, 2, np.nan]), np.array([1.0, 1, 0]))
    assert (alone.factor, alone.intercept) == (0, pytest.approx(np.log(3)))


def test_probabilities_of_three_classes_add_up_to_one():
    means = np.array([[0.1, 0.2, 0.9], [0.5, 0.4, 0.1]])
    found = predictions_of(THREE, means, (PlattScaling(4, -2),) * 3)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert found.argmax(axis=1).tolist() == [2, 0]


def test_molecules_of_rdkit_are_read_too():
    mols = [Chem.MolFromSmiles(smiles) for smiles in SMILES]
    found = read_molecules(mols, ["x", "y"] * 6)
    assert make_objective(found) == SingleLabel(("x", "y"))


def test_the_scaling_of_a_fold_is_fitted_to_the_other_folds():
    """Targets of a fold that are changed change none of its predictions."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (60, 1)).astype(float)
    means, folds = y + rng.normal(0, 0.5, y.shape), np.arange(60) % 3
    changed = np.where(folds[:, None] == 1, 1 - y, y)
    before, after = (
        cross_fitted_predictions(TWO, means, targets, folds) for targets in (y, changed)
    )
    same = folds == 1
    np.testing.assert_array_equal(before[same], after[same])
    assert (before[~same] != after[~same]).all()
