"""A pair's score is what the decoder adds, of embeddings that messages make."""

import numpy as np
import pandas as pd
import pytest
import torch

from vicinal.graphs.inspect.decoder import messages, open_pair
from vicinal.graphs.links.networks import LinkNetwork, LinkShape, OnLinks

NODES, RELATIONS = 12, 3


def on_links(decoder: str, free: bool, relations: int) -> OnLinks:
    torch.manual_seed(1)
    rng = np.random.default_rng(0)
    pairs = pd.DataFrame(rng.integers(0, NODES, (40, 2))).drop_duplicates()
    edges = np.sort(pairs[pairs[0] != pairs[1]].to_numpy(np.int64), axis=1)
    if relations:
        edges = np.column_stack([edges, rng.integers(0, relations, len(edges))])
    shape = LinkShape(NODES, 4, 6, 2, 0.2, free, decoder, relations)
    network = LinkNetwork(shape).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    network.requires_grad_(False)
    return OnLinks(network, torch.randn(NODES, 4), edges, NODES)


@pytest.mark.parametrize("relations", [0, RELATIONS, 10])
@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("decoder", ["dot", "bilinear", "mlp"])
def test_the_parts_add_up(decoder, free, relations):
    links = on_links(decoder, free, relations)
    for u, v in [(0, 1), (5, 3), (11, 2)]:
        row = [u, v, 1] if relations else [u, v]
        found = open_pair(links, torch.tensor(row))
        score = links.logits(torch.tensor([row]))[0, 1]
        assert found.computed == pytest.approx(float(score), rel=1e-6)
        assert found.off < 1e-5 * (1 + abs(found.computed))
        assert found.parts.shape == (6,)
        z = links.embeddings().numpy()
        np.testing.assert_array_equal(found.ends, z[[u, v]])


@pytest.mark.parametrize("relations", [0, RELATIONS, 10])
def test_messages_make_what_the_layers_computed(relations):
    links = on_links("dot", False, relations)
    z = links.embeddings().numpy()
    edges = np.concatenate([links.edges.numpy()[:, :2], links.edges.numpy()[:, 1::-1]])
    for node in range(NODES):
        layers = list(messages(links, node))
        assert len(layers) == 2
        for one in layers:
            assert one.off < 1e-5 * (1 + abs(one.given).max())
            senders = sorted(m.source for m in one.messages)
            assert senders == sorted(edges[edges[:, 1] == node, 0].tolist())
        np.testing.assert_allclose(layers[-1].given, z[node], rtol=1e-4, atol=1e-4)
    assert list(messages(on_links("dot", True, relations), 0)) == []


def test_a_message_of_a_relation_is_its_share_of_the_mean():
    links = on_links("dot", False, RELATIONS)
    layer = links.network.layers[0]
    weights, x = layer.weights().detach(), links.x  # type: ignore[operator]
    edges = np.concatenate([links.edges.numpy(), links.edges.numpy()[:, [1, 0, 2]]])
    node = 0
    first = next(iter(messages(links, node)))
    wanted = []
    for r in range(RELATIONS):
        own = edges[(edges[:, 1] == node) & (edges[:, 2] == r), 0]
        wanted += [(int(u), r, 1 / len(own)) for u in own]
    assert len(wanted) == len(first.messages)
    for message, (u, r, share) in zip(
        sorted(first.messages, key=lambda m: (m.source, m.coefficient)),
        sorted(wanted, key=lambda w: (w[0], w[2])),
        strict=True,
    ):
        assert message.source == u and message.coefficient == pytest.approx(share)
        vector = share * (x[u] @ weights[r])
        np.testing.assert_allclose(message.vector, vector, rtol=1e-4, atol=1e-5)
