"""What the tests of images share: networks, layers and CSV tables."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vicinal.images.networks import build
from vicinal.images.networks.base import Network

CASES: dict[str, tuple[str, int, int, dict[str, Any]]] = {
    "dense": ("dense", 12, 1, {}),
    "small": ("small", 33, 3, {}),
    "small-strided": ("small", 70, 3, {}),
    "lenet5": ("lenet5", 28, 1, {}),
    "resnet20": ("resnet20", 30, 3, {}),
    "resnet18": ("resnet18", 65, 3, {}),
    "resnet50": ("resnet50", 64, 3, {}),
    "mobilenet_v2": ("mobilenet_v2", 64, 3, {}),
    "mobilenet_v2-tensorflow": ("mobilenet_v2", 50, 3, {"padding": "tensorflow"}),
    "convnext_atto": ("convnext_atto", 64, 3, {}),
}
"""name, pixels, channels, and what `build` takes besides; VGG-11, whose 500 MB take
long to draw, is among the slow tests"""


def made(case: str, dtype: torch.dtype = torch.float32) -> tuple[Network, Tensor]:
    """A network and a picture for it: scales, shifts and statistics are drawn."""
    name, size, channels, options = CASES.get(case) or (case, 32, 3, {})
    torch.manual_seed(0)
    network = build(
        name, num_classes=5, in_channels=channels, image_size=size, **options
    )
    network.to(dtype)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1 or parameter.shape[1:] == (1, 1):
                parameter.copy_(1 + torch.randn_like(parameter) / 2)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
    return network, torch.randn(channels, size, size, dtype=dtype)


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "dilated": lambda: nn.Conv2d(4, 6, 3, dilation=2, padding=2),
    "grouped": lambda: nn.Conv2d(4, 6, 3, groups=2, padding=1, stride=2),
    "uneven": lambda: nn.Conv2d(4, 6, (1, 5), stride=(2, 1), padding=(0, 2)),
    "same": lambda: nn.Conv2d(4, 6, (3, 5), padding="same"),
    "valid": lambda: nn.Conv2d(4, 6, 3, padding="valid"),
    "edge": lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="replicate"),
    "reflect": lambda: nn.Conv2d(4, 6, 5, padding=2, padding_mode="reflect"),
    "circular": lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"),
    "max pool": lambda: nn.MaxPool2d(3, stride=2, padding=1, dilation=2),
    "average pool": lambda: nn.AvgPool2d(3, stride=2, padding=1),
    "average of what is there": lambda: nn.AvgPool2d(
        3, padding=1, count_include_pad=False
    ),
    "adaptive": lambda: nn.AdaptiveAvgPool2d((3, 5)),
    "plain norm": lambda: nn.BatchNorm2d(4, affine=False),
    "sigmoid": lambda: nn.Sigmoid(),
    "silu": lambda: nn.SiLU(),
}
"""layers as no architecture here has them"""


@pytest.fixture(params=CASES)
def architecture(request) -> str:
    """A case of `network_of`."""
    return request.param


@pytest.fixture
def network_of() -> Callable[..., tuple[Network, Tensor]]:
    """Gives a network and a picture for it, by case and number format."""
    return made


@pytest.fixture(params=LAYERS)
def layer(request) -> nn.Module:
    """A layer of four channels in."""
    torch.manual_seed(0)
    return LAYERS[request.param]()


@pytest.fixture
def csv(tmp_path):
    def write(text: str, name: str = "table.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write
