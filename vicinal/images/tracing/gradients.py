"""Values and input gradients of a target, by torch or by OpenVINO.

For networks of depthwise convolutions (MobileNets) OpenVINO is faster on a CPU, because
it fuses operations (`core.compute.openvino_gradients`); for others torch can be. The
faster one is measured. Both compute in float32 and differ by rounding only.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.core.compute.openvino import (
    compile_with_openvino,
    is_installed,
    is_lost,
)
from vicinal.images.networks.base import Network
from vicinal.images.tracing.target import Target
from vicinal.images.tracing.trace import eval_mode

BATCH = 16
"""images per batch; larger batches exceed the CPU cache"""

OPENVINO_BATCH = 2
"""images per batch of gradients on OpenVINO, where larger batches are not faster; the
last batch is padded to this size"""


class ValueAndGradient(Protocol):
    """A network that returns a target F and dF/dx."""

    def values(self, x: Tensor, target: Target) -> Tensor:
        """Return F [N] for images x [N, C, H, W]."""
        ...

    def values_and_gradients(self, x: Tensor, target: Target) -> tuple[Tensor, Tensor]:
        """Return F [N] and dF/dx [N, C, H, W]."""
        ...


class TorchGradients:
    """Torch in channels-last batches, in the dtype of the network's weights."""

    def __init__(
        self, network: nn.Module, forward_network: nn.Module | None = None
    ) -> None:
        """forward_network: an equivalent network to compute values; None: the same."""
        self.network, self.forward_network = network, forward_network or network

    @torch.no_grad()
    def values(self, x: Tensor, target: Target) -> Tensor:
        batches = [
            target(
                self.forward_network(b.contiguous(memory_format=torch.channels_last))
            )
            for b in x.split(BATCH)
        ]
        return torch.cat(batches)

    @torch.enable_grad()
    def values_and_gradients(self, x: Tensor, target: Target) -> tuple[Tensor, Tensor]:
        values, gradients = [], []
        for batch in x.split(BATCH):
            batch = batch.contiguous(memory_format=torch.channels_last).requires_grad_()
            y = target(self.network(batch))
            gradients += torch.autograd.grad(y.sum(), batch)
            values.append(y.detach())
        return torch.cat(values), torch.cat(gradients)


class OpenVinoGradients:
    """OpenVINO for the network up to its embedding, which the head maps linearly."""

    def __init__(self, network: Network, example: Tensor) -> None:
        """example: images [OPENVINO_BATCH, C, H, W].

        RuntimeError (NotImplementedError included) if OpenVINO cannot run the network
        or an operation has no vector-Jacobian product.
        """
        # imports openvino, which is optional
        from vicinal.core.compute.openvino_gradients import compile_gradient

        self.head = network.head
        self.gradient = compile_gradient(network.embed, example)
        self.embed = compile_with_openvino(network.embed, example, "float32")

    @torch.no_grad()
    def values(self, x: Tensor, target: Target) -> Tensor:
        batches = [self.embed(b.numpy()) for b in x.contiguous().split(BATCH)]
        return target(self.head(torch.from_numpy(np.concatenate(batches))))

    @torch.no_grad()
    def values_and_gradients(self, x: Tensor, target: Target) -> tuple[Tensor, Tensor]:
        # F = w^T z + b for the embedding z
        weights = target(self.head.weight.T).numpy()
        bias = float(target(self.head.bias[None]))
        values, gradients = [], []
        for batch in x.contiguous().split(OPENVINO_BATCH):
            n = len(batch)
            padding = batch[-1:].expand(OPENVINO_BATCH - n, -1, -1, -1)
            y, gradient = self.gradient(torch.cat([batch, padding]).numpy(), weights)
            values.append(torch.from_numpy(y[:n]) + bias)
            gradients.append(torch.from_numpy(gradient[:n]))
        return torch.cat(values), torch.cat(gradients)


def select_fastest(
    torch_gradients: TorchGradients, network: Network, example: Tensor
) -> ValueAndGradient:
    """Return OpenVINO's gradients of a network if they are faster, else torch's.

    example: images [BATCH, C, H, W] to measure with.
    """
    if is_lost() or not is_installed() or example.device.type != "cpu":
        return torch_gradients
    try:
        openvino_gradients = OpenVinoGradients(network, example[:OPENVINO_BATCH])
    except RuntimeError:
        return torch_gradients
    candidates = torch_gradients, openvino_gradients
    return min(candidates, key=lambda function: _measure_seconds(function, example))


def _measure_seconds(function: ValueAndGradient, x: Tensor) -> float:
    """Return the seconds for the gradients of a batch, after a warm-up."""
    target = Target("", 0)
    function.values_and_gradients(x, target)
    started_at = time.perf_counter()
    function.values_and_gradients(x, target)
    return time.perf_counter() - started_at


@contextlib.contextmanager
def as_value_and_gradient(
    network: nn.Module | ValueAndGradient,
) -> Iterator[ValueAndGradient]:
    """Yield `network` as a ValueAndGradient; a module is in eval mode meanwhile."""
    if not isinstance(network, nn.Module):
        yield network
        return
    with eval_mode(network):
        yield TorchGradients(network)
