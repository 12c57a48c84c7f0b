"""Gradients over OpenVINO's graph are those of torch's autograd."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("openvino", reason="needs the extra `fast`")

from vicinal.core.compute.openvino_gradients import compile_gradient

CHANNELS, SIZE = 4, 11


class Residual(nn.Module):
    """One feature map is used three times."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(CHANNELS, 6, 1), nn.Conv2d(CHANNELS, 6, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        return torch.relu(h + self.b(x)) + h * h


class SmallNetwork(nn.Module):
    """A layer, a 1x1 convolution, global average pooling and a dense layer."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        channels = layer(torch.zeros(1, CHANNELS, SIZE, SIZE)).shape[1]
        self.mix = nn.Conv2d(channels, 5, 1)
        self.fc = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.relu(self.mix(self.layer(x))).mean((2, 3)))


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "convolution": lambda: nn.Conv2d(CHANNELS, 6, 3, padding=1),
    "no padding": lambda: nn.Conv2d(CHANNELS, 6, 3),
    "large padding": lambda: nn.Conv2d(CHANNELS, 6, 3, padding=4),
    "stride": lambda: nn.Conv2d(CHANNELS, 6, 3, stride=2, padding=1),
    "stride that skips rows": lambda: nn.Conv2d(CHANNELS, 6, 2, stride=3),
    "uneven": lambda: nn.Conv2d(CHANNELS, 6, (1, 5), stride=(2, 1), padding=(0, 2)),
    "dilated": lambda: nn.Conv2d(CHANNELS, 6, 3, dilation=2, padding=1),
    "grouped": lambda: nn.Conv2d(CHANNELS, 6, 3, groups=2, padding=1),
    "depthwise": lambda: nn.Conv2d(CHANNELS, CHANNELS, 3, groups=CHANNELS, padding=1),
    "depthwise, stride": lambda: nn.Conv2d(
        CHANNELS, 2 * CHANNELS, 3, stride=2, groups=CHANNELS, padding=1
    ),
    "relu6": lambda: nn.Sequential(nn.Conv2d(CHANNELS, 9, 1), nn.ReLU6()),
    "clip": lambda: nn.Sequential(nn.Conv2d(CHANNELS, 9, 1), nn.Hardtanh(-0.5, 0.2)),
    "residual": Residual,
    "pool": lambda: nn.MaxPool2d(2),
    "overlapping pool": lambda: nn.MaxPool2d(3, stride=2, padding=1),
    "pool that skips rows": lambda: nn.MaxPool2d(2, stride=4),
    "pool with a partial window": lambda: nn.MaxPool2d(3, stride=2, ceil_mode=True),
    "batch norm": lambda: nn.BatchNorm2d(CHANNELS).eval(),
}


QUICK = ("depthwise, stride", "residual", "overlapping pool")
"""layers that are tested each time; the others take minutes together"""


def make_network(layer: nn.Module) -> nn.Module:
    """Return a network around a layer; a batch norm gets random scales."""
    network = SmallNetwork(layer).eval()
    for name, tensor in network.state_dict().items():
        if name.endswith(("running_var", "layer.weight")) and tensor.ndim == 1:
            tensor.uniform_(0.5, 2)
    return network.requires_grad_(False)


def assert_equals_autograd(network: nn.Module, x: Tensor) -> None:
    weights = torch.randn(3)
    variable = x.clone().requires_grad_()
    value = network(variable) @ weights
    (gradient,) = torch.autograd.grad(value.sum(), variable)
    assert float(gradient.abs().max()) > 0
    value_and_gradient = compile_gradient(network, x)
    results = value_and_gradient(x.numpy(), weights.numpy())
    value_and_gradient(-x.numpy(), -weights.numpy())  # the results are copies
    for result, expected in zip(results, (value.detach(), gradient), strict=True):
        torch.testing.assert_close(
            torch.from_numpy(result), expected, rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in LAYERS],
)
def test_each_operation_agrees_with_autograd(name):
    torch.manual_seed(0)
    x = torch.randn(3, CHANNELS, SIZE, SIZE)
    assert_equals_autograd(make_network(LAYERS[name]()), x)


def test_of_equal_maxima_the_first_gets_the_gradient():
    torch.manual_seed(0)
    network = make_network(LAYERS["overlapping pool"]())
    assert_equals_autograd(network, torch.ones(2, CHANNELS, SIZE, SIZE))


def test_a_dense_network_agrees_with_autograd():
    torch.manual_seed(0)
    layers = nn.Flatten(), nn.Linear(CHANNELS * 9, 7), nn.ReLU(), nn.Linear(7, 3)
    network = nn.Sequential(*layers).requires_grad_(False)
    assert_equals_autograd(network, torch.randn(5, CHANNELS, 3, 3))


@pytest.mark.slow
def test_an_unknown_operation_is_refused():
    network = make_network(nn.Sequential(nn.Conv2d(CHANNELS, 4, 3), nn.Tanh()))
    with pytest.raises(NotImplementedError, match="Tanh has no vector-Jacobian"):
        compile_gradient(network, torch.zeros(2, CHANNELS, SIZE, SIZE))


@pytest.mark.slow
def test_outputs_that_are_not_a_matrix_are_refused():
    network = nn.Conv2d(CHANNELS, 4, 3).requires_grad_(False)
    with pytest.raises(NotImplementedError, match=r"Expected outputs \[N, K\]"):
        compile_gradient(network, torch.zeros(2, CHANNELS, SIZE, SIZE))


@pytest.mark.slow
def test_broadcasting_is_refused():
    def multiply_by_mean(x: Tensor) -> Tensor:
        return (x * x.mean((2, 3), keepdim=True)).mean((2, 3))

    with pytest.raises(NotImplementedError, match="Multiply with broadcasting"):
        compile_gradient(multiply_by_mean, torch.zeros(2, CHANNELS, SIZE, SIZE))


@pytest.mark.slow
def test_outputs_are_copies():
    torch.manual_seed(0)
    network, x = make_network(nn.ReLU()), torch.randn(2, CHANNELS, SIZE, SIZE)
    gradient, weights = compile_gradient(network, x), np.ones(3, np.float32)
    first = gradient(x.numpy(), weights)
    copies = [array.copy() for array in first]
    gradient(-x.numpy(), -weights)
    assert all((a == b).all() for a, b in zip(first, copies, strict=True))
