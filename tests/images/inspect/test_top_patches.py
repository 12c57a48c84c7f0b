"""Filters, patches, synthesis: what was planted is found, what is asked for grows."""

import numpy as np
import pytest
import torch
from torch import nn

from vicinal.errors import SettingError
from vicinal.images.data.decode import Preprocessing
from vicinal.images.inspect.feature_visualization import (
    channel_of,
    class_of,
    painted,
    synthesise,
)
from vicinal.images.inspect.filters import filter_pictures, first_convolution, kind_of
from vicinal.images.inspect.receptive_field import Box
from vicinal.images.inspect.top_patches import exciting_patches

# --- patches -------------------------------------------------------------------------


def corner_finder() -> nn.Module:
    """One channel that is the sum of a 3x3 window, one its negative."""
    conv = nn.Conv2d(1, 2, 3, padding=1, bias=False)
    with torch.no_grad():
        conv.weight[0], conv.weight[1] = 1.0, -1.0
    return nn.Sequential(conv)


def test_planted_spots_are_the_patches():
    x = torch.rand(7, 1, 12, 12, generator=torch.Generator().manual_seed(0)) / 10
    for picture, (row, column) in ((4, (3, 8)), (1, (10, 2))):
        x[picture, 0, row, column] = 5.0 if picture == 4 else 3.0
    bright, dark = exciting_patches(corner_finder(), x.split(3), "0", most=4)
    assert [p.picture for p in bright[:2]] == [4, 1]
    assert len(bright) == len(dark) == 4
    first = bright[0]
    rows, columns = (range(first.box.top, first.box.bottom), first.box[2:])
    assert 3 in rows and columns[0] <= 8 < columns[1]
    assert first.box.height == first.box.width == 3
    window = x[4, 0, first.box.top : first.box.bottom, columns[0] : columns[1]]
    assert first.value == pytest.approx(float(window.sum()), rel=1e-5)
    assert [p.value for p in bright] == sorted((p.value for p in bright), reverse=True)
    assert dark[0].value <= 0


def test_one_picture_has_one_patch(network_of):
    network, x = network_of("small")
    found = exciting_patches(network, [x[None].repeat(2, 1, 1, 1)], "stages.0.relu")
    assert len(found) == 16 and all(len({p.picture for p in f}) == 2 for f in found)


def test_numbers_in_a_row_see_the_whole_picture(network_of):
    network, x = network_of("small")
    found = exciting_patches(network, [x[None]], "fc")
    assert len(found) == 5 and found[0][0].box == Box(0, 33, 0, 33)


def test_patches_of_nothing(network_of):
    network, x = network_of("small")
    with pytest.raises(SettingError, match="There is no layer 'nowhere'"):
        exciting_patches(network, [x[None]], "nowhere")
    with pytest.raises(ValueError, match="one picture or more"):
        exciting_patches(network, [], "fc")


# --- filters -------------------------------------------------------------------------


def test_filters_are_pictures(network_of):
    network, _ = network_of("resnet18")
    name, layer = first_convolution(network)
    found = filter_pictures(network)
    assert name == "conv1" and found.shape == (64, 7, 7, 3)
    assert float(found.min()) >= 0 and float(found.max()) <= 1
    back = (2 * found - 1).permute(0, 3, 1, 2)
    largest = layer.weight.detach().abs().amax(dim=(1, 2, 3), keepdim=True)
    torch.testing.assert_close(back * largest, layer.weight.detach())
    with pytest.raises(SettingError, match="has no convolution"):
        filter_pictures(network_of("dense")[0])


def test_kinds_of_filters():
    across = torch.tensor([[[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]])
    assert kind_of(across) == "a vertical edge"
    assert kind_of(across.mT) == "a horizontal edge"
    blob = torch.tensor([[[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]])
    assert kind_of(blob) == "a blur"
    assert kind_of(torch.ones(3, 3, 3)) == "light"
    red = torch.ones(3, 3, 3) * torch.tensor([1.0, -1, -1])[:, None, None]
    assert kind_of(red) == "colour"
    assert kind_of(torch.zeros(3, 3, 3)).startswith("nothing")


# --- synthesis -----------------------------------------------------------------------

HOW = Preprocessing(32, 32, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


def edges() -> nn.Module:
    """Channel 0 answers to upright edges of light, channel 1 to red."""
    conv = nn.Conv2d(3, 2, 3, padding=1, bias=False)
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0, :, :, 0], conv.weight[0, :, :, 2] = -1.0, 1.0
        conv.weight[1, 0, 1, 1] = 1.0
        conv.weight[1, 1:, 1, 1] = -0.5
    return nn.Sequential(conv, nn.ReLU())


def test_a_picture_for_a_channel_is_what_it_looks_for():
    network = edges()
    for_edges = synthesise(network, HOW, channel_of("1", 0), steps=240)
    for_red = synthesise(network, HOW, channel_of("1", 1), steps=240)
    for found in (for_edges, for_red):
        assert np.mean(found.values[-10:]) > 2 * np.mean(found.values[:5])
        assert float(found.picture.min()) >= 0 and float(found.picture.max()) <= 1
    across = for_edges.picture.diff(dim=2).abs().mean()
    down = for_edges.picture.diff(dim=1).abs().mean()
    assert float(across) > 1.5 * float(down)  # upright stripes change across
    red, green, blue = for_red.picture.mean(dim=(1, 2)).tolist()
    assert red > green + 0.2 and red > blue + 0.2


def test_a_class_may_be_asked_for_and_nothing_learns(network_of):
    network, _ = network_of("small")
    before = {k: v.clone() for k, v in network.state_dict().items()}
    how = Preprocessing(33, 33, mean=(0.5,) * 3, std=(0.25,) * 3)
    found = synthesise(network, how, class_of(2), steps=5, seed=3)
    again = synthesise(network, how, class_of(2), steps=5, seed=3)
    assert found.picture.equal(again.picture) and len(found.values) == 5
    assert all(p.requires_grad and p.grad is None for p in network.parameters())
    assert all(v.equal(before[k]) for k, v in network.state_dict().items())


def test_the_spectrum_falls_as_that_of_photographs():
    """White noise in the spectrum is a picture whose power falls with frequency."""
    g = torch.Generator().manual_seed(0)
    spectrum = 0.01 * torch.randn(1, 64, 33, 2, generator=g)
    picture = painted(spectrum, 64)[0]
    power = torch.fft.rfft2(picture - picture.mean()).abs().square()
    assert float(power[1:5, 1:5].mean()) > 20 * float(power[20:30, 20:30].mean())
