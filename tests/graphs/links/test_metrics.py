"""Link metrics equal scikit-learn's and numbers computed by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from vicinal.graphs.links.metrics import (
    auroc,
    average_precision,
    evaluate_links,
    hits_at_k,
    mean_reciprocal_rank,
)


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40
    ).filter(lambda rows: len({y for y, _ in rows}) == 2)
)
@settings(max_examples=80, deadline=None)
def test_auroc_and_average_precision_equal_scikit_learn(rows):
    y = np.array([int(label) for label, _ in rows])
    scores = np.array([float(score) for _, score in rows])
    assert auroc(y, scores) == pytest.approx(roc_auc_score(y, scores))
    expected = average_precision_score(y, scores)
    assert average_precision(y, scores) == pytest.approx(expected)


def test_hits_and_reciprocal_rank_by_hand():
    y = np.array([1, 1, 1, 0, 0, 0])
    scores = np.array([0.9, 0.5, 0.1, 0.8, 0.5, 0.2])
    assert hits_at_k(1, y, scores) == pytest.approx(1 / 3)
    assert hits_at_k(2, y, scores) == pytest.approx(1 / 3)  # 0.5 ties with the second
    assert hits_at_k(3, y, scores) == pytest.approx(2 / 3)
    # ranks 1, 2.5 and 4
    expected = (1 + 1 / 2.5 + 1 / 4) / 3
    assert mean_reciprocal_rank(y, scores) == pytest.approx(expected)


def test_metrics_without_an_answer_are_nan():
    edges, scores = np.ones(3), np.array([0.1, 0.2, 0.3])
    for y in (edges, 0 * edges):
        assert np.isnan(auroc(y, scores)) and np.isnan(mean_reciprocal_rank(y, scores))
    assert np.isnan(average_precision(0 * edges, scores))
    assert np.isnan(hits_at_k(4, np.array([1, 0, 0]), scores))


def test_an_evaluation_compares_with_each_baseline():
    y = np.repeat([1, 0], 30)
    good, bad = np.where(y == 1, 0.9, 0.1), np.full(60, 0.5)
    found = evaluate_links(y, good, {"constant": bad}, pd.DataFrame({"label": y}))
    assert found.score.value == 1 and found.baselines["constant"].value == 0.5
    names = [score.metric for score in found.scores]
    assert names == ["average_precision", "hits@20", "mrr"]
    assert found.notes == ["hits@50 not computed: only 30 negative pairs"]
    assert found.comparisons["constant"].better
    assert found.comparisons["constant"].wins == 30
