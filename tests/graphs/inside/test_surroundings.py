"""What nodes say together is the answer, and what they say is theirs."""

import numpy as np
import pytest

from vicinal.graphs.first_answer import VIEWS
from vicinal.graphs.inside.surroundings import of_model, surroundings
from vicinal.graphs.nodes import NodeClassifier
from vicinal.graphs.read import read_graph


@pytest.fixture
def model(block_tables) -> NodeClassifier:
    nodes, edges = block_tables(nodes=120)
    return NodeClassifier(network="none").fit(read_graph(nodes, edges=edges))


@pytest.mark.parametrize("evened", [0.0, 0.5, 0.9])
def test_the_parts_sum_to_the_answer(model, evened):
    from dataclasses import replace

    assert {first.view for first in model.firsts_} == set(VIEWS)
    for first in model.firsts_:
        if first.view == "labels" and not evened:
            continue  # that is never so
        told = replace(first, evened=evened)
        for node in (0, 11, 50):
            found = surroundings(told, model.known_, node)
            assert found.off < 1e-5, (first.view, found.what)
            assert sum(part.share for part in found.parts) == pytest.approx(1, abs=1e-4)
            shares = [part.share for part in found.parts]
            assert shares == sorted(shares, reverse=True)


def test_a_known_neighbour_says_its_label_and_no_other(model):
    from dataclasses import replace

    found = surroundings(replace(model.first_, evened=0.8), model.known_, 4)
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
