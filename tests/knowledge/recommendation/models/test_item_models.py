"""ItemKNN, the graph filter, LightGCN and blends against dense formulas."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from sklearn.metrics.pairwise import cosine_similarity

from vicinal.knowledge.recommendation.models.graph_filter import GraphFilter
from vicinal.knowledge.recommendation.models.item_knn import ItemKNN
from vicinal.knowledge.recommendation.models.item_model import (
    Blend,
    Popularity,
    damped,
    score_items,
    score_parts,
)
from vicinal.knowledge.recommendation.models.lightgcn import (
    LAYERS,
    Training,
    from_embeddings,
    normalized_graph,
    train_lightgcn,
)

RNG = np.random.default_rng(0)
X = (RNG.random((25, 18)) < 0.25).astype(np.float32)
X[:, 0] = 1
TABLE = csr_matrix(X)
EVERY = np.arange(18)


def test_item_knn_is_the_cosine_of_scikit_learn():
    expected = cosine_similarity(X.T)
    np.fill_diagonal(expected, 0)
    model = ItemKNN.fit(TABLE)
    np.testing.assert_allclose(model.similarity.toarray(), expected, atol=1e-6)
    np.testing.assert_allclose(score_items(model, TABLE), X @ expected, atol=1e-5)
    np.testing.assert_allclose(model.item_weights(EVERY, EVERY), expected, atol=1e-6)


def test_item_knn_shrinks_and_keeps_the_nearest():
    counts = X.T @ X
    norms = np.sqrt(np.outer(np.diag(counts), np.diag(counts)))
    expected = counts / (norms + 5)
    np.fill_diagonal(expected, 0)
    full = ItemKNN.fit(TABLE, 5.0).similarity.toarray()
    np.testing.assert_allclose(full, expected, atol=1e-6)
    nearest = ItemKNN.fit(TABLE, 5.0, neighbors=3).similarity.toarray()
    assert ((nearest > 0).sum(axis=0) <= 3).all()
    for item in range(18):
        largest = np.sort(expected[:, item])[-3:]
        np.testing.assert_allclose(np.sort(nearest[:, item])[-3:], largest, atol=1e-6)


def test_graph_filter_is_the_dense_formula():
    d_u, d_i = X.sum(axis=1), X.sum(axis=0)
    r = X / np.sqrt(d_u)[:, None] / np.sqrt(d_i)
    v = np.linalg.svd(r, full_matrices=False)[2][:4].T
    ideal = np.diag(d_i**-0.5) @ v @ v.T @ np.diag(d_i**0.5)
    b = r.T @ r + 0.3 * ideal
    model = GraphFilter.fit(TABLE, 0.3, rank=4)
    np.testing.assert_allclose(score_items(model, TABLE), X @ b, atol=1e-4)
    np.testing.assert_allclose(model.item_weights(EVERY, EVERY), b, atol=1e-5)


def test_lightgcn_propagates_as_the_dense_formula():
    users, items = X.shape
    a = np.zeros((users + items, users + items))
    a[:users, users:], a[users:, :users] = X, X.T
    scale = np.maximum(a.sum(axis=1), 1) ** -0.5
    a = scale[:, None] * a * scale
    e = RNG.normal(size=(users + items, 6)).astype(np.float32)
    layers = [np.linalg.matrix_power(a, k) @ e for k in range(LAYERS + 1)]
    f = np.mean(layers, axis=0)
    model = from_embeddings(normalized_graph(TABLE), torch.from_numpy(e), users)
    own = np.arange(users)
    expected = f[:users] @ f[users:].T
    np.testing.assert_allclose(score_items(model, TABLE, own), expected, atol=1e-4)
    # a new user has the same items, but no embedding of their own
    without = expected - e[:users] @ f[users:].T / (LAYERS + 1)
    np.testing.assert_allclose(score_items(model, TABLE), without, atol=1e-4)


def test_lightgcn_overfits_ten_users():
    x = np.kron(np.eye(2), np.ones((5, 4))).astype(np.float32)
    model, passes = train_lightgcn(csr_matrix(x), Training(60))
    scores = score_items(model, csr_matrix(x), np.arange(10))
    assert passes == 60
    assert scores[x > 0].min() > scores[x == 0].max()


@pytest.mark.parametrize("user", [None, 3])
def test_parts_of_every_model_add_up_to_the_score(user):
    models = [
        Popularity.fit(TABLE),
        ItemKNN.fit(TABLE, 1.0),
        GraphFilter.fit(TABLE),
        train_lightgcn(TABLE, Training(2))[0],
    ]
    users = None if user is None else np.array([user])
    for model in models:
        parts = score_parts(model, TABLE[[3]], user, EVERY)
        scores = score_items(model, TABLE[[3]], users)[0]
        np.testing.assert_allclose(parts.total, scores, atol=1e-4)
    blend = Blend(models, [0.5, 1.0, 2.0, -1.0])
    scores = blend.scores(TABLE[[3]], users)[0]
    total = blend.parts(TABLE[[3]], user, EVERY).total
    np.testing.assert_allclose(total, scores, atol=1e-4)
    expected = sum(c * score_items(m, TABLE[[3]], users)[0] for c, m in blend.weighted)
    np.testing.assert_allclose(scores, expected, atol=1e-4)


def test_damped_weights_have_the_mean_square_one():
    rows = csr_matrix(np.array([[0, 1, 100, 10_000], [0, 7, 7, 0]], np.float32))
    found = damped(rows).toarray()
    logs = np.log1p([1, 100, 10_000])
    np.testing.assert_allclose(
        found[0, 1:], logs / np.sqrt((logs**2).mean()), rtol=1e-5
    )
    np.testing.assert_allclose(found[1], [0, 1, 1, 0], rtol=1e-6)
