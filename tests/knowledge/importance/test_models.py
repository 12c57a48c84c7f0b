"""Ridge, trees and the network of scores against naive computations."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix, random_array
from sklearn.ensemble import HistGradientBoostingRegressor

from vicinal.knowledge.importance.models import boosting
from vicinal.knowledge.importance.models.boosting import BoostedTrees
from vicinal.knowledge.importance.models.network_training import NetworkTraining
from vicinal.knowledge.importance.models.ridge import Penalties, Ridge, RidgeProblem
from vicinal.knowledge.importance.models.score_network import (
    NetworkConfig,
    PredicateEdges,
    ScoreLayer,
    ScoreNetwork,
)
from vicinal.knowledge.importance.models.stacked import Examples
from vicinal.knowledge.triple_graph import TripleGraph


def test_ridge_is_the_closed_form():
    rng = np.random.default_rng(0)
    dense = rng.normal(2, 3, size=(50, 6)).astype(np.float32)
    dense[:, 5] = 1.0  # constant
    sparse = random_array((50, 20), density=0.2, rng=rng, dtype=np.float32)
    facts = csr_matrix(sparse)
    y = rng.normal(size=50).astype(np.float32)
    ridge = Ridge.fit(dense, facts, y, Penalties(0.1, 2.0))
    spread = np.where(dense.std(axis=0) > 1e-6, dense.std(axis=0), 1.0)
    x = np.c_[(dense - dense.mean(axis=0)) / spread, facts.toarray()]
    penalty = np.diag([0.1 * 50] * 6 + [2.0] * 20)
    weights = np.linalg.solve(x.T @ x + penalty, x.T @ (y - y.mean()))
    found = np.r_[ridge.weights, ridge.fact_weights]
    np.testing.assert_allclose(found, weights, atol=2e-4)
    again = RidgeProblem(dense, facts, y)
    again.solve(Penalties(0.3, 1.0))
    same = again.solve(Penalties(0.1, 2.0))
    np.testing.assert_array_equal(same.weights, ridge.weights)
    predicted = ridge.predict(dense, facts)
    np.testing.assert_allclose(predicted, x @ weights + y.mean(), atol=1e-3)


def test_trees_predict_what_scikit_learn_does():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 5)).astype(np.float32)
    y = np.sin(3 * x[:, 0]) + x[:, 1] ** 2
    ours = BoostedTrees.fit(x, y, 0)
    theirs = HistGradientBoostingRegressor(
        max_iter=boosting.ITERATIONS,
        learning_rate=boosting.LEARNING_RATE,
        max_leaf_nodes=boosting.LEAVES,
        min_samples_leaf=boosting.MIN_LEAF,
        l2_regularization=boosting.L2,
        max_features=boosting.FEATURE_SHARE,
        max_bins=boosting.MAX_BINS,
        early_stopping=False,  # pyright: ignore[reportArgumentType]
        random_state=0,
    ).fit(x, y)
    new = rng.normal(size=(100, 5)).astype(np.float32)
    np.testing.assert_allclose(ours.predict(new), theirs.predict(new), atol=1e-10)


@pytest.fixture
def graph() -> TripleGraph:
    triples = [[0, 0, 1], [1, 1, 2], [0, 1, 2], [3, 0, 0], [3, 1, 0], [4, 0, 4]]
    return TripleGraph(np.array(triples), 5, 2)


def dense_layer(
    layer: ScoreLayer, scores: torch.Tensor, phi: torch.Tensor, graph: TripleGraph
) -> torch.Tensor:
    """Return the layer's output by a loop over entities and heads."""
    edges = [tuple(row) for row in graph.directed.tolist()]
    edges += [(k, graph.num_directed, k) for k in range(graph.num_entities)]
    out = torch.zeros_like(scores)
    for i in range(graph.num_entities):
        own = [(p, j) for head, p, j in edges if head == i]
        for h in range(scores.shape[1]):
            e = torch.stack(
                [
                    layer.source[h] * scores[j, h]
                    + layer.target[h] * scores[i, h]
                    + phi[p] @ layer.predicate[:, h]
                    for p, j in own
                ]
            )
            alpha = torch.softmax(torch.where(e > 0, e, 0.2 * e), dim=0)
            values = torch.stack([scores[j, h] for _, j in own])
            out[i, h] = (alpha * values).sum()
    return out


