"""Recall, NDCG, popularity and splits, against numbers computed by hand."""

import math

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from vicinal.knowledge.recommendation.evaluation.ranking import (
    Evaluator,
    PopularityProfile,
    popularity_ranks,
    score_lists,
    top_items,
)
from vicinal.knowledge.recommendation.evaluation.splits import (
    hold_items_out,
    hold_users_out,
    keep_rows,
)

RNG = np.random.default_rng


def test_recall_and_ndcg_by_hand():
    hits = np.array([[True, False, True], [False, False, False], [True, True, True]])
    recall, ndcg = score_lists(hits, np.array([2, 1, 5]))
    np.testing.assert_allclose(recall, [1.0, 0.0, 1.0])
    first = (1 + 1 / 2) / (1 + 1 / math.log2(3))  # ranks 1 and 3 of two hidden items
    np.testing.assert_allclose(ndcg, [first, 0.0, 1.0])


def test_top_items_are_in_the_order_of_their_scores():
    scores = np.array([[0.1, 0.9, 0.5, 0.9, -np.inf]])
    assert top_items(scores, 3).tolist() == [[1, 3, 2]]
    assert top_items(scores, 9).tolist() == [[1, 3, 2, 0, 4]]


def test_known_items_are_not_ranked():
    """User 0 has items 0 and 1, hidden is 2; the best of the others is item 3."""
    known = csr_matrix(np.array([[1, 1, 0, 0], [0, 1, 0, 0]], np.float32))
    hidden = csr_matrix(np.array([[0, 0, 1, 0], [0, 0, 0, 0]], np.float32))
    evaluator = Evaluator.of_split(known, hidden, 10, 0)
    assert evaluator.users.tolist() == [0]
    scores = np.array([[9.0, 8.0, 1.0, 2.0]])
    found = evaluator.score(lambda users: scores.copy(), k=1)
    assert found.recall.tolist() == [0] and found.coverage == 0.25
    found = evaluator.score(lambda users: scores.copy(), k=2)
    assert found.ndcg.tolist() == pytest.approx([1 / math.log2(3)])
    ranks = evaluator.hidden_ranks(lambda users: scores.copy())
    assert ranks.tolist() == [[0, 2, 2]]


def test_popularity_of_lists_by_hand():
    ranks = popularity_ranks(np.array([5, 9, 1, 1]))
    assert ranks.tolist() == [2, 1, 3.5, 3.5]
    profile = PopularityProfile.of_counts(np.array([1, 2, 1, 0]), ranks)
    assert profile == ((2 + 2 + 3.5) / 4, 0.5, 0.25)


def table_of(sizes: list[int]) -> csr_matrix:
    x = np.zeros((len(sizes), max(sizes)), np.float32)
    for row, size in enumerate(sizes):
        x[row, :size] = 1
    return csr_matrix(x)


def test_a_share_of_the_items_of_users_with_enough_is_hidden():
    table = table_of([4, 5, 10, 50])
    held, hidden = hold_items_out(table, None, 0.2, RNG(0))
    assert held.hidden.getnnz(1).tolist() == [0, 1, 2, 10]
    assert hidden.sum() == 13
    whole = held.known + held.hidden
    np.testing.assert_array_equal(whole.toarray(), table.toarray())
    assert not held.known.multiply(held.hidden).nnz


def test_the_last_item_by_time_is_hidden():
    table = table_of([5, 6, 4])
    times = np.array([3, 9, 1, 2, 0, 0, 1, 2, 3, 4, 5, 9, 9, 9, 9.0])
    held, hidden = hold_items_out(table, times, 0.2, RNG(0))
    assert held.hidden[0].indices.tolist() == [1]
    assert held.hidden[1].indices.tolist() == [5]
    assert not held.hidden[2].nnz
    again, _ = hold_items_out(held.known, times[~hidden], 0.2, RNG(0), least=4)
    assert again.hidden[0].indices.tolist() == [0]


def test_new_users_are_whole_rows():
    table = table_of([2, *[6] * 20])
    new = hold_users_out(table, 0.25, RNG(0))
    assert new.sum() == 5 and not new[0]
    kept = keep_rows(table, ~new)
    assert (kept.getnnz(1)[new] == 0).all()
    assert (kept.getnnz(1)[~new] == table.getnnz(1)[~new]).all()
