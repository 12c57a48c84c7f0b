"""Linear heads, networks and names as tensors of a model file."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.core.storage.checkpoint import Tensors, with_prefix
from vicinal.core.training.linear_head import Head

Network = TypeVar("Network", bound=nn.Module)


def head_tensors(name: str, head: Head) -> Tensors:
    """Return the weights and bias of a linear head as tensors `name.*`."""
    arrays = {"weights": head.weights, "bias": head.bias}
    return {
        f"{name}.{key}": torch.from_numpy(np.ascontiguousarray(array))
        for key, array in arrays.items()
    }


def restore_head(name: str, tensors: Tensors, penalty: float) -> Head:
    """Return the head whose tensors `head_tensors` made."""
    weights, bias = tensors[f"{name}.weights"], tensors[f"{name}.bias"]
    return Head(weights.numpy(), bias.numpy(), penalty)


def network_tensors(network: nn.Module, name: str = "network") -> Tensors:
    """Return the weights and statistics of a network as tensors `name.*`."""
    return {f"{name}.{key}": value for key, value in network.state_dict().items()}


def restore_network(
    network: Network, tensors: Tensors, name: str = "network"
) -> Network:
    """Load the tensors that `network_tensors` made; return the network in eval mode."""
    network.load_state_dict(with_prefix(name, tensors))
    return network.eval()


def encode_names(names: Sequence[str] | np.ndarray) -> Tensor:
    """Return texts as one tensor of bytes: UTF-8, separated by zeros."""
    data = bytearray("\0".join(names).encode())
    return torch.frombuffer(data, dtype=torch.uint8) if data else torch.empty(0).byte()


def decode_names(tensor: Tensor) -> np.ndarray:
    """Return the texts that `encode_names` made."""
    texts = tensor.numpy().tobytes().decode().split("\0")
    return np.array(texts, dtype=object)
