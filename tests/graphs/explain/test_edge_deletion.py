"""Edges that an answer was built to rest on are found, and others are not."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from vicinal.core.objective import Numeric
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.explain.edge_deletion import edges_that_count, without
from vicinal.graphs.layers.sage import GraphSAGE
from vicinal.graphs.node_estimators import NodeClassifier, NodeRegressor
from vicinal.graphs.nodes.networks import NetworkConfig, build


@pytest.fixture
def model() -> NodeClassifier:
    """A hub with ten neighbours, of which n3 alone has the feature that counts."""
    rng = np.random.default_rng(0)
    ids = ["hub", *(f"n{k}" for k in range(10)), *(f"far{k}" for k in range(10))]
    nodes = pd.DataFrame({"id": ids, "f": 0, "g": rng.random(21).round(3)})
    nodes.loc[nodes["id"] == "n3", "f"] = 1
    nodes["label"] = ["a", "b"] * 10 + ["a"]
    edges = pd.DataFrame(
        [("hub", f"n{k}") for k in range(10)]
        + [(f"n{k}", f"far{k}") for k in range(10)],
        columns=["source", "target"],
    )
    found = NodeClassifier(network="none").fit(read_graph(nodes, edges=edges))
    torch.manual_seed(0)
    network = build("sage", NetworkConfig(2, 4, 1, 2, 0.0, 1)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        layer = next(m for m in network.modules() if isinstance(m, GraphSAGE))
        layer.neighbours.weight[0, 0] = 30.0  # the share of neighbours with f
        network.head.weight[1, 0] = 1.0
    found.networks_ = [network]
    return found


def test_the_edge_that_counts_comes_first(model):
    hub = int(np.flatnonzero(model.graph_.ids == "hub")[0])
    found = edges_that_count(model, hub)
    first = found.edges[0]
    names = {model.graph_.ids[first.source], model.graph_.ids[first.target]}
    assert names == {"hub", "n3"} and found.target == 1
    assert len(found.edges) == 10  # one layer reaches no further
    assert first.cost == pytest.approx(3.0, abs=1e-5)  # 3 - 3 x 0, see `model`
    # without another neighbour n3 is one of nine: 30 / 9 in place of 3
    others = [edge.cost for edge in found.edges[1:]]
    assert others == pytest.approx([-1 / 3] * 9, abs=1e-4)
    assert found.chance.taken == 1 and found.chance.way == 1  # n3 alone speaks for it
    assert found.chance.change == pytest.approx(3.0, abs=1e-5)
    assert found.chance.p == 0.1 and found.chance.tried == 9  # each of ten, n3 alone
    other = edges_that_count(model, hub, target=0)
    names = {model.graph_.ids[k] for k in other.edges[0][:2]}
    assert names == {"hub", "n3"}
    assert other.edges[0].cost == pytest.approx(-3.0, abs=1e-5)  # against that class
    assert other.chance.way == -1 and other.chance.change == pytest.approx(-3, abs=1e-5)


def test_nothing_leads_to_a_lonely_node(model):
    table = model.graph_
    far = int(np.flatnonzero(table.ids == "far3")[0])
    lonely = without(model.known_, np.array([[far, far]]))
    assert lonely.graph.num_edges == model.known_.graph.num_edges
    found = edges_that_count(model, far)
    assert len(found.edges) == 1 and found.chance.tried == 0


def test_what_is_taken_away_is_gone_both_ways(model):
    rows = model.known_.graph.incoming
    pair = np.array([[int(rows.targets[0]), int(rows.sources[0])]])
    left = without(model.known_, pair).graph
    assert left.num_edges == model.known_.graph.num_edges - 2
    both = left.incoming.sources.tolist(), left.incoming.targets.tolist()
    ends = set(zip(*both, strict=True))
    a, b = pair[0].tolist()
    assert (a, b) not in ends and (b, a) not in ends


def test_of_a_number_it_is_the_number_that_moves(model):
    """A network of one layer that says 30 times the share of neighbours with f."""
    table = model.graph_.having(
        labels=np.arange(21.0).astype(object), kind="numeric", split=None
    )
    found = NodeRegressor(network="none").fit(table)
    numeric = found.objective_
    assert isinstance(numeric, Numeric)
    network = build("sage", NetworkConfig(2, 4, 1, 1, 0.0, 1)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        layer = next(m for m in network.modules() if isinstance(m, GraphSAGE))
        layer.neighbours.weight[0, 0] = 30.0
        network.head.weight[0, 0] = 1 / numeric.std
        network.head.bias[0] = -numeric.mean / numeric.std
    found.networks_ = [network]
    hub = int(np.flatnonzero(table.ids == "hub")[0])
    methods: list[Any] = ["deletion", "masks"]
    for method in methods:
        told = edges_that_count(found, hub, method=method)
        names = {table.ids[told.edges[0].source], table.ids[told.edges[0].target]}
        assert names == {"hub", "n3"}
        assert told.edges[0].cost == pytest.approx(3.0, abs=1e-4)
        assert told.answer == pytest.approx(3.0, abs=1e-4)
        assert told.what == "number" and "the number falls by 3," in told.verdict


def test_an_answer_that_is_rounded_to_one_still_has_an_order(model):
    hub = int(np.flatnonzero(model.graph_.ids == "hub")[0])
    plain = edges_that_count(model, hub)
    model.temperature_ = 0.05  # log-odds of 60: p is 1 in float32 and in float64
    found = edges_that_count(model, hub)
    assert found.answer == 1.0
    assert [edge[:2] for edge in found.edges] == [edge[:2] for edge in plain.edges]
    costs, wanted = ([edge.cost for edge in k.edges] for k in (found, plain))
    assert costs == pytest.approx([20 * cost for cost in wanted], rel=1e-4)
