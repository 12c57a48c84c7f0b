"""The dense network: as many parameters as asked for, and no sense of place."""

import pytest
import torch

from vicinal.images.networks.dense import MIN_WIDTH, dense, parameters


@pytest.mark.parametrize("expected", [30_000, 100_000, 1_000_000])
def test_the_network_is_the_narrowest_of_at_least_that_many_parameters(expected):
    network = dense(10, 1, 28, expected)
    count = sum(p.numel() for p in network.parameters())
    width = network.embedding_size
    assert count == parameters(28 * 28, width, 10) >= expected
    assert parameters(28 * 28, width - 1, 10) < expected


def test_the_width_has_a_minimum_for_large_images():
    with torch.device("meta"):
        assert dense(2, 3, 224, 1000).embedding_size == MIN_WIDTH


def test_permuted_pixels_and_weights_give_the_same_output():
    torch.manual_seed(0)
    network = dense(4, 1, 6, 3000)
    x, order = torch.randn(3, 1, 6, 6), torch.randperm(36)
    expected = network(x)
    with torch.no_grad():
        weight = network.hidden.get_parameter("1.weight")
        weight.copy_(weight[:, order])
    shuffled = x.flatten(1)[:, order].view_as(x)
    torch.testing.assert_close(network(shuffled), expected)