def test_a_layer_is_the_dense_formula(graph):
    torch.manual_seed(0)
    layer, edges = ScoreLayer(3, 4), PredicateEdges.from_graph(graph)
    scores, phi = torch.randn(5, 3), torch.randn(5, 4)
    expected = dense_layer(layer, scores, phi, graph)
    torch.testing.assert_close(layer(scores, phi, edges), expected)
    scores = scores.requires_grad_()
    weights = torch.randn(5, 3)
    parameters = [scores, *layer.parameters()]
    (layer(scores, phi, edges) * weights).sum().backward()
    found = [p.grad for p in parameters]
    grads = torch.autograd.grad(
        (dense_layer(layer, scores, phi, graph) * weights).sum(), parameters
    )
    for a, b in zip(found, grads, strict=True):
        assert a is not None
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-3)


def test_the_gradient_is_that_of_finite_differences(graph):
    torch.manual_seed(0)
    edges = PredicateEdges.from_graph(graph)
    network = ScoreNetwork(NetworkConfig(4, 5, hidden=6)).eval()
    x, weights = torch.randn(5, 4), torch.randn(5)

    def loss() -> torch.Tensor:
        return (network(x, edges) * weights).sum()

    loss().backward()
    for name in ("gamma", "beta", "phi"):
        parameter = getattr(network, name)
        place = (0,) * parameter.dim()
        value, step = float(parameter.detach()[place]), 1e-2
        with torch.no_grad():
            parameter[place] = value + step
            above = float(loss().detach())
            parameter[place] = value - step
            below = float(loss().detach())
            parameter[place] = value
        expected = (above - below) / (2 * step)
        assert float(parameter.grad[place]) == pytest.approx(expected, abs=2e-3)


def test_a_network_standardises_its_features(graph):
    torch.manual_seed(0)
    edges, x = PredicateEdges.from_graph(graph), 3 + 2 * torch.randn(5, 4)
    network = ScoreNetwork(NetworkConfig(4, 5)).eval()
    expected = network((x - 3) / 2, edges)
    network.mean.fill_(3)
    network.scale.fill_(2)
    torch.testing.assert_close(network(x, edges), expected, atol=1e-5, rtol=1e-5)


def test_attention_by_predicate_has_the_mean_one(graph):
    edges = PredicateEdges.from_graph(graph)
    network = ScoreNetwork(NetworkConfig(4, 5)).eval()
    found = network.predicate_attention(torch.randn(5, 4), edges)
    counts = np.bincount(edges.predicates.numpy(), minlength=5)
    assert found.shape == (2, 5)
    # alpha times the number of edges: the mean over all edges of an entity is 1
    np.testing.assert_allclose(found @ counts / counts.sum(), 1.0, atol=1e-5)


def test_a_network_overfits_a_few_entities():
    rng = np.random.default_rng(0)
    triples = np.stack([np.arange(40), np.zeros(40, int), (np.arange(40) + 1) % 40], 1)
    edges = PredicateEdges.from_graph(TripleGraph(triples, 40, 1))
    x = rng.normal(size=(40, 8)).astype(np.float32)
    train = Examples(np.arange(40), (5 + x[:, 0]).astype(np.float32))
    training = NetworkTraining(x, edges, train, 0)
    history = list(training.epochs(20.0, lambda: False))
    assert min(e.val_loss for e in history) < 0.6 * history[0].val_loss
    found = training.predict()
    assert np.corrcoef(found, train.labels)[0, 1] > 0.8


def test_features_beyond_the_training_range_do_not_extrapolate():
    """A feature that hardly varies in training may be anything elsewhere."""
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(100, 2)).astype(np.float32)
    dense[:, 1] *= 1e-3
    facts = csr_matrix((100, 1), dtype=np.float32)
    y = (dense[:, 0] + 1000 * dense[:, 1]).astype(np.float32)
    ridge = Ridge.fit(dense, facts, y, Penalties(0.01, 1.0))
    far = np.array([[0.0, 1.0]], np.float32)
    assert abs(ridge.predict(far, facts[:1])[0]) < 2 * np.abs(y).max()
