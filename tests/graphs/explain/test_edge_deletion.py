"""Edge deletion finds the edges that a network was built to depend on."""

import numpy as np
import pytest
import torch

from vicinal.core.objective import Numeric
from vicinal.graphs.explain.edge_deletion import Method, explain_edges, remove_edges
from vicinal.graphs.node_estimators import NodeClassifier, NodeRegressor

METHODS: tuple[Method, ...] = ("deletion", "integrated_gradients")


@pytest.fixture
def hub_model(hub_table, build_mean_network) -> NodeClassifier:
    """The log-odds of b at the hub are 30 times the share of neighbours with f."""
    network = build_mean_network(2)
    with torch.no_grad():
        network.head.weight[1, 0] = 1.0
    model = NodeClassifier(network="none").fit(hub_table)
    model.update(networks=[network])
    return model


def row_of(model: NodeClassifier, name: str) -> int:
    return int(np.flatnonzero(model.graph_.ids == name)[0])


def test_edge_that_matters_is_ranked_first(hub_model):
    hub, ids = row_of(hub_model, "hub"), hub_model.graph_.ids
    explanation = explain_edges(hub_model, hub)
    first = explanation.edges[0]
    assert {ids[first.source], ids[first.target]} == {"hub", "n3"}
    assert explanation.target == 1
    assert len(explanation.edges) == 10  # one layer reaches no further
    assert first.effect == pytest.approx(3.0, abs=1e-5)  # 30 / 10
    # without another neighbour, n3 is one of nine: 30 / 9 instead of 3
    others = [edge.effect for edge in explanation.edges[1:]]
    assert others == pytest.approx([-1 / 3] * 9, abs=1e-4)
    control = explanation.random_control
    assert control.num_removed == 1 and control.sign == 1
    assert control.change == pytest.approx(3.0, abs=1e-5)
    assert control.p == 0.1 and control.num_tried == 9  # each edge alone
    opposite = explain_edges(hub_model, hub, target=0)
    first, control = opposite.edges[0], opposite.random_control
    assert {ids[first.source], ids[first.target]} == {"hub", "n3"}
    assert first.effect == pytest.approx(-3.0, abs=1e-5)
    assert control.sign == -1 and control.change == pytest.approx(-3, abs=1e-5)


def test_node_with_one_edge_has_no_random_control(hub_model):
    row = row_of(hub_model, "far3")
    labelled = hub_model.labelled_graph_
    unchanged = remove_edges(labelled, np.array([[row, row]]))
    assert unchanged.adjacency.num_edges == labelled.adjacency.num_edges
    explanation = explain_edges(hub_model, row)
    assert len(explanation.edges) == 1 and explanation.random_control.num_tried == 0


def test_both_directions_of_an_edge_are_removed(hub_model):
    labelled = hub_model.labelled_graph_
    rows = labelled.adjacency.incoming
    a, b = int(rows.row_indices[0]), int(rows.indices[0])
    graph = remove_edges(labelled, np.array([[a, b]])).adjacency
    assert graph.num_edges == labelled.adjacency.num_edges - 2
    ends = graph.incoming.indices.tolist(), graph.incoming.row_indices.tolist()
    edges = set(zip(*ends, strict=True))
    assert (a, b) not in edges and (b, a) not in edges


def test_effects_on_a_number_are_in_its_unit(hub_table, build_mean_network):
    numbers = np.arange(21.0).astype(object)
    table = hub_table.replace(labels=numbers, kind="numeric", split=None)
    model = NodeRegressor(network="none").fit(table)
    objective, network = model.objective_, build_mean_network(1)
    assert isinstance(objective, Numeric)
    with torch.no_grad():  # the number is the embedding
        network.head.weight[0, 0] = 1 / objective.std
        network.head.bias[0] = -objective.mean / objective.std
    model.update(networks=[network])
    hub = int(np.flatnonzero(table.ids == "hub")[0])
    for method in METHODS:
        explanation = explain_edges(model, hub, method=method)
        first = explanation.edges[0]
        assert {table.ids[first.source], table.ids[first.target]} == {"hub", "n3"}
        assert first.effect == pytest.approx(3.0, abs=1e-4)
        assert explanation.prediction == pytest.approx(3.0, abs=1e-4)
        assert explanation.quantity == "number"
        assert "lowers the predicted number by 3;" in explanation.verdict


def test_probability_that_rounds_to_one_still_has_a_ranking(hub_model):
    hub = row_of(hub_model, "hub")
    expected = explain_edges(hub_model, hub)
    hub_model.update(temperature=0.05)  # log-odds of 60: p is 1 in float64 as well
    explanation = explain_edges(hub_model, hub)
    assert explanation.prediction == 1.0
    edges, expected_edges = explanation.edges, expected.edges
    assert [edge[:2] for edge in edges] == [edge[:2] for edge in expected_edges]
    effects = [20 * edge.effect for edge in expected_edges]
    assert [edge.effect for edge in edges] == pytest.approx(effects, rel=1e-4)
