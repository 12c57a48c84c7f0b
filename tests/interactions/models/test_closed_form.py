"""The closed forms beside ridge regressions that leave one column out."""

import numpy as np
import pytest

from vicinal.interactions.models.closed_form import (
    DrugRegression,
    EffectRegression,
    predict_each_from_others,
)
from vicinal.interactions.pair_effects import PairEffects

L2 = 0.7
PAIRS = np.array([[0, 5], [1, 4], [3, 2]])


@pytest.fixture
def pair_effects() -> PairEffects:
    rng = np.random.default_rng(0)
    first, second = np.triu_indices(6, 1)
    edges = rng.random((len(first), 4)) < 0.4
    rows, effects = np.nonzero(edges)
    pairs = np.stack([first[rows], second[rows]], axis=1)
    return PairEffects.from_edges(pairs, effects, 6, 4)


def ridge_without(x: np.ndarray, column: int) -> np.ndarray:
    """Return weights of the other columns for one, 0 for itself."""
    others = np.delete(np.arange(x.shape[1]), column)
    a = x[:, others]
    solved = np.linalg.solve(a.T @ a + L2 * np.eye(len(others)), a.T @ x[:, column])
    return np.insert(solved, column, 0.0)


def test_each_column_is_a_ridge_regression_on_the_others():
    x = np.random.default_rng(1).normal(size=(20, 5))
    expected = np.stack([ridge_without(x, k) for k in range(5)], axis=1)
    np.testing.assert_allclose(predict_each_from_others(x.T @ x, L2), expected)


def test_effects_are_predicted_from_the_others_of_the_pair(pair_effects):
    x = pair_effects.table.toarray().astype(float)
    model = EffectRegression(pair_effects, L2)
    for effect in range(4):
        expected = pair_effects.known_effects(PAIRS) @ ridge_without(x, effect)
        np.testing.assert_allclose(model.score(PAIRS, effect), expected)


def test_partners_are_predicted_from_those_of_other_drugs(pair_effects):
    """Rows of all effects side by side, X [E D, D]: column i is drug i."""
    x = np.concatenate([pair_effects.adjacency(effect) for effect in range(4)]).astype(
        float
    )
    weights = np.stack([ridge_without(x, k) for k in range(6)])  # row: of that drug
    model = DrugRegression(pair_effects, L2)
    for effect in range(4):
        found = weights @ pair_effects.adjacency(effect)
        expected = [found[a, b] + found[b, a] for a, b in PAIRS]
        np.testing.assert_allclose(model.score(PAIRS, effect), expected, atol=1e-6)


def test_what_is_known_of_a_cell_does_not_move_its_own_score(pair_effects):
    """The zero diagonals: with weights kept, a cell can be taken away or added."""
    rows = pair_effects.table.toarray()
    drugs, effects = (
        DrugRegression(pair_effects, L2),
        EffectRegression(pair_effects, L2),
    )
    for effect in range(4):
        for model in (drugs, effects):
            before = model.score(pair_effects.pairs, effect)
            for row in range(len(rows)):
                changed = rows.copy()
                changed[row, effect] = 1 - changed[row, effect]
                cells = np.nonzero(changed)
                model.pair_effects = PairEffects.from_edges(
                    pair_effects.pairs[cells[0]], cells[1], 6, 4
                )
                after = model.score(pair_effects.pairs[[row]], effect)
                np.testing.assert_allclose(after, before[[row]], atol=1e-6)
            model.pair_effects = pair_effects
