"""Decoders by hand, messages without the edges of the batch, and pair batches."""

import numpy as np
import pytest
import torch

from vicinal.graphs.links.networks import (
    LinkNetwork,
    LinkNetworkConfig,
    PairLoader,
    PairNetwork,
)

FREE = LinkNetworkConfig(5, 1, 3, 1, 0.0, True, "dot")
EDGES = np.array([[0, 1], [1, 2], [2, 3], [0, 3], [3, 4]])


def as_set(pairs: torch.Tensor) -> set[tuple[int, ...]]:
    return {(*sorted(p[:2]), *p[2:]) for p in pairs.tolist()}


@pytest.mark.parametrize("decoder", ["dot", "bilinear"])
def test_decoders_with_relations_by_hand(decoder):
    config = FREE._replace(decoder=decoder, num_relations=2)
    network = LinkNetwork(config).eval().requires_grad_(False)
    for parameter in network.parameters():  # relations that differ
        torch.nn.init.normal_(parameter)
    z, pairs = torch.randn(5, 3), torch.tensor([[0, 1, 0], [2, 4, 1], [3, 1, 1]])
    expected = []
    for u, v, r in pairs.tolist():
        if decoder == "bilinear":
            w = network.weight[r]
            score = float(z[u] @ w @ z[v] + z[v] @ w @ z[u]) / 2
        else:
            assert network.relation_vectors is not None
            score = float((z[u] * network.relation_vectors[r] * z[v]).sum())
        expected.append(score + float(network.bias[r]))
    scores = network.scores(z, pairs)
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    torch.testing.assert_close(network.scores(z, pairs[:, [1, 0, 2]]), scores)


def test_messages_leave_out_the_edges_of_the_batch():
    network = LinkNetwork(FREE._replace(free_embeddings=False))
    bound = PairNetwork(network, torch.ones(5, 1), EDGES, 5)
    rows = bound.adjacency.incoming
    messages = as_set(torch.stack([rows.indices, rows.row_indices], 1))
    assert messages == as_set(torch.from_numpy(EDGES))
    pairs = torch.from_numpy(EDGES[:2, ::-1].copy())  # in the other direction
    assert as_set(bound.edges_without(pairs)) == as_set(torch.from_numpy(EDGES[2:]))


def test_messages_leave_out_the_batch_in_its_relation_only():
    edges = np.array([[0, 1, 0], [0, 1, 1], [1, 2, 0]])
    config = FREE._replace(free_embeddings=False, num_relations=2)
    bound = PairNetwork(LinkNetwork(config), torch.ones(5, 1), edges, 5)
    assert len(bound.adjacency) == 2
    left = bound.edges_without(torch.tensor([[1, 0, 0]]))
    assert as_set(left) == {(0, 1, 1), (1, 2, 0)}


def test_batches_hold_each_edge_once_and_as_many_negatives():
    edges = np.array([[k, k + 1] for k in range(22)])
    loader = PairLoader(edges, 23, 5)
    batches = list(loader.batches(3, 0))
    assert len(batches) == loader.steps == 5
    positive = torch.cat([pairs[y == 1] for pairs, y in batches])
    negative = torch.cat([pairs[y == 0] for pairs, y in batches])
    listed = as_set(torch.from_numpy(edges))
    assert as_set(positive) == listed and len(positive) == 22 == len(negative)
    assert not as_set(negative) & listed
    resumed = list(loader.batches(3, 2))
    assert all(a.equal(b) for (a, _), (b, _) in zip(resumed, batches[2:], strict=True))
    other = torch.cat([pairs[y == 0] for pairs, y in loader.batches(4, 0)])
    assert as_set(other) != as_set(negative)
    halves = [loader.shard(k, 2) for k in range(2)]
    for whole, *shards in zip(
        batches, *(half.batches(3, 0) for half in halves), strict=True
    ):
        shared = torch.cat([pairs for pairs, _ in shards])
        assert as_set(shared) == as_set(whole[0])
