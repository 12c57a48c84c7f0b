"""What the tests of the networks share: the real data, and a way to build quickly."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from vicinal.images.networks import build
from vicinal.images.networks.base import Network

SHARED = Path(__file__).parents[3].parent / "shared"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors gain nothing from threads, which starve on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def shared() -> Path:
    """The folder of real data and weights that may lie beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip(f"the real data and weights are not there: {SHARED.name}/")
    return SHARED


@pytest.fixture
def meta_network() -> Callable[..., Network]:
    """Build a network without memory for its numbers: shapes only, at once."""

    def make(name: str, **settings) -> Network:
        with torch.device("meta"):
            return build(name, **settings)

    return make


@pytest.fixture
def eval_network() -> Callable[..., Network]:
    """Build a network for prediction, with lively batch norms, the same every time."""

    def make(name: str, **settings) -> Network:
        torch.manual_seed(0)
        network = build(name, **settings).eval()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.0)
                nn.init.uniform_(module.bias, -0.1, 0.1)
        return network

    return make


@pytest.fixture
def shapes() -> Callable[[nn.Module], dict[str, tuple[int, ...]]]:
    """The state dict's names, each with its shape."""

    def read(network: nn.Module) -> dict[str, tuple[int, ...]]:
        state: dict[str, Tensor] = network.state_dict()
        return {name: tuple(tensor.shape) for name, tensor in state.items()}

    return read
