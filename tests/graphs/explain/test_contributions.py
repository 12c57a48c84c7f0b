"""What nodes say together is the answer, and what they say is theirs."""

from dataclasses import replace

import numpy as np
import pytest

from vicinal.graphs.data.read import read_graph
from vicinal.graphs.explain.contributions import of_model, seen_features, surroundings
from vicinal.graphs.node_estimators import NodeClassifier, NodeRegressor
from vicinal.graphs.nodes.propagated_features import VIEWS


@pytest.fixture
def model(block_tables) -> NodeClassifier:
    nodes, edges = block_tables(nodes=120)
    return NodeClassifier(network="none").fit(read_graph(nodes, edges=edges))


@pytest.mark.parametrize("evened", [0.0, 0.5, 0.9])
def test_the_parts_sum_to_the_answer(model, correct_and_smooth):
    assert {first.view for first in model.linear_candidates_} == set(VIEWS)
    for first in model.linear_candidates_:
        if first.view == "labels" and not correct_and_smooth:
            continue  # that is never so
        told = replace(first, correct_and_smooth=correct_and_smooth)
        for node in (0, 11, 50):
            found = surroundings(told, model.known_, node)
            assert found.off < 1e-5, (first.view, found.what)
            assert sum(part.share for part in found.parts) == pytest.approx(1, abs=1e-4)
            shares = [part.share for part in found.parts]
            assert shares == sorted(shares, reverse=True)


def test_a_known_neighbour_says_its_label_and_no_other(model):
    found = surroundings(
        replace(model.linear_, correct_and_smooth=0.8), model.known_, 4
    )
    for part in found.parts:
        if part.known:
            label = model.known_.y[part.node]
            others = np.delete(part.says, label)
            assert part.says[label] > 0 and not others.any()
    assert found.what == "probability"
    assert found.computed.sum() == pytest.approx(1, abs=1e-5)


def test_features_alone_are_the_nodes_own(model):
    found = surroundings(model.alone_, model.known_, 9)
    assert [part.node for part in found.parts] == [9] and found.what == "logit"
    by_name = of_model(model, "n9")
    assert by_name.node == 9


@pytest.fixture(params=["number", "several labels"])
def another(request, block_tables) -> NodeClassifier | NodeRegressor:
    """Of the same graph a number of each node, or several labels."""
    nodes, edges = block_tables(nodes=120)
    rng = np.random.default_rng(1)
    if request.param == "number":
        nodes["label"] = 40 + 7 * nodes["a"] + rng.normal(size=120)
        model = NodeRegressor(network="none")
    else:
        more = np.where(nodes["a"] > 0, "|high", "|low")
        nodes["label"] = nodes["label"] + more
        model = NodeClassifier(network="none")
    return model.fit(read_graph(nodes, edges=edges))


@pytest.mark.parametrize("evened", [0.0, 0.5, 0.9])
def test_numbers_and_several_labels_are_sums_as_well(another, correct_and_smooth):
    model = another
    numeric = model.objective_.kind == "numeric"
    for first in model.linear_candidates_:
        if first.view == "labels" and not correct_and_smooth:
            continue
        told = replace(first, correct_and_smooth=correct_and_smooth)
        for node in (0, 11, 50):
            found = surroundings(told, model.known_, node)
            assert found.off < (1e-4 if numeric else 1e-5), (first.view, found.what)
            if numeric:  # in the unit of the target
                said = model.objective_.predict(told.logits(model.known_))[node]
                assert found.what == "number"
                assert found.computed[0] == pytest.approx(said, abs=1e-3)
    if numeric and correct_and_smooth:
        told = replace(
            model.linear_candidates_[0], correct_and_smooth=correct_and_smooth
        )
        parts = surroundings(told, model.known_, 3).parts
        assert parts and all(part.known for part in parts)  # they correct it


def test_features_sum_to_what_the_layer_says(model, another):
    for told in (model, another):
        std = getattr(told.objective_, "std", 1.0)
        for first in told.linear_candidates_:
            adds = seen_features(first, told.known_, 7)
            if first.view == "labels":
                assert not len(adds)
                continue
            said = first.head.logits(first.seen(told.known_).numpy())[7].numpy()
            found = adds.sum(axis=0) + std * np.asarray(first.head.bias)
            np.testing.assert_allclose(found, std * said, rtol=1e-4, atol=1e-4)
            assert adds.shape == (told.known_.x.shape[1], told.objective_.outputs)
