"""What tests of completions and of their models share."""

from collections.abc import Callable

import pytest
import torch

from vicinal.knowledge.models.path_network import PathNetwork


@pytest.fixture(scope="session")
def random_network() -> Callable[..., PathNetwork]:
    """Return a function of relations, layers and dim that makes a random network."""

    def make(num_relations: int, layers: int = 3, dim: int = 4) -> PathNetwork:
        network = PathNetwork(2 * num_relations, dim, layers)
        generator = torch.Generator().manual_seed(layers)
        network.reset_parameters(generator)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
        return network

    return make
