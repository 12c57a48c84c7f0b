"""Scores against numbers by hand, scikit-learn and scipy."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import ndcg_score

from vicinal.knowledge.importance.metrics import (
    fold_scores,
    mean_over_folds,
    ndcg,
    order_gains,
    spearman,
    spearman_of_rows,
)


def test_ndcg_by_hand():
    gains, predicted = np.array([3.0, 2.0, 1.0]), np.array([0.1, 0.9, 0.5])
    found = 2 / 1 + 1 / np.log2(3)
    best = 3 / 1 + 2 / np.log2(3)
    assert ndcg(gains, predicted, 2) == pytest.approx(found / best)


@pytest.mark.parametrize("k", [1, 10, 100, 500])
def test_ndcg_is_that_of_scikit_learn(k):
    rng = np.random.default_rng(k)
    gains = rng.gamma(2, size=200)
    predicted = rng.normal(size=200).round(1)  # with ties
    expected = ndcg_score(gains[None], predicted[None], k=k)
    assert ndcg(gains, predicted, k) == pytest.approx(expected)


def test_spearman_is_that_of_scipy():
    rng = np.random.default_rng(0)
    y, predicted = rng.normal(size=(2, 100)).round(1)
    assert spearman(y, predicted) == pytest.approx(spearmanr(y, predicted)[0])
    assert spearman(y, np.zeros(100)) == 0
    found = spearman_of_rows(np.stack([y, predicted]), np.stack([predicted, y[::-1]]))
    assert found[0] == pytest.approx(spearmanr(y, predicted)[0])
    assert found[1] == pytest.approx(spearmanr(predicted, y[::-1])[0])


def test_intervals_contain_the_mean_and_few_entities_have_none():
    rng = np.random.default_rng(0)
    y = rng.normal(size=100)
    folds = [np.arange(50), np.arange(50, 100)]
    score = mean_over_folds("spearman", y, y + rng.normal(size=100), folds)
    assert score.low < score.value < score.high and score.n == 100
    few = mean_over_folds("rmse", y[:10], y[:10], [np.arange(5), np.arange(5, 10)])
    assert few.value == 0 and np.isnan(few.low)


def test_pairs_count_who_orders_them_right():
    y, folds = np.arange(100.0), [np.arange(100)]
    gains = order_gains(y, y, -y, folds)
    assert len(gains) == 50 and (gains == 1).all()
    assert (order_gains(y, y, y, folds) == 0).all()
    assert np.isnan(fold_scores(y, y, on_scale=False).rmse)
