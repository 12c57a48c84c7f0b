"""Contributions of nodes and features add up to the linear baseline's prediction."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vicinal.graphs.data.read import read_graph
from vicinal.graphs.explain.contributions import (
    compute_contributions,
    feature_contributions,
    node_contributions,
)
from vicinal.graphs.node_estimators import NodeClassifier, NodeRegressor
from vicinal.graphs.nodes.propagated_features import FEATURE_SETS


@pytest.fixture(scope="module")
def fit(block_tables) -> Any:
    """Fit the linear baseline to classes, a number or several labels, once each."""
    fitted: dict[str, Any] = {}

    def fit_once(task: str) -> NodeClassifier | NodeRegressor:
        if task in fitted:
            return fitted[task]
        nodes, edges = block_tables(nodes=120)
        model: Any = NodeClassifier(network="none")
        if task == "number":
            noise = np.random.default_rng(1).normal(size=120)
            nodes["label"] = 40 + 7 * nodes["a"] + noise
            model = NodeRegressor(network="none")
        elif task == "several labels":
            nodes["label"] += np.where(nodes["a"] > 0, "|high", "|low")
        return fitted.setdefault(task, model.fit(read_graph(nodes, edges=edges)))

    return fit_once


def with_smoothing(model: Any, smoothing: float) -> list[Any]:
    """Return a model's linear candidates; label propagation always smooths."""
    return [
        replace(linear, smoothing=smoothing)
        for linear in model.linear_candidates_
        if smoothing or linear.feature_set != "label_propagation"
    ]


@pytest.mark.parametrize("smoothing", [0.0, 0.5, 0.9])
def test_contributions_add_up_to_the_prediction(fit, smoothing):
    model = fit("classes")
    feature_sets = {linear.feature_set for linear in model.linear_candidates_}
    assert feature_sets == set(FEATURE_SETS)
    for linear in with_smoothing(model, smoothing):
        for node in (0, 11, 50):
            result = compute_contributions(linear, model.labelled_graph_, node)
            assert result.max_error < 1e-5, (linear.feature_set, result.quantity)
            shares = [contribution.share for contribution in result.nodes]
            assert sum(shares) == pytest.approx(1, abs=1e-4)
            assert shares == sorted(shares, reverse=True)


def test_training_node_contributes_to_its_own_class_only(fit):
    model = fit("classes")
    linear = replace(model.linear_, smoothing=0.8)
    result = compute_contributions(linear, model.labelled_graph_, 4)
    for contribution in result.nodes:
        if contribution.is_labelled:
            label = model.labelled_graph_.y[contribution.node]
            others = np.delete(contribution.values, label)
            assert contribution.values[label] > 0 and not others.any()
    assert result.quantity == "probability"
    assert result.computed.sum() == pytest.approx(1, abs=1e-5)


def test_without_edges_only_the_node_itself_contributes(fit):
    model = fit("classes")
    result = compute_contributions(model.features_only_, model.labelled_graph_, 9)
    assert [contribution.node for contribution in result.nodes] == [9]
    assert result.quantity == "logit"
    assert node_contributions(model, "n9").node == 9


@pytest.mark.parametrize("smoothing", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("task", ["number", "several labels"])
def test_contributions_add_up_for_numbers_and_several_labels(fit, task, smoothing):
    model = fit(task)
    labelled, is_number = model.labelled_graph_, task == "number"
    for linear in with_smoothing(model, smoothing):
        for node in (0, 11, 50):
            result = compute_contributions(linear, labelled, node)
            tolerance = 1e-4 if is_number else 1e-5
            assert result.max_error < tolerance, (linear.feature_set, result.quantity)
            if is_number:  # in the unit of the target
                predicted = model.objective_.predict(linear.logits(labelled))[node]
                assert result.quantity == "number"
                assert result.computed[0] == pytest.approx(predicted, abs=1e-3)
    if is_number and smoothing:
        linear = replace(model.linear_candidates_[0], smoothing=smoothing)
        nodes = compute_contributions(linear, labelled, 3).nodes
        assert nodes and all(contribution.is_labelled for contribution in nodes)


@pytest.mark.parametrize("task", ["classes", "number", "several labels"])
def test_feature_contributions_add_up_to_the_unsmoothed_prediction(fit, task):
    model = fit(task)
    labelled = model.labelled_graph_
    std = getattr(model.objective_, "std", 1.0)
    for linear in model.linear_candidates_:
        values = feature_contributions(linear, labelled, 7)
        if linear.feature_set == "label_propagation":
            assert not len(values)
            continue
        logits = linear.head.logits(linear.propagate(labelled).numpy())[7].numpy()
        computed = values.sum(axis=0) + std * np.asarray(linear.head.bias)
        np.testing.assert_allclose(computed, std * logits, rtol=1e-4, atol=1e-4)
        assert values.shape == (labelled.x.shape[1], model.objective_.outputs)
