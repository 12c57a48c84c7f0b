"""The closed forms beside ridge regressions that leave one column out."""

from typing import Any

import numpy as np
import pytest

from vicinal.interactions.models.closed_form import (
    DrugRegression,
    EffectRegression,
    ProfileRegression,
    predict_each_from_others,
)
from vicinal.interactions.pair_effects import PairEffects

L2 = 0.7
NO_SHARE = 0.0  # then the penalty is 1
PAIRS = np.array([[0, 5], [1, 4], [3, 2]])


@pytest.fixture
def pair_effects() -> PairEffects:
    rng = np.random.default_rng(0)
    first, second = np.triu_indices(6, 1)
    edges = rng.random((len(first), 4)) < 0.4
    rows, effects = np.nonzero(edges)
    pairs = np.stack([first[rows], second[rows]], axis=1)
    return PairEffects.from_edges(pairs, effects, 6, 4)


def ridge_without(x: np.ndarray, column: int, l2: float = L2) -> np.ndarray:
    """Return weights of the other columns for one, 0 for itself."""
    others = np.delete(np.arange(x.shape[1]), column)
    a = x[:, others]
    solved = np.linalg.solve(a.T @ a + l2 * np.eye(len(others)), a.T @ x[:, column])
    return np.insert(solved, column, 0.0)


def test_each_column_is_a_ridge_regression_on_the_others():
    x = np.random.default_rng(1).normal(size=(20, 5))
    expected = np.stack([ridge_without(x, k) for k in range(5)], axis=1)
    np.testing.assert_allclose(predict_each_from_others(x.T @ x, L2), expected)


def test_effects_are_predicted_from_the_others_of_the_pair(pair_effects):
    x = pair_effects.table.toarray().astype(float)
    model = EffectRegression.fit(pair_effects, NO_SHARE)
    weights = np.stack([ridge_without(x, k, 1.0) for k in range(4)], axis=1)
    expected = pair_effects.known_effects(PAIRS) @ weights
    np.testing.assert_allclose(model.score_all(PAIRS), expected, atol=1e-6)


def drug_weights(known: PairEffects, side: int) -> np.ndarray:
    """Return B or C: rows of all effects side by side, column i is drug i."""
    tables = [known.adjacency(effect) for effect in range(known.num_effects)]
    x = np.concatenate([table.T if side == 0 else table for table in tables])
    x = x.astype(float)
    return np.stack([ridge_without(x, k, 1.0) for k in range(known.num_drugs)])


@pytest.mark.parametrize("ordered", [False, True])
def test_partners_are_predicted_from_those_of_other_drugs(pair_effects, ordered):
    rows, effects = pair_effects.table.nonzero()
    known = PairEffects.from_edges(
        pair_effects.pairs[rows], effects, 6, 4, ordered=ordered
    )
    b, c = drug_weights(known, 0), drug_weights(known, 1)
    model = DrugRegression.fit(known, NO_SHARE)
    found = model.score_all(PAIRS)
    for effect in range(4):
        adjacency = known.adjacency(effect)
        both = b @ adjacency + adjacency @ c.T
        expected = [both[first, second] for first, second in PAIRS]
        np.testing.assert_allclose(found[:, effect], expected, atol=1e-5)


def test_terms_of_similar_drugs_add_up_to_the_score(pair_effects):
    model = DrugRegression.fit(pair_effects)
    for first, second in PAIRS:
        for effect in range(4):
            terms = model.neighbour_terms((int(first), int(second)), effect)
            total = sum(term for *_, term in terms)
            score = model.score_all(np.array([[first, second]]))[0, effect]
            assert total == pytest.approx(float(score), abs=1e-5)


def test_new_drugs_are_the_weighted_mean_of_others(pair_effects):
    """A new drug that is like one other drug only has the partners of that."""
    known = PairEffects.from_edges(
        pair_effects.pairs[pair_effects.table.nonzero()[0]],
        pair_effects.table.nonzero()[1],
        7,
        4,
    )
    model = DrugRegression.fit(known)
    weights = np.zeros((1, 7))
    weights[0, 2] = 1.0
    model.represent(np.array([6]), weights)
    found = model.score_all(np.array([[6, 1]]))[0]
    own = model.weights[0].numpy()
    for effect in range(4):
        adjacency = known.adjacency(effect)
        # from the side of the new drug: what 2 has with 1; from 1: drugs like it with 2
        expected = adjacency[2, 1] + own[1] @ adjacency[:, 2]
        assert found[effect] == pytest.approx(expected, abs=1e-5)


def test_profiles_are_ridge_regressions_on_known_and_predicted_effects(pair_effects):
    drugs = DrugRegression.fit(pair_effects)
    model = ProfileRegression.fit(drugs, 0.0, 0.0, 0.0)
    y = pair_effects.table.toarray().astype(float)
    p = drugs.score_all(pair_effects.pairs).astype(float)
    x = np.concatenate([y, p], axis=1)
    beside = np.stack([ridge_without(x, k, 1.0) for k in range(4)], axis=1)
    known = pair_effects.pairs
    found = model.score_all(known, drugs.score_all(known))
    np.testing.assert_allclose(found, x @ beside, atol=1e-4)
    every = np.stack(np.triu_indices(6, 1), axis=1)
    new = every[pair_effects.rows(every) < 0]
    assert len(new)
    alone = np.linalg.solve(p.T @ p + np.eye(4), p.T @ y)
    predicted = drugs.score_all(new)
    found = model.score_all(new, predicted)
    np.testing.assert_allclose(found, predicted @ alone, atol=1e-4)


def test_what_is_known_of_a_cell_does_not_move_its_own_score(pair_effects):
    """The zero diagonals: with weights kept, a cell can be taken away or added."""
    rows, pairs = pair_effects.table.toarray(), pair_effects.pairs
    models: list[Any] = [
        DrugRegression.fit(pair_effects),
        EffectRegression.fit(pair_effects),
    ]
    for model in models:
        before = model.score_all(pairs)
        for row, effect in np.ndindex(*rows.shape):
            changed = rows.copy()
            changed[row, effect] = 1 - changed[row, effect]
            cells = np.nonzero(changed)
            table = PairEffects.from_edges(pairs[cells[0]], cells[1], 6, 4)
            after = type(model)(table, model.weights).score_all(pairs[[row]])
            assert after[0, effect] == pytest.approx(before[row, effect], abs=1e-6)
