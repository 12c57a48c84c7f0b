"""The decoder's terms add up to the score, and messages to the embeddings."""

import numpy as np
import pandas as pd
import pytest
import torch

from vicinal.graphs.inspect.decoder import decompose_layers, decompose_score
from vicinal.graphs.links.networks import LinkNetwork, LinkNetworkConfig, PairNetwork

NODES, RELATIONS = 12, 3


def build_links(decoder: str, free: bool, relations: int) -> PairNetwork:
    torch.manual_seed(1)
    rng = np.random.default_rng(0)
    pairs = pd.DataFrame(rng.integers(0, NODES, (40, 2))).drop_duplicates()
    edges = np.sort(pairs[pairs[0] != pairs[1]].to_numpy(np.int64), axis=1)
    if relations:
        edges = np.column_stack([edges, rng.integers(0, relations, len(edges))])
    shape = LinkNetworkConfig(NODES, 4, 6, 2, 0.2, free, decoder, relations)
    network = LinkNetwork(shape).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    network.requires_grad_(False)
    return PairNetwork(network, torch.randn(NODES, 4), edges, NODES)


@pytest.mark.parametrize("relations", [0, RELATIONS, 10])
@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("decoder", ["dot", "bilinear", "mlp"])
def test_terms_add_up_to_the_score(decoder, free, relations):
    links = build_links(decoder, free, relations)
    for u, v in [(0, 1), (5, 3), (11, 2)]:
        row = [u, v, 1] if relations else [u, v]
        breakdown = decompose_score(links, torch.tensor(row))
        score = links.logits(torch.tensor([row]))[0, 1]
        assert breakdown.score == pytest.approx(float(score), rel=1e-6)
        assert breakdown.max_error < 1e-5 * (1 + abs(breakdown.score))
        assert breakdown.terms.shape == (6,)
        z = links.embeddings().numpy()
        np.testing.assert_array_equal(breakdown.embeddings, z[[u, v]])


@pytest.mark.parametrize("relations", [0, RELATIONS, 10])
def test_messages_add_up_to_the_output_of_each_layer(relations):
    links = build_links("dot", False, relations)
    z = links.embeddings().numpy()
    edges = np.concatenate([links.edges.numpy()[:, :2], links.edges.numpy()[:, 1::-1]])
    for node in range(NODES):
        layers = list(decompose_layers(links, node))
        assert len(layers) == 2
        for layer in layers:
            assert layer.max_error < 1e-5 * (1 + abs(layer.output).max())
            sources = sorted(m.source for m in layer.messages)
            assert sources == sorted(edges[edges[:, 1] == node, 0].tolist())
        np.testing.assert_allclose(layers[-1].output, z[node], rtol=1e-4, atol=1e-4)
    assert list(decompose_layers(build_links("dot", True, relations), 0)) == []


def test_relational_message_is_a_term_of_the_mean_over_its_relation():
    links = build_links("dot", False, RELATIONS)
    layer = links.network.layers[0]
    weights, x = layer.relation_weights().detach(), links.x  # type: ignore[operator]
    edges = np.concatenate([links.edges.numpy(), links.edges.numpy()[:, [1, 0, 2]]])
    node = 0
    first = next(iter(decompose_layers(links, node)))
    expected = []
    for r in range(RELATIONS):
        neighbors = edges[(edges[:, 1] == node) & (edges[:, 2] == r), 0]
        expected += [(int(u), r, 1 / len(neighbors)) for u in neighbors]
    assert len(expected) == len(first.messages)
    for message, (u, r, coefficient) in zip(
        sorted(first.messages, key=lambda m: (m.source, m.coefficient)),
        sorted(expected, key=lambda row: (row[0], row[2])),
        strict=True,
    ):
        assert message.source == u
        assert message.coefficient == pytest.approx(coefficient)
        vector = coefficient * (x[u] @ weights[r])
        np.testing.assert_allclose(message.vector, vector, rtol=1e-4, atol=1e-5)
