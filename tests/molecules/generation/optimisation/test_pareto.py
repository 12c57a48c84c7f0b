"""Fronts and crowding distances, against brute force and numbers by hand."""

import numpy as np
import pytest

from vicinal.molecules.generation.optimisation.pareto import (
    crowding_distances,
    non_dominated_fronts,
    order_by_dominance,
)


def dominates(first: np.ndarray, second: np.ndarray) -> bool:
    return bool((first >= second).all() and (first > second).any())


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_fronts_are_those_of_repeated_removal(columns):
    rng = np.random.default_rng(columns)
    scores = rng.integers(0, 6, (60, columns)).astype(float)  # with ties
    left, expected = list(range(60)), []
    while left:
        front = [
            k for k in left if not any(dominates(scores[j], scores[k]) for j in left)
        ]
        expected.append(front)
        left = [k for k in left if k not in front]
    assert [front.tolist() for front in non_dominated_fronts(scores)] == expected


def test_rounding_errors_do_not_dominate():
    scores = np.array([[1.0, 0.1 + 0.2], [1.0, 0.3], [1.0, 0.301]])
    assert scores[0, 1] != scores[1, 1]
    assert [k.tolist() for k in non_dominated_fronts(scores)] == [[2], [0, 1]]


def test_crowding_distances_by_hand():
    scores = np.array([[0.0, 10.0], [1.0, 6.0], [4.0, 2.0], [5.0, 0.0]])
    found = crowding_distances(scores)
    # row 1: (4 - 0) / 5 + (10 - 2) / 10; row 2: (5 - 1) / 5 + (6 - 0) / 10
    np.testing.assert_allclose(found, [np.inf, 1.6, 1.4, np.inf])
    assert crowding_distances(np.ones((3, 2)))[1] == 0


def test_the_order_is_by_front_and_then_by_crowding():
    first = [[0.0, 10.0], [1.0, 6.0], [4.0, 2.0], [5.0, 0.0]]
    scores = np.array([[0.0, 0.0], *first[::-1]])
    order = order_by_dominance(scores).tolist()
    assert set(order[:2]) == {1, 4} and order[2:] == [3, 2, 0]
    single = np.array([[1.0], [3.0], [2.0], [3.0]])
    assert order_by_dominance(single).tolist() == [1, 3, 2, 0]
