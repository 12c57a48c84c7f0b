"""The dense network: as many parameters as asked for, and no sense of place."""

import pytest
import torch

from vicinal.images.networks.dense import NARROWEST, dense, parameters


@pytest.mark.parametrize("wanted", [30_000, 100_000, 1_000_000])
def test_it_is_the_narrowest_that_is_large_enough(wanted):
    network = dense(10, 1, 28, wanted)
    count = sum(p.numel() for p in network.parameters())
    width = network.embedding_size
    assert count == parameters(28 * 28, width, 10) >= wanted
    assert parameters(28 * 28, width - 1, 10) < wanted


def test_a_large_picture_does_not_leave_it_too_narrow():
    with torch.device("meta"):
        assert dense(2, 3, 224, 1000).embedding_size == NARROWEST


def test_shuffled_pixels_need_only_shuffled_weights():
    torch.manual_seed(0)
    network = dense(4, 1, 6, 3000)
    x, order = torch.randn(3, 1, 6, 6), torch.randperm(36)
    expected = network(x)
    with torch.no_grad():
        weight = network.hidden.get_parameter("1.weight")
        weight.copy_(weight[:, order])
    shuffled = x.flatten(1)[:, order].view_as(x)
    torch.testing.assert_close(network(shuffled), expected)
