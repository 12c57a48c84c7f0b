"""Top patches: planted spots are found."""

import pytest
import torch
from torch import nn

from vicinal.errors import SettingError
from vicinal.images.inspect.receptive_field import Box
from vicinal.images.inspect.top_patches import find_top_patches


def window_sums() -> nn.Module:
    """Return a network of two channels: the sum of a 3x3 window, and its negative."""
    conv = nn.Conv2d(1, 2, 3, padding=1, bias=False)
    with torch.no_grad():
        conv.weight[0], conv.weight[1] = 1.0, -1.0
    return nn.Sequential(conv)


def test_planted_spots_are_the_top_patches():
    x = torch.rand(7, 1, 12, 12, generator=torch.Generator().manual_seed(0)) / 10
    x[4, 0, 3, 8], x[1, 0, 10, 2] = 5.0, 3.0
    bright, dark = find_top_patches(window_sums(), x.split(3), "0", count=4)
    assert [p.image for p in bright[:2]] == [4, 1]
    assert len(bright) == len(dark) == 4
    box = bright[0].box
    assert box.top <= 3 < box.bottom and box.left <= 8 < box.right
    assert box.height == box.width == 3
    window = x[4, 0, box.top : box.bottom, box.left : box.right]
    assert bright[0].value == pytest.approx(float(window.sum()), rel=1e-5)
    assert [p.value for p in bright] == sorted((p.value for p in bright), reverse=True)
    assert dark[0].value <= 0


def test_each_image_contributes_one_patch(network_of):
    network, x = network_of("small")
    batch = x[None].repeat(2, 1, 1, 1)
    patches = find_top_patches(network, [batch], "stages.0.relu")
    assert len(patches) == 16
    assert all(len({p.image for p in channel}) == 2 for channel in patches)


def test_patches_of_a_vector_are_the_whole_image(network_of):
    network, x = network_of("small")
    patches = find_top_patches(network, [x[None]], "fc")
    assert len(patches) == 5 and patches[0][0].box == Box(0, 33, 0, 33)


def test_invalid_requests_are_refused(network_of):
    network, x = network_of("small")
    with pytest.raises(SettingError, match="There is no layer 'nowhere'"):
        find_top_patches(network, [x[None]], "nowhere")
    with pytest.raises(ValueError, match="at least one image"):
        find_top_patches(network, [], "fc")
