"""Filters of the first convolution as images and in words."""

import pytest
import torch

from vicinal.errors import SettingError
from vicinal.images.inspect.filters import (
    classify_filter,
    filter_images,
    first_convolution,
)


def test_filter_images_are_scaled_weights(network_of):
    network, _ = network_of("resnet18")
    name, layer = first_convolution(network)
    images = filter_images(network)
    assert name == "conv1" and images.shape == (64, 7, 7, 3)
    assert float(images.min()) >= 0 and float(images.max()) <= 1
    scaled = (2 * images - 1).permute(0, 3, 1, 2)
    largest = layer.weight.detach().abs().amax(dim=(1, 2, 3), keepdim=True)
    torch.testing.assert_close(scaled * largest, layer.weight.detach())


def test_a_network_without_convolutions_is_refused(network_of):
    with pytest.raises(SettingError, match="has no convolution"):
        filter_images(network_of("dense")[0])


def test_filters_are_classified():
    vertical = torch.tensor([[[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]])
    assert classify_filter(vertical) == "vertical edges"
    assert classify_filter(vertical.mT) == "horizontal edges"
    gaussian = torch.tensor([[[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]])
    assert classify_filter(gaussian) == "blurred brightness"
    assert classify_filter(torch.ones(3, 3, 3)) == "brightness"
    red = torch.ones(3, 3, 3) * torch.tensor([1.0, -1, -1])[:, None, None]
    assert classify_filter(red) == "colour"
    assert classify_filter(torch.zeros(3, 3, 3)).startswith("nothing")
