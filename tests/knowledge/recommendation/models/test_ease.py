"""EASE against its equations, by hand and by both sides."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from vicinal.knowledge.recommendation.models.ease import (
    Ease,
    EaseConfig,
    ItemsSide,
    RowsSide,
)
from vicinal.knowledge.recommendation.models.item_model import score_items, score_parts

TOY = csr_matrix(
    np.array(
        [
            [1, 1, 0, 0, 1],
            [1, 1, 1, 0, 0],
            [0, 1, 1, 0, 0],
            [0, 0, 1, 1, 0],
            [1, 0, 0, 1, 1],
            [0, 0, 0, 1, 1],
        ],
        np.float32,
    )
)


def by_equation(x: np.ndarray, penalty: float) -> np.ndarray:
    """B_ji = -P_ji / P_ii of P = (X^T X + lambda I)^-1, diagonal 0."""
    p = np.linalg.inv(x.T @ x + penalty * np.eye(x.shape[1]))
    b = p / -np.diag(p)[None]
    np.fill_diagonal(b, 0)
    return b


def matrix_of(model: Ease) -> np.ndarray:
    every = np.arange(model.num_items)
    return model.item_weights(every, every)


@pytest.mark.parametrize("side", [ItemsSide, RowsSide])
def test_toy_is_solved_as_the_equation_says(side):
    model = Ease.fit(TOY, config=EaseConfig(penalty=2.0), side=side)
    expected = by_equation(TOY.toarray(), 2.0)
    np.testing.assert_allclose(matrix_of(model), expected, atol=1e-5)
    np.testing.assert_allclose(
        score_items(model, TOY), TOY.toarray() @ expected, atol=1e-5
    )


def test_each_column_is_a_ridge_regression_on_the_other_items():
    """The definition: min |x_i - X b|^2 + lambda |b|^2 without item i."""
    x, model = TOY.toarray(), Ease.fit(TOY, config=EaseConfig(penalty=3.0))
    for item in range(5):
        others = [k for k in range(5) if k != item]
        a = x[:, others]
        b = np.linalg.solve(a.T @ a + 3.0 * np.eye(4), a.T @ x[:, item])
        np.testing.assert_allclose(matrix_of(model)[others, item], b, atol=1e-5)


@pytest.mark.parametrize("shape", [(30, 70), (70, 30)])
@pytest.mark.parametrize("fact_weight", [0.0, 0.7])
def test_both_sides_give_the_same_matrix(shape, fact_weight):
    rng = np.random.default_rng(0)
    x = (rng.random(shape) < 0.2) * rng.integers(1, 50, shape)
    x[0, :3] = 1
    table = csr_matrix(x.astype(np.float32))
    facts = csr_matrix((rng.random((6, shape[1])) < 0.3).astype(np.float32))
    config = EaseConfig(20.0, 0.25, True, fact_weight)
    items, rows = (
        Ease.fit(table, facts, config, side) for side in (ItemsSide, RowsSide)
    )
    np.testing.assert_allclose(matrix_of(items), matrix_of(rows), atol=1e-4)
    np.testing.assert_allclose(
        score_items(items, table), score_items(rows, table), atol=1e-3
    )


def test_the_smaller_side_is_inverted():
    assert isinstance(Ease.fit(TOY).solution, ItemsSide)
    wide = csr_matrix(np.ones((2, 9), np.float32))
    assert isinstance(Ease.fit(wide).solution, RowsSide)


def test_a_new_item_is_reached_by_its_facts():
    """Item 4 has no user, but shares a fact with item 0."""
    x = np.array([[1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [0, 0, 1, 1, 0]], np.float32)
    facts = csr_matrix(np.array([[1, 0, 0, 0, 1]], np.float32))
    model = Ease.fit(csr_matrix(x), facts, EaseConfig(1.0, 0.0, False, 1.0))
    scores = score_items(model, csr_matrix(x))
    assert scores[0, 4] > scores[2, 4] + 0.05
    alone = Ease.fit(csr_matrix(x), facts, EaseConfig(1.0))
    assert (score_items(alone, csr_matrix(x))[:, 4] == 0).all()


def test_parts_add_up_to_the_score():
    model = Ease.fit(TOY, config=EaseConfig(1.0, 0.25, True))
    row = csr_matrix(np.array([[3, 0, 20, 0, 1]], np.float32))
    found = score_parts(model, row, None, np.arange(5))
    np.testing.assert_allclose(found.total, score_items(model, row)[0], atol=1e-5)
    assert found.own.tolist() == [0, 2, 4]
