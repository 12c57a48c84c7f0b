"""Integrated gradients of edges and features add up to the change of the output."""

import numpy as np
import pytest
import torch

from vicinal.errors import SettingError
from vicinal.graphs.explain.edge_attribution import (
    MaskedAdjacency,
    attribute_prediction,
    integrated_gradients,
    mask_messages,
    normalize_weights,
)
from vicinal.graphs.explain.edge_deletion import explain_edges
from vicinal.graphs.layers.gcn import gcn_aggregate
from vicinal.graphs.nodes.networks import NETWORKS
from vicinal.graphs.sparse.aggregation import spmm


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_mask_of_ones_changes_nothing(name, weighted, model, add_network):
    network, labelled = add_network(model, name), model.labelled_graph_
    graph, x = labelled.adjacency, labelled.x
    weight = torch.rand(graph.num_edges) + 0.1 if weighted else None
    expected = network(x, graph, weight)
    ones = torch.ones(graph.num_edges)
    masked = network(x, mask_messages(graph, ones, weight), weight)
    torch.testing.assert_close(masked, expected)
    without_messages = network(x, mask_messages(graph, 0 * ones, weight), weight)
    assert (without_messages - expected).abs().max() > 1e-3


def test_normalized_weights_are_those_of_gcn(model):
    labelled = model.labelled_graph_
    weight = torch.rand(labelled.adjacency.num_edges) + 0.1
    computed = spmm(normalize_weights(labelled.adjacency, weight), labelled.x)
    expected = gcn_aggregate(labelled.x, labelled.adjacency, weight)
    torch.testing.assert_close(computed, expected)


@pytest.mark.parametrize("name", NETWORKS)
def test_attributions_add_up_to_the_change_of_the_output(name, model, add_network):
    network = add_network(model, name)
    result = attribute_prediction(model, 7, 1, steps=64)
    labelled = model.labelled_graph_
    logits = network(labelled.x, labelled.adjacency, labelled.edge_weight)[7].detach()
    others = torch.stack([logits[0], logits[2]]).logsumexp(0)
    assert result.output == pytest.approx(float(logits[1] - others), abs=1e-4)
    change = result.output - result.output_without_messages
    assert result.edges.sum() == pytest.approx(change, rel=0.02, abs=0.01)
    change = result.output - result.output_without_features
    assert result.features.sum() == pytest.approx(change, rel=0.02, abs=0.01)
    assert result.completeness_error < 0.01
    assert (np.diff(result.edges) <= 0).all()


def test_contribution_of_unlisted_edges_is_reported(model, add_network):
    add_network(model, "gcn", layers=6)
    explanation = explain_edges(model, 7, 1, method="integrated_gradients")
    result = attribute_prediction(model, 7, 1)
    total = explanation.total_effect
    change = result.output - result.output_without_messages
    assert total is not None and total == pytest.approx(change)
    listed = sum(edge.effect for edge in explanation.edges)
    assert abs(total - listed) > 1e-6
    assert f"All edges contribute {total:+.4f}" in explanation.method_description
    unlisted = f"those not listed contribute {total - listed:+.4f}"
    assert unlisted in explanation.method_description


def test_only_edges_in_the_receptive_field_get_an_attribution(model, add_network):
    add_network(model, "sage")
    result, table = attribute_prediction(model, 7, 1), model.graph_
    ends = zip(table.source.tolist(), table.target.tolist(), strict=True)
    edges = [tuple(sorted(pair)) for pair in ends]
    neighborhood = {7} | {v for pair in edges if 7 in pair for v in pair}
    attributed = set(zip(result.sources.tolist(), result.targets.tolist(), strict=True))
    assert attributed == {pair for pair in edges if neighborhood & set(pair)}


def test_integrated_gradients_of_a_polynomial():
    x = torch.tensor([2.0, -1.0, 3.0])
    values, start, end = integrated_gradients(lambda z: z[0] * z[1] + z[2] ** 2, x, 50)
    assert (start, end) == (0.0, 7.0)
    expected = torch.tensor([-1.0, -1.0, 9.0])
    torch.testing.assert_close(values, expected, rtol=1e-3, atol=1e-3)


def test_attributions_are_deterministic(model, add_network):
    add_network(model, "gin")
    first, second = (attribute_prediction(model, 3, 0) for _ in range(2))
    assert np.array_equal(first.edges, second.edges)
    assert np.array_equal(first.sources, second.sources)


def test_linear_baseline_has_no_messages(model):
    with pytest.raises(SettingError, match="linear baseline, which sends no messages"):
        attribute_prediction(model, 0, 0)


def test_self_loops_are_not_masked(model):
    graph = model.labelled_graph_.adjacency
    mask = torch.rand(graph.num_edges)
    masked = mask_messages(graph, mask).with_self_loops
    assert isinstance(masked, MaskedAdjacency)
    is_loop = masked.incoming.indices == masked.incoming.row_indices
    assert torch.equal(masked.edge_mask[is_loop], torch.ones(150))
    # a self-loop is the last of a node's edges, so the others keep their order
    assert torch.equal(masked.edge_mask[~is_loop], mask)
