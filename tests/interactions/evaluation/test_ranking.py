"""Scores of rankings beside scikit-learn's and by hand."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from vicinal.interactions.evaluation.cells import Cells
from vicinal.interactions.evaluation.ranking import (
    average_precision_at,
    evaluate,
    rank,
)


def test_scores_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    truth, scores = rng.random(200) < 0.5, rng.random(200)
    found = rank(truth, scores)
    assert found.auroc == pytest.approx(roc_auc_score(truth, scores))
    expected = average_precision_score(truth, scores)
    assert found.average_precision == pytest.approx(expected)


def test_precision_of_the_first_by_hand():
    truth = np.array([True, False, True, True])
    scores = np.array([4.0, 3.0, 2.0, 1.0])
    assert average_precision_at(3, truth, scores) == pytest.approx((1 + 2 / 3) / 3)
    assert average_precision_at(2, truth, -scores) == pytest.approx(1.0)
    assert average_precision_at(2, ~truth[:1], scores[:1]) == 0
    assert average_precision_at(1, truth, np.zeros(4)) == 0  # ties


def test_each_effect_is_scored_on_its_own():
    effects, truth = np.array([1, 0, 0, 1]), np.array([True, True, False, False])
    cells = Cells(np.zeros((4, 2), int), effects, truth)
    found = evaluate(np.array([-5.0, 2.0, 1.0, -4.0]), cells)
    np.testing.assert_allclose(found[:, 0], [1, 0])
