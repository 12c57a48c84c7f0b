"""The slope that OpenVINO computes is the one that torch finds by itself."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vicinal.core.compute.openvino import is_installed
from vicinal.core.compute.openvino_gradients import slope_on_openvino

pytestmark = pytest.mark.skipif(not is_installed(), reason="needs the extra `fast`")

CHANNELS, SIDE = 4, 11


class Twice(nn.Module):
    """What is used twice gets the sum of what comes back."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(CHANNELS, 6, 1), nn.Conv2d(CHANNELS, 6, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        return torch.relu(h + self.b(x)) + h


class Pooled(nn.Module):
    """A layer on maps, the mean of each map, and a dense layer."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        out = layer(torch.zeros(1, CHANNELS, SIDE, SIDE)).shape[1]
        self.mix = nn.Conv2d(out, 5, 1)
        self.fc = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.relu(self.mix(self.layer(x))).mean((2, 3)))


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "plain": lambda: nn.Conv2d(CHANNELS, 6, 3, padding=1),
    "nothing around": lambda: nn.Conv2d(CHANNELS, 6, 3),
    "much around": lambda: nn.Conv2d(CHANNELS, 6, 3, padding=4),
    "stride": lambda: nn.Conv2d(CHANNELS, 6, 3, stride=2, padding=1),
    "stride that leaves a row": lambda: nn.Conv2d(CHANNELS, 6, 2, stride=3),
    "uneven": lambda: nn.Conv2d(CHANNELS, 6, (1, 5), stride=(2, 1), padding=(0, 2)),
    "dilated": lambda: nn.Conv2d(CHANNELS, 6, 3, dilation=2, padding=1),
    "grouped": lambda: nn.Conv2d(CHANNELS, 6, 3, groups=2, padding=1),
    "depthwise": lambda: nn.Conv2d(CHANNELS, CHANNELS, 3, groups=CHANNELS, padding=1),
    "depthwise, stride": lambda: nn.Conv2d(
        CHANNELS, 2 * CHANNELS, 3, stride=2, groups=CHANNELS, padding=1
    ),
    "relu6": lambda: nn.Sequential(nn.Conv2d(CHANNELS, 9, 1), nn.ReLU6()),
    "clamped": lambda: nn.Sequential(nn.Conv2d(CHANNELS, 9, 1), nn.Hardtanh(-0.5, 0.2)),
    "twice": Twice,
    "pool": lambda: nn.MaxPool2d(2),
    "pool that overlaps": lambda: nn.MaxPool2d(3, stride=2, padding=1),
    "pool that leaves rows": lambda: nn.MaxPool2d(2, stride=4),
    "pool of a last part": lambda: nn.MaxPool2d(3, stride=2, ceil_mode=True),
    "norm": lambda: nn.BatchNorm2d(CHANNELS).eval(),
}


def drawn(layer: nn.Module) -> nn.Module:
    """The network around a layer; its norm has seen something."""
    network = Pooled(layer).eval()
    for name, tensor in network.state_dict().items():
        if name.endswith(("running_var", "layer.weight")) and tensor.ndim == 1:
            tensor.uniform_(0.5, 2)
    return network.requires_grad_(False)


def by_torch(network: nn.Module, x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    y = network(x) @ weights
    (slope,) = torch.autograd.grad(y.sum(), x)
    return y.detach(), slope


def assert_same(network: nn.Module, x: Tensor) -> None:
    slope = slope_on_openvino(network, x)
    assert slope is not None
    weights = torch.randn(3)
    wanted = by_torch(network, x, weights)
    assert float(wanted[1].abs().max()) > 0
    for found, value in zip(slope(x.numpy(), weights.numpy()), wanted, strict=True):
        torch.testing.assert_close(torch.from_numpy(found), value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_each_rule_is_that_of_autograd(name):
    torch.manual_seed(0)
    assert_same(drawn(LAYERS[name]()), torch.randn(3, CHANNELS, SIDE, SIDE))


def test_the_first_of_equal_numbers_gets_all():
    torch.manual_seed(0)
    network = drawn(LAYERS["pool that overlaps"]())
    assert_same(network, torch.ones(2, CHANNELS, SIDE, SIDE))


def test_a_dense_network():
    torch.manual_seed(0)
    layers = nn.Flatten(), nn.Linear(CHANNELS * 9, 7), nn.ReLU(), nn.Linear(7, 3)
    network = nn.Sequential(*layers).requires_grad_(False)
    assert_same(network, torch.randn(5, CHANNELS, 3, 3))


def test_what_has_no_rule_has_no_slope():
    network = drawn(nn.Sequential(nn.Conv2d(CHANNELS, 4, 3), nn.Tanh()))
    assert slope_on_openvino(network, torch.zeros(2, CHANNELS, SIDE, SIDE)) is None


def test_answers_are_copies():
    torch.manual_seed(0)
    network, x = drawn(nn.ReLU()), torch.randn(2, CHANNELS, SIDE, SIDE)
    slope, weights = slope_on_openvino(network, x), np.ones(3, np.float32)
    assert slope is not None
    first = slope(x.numpy(), weights)
    before = [part.copy() for part in first]
    slope(-x.numpy(), -weights)
    assert all((a == b).all() for a, b in zip(first, before, strict=True))
