"""Feature visualisation finds what a channel detects."""

import numpy as np
import torch
from torch import nn

from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.inspect.feature_visualization import (
    image_from_spectrum,
    maximize_channel,
    maximize_class,
    visualize_feature,
)

PREPROCESSING = Preprocessing(32, 32, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


def edge_and_red_detector() -> nn.Module:
    """Return a network: channel 0 detects vertical edges, channel 1 red."""
    conv = nn.Conv2d(3, 2, 3, padding=1, bias=False)
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0, :, :, 0], conv.weight[0, :, :, 2] = -1.0, 1.0
        conv.weight[1, 0, 1, 1] = 1.0
        conv.weight[1, 1:, 1, 1] = -0.5
    return nn.Sequential(conv, nn.ReLU())


def test_a_channel_is_maximized_by_what_it_detects():
    network = edge_and_red_detector()
    edges, red = (
        visualize_feature(network, PREPROCESSING, maximize_channel("1", k), steps=240)
        for k in (0, 1)
    )
    for result in (edges, red):
        assert np.mean(result.values[-10:]) > 2 * np.mean(result.values[:5])
        assert float(result.image.min()) >= 0 and float(result.image.max()) <= 1
    across_columns = edges.image.diff(dim=2).abs().mean()
    across_rows = edges.image.diff(dim=1).abs().mean()
    assert float(across_columns) > 1.5 * float(across_rows)
    r, g, b = red.image.mean(dim=(1, 2)).tolist()
    assert r > g + 0.2 and r > b + 0.2


def test_a_class_is_maximized_and_the_network_left_unchanged(network_of):
    network, _ = network_of("small")
    before = {k: v.clone() for k, v in network.state_dict().items()}
    preprocessing = Preprocessing(33, 33, mean=(0.5,) * 3, std=(0.25,) * 3)
    first, second = (
        visualize_feature(network, preprocessing, maximize_class(2), steps=5, seed=3)
        for _ in range(2)
    )
    assert first.image.equal(second.image) and len(first.values) == 5
    assert all(p.requires_grad and p.grad is None for p in network.parameters())
    assert all(v.equal(before[k]) for k, v in network.state_dict().items())


def test_power_decreases_with_frequency_as_in_natural_images():
    """A white spectrum gives an image whose power falls with frequency."""
    g = torch.Generator().manual_seed(0)
    spectrum = 0.01 * torch.randn(1, 64, 33, 2, generator=g)
    image = image_from_spectrum(spectrum, 64)[0]
    power = torch.fft.rfft2(image - image.mean()).abs().square()
    assert float(power[1:5, 1:5].mean()) > 20 * float(power[20:30, 20:30].mean())
