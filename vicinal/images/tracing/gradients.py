"""A network that is asked for many numbers and slopes: by torch, or on OpenVINO.

Torch takes what it computes back step by step. Where every channel is filtered by
itself (MobileNets), OpenVINO, which makes one operation of several, takes half the time
(`core.chain_rule`); where the products are large ones it does not. Which is faster is
tried. Both are float32 and say the same but for rounding.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.core.compute import openvino as inference
from vicinal.core.compute.openvino_gradients import slope_on_openvino
from vicinal.images.networks.base import Network
from vicinal.images.tracing.target import Target
from vicinal.images.tracing.trace import answering

BATCH = 16
"""pictures at a time: more of them leave the processor's cache"""

PAIR = 2
"""pictures at a time on OpenVINO, where more are no faster; few are to be made up"""


class ValueAndGradient(Protocol):
    """A network that tells a target's numbers, and which way they grow."""

    def values(self, x: Tensor, target: Target) -> Tensor:
        """The target's number F [N] for pictures x [N, C, H, W]."""
        ...

    def slopes(self, x: Tensor, target: Target) -> tuple[Tensor, Tensor]:
        """F [N], and dF / dx [N, C, H, W]."""
        ...


class TorchGradients:
    """A network as it is, in the number format of its weights."""

    def __init__(self, network: nn.Module, still: nn.Module | None = None) -> None:
        """still: the same network for answers alone, where that is another."""
        self.network, self.still = network, still or network

    @torch.no_grad()
    def values(self, x: Tensor, target: Target) -> Tensor:
        last = torch.channels_last
        told = [
            target(self.still(some.contiguous(memory_format=last)))
            for some in x.split(BATCH)
        ]
        return torch.cat(told)

    @torch.enable_grad()
    def slopes(self, x: Tensor, target: Target) -> tuple[Tensor, Tensor]:
        values, found = [], []
        for some in x.split(BATCH):
            some = some.contiguous(memory_format=torch.channels_last).requires_grad_()
            y = target(self.network(some))
            found += torch.autograd.grad(y.sum(), some)
            values.append(y.detach())
        return torch.cat(values), torch.cat(found)


class OpenVinoGradients:
    """A network up to its embedding on OpenVINO; the head is one row of weights."""

    def __init__(self, network: Network, example: Tensor) -> None:
        """example: pictures [PAIR, C, H, W]. LookupError where a step has no rule."""
        slope = slope_on_openvino(network.embed, example)
        if slope is None:
            raise LookupError("a step of this network has no rule")
        self.slope, self.head = slope, network.head
        self.embed = inference.on_openvino(network.embed, example, "float32")

    def values(self, x: Tensor, target: Target) -> Tensor:
        told = [self.embed(some.numpy()) for some in x.contiguous().split(BATCH)]
        z = torch.from_numpy(np.concatenate(told))
        with torch.no_grad():
            return target(self.head(z))

    def slopes(self, x: Tensor, target: Target) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            weights = target(self.head.weight.T).numpy()  # [D], a feature each
            shift = float(target(self.head.bias[None]))
        values, found = [], []
        for some in x.contiguous().split(PAIR):
            n = len(some)
            whole = torch.cat([some, some[-1:].expand(PAIR - n, -1, -1, -1)])
            y, slope = self.slope(whole.numpy(), weights)
            values.append(torch.from_numpy(y[:n]) + shift)
            found.append(torch.from_numpy(slope[:n]))
        return torch.cat(values), torch.cat(found)


@contextlib.contextmanager
def asked_of(network: nn.Module | ValueAndGradient) -> Iterator[ValueAndGradient]:
    """A network ready to be asked; one that learns answers meanwhile."""
    if not isinstance(network, nn.Module):
        yield network
        return
    with answering(network):
        yield TorchGradients(network)


def fastest(
    plain: TorchGradients, network: Network, example: Tensor
) -> ValueAndGradient:
    """The one that is sooner with the slopes of a batch [BATCH, C, H, W], here."""
    if not inference.is_installed() or example.device.type != "cpu":
        return plain
    try:
        other = OpenVinoGradients(network, example[:PAIR])
    except (LookupError, RuntimeError):  # OpenVINO refuses with RuntimeError
        return plain
    target = Target("", 0)
    return min((plain, other), key=lambda asked: _seconds(asked, example, target))


def _seconds(asked: ValueAndGradient, x: Tensor, target: Target) -> float:
    """Of the slopes of a batch, the second time."""
    asked.slopes(x, target)
    started_at = time.perf_counter()
    asked.slopes(x, target)
    return time.perf_counter() - started_at
